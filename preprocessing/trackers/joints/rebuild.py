"""The one rule that makes the 25 joints of a Kinect v2 out of any tracker's joints.

Trackers put joints of one name at different places: Azure's NECK lies 16 cm above its CHEST,
which by name would be ``spine_shoulder``. So the trunk is rebuilt from hips and shoulders, which
all trackers agree on; limbs are copied; hands and feet are drawn in to where a v2 has them. With
h the middle of the hips and u the way from there to the middle of the shoulders::

    spine_base     = h - 0.02 u
    spine_shoulder = h + 1.07 u
    spine_mid      = spine_base + 0.573 (spine_shoulder - spine_base)
    neck           = spine_shoulder + 0.35 (head - spine_shoulder)

These numbers are medians over 2,209 bodies in 21 real recordings of a Kinect v2. What a tracker
does not report at all is made up, and marked so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.trackers.joints.skeletons import SIDES, Skeleton, Weights

MEASURED, INFERRED, MADE_UP = 2, 1, 0  # the tracking states of a Kinect v2

SPINE_BASE = -0.02
SPINE_SHOULDER = 1.07
SPINE_MID = 0.573
NECK = 0.35
HEAD = 1.47
"""Where a head that nobody saw is put: h + 1.47 u."""
HAND, HAND_TIP = 0.25, 0.50
"""Absent hands go on along the forearm by these parts of its length."""
TIP_PAST_HAND = 1.55
"""A tip beyond a hand that was seen: wrist + 1.55 (hand - wrist), as 0.48 is to 0.31."""
FOOT = 0.32
"""Absent feet point to the body's front by this part of the shank."""
HANGING = (
    ("elbow", "shoulder", 0.62),
    ("wrist", "elbow", 0.56),
    ("knee", "hip", 0.90),
    ("ankle", "knee", 0.90),
)
"""Limbs that nobody saw hang straight down, by these parts of |u|: those of an adult of 1.70 m."""
CORE = tuple(JOINTS.index(f"{limb}_{side}") for limb in ("shoulder", "hip") for side in SIDES)
UP = np.array([0.0, 1.0, 0.0])

Array = NDArray[np.float64]


def rebuild(xyz: Array, skeleton: Skeleton) -> tuple[Array, NDArray[np.uint8]]:
    """Return the 25 joints of a Kinect v2 and how well each is known.

    Parameters
    ----------
    xyz
        The tracker's joints (B, J, 3), y up; NaN is missing.
    skeleton
        What the joints are.

    Returns
    -------
    joints
        (B, 25, 3) in the same unit. All NaN where a hip or a shoulder is missing: nothing can be
        rebuilt without them. Otherwise nothing is NaN.
    state
        uint8 (B, 25): 2 measured (a joint of the tracker, unchanged), 1 inferred (computed from
        several), 0 made up (by proportion alone).
    """
    body = np.full((len(xyz), len(JOINTS), 3), np.nan)
    state = np.zeros((len(xyz), len(JOINTS)), np.uint8)
    for place, weights in skeleton.points.items():
        joint = JOINTS.index(place)
        body[:, joint] = weighted_sum(xyz, weights)
        known = ~np.isnan(body[:, joint, 0])
        state[known, joint] = MEASURED if place in skeleton.copied else INFERRED
    _rebuild_trunk(body, state)
    _make_up_limbs(body, state)
    lost = np.isnan(body[:, CORE, 0]).any(axis=1)
    body[lost], state[lost] = np.nan, MADE_UP
    return body, state


def weighted_sum(xyz: Array, weights: Weights) -> Array:
    """Return the weighted sum (B, 3) of some of the joints (B, J, 3); NaN where one is."""
    total = np.zeros((len(xyz), 3))
    for joint, weight in weights.items():
        total += weight * xyz[:, joint]
    return total


def trunk(body: Array) -> tuple[Array, Array]:
    """Return the middle of the hips h and the way u from it to that of the shoulders, (B, 3)."""
    shoulders, hips = (_both(body, limb).mean(axis=1) for limb in ("shoulder", "hip"))
    return hips, shoulders - hips


def _rebuild_trunk(body: Array, state: NDArray[np.uint8]) -> None:
    h, u = trunk(body)
    base, top = h + SPINE_BASE * u, h + SPINE_SHOULDER * u
    _fill(body, state, "spine_base", base, INFERRED)
    _fill(body, state, "spine_shoulder", top, INFERRED)
    _fill(body, state, "spine_mid", base + SPINE_MID * (top - base), INFERRED)
    _fill(body, state, "head", h + HEAD * u, MADE_UP)
    top, head = _at(body, "spine_shoulder"), _at(body, "head")
    seen = state[:, JOINTS.index("head")] > MADE_UP
    _fill(body, state, "neck", top + NECK * (head - top), np.where(seen, INFERRED, MADE_UP))


def _make_up_limbs(body: Array, state: NDArray[np.uint8]) -> None:
    size = np.linalg.norm(trunk(body)[1], axis=-1, keepdims=True)
    front = _front(body)
    for side in SIDES:
        for outer, inner, part in HANGING:
            place = _at(body, f"{inner}_{side}") - part * size * UP
            _fill(body, state, f"{outer}_{side}", place, MADE_UP)
        elbow, wrist = _at(body, f"elbow_{side}"), _at(body, f"wrist_{side}")
        hand_seen = state[:, JOINTS.index(f"hand_{side}"), None] > MADE_UP
        tip = wrist + TIP_PAST_HAND * (_at(body, f"hand_{side}") - wrist)
        tip = np.where(hand_seen, tip, wrist + HAND_TIP * (wrist - elbow))
        _fill(body, state, f"hand_{side}", wrist + HAND * (wrist - elbow), MADE_UP)
        _fill(body, state, f"hand_tip_{side}", tip, MADE_UP)
        _fill(body, state, f"thumb_{side}", _at(body, f"hand_{side}"), MADE_UP)
        knee, ankle = _at(body, f"knee_{side}"), _at(body, f"ankle_{side}")
        shank = np.linalg.norm(knee - ankle, axis=-1, keepdims=True)
        _fill(body, state, f"foot_{side}", ankle + FOOT * shank * front, MADE_UP)


def _front(body: Array) -> Array:
    """Return where the front is, by the shoulders: unit vectors (B, 3), level; zero if unknown."""
    line = _at(body, "shoulder_left") - _at(body, "shoulder_right")
    front = np.cross(line, UP)
    return front / np.maximum(np.linalg.norm(front, axis=-1, keepdims=True), 1e-9)


def _at(body: Array, name: str) -> Array:
    return body[:, JOINTS.index(name)]


def _both(body: Array, limb: str) -> Array:
    return body[:, [JOINTS.index(f"{limb}_{side}") for side in SIDES]]


def _fill(
    body: Array, state: NDArray[np.uint8], name: str, place: Array, known: int | NDArray
) -> None:
    """Put a joint where it is missing, and mark how well it is known there."""
    joint = JOINTS.index(name)
    missing = np.isnan(body[:, joint]).any(axis=-1)
    body[missing, joint] = place[missing]
    state[missing, joint] = np.broadcast_to(known, missing.shape)[missing]
