"""Clips put back into the room: where each body stood, which way it faced, how bodies meet."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from smie_pipe.backbones.kinematics.moving_body import (
    SHORTEST,
    Array,
    length,
    smoothed,
)
from smie_pipe.preprocessing.body import JOINTS, SPINE_BASE, SPINE_SHOULDER

_PLACE_NUMBERS = 4
HANDS = ("hand_left", "hand_right")
FEET = ("foot_left", "foot_right")
TOUCH = 0.4
"""Trunk lengths; hands nearer than this to each other count as touching."""
OVER_FRAMES: dict[str, Callable[..., Array]] = {
    "mean": np.nanmean,
    "least": np.nanmin,
    "most": np.nanmax,
}


class Room:
    """Both bodies of each of N clips in the room's own coordinates.

    Parameters
    ----------
    x
        Clips (N, 3, T, V, M), each body centred and turned as ``preprocess`` does.
    place
        Where each body was centred and by how much it was turned, (N, T, M, 4): x, y, z of
        spine_shoulder in metres and the angle in radians; NaN where a body is absent.
    """

    def __init__(self, x: Array, place: Array):
        if place.shape[1:] != (x.shape[2], x.shape[4], _PLACE_NUMBERS):
            raise ValueError(f"place has shape {place.shape}, clips {x.shape}")
        self.x, self.place = x, place
        where = place.transpose(0, 2, 1, 3)  # (N, M, T, 4)
        self.known = np.isfinite(where).all(-1)  # (N, M, T)
        trunk = length((x[:, :, :, SPINE_SHOULDER] - x[:, :, :, SPINE_BASE]).transpose(0, 3, 2, 1))
        trunk = trunk.mean(2)  # (N, M)
        self.there = (trunk > SHORTEST) & self.known.any(2)
        total = (trunk * self.there).sum(1) / np.maximum(self.there.sum(1), 1)
        self.trunk_m = np.where(total > SHORTEST, total, 1.0)
        self._ways: dict[tuple[int, str], Array] = {}

    def of_clips(self, chosen: Array) -> Room:
        """Return the room of some of the clips, chosen by a mask (N,)."""
        return Room(self.x[chosen], self.place[chosen])

    @cached_property
    def both(self) -> Array:
        """In which frames both bodies are there, (N, T) bool."""
        return self.known.all(1) & self.there.all(1)[:, None]

    def position(self, body: int, joint: int) -> Array:
        """Return where a joint is in the room in each frame, (N, T, 3), metres."""
        x, _, z = self.x[:, :, :, joint, body].transpose(1, 0, 2)
        y = self.x[:, 1, :, joint, body]
        where = np.nan_to_num(self.place[:, :, body])
        cos, sin = np.cos(where[..., 3]), np.sin(where[..., 3])
        return np.stack([cos * x + sin * z, y, cos * z - sin * x], axis=-1) + where[..., :3]

    def way(self, body: int, joint: str) -> Array:
        """Return a joint's way through the room, (N, T, 3), smoothed, trunk lengths."""
        if (body, joint) not in self._ways:
            p = self.position(body, JOINTS.index(joint)) / self.trunk_m[:, None, None]
            self._ways[body, joint] = smoothed(p.astype(np.float32))
        return self._ways[body, joint]

    def faces(self, body: int) -> Array:
        """Return the level unit vector that a body faces along, (N, T, 3)."""
        line = self.way(body, "shoulder_right") - self.way(body, "shoulder_left")
        front = np.stack([line[..., 2], np.zeros_like(line[..., 0]), -line[..., 0]], -1)
        return front / np.maximum(length(front), 1e-6)[..., None]

    def apart(self) -> Array:
        """Return the level distance between the two bodies, (N, T), trunk lengths."""
        between = self._between(0)
        return length(between)

    def towards(self, body: int) -> Array:
        """Return how far a body faces the other, (N, T): 1 straight on, -1 back turned."""
        between = self._between(body)
        return (self.faces(body) * between).sum(-1) / np.maximum(length(between), 1e-6)

    def _between(self, body: int) -> Array:
        between = self.way(1 - body, "spine_shoulder") - self.way(body, "spine_shoulder")
        return between * np.array([1, 0, 1], np.float32)

    def nearest(self, body: int, joints: tuple[str, ...], others: tuple[str, ...]) -> Array:
        """Return the least distance of some joints of a body to some of the other, (N, T)."""
        mine = [self.way(body, joint) for joint in joints]
        theirs = [self.way(1 - body, joint) for joint in others]
        return np.min([length(a - b) for a in mine for b in theirs], axis=0)

    def over_both(self, course: Array, how: str) -> Array:
        """Return mean, least, most or change of a course (N, T) over frames with both, (N,).

        NaN where no frame has both.
        """
        gone = np.where(self.both, course, np.nan)
        found = np.full(len(course), np.nan, np.float32)
        some = self.both.any(1)
        if how == "change":
            found[some] = [_ends(row[np.isfinite(row)]) for row in gone[some]]
        elif some.any():
            found[some] = OVER_FRAMES[how](gone[some], axis=1)
        return found


def _ends(course: Array) -> float:
    fifth = max(1, len(course) // 5)
    return float(course[-fifth:].mean() - course[:fifth].mean())
