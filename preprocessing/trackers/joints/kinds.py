"""The names of trackers and joint sets, for the command line; it needs nothing else."""

from __future__ import annotations

import re

TITLES = {
    "azure": "Azure Kinect, Orbbec Femto: k4abt JSON",
    "zed": "ZED SDK body tracking: JSON of 18, 34 or 38 joints",
    "mediapipe": "MediaPipe world landmarks: CSV or array",
    "csv": "any table of named joints",
    "trc": "OpenSim, Pose2Sim, OpenCap: TRC",
    "bvh": "motion capture: BVH",
    "mmpose": "MMPose 3D predictions: JSON, 17 joints",
    "h36m": "17 joints of Human3.6M, MotionBERT: array",
    "smpl": "22 joints of SMPL, HumanML3D: array",
    "kinect-v1": "Kinect v1, 20 joints: CSV, array or text",
    "movement": "movement: netCDF",
    "array": "joints of a Kinect v2 or another tracker: array",
    "jsonl": "JSON lines, a frame a line",
    "c3d": "motion capture: C3D, needs smie-pipe[mocap]",
}
"""What can be read, by name."""

WRITABLE = (
    "azure", "zed-18", "zed-34", "zed-38", "mediapipe", "csv", "trc", "bvh", "mmpose", "h36m",
    "smpl", "kinect-v1", "movement", "array", "jsonl",
)  # fmt: skip
"""What ``simulate --as`` writes."""

JOINT_SETS = (
    "azure-32", "zed-18", "zed-34", "zed-38", "mediapipe-33", "h36m-17", "smpl-22",
    "kinect-v1-20", "kinect-v2-25",
)  # fmt: skip
"""The sets of joints in ``data/tracker_skeletons.json``."""

NAMED_AXES = {"y-up": "x,y,z", "z-up": "x,z,-y", "y-down": "-x,-y,z"}
"""Right-handed frames by the axis that points up (y-down: images, and a Kinect's own camera)."""
_SIGNED = re.compile(r"\s*([+-]?)([xyz])\s*")


def parse_axes(text: str) -> list[tuple[int, str]] | None:
    """Return (sign, letter) of the file's axes that x, y (up) and z come from.

    ``text`` is one of `NAMED_AXES` or three signed letters, as in ``x,z,-y``; None where it is
    neither.

    >>> parse_axes("z-up")
    [(1, 'x'), (1, 'z'), (-1, 'y')]
    """
    matches = [_SIGNED.fullmatch(part) for part in NAMED_AXES.get(text, text).lower().split(",")]
    axes = [(-1 if match[1] == "-" else 1, match[2]) for match in matches if match]
    return axes if len(matches) == 3 and sorted(a for _, a in axes) == ["x", "y", "z"] else None


def axes_fault(text: str) -> str:
    """Return the sentence that refuses axes that are none."""
    return (
        f"axes {text!r}: expected {', '.join(NAMED_AXES)}, or three signed letters such as x,z,-y "
        f"that say where x, y (up) and z come from, each of x, y, z once"
    )
