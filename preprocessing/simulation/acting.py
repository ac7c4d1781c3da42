"""How a performer carries out a motion: manner, timing, and places on the body to reach for.

A motion (see ``motions``) is a short function that calls methods of one ``Play`` (two for
actions of two persons). All lengths it gives are those of the default person and are scaled to
the performer; all times are parts of the action, 0 to 1, or Hz at an ordinary tempo.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from smie_pipe.preprocessing.simulation.kinematics import (
    LEFT,
    RIGHT,
    Array,
    Build,
    Channels,
    HandTask,
    make_build,
)

FPS = 30.0
BOTH = (LEFT, RIGHT)

Triple = tuple[float, float, float]
Curve = float | Array  # one number, or one for each frame (T,)
Offset = Triple | Array  # (out, up, forward), or (T, 3)

# Where a hand joint (the palm) is when the hand is at a place: the part of the body the place
# moves with, (out, up, forward) in metres from that part's joint, and where the elbow points.
PLACES: dict[str, tuple[str, Triple, Triple | None]] = {
    "mouth": ("head", (0.03, -0.06, 0.11), (0.7, -0.7, 0.2)),
    "nose": ("head", (0.02, -0.02, 0.12), (0.7, -0.7, 0.2)),
    "eyes": ("head", (0.07, 0.03, 0.11), (0.8, -0.5, 0.2)),
    "ear": ("head", (0.12, -0.03, 0.02), (0.7, -0.7, 0.2)),
    "temple": ("head", (0.12, 0.06, 0.08), (1.0, 0.0, 0.1)),
    "forehead": ("head", (0.06, 0.11, 0.09), (0.8, -0.3, 0.4)),
    "crown": ("head", (0.08, 0.15, 0.02), (1.0, 0.1, 0.2)),
    "nape": ("head", (0.07, -0.14, -0.07), (0.8, 0.3, 0.4)),
    "chest": ("upper", (0.03, -0.14, 0.12), None),
    "other arm": ("upper", (-0.15, -0.16, 0.15), (0.7, -0.7, 0.0)),
    "front": ("upper", (0.02, -0.16, 0.32), None),
    "belly": ("lower", (0.05, -0.03, 0.17), None),
    "work": ("lower", (0.06, 0.08, 0.30), None),
    "lower back": ("pelvis", (0.09, 0.14, -0.13), (0.8, -0.3, -0.7)),
    "hip": ("pelvis", (0.20, 0.02, 0.03), None),
    "thigh": ("knee", (0.14, 0.12, 0.30), None),
    "shoulder": ("shoulder", (0.0, 0.0, 0.0), None),
    "floor": ("floor", (0.0, 0.0, 0.0), None),
}


@dataclass(frozen=True)
class Manner:
    """What is a performer's own in every action."""

    tempo: float = 1.0
    vigour: float = 1.0
    left_handed: bool = False
    stoop: float = 0.04
    gaze: float = 0.08
    stance: float = 0.11
    hang: Triple = (0.12, -1.0, 0.08)
    reach_bias: Triple = (0.0, 0.0, 0.0)


def make_manner(rng: np.random.Generator) -> Manner:
    """Return a random manner: quick or slow, ample or small, upright or stooping."""
    return Manner(
        tempo=float(np.exp(rng.normal(0, 0.12))),
        vigour=float(np.clip(rng.normal(1.0, 0.12), 0.7, 1.3)),
        left_handed=bool(rng.random() < 0.12),
        stoop=float(rng.uniform(0.0, 0.10)),
        gaze=float(rng.uniform(0.0, 0.2)),
        stance=float(rng.uniform(0.08, 0.15)),
        hang=(float(rng.uniform(0.05, 0.22)), -1.0, float(rng.uniform(0.0, 0.18))),
        reach_bias=tuple(map(float, rng.normal(0, 0.012, 3))),  # type: ignore[arg-type]
    )


@dataclass(frozen=True)
class Performer:
    """A person who acts: bones and manner."""

    build: Build
    manner: Manner


def make_performer(rng: np.random.Generator) -> Performer:
    """Return a random person."""
    return Performer(make_build(rng), make_manner(rng))


class Play:
    """One performer in one clip: turns what a motion says into the channels of a body."""

    def __init__(self, performer: Performer, frames: int, rng: np.random.Generator):
        manner = performer.manner
        self.build, self.manner, self.rng = performer.build, manner, rng
        self.channels = Channels(frames, manner.stance, manner.hang)
        self.seconds = np.arange(frames) / FPS
        self.vigour = manner.vigour * self.vary(1.0, 0.08)
        begin, end = rng.uniform(0.0, 0.1), rng.uniform(0.9, 1.0)
        part = np.linspace(0, 1, frames)
        self.part = (part - begin) / (end - begin)  # 0 to 1 while the action lasts
        self.mirrored = manner.left_handed != (rng.random() < 0.06)
        self._stand_at_ease()

    # -- time ---------------------------------------------------------------------------------

    def rise(self, begin: float, end: float) -> Array:
        """Return 0 before ``begin``, 1 after ``end``, smooth between (T,)."""
        x = np.clip((self.part - begin) / max(end - begin, 1e-6), 0, 1)
        return x * x * (3 - 2 * x)

    def hold(self, begin: float, full: float, ebb: float, end: float) -> Array:
        """Return a rise, a plateau of 1 and a fall, moved a little from clip to clip (T,)."""
        begin, full, ebb, end = np.array([begin, full, ebb, end]) + self.rng.normal(0, 0.015, 4)
        return self.rise(begin, full) * (1 - self.rise(ebb, end))

    def swing(self, hz: float, phase: float = 0.0) -> Array:
        """Return a sine of ``hz`` at the performer's tempo, -1 to 1; ``phase`` in turns (T,)."""
        turns = hz * self.manner.tempo * self.vary(1.0, 0.06) * self.seconds + phase
        return np.sin(2 * np.pi * turns)

    def vary(self, value: float, spread: float) -> float:
        """Return the value times a random factor around 1."""
        return float(value * np.exp(self.rng.normal(0, spread)))

    # -- the body -----------------------------------------------------------------------------

    def bend(self, pitch: Curve = 0, roll: Curve = 0, twist: Curve = 0) -> None:
        """Bend the trunk forward, to the right, twist it to the left (radians)."""
        self.channels.bend += _columns(pitch, roll, twist, self.channels.frames)

    def look(self, down: Curve = 0, left: Curve = 0, tilt: Curve = 0) -> None:
        """Move the head: down, to the left, tilt to the right (radians)."""
        self.channels.head += _columns(down, tilt, left, self.channels.frames)

    def shift(self, right: Curve = 0, up: Curve = 0, forward: Curve = 0) -> None:
        """Move the pelvis (metres of the default person)."""
        move = _columns(right, up, forward, self.channels.frames)
        self.channels.pelvis += self.build.scale * move

    def foot(
        self, side: int, out: Curve = 0, up: Curve = 0, forward: Curve = 0,
        toes: Curve = 0,
    ) -> None:  # fmt: skip
        """Move one foot from its stance (metres of the default person; toes down in radians)."""
        move = _columns(out, up, forward, self.channels.frames)
        self.channels.feet[:, side] += self.build.scale * move
        self.channels.toes[:, side] += np.asarray(toes, dtype=float)

    def sink(self, depth: Curve, back: Curve = 0) -> None:
        """Lower the pelvis, knees bending (metres of the default person)."""
        self.shift(up=-np.asarray(depth), forward=-np.asarray(back))

    def leap(self, height: Array) -> None:
        """Lift pelvis and both feet off the floor."""
        self.shift(up=height)
        for side in BOTH:
            self.foot(side, up=height, toes=np.minimum(4 * height, 0.5))

    def walk(self, travel: Array, stride: float = 1.1) -> None:
        """Carry the body ``travel`` (T,) metres ahead on alternating feet."""
        moving = np.clip(np.minimum(travel, travel[-1] - travel) / 0.15, 0, 1)
        self.shift(forward=travel)
        for side, begin in ((LEFT, 0.25), (RIGHT, 0.75)):
            phase = (travel / stride + begin) % 1.0
            ground = np.where(phase < 0.5, 0.25 - phase, phase - 0.75) * stride
            lift = 0.12 * np.sin(2 * np.pi * np.clip(phase - 0.5, 0, 0.5))
            self.foot(side, forward=travel + moving * ground, up=moving * lift, toes=2 * lift)

    # -- the hands ----------------------------------------------------------------------------

    def reach(
        self,
        side: int | Iterable[int],
        place: str,
        weight: Array,
        offset: Offset = (0, 0, 0),
        elbow: Triple | None = None,
        fingers: Triple | None = None,
    ) -> None:
        """Bring one or both hands to a place, by ``weight`` (T,) of the way.

        ``offset`` (out, up, forward), (3,) or (T, 3), is added to the place, in metres of the
        default person; for the place "floor" it is from the floor below the standing body.
        """
        frame, centre, usual_elbow = PLACES[place]
        for hand in (side,) if isinstance(side, int) else side:
            near = self.rng.normal(0, 0.012, 3) + self.manner.reach_bias
            where = self.build.scale * (np.add(centre, offset)) + near
            self._hand(hand, HandTask(frame, where, weight, elbow or usual_elbow, fingers))

    def aim(
        self,
        side: int | Iterable[int],
        direction: Offset,
        weight: Array,
        extent: Curve = 0.95,
        elbow: Triple | None = None,
        fingers: Triple | None = None,
    ) -> None:
        """Stretch one or both arms along (out, up, forward), (3,) or (T, 3), arm lengths."""
        towards = np.asarray(direction, dtype=float)
        towards = towards / np.linalg.norm(towards, axis=-1, keepdims=True)
        length = self.build.arm * np.asarray(extent, dtype=float)[..., None]
        for hand in (side,) if isinstance(side, int) else side:
            near = self.rng.normal(0, 0.025, 3) * self.build.arm
            self._hand(hand, HandTask("shoulder", towards * length + near, weight, elbow, fingers))

    def meet(
        self, side: int | Iterable[int], point: Offset, weight: Array,
        elbow: Triple | None = None, fingers: Triple | None = None,
    ) -> None:  # fmt: skip
        """Bring hands to a point of the room, (out, up, forward) in true metres, unscaled."""
        for hand in (side,) if isinstance(side, int) else side:
            where = np.asarray(point, dtype=float) + self.rng.normal(0, 0.008, 3)
            self._hand(hand, HandTask("floor", where, weight, elbow, fingers))

    def _hand(self, side: int, task: HandTask) -> None:
        weight = np.clip(np.broadcast_to(task.weight, (self.channels.frames,)), 0, 1)
        task.weight = np.asarray(weight, dtype=float)
        self.channels.hands[side].append(task)

    # -- nobody stands still ------------------------------------------------------------------

    def _stand_at_ease(self) -> None:
        """Set posture, and let trunk, head, pelvis and hands drift as in a real person."""
        t = self.channels.frames
        self.bend(pitch=self.manner.stoop)
        self.look(down=self.manner.gaze)
        self.channels.bend += 0.02 * drift(self.rng, t, 3)
        self.channels.head += 0.05 * drift(self.rng, t, 3)
        self.channels.pelvis += (0.012, 0.003, 0.012) * drift(self.rng, t, 3)
        for side in BOTH:
            wander = 0.02 * drift(self.rng, t, 3) + (0.12, -0.93, 0.08)
            self.aim(side, wander, np.full(t, 0.5), extent=0.95)


def drift(rng: np.random.Generator, frames: int, columns: int) -> Array:
    """Return slow smooth random curves (T, columns) of about unit size."""
    hz = rng.uniform(0.05, 0.6, (3, columns))
    phase = rng.uniform(0, 2 * np.pi, (3, columns))
    seconds = np.arange(frames)[:, None, None] / FPS
    return np.sin(2 * np.pi * hz * seconds + phase).sum(axis=1) * 0.8


def xyz(out: Curve, up: Curve, forward: Curve) -> Array:
    """Stack numbers and curves (T,) to offsets (T, 3), or (3,) if none is a curve."""
    return np.stack(np.broadcast_arrays(out, up, forward), axis=-1).astype(float)


def _columns(a: Curve, b: Curve, c: Curve, frames: int) -> Array:
    return np.stack([np.broadcast_to(np.asarray(x, float), (frames,)) for x in (a, b, c)], -1)
