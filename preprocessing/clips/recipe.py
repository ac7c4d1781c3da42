"""The 50-frame recipe of SMIE, section 4.2: drop empty frames, centre, resample, turn.

Everything here works on one clip as an array (M, T, V, 3): bodies, frames, joints and x, y, z in
metres; a body that is absent from a frame is NaN there.
"""

from __future__ import annotations

import numpy as np

from smie_pipe.preprocessing.body import (
    BODIES,
    SHOULDER_LEFT,
    SHOULDER_RIGHT,
    SPINE_SHOULDER,
)


def prepare(bodies: np.ndarray, frames: int, turn: str = "recipe") -> np.ndarray:
    """Take a clip through the whole recipe.

    Parameters
    ----------
    bodies
        Positions (M, T, V, 3) with M = 1 or 2, NaN where a body is absent.
    frames
        Length of the result.
    turn
        How the shoulders are brought parallel to x, see `turned`.

    Returns
    -------
    np.ndarray
        (3, frames, V, 2) float32, metres from ``spine_shoulder``; an absent body is zeros.

    Raises
    ------
    ValueError
        If no frame holds a body.
    """
    return prepare_placed(bodies, frames, turn)[0]


PLACE = 4
"""Numbers of a body's place in a frame: x, y, z in metres and an angle in radians."""


def prepare_placed(
    bodies: np.ndarray, frames: int, turn: str = "recipe"
) -> tuple[np.ndarray, np.ndarray]:
    """Take a clip through the whole recipe, and keep where its bodies were; see `prepare`.

    Returns
    -------
    clip
        (3, frames, V, 2) float32, as from `prepare`.
    place
        (frames, 2, 4) float32: x, y, z of ``spine_shoulder`` in metres before centring, and the
        angle about y in radians that the body was turned by; NaN where it is absent.
    """
    there = without_empty_frames(bodies)
    middle = resample(centred(there), frames)
    done = turned(middle, turn)
    place = np.full((frames, BODIES, PLACE), np.nan, np.float32)
    way = resample(there[:, :, SPINE_SHOULDER : SPINE_SHOULDER + 1], frames)[:, :, 0]
    place[:, : len(way), :3] = way.transpose(1, 0, 2)
    place[:, : len(way), 3] = _angle(middle, done).T
    clip = np.zeros((3, frames, done.shape[2], BODIES), np.float32)
    clip[..., : len(done)] = done.transpose(3, 1, 2, 0)  # (M, T, V, C) -> (C, T, V, M)
    np.nan_to_num(clip, copy=False)
    return clip, place


def _angle(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return by which angle about y each body was turned in each frame, (M, T)."""
    old, new = (one[:, :, SHOULDER_RIGHT] - one[:, :, SHOULDER_LEFT] for one in (before, after))
    turned_by = np.arctan2(new[..., 2], new[..., 0]) - np.arctan2(old[..., 2], old[..., 0])
    return np.angle(np.exp(1j * turned_by))


def present(bodies: np.ndarray) -> np.ndarray:
    """Return in which frames each body is there, (M, T) bool."""
    return ~np.isnan(bodies[:, :, SPINE_SHOULDER, 0])


def without_empty_frames(bodies: np.ndarray) -> np.ndarray:
    """Drop the frames without any body, wherever they are."""
    kept = present(bodies).any(axis=0)
    return bodies if kept.all() else bodies[:, kept]


def centred(bodies: np.ndarray) -> np.ndarray:
    """Put joint ``spine_shoulder`` of every body into the origin of every frame."""
    return bodies - bodies[:, :, SPINE_SHOULDER : SPINE_SHOULDER + 1]


def resample(bodies: np.ndarray, frames: int) -> np.ndarray:
    """Bring a clip to a fixed number of frames by linear interpolation with half-pixel centres.

    Output frame i reads position (i + 0.5) L / frames - 0.5, clipped to [0, L - 1].

    Raises
    ------
    ValueError
        If the clip has no frames.

    Notes
    -----
    Public code mixes a body with the zeros of the frames where it is absent, which gives one
    half-collapsed skeleton at each end of a gap. Here a frame between a body and none takes
    whichever is nearer. Bodies without gaps come out the same.
    """
    length = bodies.shape[1]
    if length == 0:
        raise ValueError("resample: expected at least one frame with a body, found none")
    position = np.clip((np.arange(frames) + 0.5) * length / frames - 0.5, 0, length - 1)
    before = position.astype(np.intp)
    after = np.minimum(before + 1, length - 1)
    weight = (position - before)[None, :, None, None]
    first, second = bodies[:, before], bodies[:, after]
    mixed = first + (second - first) * weight
    missing = np.isnan(mixed)
    if missing.any():
        nearer = np.where(weight < 0.5, first, second)
        mixed[missing] = nearer[missing]
    return mixed


def turned(bodies: np.ndarray, turn: str = "recipe") -> np.ndarray:
    """Turn each body about the y axis, frame by frame, until its shoulder line is along x.

    Parameters
    ----------
    bodies
        Positions (M, T, V, 3).
    turn
        ``recipe``: as public code does, angle arccos(vx / (|v_xz| + 1e-4)) where v leads from the
        left to the right shoulder, and one sign for a whole body, negative where the sum of v_z
        over frames is >= 0. ``exact``: by the true angle of each frame. ``none``: left as it is.

    Notes
    -----
    With ``recipe`` a performer who turns past the camera's axis in mid-clip is turned the wrong
    way in the lesser part of the frames. It is the default all the same, because the arrays that
    this field trains and compares on were made so.
    """
    if turn == "none":
        return bodies
    line = bodies[:, :, SHOULDER_RIGHT] - bodies[:, :, SHOULDER_LEFT]
    across, depth = line[..., 0], line[..., 2]
    length = np.hypot(across, depth)
    if turn == "exact":
        cos = np.divide(across, length, out=np.ones_like(length), where=length != 0)
        sin = np.divide(-depth, length, out=np.zeros_like(length), where=length != 0)
    else:
        cos = across / (length + 1e-4)
        sin = np.sqrt(1 - cos * cos)
        sin = np.where(np.nansum(depth, axis=1, keepdims=True) >= 0, -sin, sin)
    cos, sin = cos[..., None], sin[..., None]
    out = bodies.copy()
    x, z = bodies[..., 0], bodies[..., 2]
    out[..., 0] = cos * x - sin * z
    out[..., 2] = sin * x + cos * z
    return out
