"""A batch of clips as moving bodies: positions in the body's own axes, angles, speeds.

Lengths are in trunk lengths (mean distance from spine_base to spine_shoulder over the clip) and
axes are the body's own: to its right, up, forward. So nothing here depends on where a person
stands, which way it faces, or how tall it is.
"""

from __future__ import annotations

import numpy as np

from smie_pipe.preprocessing.body import (
    JOINTS,
    SHOULDER_LEFT,
    SHOULDER_RIGHT,
    SPINE_BASE,
    SPINE_SHOULDER,
)

Array = np.ndarray
RIGHT, UP, FORWARD = range(3)
SHORTEST = 1e-3
"""Metres; a shorter trunk is that of a body that is not there."""


class MovingBody:
    """One body of each of N clips.

    Parameters
    ----------
    x
        Positions in metres, shape (N, 3, T, V), axes x, y (up), z; T of 2 or more.
    """

    def __init__(self, x: Array):
        p = np.ascontiguousarray(
            x.transpose(3, 0, 2, 1), np.float32
        )  # (N, C, T, V) -> (V, N, T, C)
        trunk = length(p[SPINE_SHOULDER] - p[SPINE_BASE]).mean(1)
        self.present = trunk > SHORTEST
        self.trunk_m = np.where(self.present, trunk, 1.0).astype(np.float32)
        p = p - p[SPINE_SHOULDER].mean(1)[None, :, None]
        p = smoothed(p / self.trunk_m[:, None, None], axis=2)
        self.p = _in_own_axes(p, p[SHOULDER_RIGHT] - p[SHOULDER_LEFT])
        self._ways: dict[tuple[str, str | None], Array] = {}

    def of(self, joint: str, about: str | None = None) -> Array:
        """Return a joint's way, shape (N, T, 3), about another joint where given."""
        if (joint, about) not in self._ways:
            way = self.p[JOINTS.index(joint)]
            self._ways[joint, about] = way if about is None else way - self.p[JOINTS.index(about)]
        return self._ways[joint, about]

    def angle(self, one: str, at: str, other: str) -> Array:
        """Return the angle at a joint between two others, (N, T), radians from 0 to pi."""
        return angle_between(self.of(one, at), self.of(other, at))


def angle_between(a: Array, b: Array) -> Array:
    """Return the angle between vectors (..., 3), radians from 0 to pi; pi/2 for no length."""
    cos = (a * b).sum(-1) / np.maximum(length(a) * length(b), 1e-6)
    return np.arccos(np.clip(cos, -1, 1))


def distance(a: Array, b: Array) -> Array:
    """Return the distance between two ways (N, T, 3), shape (N, T)."""
    return length(a - b)


def speed(way: Array) -> Array:
    """Return the mean speed along a way (N, T, 3), a frame, shape (N,)."""
    return length(np.diff(way, axis=1)).mean(1)


def change(course: Array) -> Array:
    """Return the mean of the last fifth less that of the first fifth of (N, T), shape (N,)."""
    fifth = max(1, course.shape[1] // 5)
    return course[:, -fifth:].mean(1) - course[:, :fifth].mean(1)


def correlation(a: Array, b: Array) -> Array:
    """Return the correlation in time of two courses (N, T), shape (N,); 0 where one is still."""
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    scale = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    return np.where(scale > 1e-8, (a * b).sum(1) / np.maximum(scale, 1e-8), 0)


def quick_share(way: Array) -> Array:
    """Return the share of a way's power above two cycles a clip, (N,) from 0 to 1."""
    power = np.abs(np.fft.rfft(way - way.mean(1, keepdims=True), axis=1)) ** 2
    power = power.sum(-1)
    return power[:, 3:].sum(1) / np.maximum(power[:, 1:].sum(1), 1e-6)


def length(a: Array) -> Array:
    """Return the length of vectors (..., 3), shape (...)."""
    return np.sqrt(np.einsum("...i,...i->...", a, a))  # ten times as fast as a sum over three


def smoothed(p: Array, axis: int = 1) -> Array:
    """Return the mean of each frame and its two neighbours; the ends count twice."""
    p = np.moveaxis(p, axis, 0)
    found = p * np.float32(1 / 3)
    found[1:] += p[:-1] * np.float32(1 / 3)
    found[:-1] += p[1:] * np.float32(1 / 3)
    found[0] += p[0] * np.float32(1 / 3)
    found[-1] += p[-1] * np.float32(1 / 3)
    return np.moveaxis(found, 0, axis)


def _in_own_axes(p: Array, line: Array) -> Array:
    """Return positions (V, N, T, 3) turned about y from x, y, z to right, up, forward.

    Right is where the shoulder line (N, T, 3) points in the mean over the clip. Where that has no
    direction (a body that is not there, or turns full circle), right is x.
    """
    line = line.mean(1)
    across = np.hypot(line[:, 0], line[:, 2])
    known = across > SHORTEST
    cos = np.where(known, line[:, 0] / np.where(known, across, 1), 1)[:, None]
    sin = np.where(known, line[:, 2] / np.where(known, across, 1), 0)[:, None]
    out = np.empty_like(p)
    out[..., RIGHT] = cos * p[..., 0] + sin * p[..., 2]
    out[..., UP] = p[..., 1]
    out[..., FORWARD] = sin * p[..., 0] - cos * p[..., 2]  # up x right
    return out
