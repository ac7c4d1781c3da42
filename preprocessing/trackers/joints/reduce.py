"""What another tracker would have reported of a body that a Kinect v2 saw.

It serves two ends: to train on just the joints that one will have to recognise from
(`reduced`), and to write every tracker's files from simulated bodies. Joints that the rebuild
rule reads are placed so that it gives the very joint of the Kinect back; all others get a
plausible place, because nothing reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.raw.records import RawBodies
from smie_pipe.preprocessing.trackers.joints.names import plain
from smie_pipe.preprocessing.trackers.joints.rebuild import rebuild
from smie_pipe.preprocessing.trackers.joints.skeletons import INNER, SIDES, Skeleton, skeleton

Array = NDArray[np.float64]

FACE = 0.22
"""Half a head, as a part of the trunk: from its middle to the nose or to an ear."""


def reduced(raw: RawBodies, name: str) -> RawBodies:
    """Return a recording with only what another tracker's joints tell, rebuilt to 25.

    Parameters
    ----------
    raw
        Bodies of a Kinect v2.
    name
        A set of joints of the table, such as ``h36m-17``.

    Returns
    -------
    RawBodies
        The same records. Joints that the other tracker has are unchanged; the rest is as
        `rebuild` infers it or makes it up, and its state says so.

    Raises
    ------
    InputError
        If no such set of joints is known.
    """
    known = skeleton(name)
    with np.errstate(over="ignore", invalid="ignore"):  # a sensor's lost joints may be anything
        xyz, state = rebuild(as_seen_by(raw.xyz, known), known)
    return replace(raw, xyz=xyz, state=np.minimum(state, raw.state))


def reduced_clip(x: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Return a finished clip, or several, with only what another tracker's joints tell.

    Parameters
    ----------
    x
        (..., 3, T, 25, M), metres from ``spine_shoulder``; an absent body is zeros and stays so.
    name
        As in `reduced`.

    Returns
    -------
    NDArray
        Of the same shape, float32, centred anew on the ``spine_shoulder`` that the rule gives.

    Notes
    -----
    Reduced after the recipe instead of before it, feet that are made up differ by millimetres
    where the recipe resampled between two frames; all else is the same, since the rule moves and
    turns with the body.
    """
    known = skeleton(name)
    bodies = np.moveaxis(x, -4, -1).astype(np.float64)  # (..., T, V, M, 3)
    bodies = np.moveaxis(bodies, -2, -4)  # (..., M, T, V, 3)
    flat = bodies.reshape(-1, len(JOINTS), 3)
    body, _ = rebuild(as_seen_by(flat, known), known)
    body -= body[:, [JOINTS.index("spine_shoulder")]]
    body = np.moveaxis(body.reshape(bodies.shape), -4, -2)
    return np.moveaxis(body, -1, -4).astype(np.float32)


def as_seen_by(body: Array, known: Skeleton) -> Array:
    """Return the joints (B, J, 3) of another tracker, from those of a Kinect v2 (B, 25, 3)."""
    at = {name: body[:, number] for number, name in enumerate(JOINTS)}
    out = np.full((len(body), len(known.joints), 3), np.nan)
    for number, joint in enumerate(known.joints):
        out[:, number] = _stand_in(joint, at)
    for place in known.copied:
        out[:, next(iter(known.points[place]))] = at[place]
    for place, weights in known.points.items():
        end, _, side = place.rpartition("_")
        if place not in known.copied and end in INNER:
            _place_end(out, at, place, f"{INNER[end]}_{side}", weights)
    _place_head(out, at, known)
    return out


def _place_end(
    out: Array, at: Mapping[str, Array], place: str, inner: str, weights: Mapping[int, float]
) -> None:
    """Put the joints of a hand or foot where the rule takes this end from."""
    if place.startswith("hand_tip") and len(weights) > 2:
        return  # MediaPipe: the same joints as the hand, which tells more
    start, *ends = weights
    part = sum(weights[joint] for joint in ends)
    out[:, ends] = (at[inner] + (at[place] - at[inner]) / part)[:, None]


def _place_head(out: Array, at: Mapping[str, Array], known: Skeleton) -> None:
    """Put the last of the joints whose weighted sum is the head so that it is."""
    weights = dict(known.points.get("head", {}))
    if len(weights) < 2:
        return
    last = next(reversed(weights))
    share = weights.pop(last)
    rest = sum(weight * out[:, joint] for joint, weight in weights.items())
    out[:, last] = (at["head"] - rest) / share


def _stand_in(joint: str, at: Mapping[str, Array]) -> Array:
    """Return a plausible place for a joint that the rebuild rule may not read."""
    name = plain(joint)
    side = next((s for s in SIDES if s in name), SIDES[0])
    for word, place in _PLACES.items():
        if word in name:
            return place(at, side)
    return at["spine_mid"]


def _front(at: Mapping[str, Array]) -> Array:
    """Return the front of a body, as long as half a head."""
    line = _left(at)
    up = at["spine_shoulder"] - at["spine_base"]
    front = np.cross(line, up)
    length = np.linalg.norm(front, axis=-1, keepdims=True)
    return front / np.maximum(length, 1e-9) * np.linalg.norm(line, axis=-1, keepdims=True)


def _left(at: Mapping[str, Array]) -> Array:
    """Return the way to the body's left, as long as half a head."""
    line = at["shoulder_left"] - at["shoulder_right"]
    size = np.linalg.norm(at["spine_shoulder"] - at["spine_base"], axis=-1, keepdims=True)
    return FACE * size * line / np.maximum(np.linalg.norm(line, axis=-1, keepdims=True), 1e-9)


def _sideways(at: Mapping[str, Array], side: str) -> Array:
    return _left(at) if side == "left" else -_left(at)


Place = Callable[[Mapping[str, Array], str], Array]
_PLACES: dict[str, Place] = {  # by the first of these words that a joint's name holds
    "nose": lambda at, side: at["head"] + _front(at),
    "neckbase": lambda at, side: at["head"] + _front(at),  # Human3.6M's ninth: the face
    "eye": lambda at, side: at["head"] + 0.9 * _front(at) + 0.4 * _sideways(at, side),
    "ear": lambda at, side: at["head"] + _sideways(at, side),
    "mouth": lambda at, side: at["head"] + 0.9 * _front(at) + 0.3 * _sideways(at, side),
    "clavicle": lambda at, side: (at["spine_shoulder"] + at[f"shoulder_{side}"]) / 2,
    "collar": lambda at, side: (at["spine_shoulder"] + at[f"shoulder_{side}"]) / 2,
    "heel": lambda at, side: at[f"ankle_{side}"] - 0.3 * _front(at),
    "toe": lambda at, side: at[f"foot_{side}"],
    "foot": lambda at, side: at[f"foot_{side}"],
    "hand": lambda at, side: at[f"hand_{side}"],
    "neck": lambda at, side: at["neck"],
    "head": lambda at, side: at["head"],
    "thorax": lambda at, side: at["spine_shoulder"],
    "chest": lambda at, side: (at["spine_mid"] + at["spine_shoulder"]) / 2,
    "spine3": lambda at, side: (at["spine_mid"] + at["spine_shoulder"]) / 2,
    "pelvis": lambda at, side: at["spine_base"],
    "root": lambda at, side: at["spine_base"],
    "hips": lambda at, side: at["spine_base"],
}
