"""2D poses lifted to 3D by MMPose: ``predictions/NAME.json`` of its 3D inferencer, 17 joints.

MMPose saves (-x, z, -y) of the camera, a left-handed triple with z up, in about metres, its lowest
point at 0. The file tells no frame rate.
"""

from __future__ import annotations

from typing import Any

from smie_pipe.preprocessing.trackers.joints.recording import (
    LIFT_FIRST,
    Collected,
    TrackedRecording,
    TrackerFormatError,
    triples,
)
from smie_pipe.preprocessing.trackers.joints.skeletons import skeleton
from smie_pipe.preprocessing.trackers.readers.json_text import field, load_json, whole

AXES = ("x,z,y",)
NAME = "h36m-17"


def recognises(name: str, head: bytes) -> bool:
    """Return whether the start of a file is of this kind."""
    return name.endswith(".json") and (b'"instance_info"' in head or b'"instances"' in head)


def read(data: bytes, path: str) -> TrackedRecording:
    """Return the bodies in such a file; without ``track_id`` they are numbered by place.

    Raises
    ------
    TrackerFormatError
        If it has another form, or its joints have two numbers.
    """
    document = load_json(data, path)
    frames = document
    if isinstance(document, dict):
        frames = field(document, "instance_info", list, path, "")
    if not isinstance(frames, list):
        raise TrackerFormatError(path, "", "a list of frames", type(frames).__name__)
    known = skeleton(NAME)
    found = Collected(len(known.joints))
    for number, frame in enumerate(frames):
        where = f"frame {number + 1} of {len(frames)}"
        for place, body in enumerate(field(frame, "instances", list, path, where)):
            joints = _keypoints(body, path, where)
            body_id = body.get("track_id", place)
            body_id = place if body_id is None else whole(body_id, "track_id", path, where)
            found.add(number, body_id, triples(joints, (len(known.joints),), path, where))
    frame_, body_ids, xyz = found.columns()
    return TrackedRecording(
        path, "mmpose", known, len(frames), None, frame_, body_ids, xyz, "?", AXES
    )


def _keypoints(body: Any, path: str, where: str) -> Any:
    joints = field(body, "keypoints", list, path, where)
    if joints and isinstance(joints[0], list) and len(joints[0]) == 2:
        raise TrackerFormatError(path, where, "joints in 3D", f"flat ones. {LIFT_FIRST}")
    return joints
