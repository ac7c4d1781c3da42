"""Tables of named joints: CSV and TRC."""

from __future__ import annotations

import numpy as np

from smie_pipe.preprocessing.trackers.joints.orientation import axes_matrix
from smie_pipe.preprocessing.trackers.joints.recording import TrackedRecording


def write_csv(recording: TrackedRecording, axes: str = "y-up") -> bytes:
    """Return a table ``time,id,NAME_x,NAME_y,NAME_z,NAME_score,...`` in metres."""
    names = recording.skeleton.joints
    heading = ["time", "id", *(f"{n}_{c}" for n in names for c in ("x", "y", "z", "score"))]
    there = recording.xyz @ np.linalg.inv(axes_matrix(axes)).T
    assert recording.seconds is not None
    lines = [",".join(heading)]
    for frame, body_id, xyz in zip(recording.frame, recording.body_id, there, strict=True):
        cells = [f"{recording.seconds[frame]:.6f}", str(body_id)]
        for joint in xyz:
            lost = bool(np.isnan(joint).any())
            cells += [""] * 3 + ["0"] if lost else [*(f"{v:.6f}" for v in joint), "0.9"]
        lines.append(",".join(cells))
    return ("\n".join(lines) + "\n").encode()


def write_mediapipe(recording: TrackedRecording) -> bytes:
    """Return MediaPipe's world landmarks as a table: y down, z away from the camera."""
    return write_csv(recording, "-x,-y,z")


def write_trc(recording: TrackedRecording) -> bytes:
    """Return a TRC file of the first body, in millimetres, y up; gaps are empty cells."""
    names = recording.skeleton.joints
    assert recording.seconds is not None
    frames = recording.frames
    fps = (frames - 1) / recording.seconds[-1] if frames > 1 and recording.seconds[-1] else 30.0
    facts = [f"{fps:.2f}", f"{fps:.2f}", str(frames), str(len(names)), "mm", f"{fps:.2f}", "1"]
    lines = [
        "PathFileType\t4\t(X/Y/Z)\tsimulated.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame",
        "\t".join(facts) + f"\t{frames}",
        "\t".join(["Frame#", "Time", *(cell for n in names for cell in (n, "", ""))]),
        "\t".join(["", "", *(f"{a}{i}" for i in range(1, len(names) + 1) for a in "XYZ")]),
        "",
    ]
    lines[1] += "\tOrigNumFrames"
    for number, body in enumerate(first_body(recording) * 1000.0):
        cells = ["" if np.isnan(v) else f"{v:.4f}" for v in body.ravel()]
        second = recording.seconds[number]
        lines.append("\t".join([str(number + 1), f"{second:.6f}", *cells]))
    return ("\n".join(lines) + "\n").encode()


def first_body(recording: TrackedRecording) -> np.ndarray:
    """Return the body that is there most (T, J, 3), NaN in frames without it."""
    out = np.full((recording.frames, len(recording.skeleton.joints), 3), np.nan)
    if len(recording.body_id):
        ids, counts = np.unique(recording.body_id, return_counts=True)
        own = recording.body_id == ids[counts.argmax()]
        out[recording.frame[own]] = recording.xyz[own]
    return out
