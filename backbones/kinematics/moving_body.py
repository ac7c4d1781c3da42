"""A batch of clips as moving bodies: positions in the body's own axes, angles, speeds.

Lengths are in trunk lengths (mean distance from spine_base to spine_shoulder over the clip) and
axes are the body's own: to its right, up, forward. So nothing here depends on where a person
stands, which way it faces, or how tall it is.
"""

from __future__ import annotations

from functools import cached_property

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
        p = np.moveaxis(np.asarray(x, np.float32), 1, -1)  # (N, C, T, V) -> (N, T, V, C)
        trunk = length(p[:, :, SPINE_SHOULDER] - p[:, :, SPINE_BASE]).mean(1)
        self.present = trunk > SHORTEST
        self.trunk_m = np.where(self.present, trunk, 1.0)
        p = p - p[:, :, SPINE_SHOULDER, None].mean(1, keepdims=True)
        self.p = smoothed(p / self.trunk_m[:, None, None, None]) @ _own_axes(p)

    @property
    def frames(self) -> int:
        """T."""
        return self.p.shape[1]

    @cached_property
    def _by_name(self) -> dict[str, Array]:
        return {name: self.p[:, :, at] for at, name in enumerate(JOINTS)}

    def of(self, joint: str, about: str | None = None) -> Array:
        """Return a joint's way, shape (N, T, 3), about another joint where given."""
        way = self._by_name[joint]
        return way if about is None else way - self._by_name[about]

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
    return np.sqrt((a * a).sum(-1))


def smoothed(p: Array) -> Array:
    """Return the mean of each frame and its two neighbours; the ends count twice."""
    padded = np.concatenate([p[:, :1], p, p[:, -1:]], axis=1)
    return (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3


def _own_axes(p: Array) -> Array:
    """Return the rotation about y to the body's own axes, (N, 1, 3, 3), for rows of x, y, z.

    Its right is where the shoulder line points in the mean over the clip. Where that line has
    no direction (a body that is not there, or turns full circle), right is x.
    """
    line = (p[:, :, SHOULDER_RIGHT] - p[:, :, SHOULDER_LEFT]).mean(1)
    across = np.hypot(line[:, 0], line[:, 2])
    known = across > SHORTEST
    cos = np.where(known, line[:, 0] / np.where(known, across, 1), 1)
    sin = np.where(known, line[:, 2] / np.where(known, across, 1), 0)
    axes = np.zeros((len(p), 1, 3, 3), np.float32)
    axes[:, 0, 0, RIGHT], axes[:, 0, 2, RIGHT] = cos, sin
    axes[:, 0, 1, UP] = 1
    axes[:, 0, 0, FORWARD], axes[:, 0, 2, FORWARD] = sin, -cos  # up x right
    return axes
