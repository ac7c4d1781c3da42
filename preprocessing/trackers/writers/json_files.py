"""Azure Kinect, ZED and MMPose JSON, and JSON lines."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from smie_pipe.preprocessing.trackers.joints.orientation import axes_matrix
from smie_pipe.preprocessing.trackers.joints.recording import TrackedRecording

EPOCH_MS = 1_700_000_000_000  # where ZED's clock stands when a recording begins


def write_azure(recording: TrackedRecording) -> bytes:
    """Return what ``k4abt_offline_processor`` writes; the unit is millimetres."""
    frames = [
        {
            "timestamp_usec": round(1e6 * second),
            "frame_id": number,
            "num_bodies": len(bodies),
            "bodies": [
                {
                    "body_id": body_id,
                    "joint_positions": joints,
                    "joint_orientations": [[1.0, 0.0, 0.0, 0.0]] * len(joints),
                }
                for body_id, joints in bodies
            ],
        }
        for number, (second, bodies) in enumerate(_frames(recording, "-x,-y,z", 1000.0))
    ]
    document = {
        "k4abt_sdk_version": "1.1.2",
        "source_file": "simulated.mkv",
        "joint_names": list(recording.skeleton.joints),
        "bone_list": [],
        "frames": frames,
    }
    return json.dumps(document).encode()


def write_zed(recording: TrackedRecording) -> bytes:
    """Return what the ZED SDK's sample writes: metres, ``RIGHT_HANDED_Y_UP``, bare NaN."""
    document = {}
    for second, bodies in _frames(recording, "-x,y,-z", 1.0):
        document[str(EPOCH_MS + round(1e3 * second))] = {
            "is_new": True,
            "is_tracked": bool(bodies),
            "timestamp": EPOCH_MS * 1_000_000 + round(1e9 * second),
            "body_list": [
                {
                    "id": body_id,
                    "tracking_state": "OK",
                    "keypoint": joints,
                    "keypoint_confidence": [90.0] * len(joints),
                }
                for body_id, joints in bodies
            ],
        }
    return json.dumps(document).encode()


def write_mmpose(recording: TrackedRecording) -> bytes:
    """Return the predictions of MMPose's 3D inferencer: a left-handed triple, z up, no clock."""
    info = [
        {
            "frame_id": number,
            "instances": [
                {
                    "track_id": body_id,
                    "keypoints": joints,
                    "keypoint_scores": [0.9] * len(joints),
                }
                for body_id, joints in bodies
            ],
        }
        for number, (_, bodies) in enumerate(_frames(recording, "x,z,y", 1.0))
    ]
    return json.dumps({"meta_info": {"dataset_name": "h36m"}, "instance_info": info}).encode()


def write_lines(recording: TrackedRecording) -> bytes:
    """Return JSON lines of any known set of joints, in metres, y up."""
    head = {"format": recording.skeleton.name, "unit": "m", "axes": "y-up"}
    lines = [json.dumps(head)]
    for second, bodies in _frames(recording, "y-up", 1.0):
        people = [{"id": body_id, "joints": joints} for body_id, joints in bodies]
        lines.append(json.dumps({"t": round(second, 6), "bodies": people}))
    return ("\n".join(lines) + "\n").encode()


def _frames(
    recording: TrackedRecording, axes: str, per_metre: float
) -> list[tuple[float, list[tuple[int, Any]]]]:
    """Return (second, [(body, joints as lists), ...]) of each frame, in the file's axes."""
    assert recording.seconds is not None
    there = recording.xyz @ np.linalg.inv(axes_matrix(axes)).T * per_metre
    frames: list[tuple[float, list[tuple[int, Any]]]] = [
        (float(second), []) for second in recording.seconds
    ]
    for frame, body_id, xyz in zip(recording.frame, recording.body_id, there, strict=True):
        frames[int(frame)][1].append((int(body_id), xyz.tolist()))
    return frames
