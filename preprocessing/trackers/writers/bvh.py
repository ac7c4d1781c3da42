"""BVH with the names of a Mixamo rig, in centimetres."""

from __future__ import annotations

import numpy as np

from smie_pipe.preprocessing.trackers.joints.recording import TrackedRecording
from smie_pipe.preprocessing.trackers.writers.tables import first_body

TREE: dict[str, tuple[str, ...]] = {
    "Hips": ("Spine", "LeftUpLeg", "RightUpLeg"),
    "Spine": ("Spine1",),
    "Spine1": ("Neck", "LeftShoulder", "RightShoulder"),
    "Neck": ("Head",),
    **{
        f"{side}{bone}": (f"{side}{next_bone}",)
        for side in ("Left", "Right")
        for bone, next_bone in (
            ("Shoulder", "Arm"),
            ("Arm", "ForeArm"),
            ("ForeArm", "Hand"),
            ("UpLeg", "Leg"),
            ("Leg", "Foot"),
            ("Foot", "ToeBase"),
        )
    },
}
"""What hangs on each joint; ``LeftShoulder`` is the clavicle, ``LeftArm`` the shoulder."""


def names() -> list[str]:
    """Return the joints in the order of the file, the root first."""
    order: list[str] = []

    def visit(joint: str) -> None:
        order.append(joint)
        for child in TREE.get(joint, ()):
            visit(child)

    visit("Hips")
    return order


def write_bvh(recording: TrackedRecording) -> bytes:
    """Return a BVH of the first body: each joint's place against its parent, no turns.

    A frame without the body repeats the one before: the format has no way to leave one out.
    """
    assert recording.seconds is not None
    order = names()
    xyz = 100.0 * _without_gaps(first_body(recording))
    parent = {child: joint for joint, children in TREE.items() for child in children}
    local = [
        xyz[:, n] - (xyz[:, order.index(parent[joint])] if joint in parent else 0.0)
        for n, joint in enumerate(order)
    ]
    steps = np.diff(recording.seconds)
    lines = ["HIERARCHY", *_hierarchy("Hips", 0), "MOTION", f"Frames: {len(xyz)}"]
    lines.append(f"Frame Time: {steps.mean() if len(steps) else 1 / 30:.7f}")
    for row in np.concatenate([np.pad(place, ((0, 0), (0, 3))) for place in local], axis=1):
        lines.append(" ".join(f"{value:.5f}" for value in row))
    return ("\n".join(lines) + "\n").encode()


def _hierarchy(joint: str, depth: int) -> list[str]:
    pad = "  " * depth
    channels = "Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    lines = [f"{pad}{'JOINT' if depth else 'ROOT'} mixamorig:{joint}", pad + "{"]
    lines += [f"{pad}  OFFSET 0.0 0.0 0.0", f"{pad}  CHANNELS 6 {channels}"]
    for child in TREE.get(joint, ()):
        lines += _hierarchy(child, depth + 1)
    if joint not in TREE:
        lines += [f"{pad}  End Site", pad + "  {", f"{pad}    OFFSET 0.0 0.0 0.0", pad + "  }"]
    return [*lines, pad + "}"]


def _without_gaps(xyz: np.ndarray) -> np.ndarray:
    there = ~np.isnan(xyz).any(axis=(1, 2))
    if not there.any():
        return np.zeros_like(xyz)
    last = np.maximum.accumulate(np.where(there, np.arange(len(xyz)), -1))
    last[last < 0] = int(np.argmax(there))
    return xyz[last]
