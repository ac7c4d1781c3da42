"""The body a Kinect v2 reports: its 25 joints and the bones between them."""

from __future__ import annotations

JOINTS: tuple[str, ...] = (
    "spine_base",
    "spine_mid",
    "neck",
    "head",
    "shoulder_left",
    "elbow_left",
    "wrist_left",
    "hand_left",
    "shoulder_right",
    "elbow_right",
    "wrist_right",
    "hand_right",
    "hip_left",
    "knee_left",
    "ankle_left",
    "foot_left",
    "hip_right",
    "knee_right",
    "ankle_right",
    "foot_right",
    "spine_shoulder",
    "hand_tip_left",
    "thumb_left",
    "hand_tip_right",
    "thumb_right",
)
"""Joint names in the order of the sensor, of the raw files and of axis ``V``."""

BODIES = 2
"""Bodies of a clip, axis ``M``: the actions known have one person or two."""

SPINE_BASE = JOINTS.index("spine_base")
SPINE_MID = JOINTS.index("spine_mid")
HEAD = JOINTS.index("head")
SHOULDER_LEFT = JOINTS.index("shoulder_left")
SHOULDER_RIGHT = JOINTS.index("shoulder_right")
SPINE_SHOULDER = JOINTS.index("spine_shoulder")

_INWARD = {
    "spine_base": "spine_mid",
    "spine_mid": "spine_shoulder",
    "neck": "spine_shoulder",
    "head": "neck",
    "shoulder_left": "spine_shoulder",
    "elbow_left": "shoulder_left",
    "wrist_left": "elbow_left",
    "hand_left": "wrist_left",
    "shoulder_right": "spine_shoulder",
    "elbow_right": "shoulder_right",
    "wrist_right": "elbow_right",
    "hand_right": "wrist_right",
    "hip_left": "spine_base",
    "knee_left": "hip_left",
    "ankle_left": "knee_left",
    "foot_left": "ankle_left",
    "hip_right": "spine_base",
    "knee_right": "hip_right",
    "ankle_right": "knee_right",
    "foot_right": "ankle_right",
    "hand_tip_left": "thumb_left",
    "thumb_left": "hand_left",
    "hand_tip_right": "thumb_right",
    "thumb_right": "hand_right",
}

BONES: tuple[tuple[int, int], ...] = tuple(
    (JOINTS.index(joint), JOINTS.index(towards)) for joint, towards in _INWARD.items()
)
"""Pairs (joint, its neighbour towards ``spine_shoulder``), as ST-GCN draws NTU's body.

A finger tip hangs on the thumb there, not on the hand, and weights trained elsewhere expect it.
"""

PARENTS: tuple[int, ...] = tuple(dict(BONES).get(joint, joint) for joint in range(len(JOINTS)))
"""For each joint the next one towards ``spine_shoulder``, which is its own parent."""
