"""True motions of simulated clips: who acts, how long, where they stand; no sensor yet.

The room's axes are x to the right in the picture of the middle camera, y up from the floor, z
away from that camera; the origin is the floor where the action takes place.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.preprocessing.simulation.acting import FPS, Performer, Play, make_performer
from smie_pipe.preprocessing.simulation.kinematics import Array, mirror, pose, rotation
from smie_pipe.preprocessing.simulation.motions import MOTIONS

FRAMES = (40, 150)


def stream(seed: int, purpose: str, *numbers: int) -> np.random.Generator:
    """Return the random generator of one thing alone: the same whatever else is made."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), *numbers])


def performer(seed: int, number: int) -> Performer:
    """Return the person with that number (from 1) in the cast of that seed."""
    return make_performer(stream(seed, "performer", number))


def simulate_clip(
    class_name: str,
    performer_number: int = 1,
    repetition: int = 1,
    *,
    seed: int = 0,
    stretch: float = 1.0,
    frames: tuple[int, int] = FRAMES,
) -> Array:
    """Return the true joints (M, T, 25, 3) of one action in metres, without any noise.

    Parameters
    ----------
    class_name
        A name of ``motions.MOTIONS``.
    performer_number
        Who acts, from 1; the other of two persons is the next performer.
    repetition
        Which of that performer's renderings of this action, from 1.
    seed
        Seed of the whole cast.
    stretch
        Factor on the natural duration.
    frames
        Shortest and longest clip, at 30 frames a second.

    Returns
    -------
    Array
        One or two bodies in the room's axes (see the module), bones of constant length.

    Raises
    ------
    InputError
        If no such motion is known.
    """
    if class_name not in MOTIONS:
        raise unknown_choice("simulated action", class_name, MOTIONS)
    motion = MOTIONS[class_name]
    rng = stream(seed, class_name, performer_number, repetition)
    who = [performer(seed, performer_number + k) for k in range(motion.persons)]
    natural = motion.seconds * FPS * np.exp(rng.normal(0, 0.08)) / who[0].manner.tempo
    length = int(np.clip(round(stretch * natural), *frames))
    gap = motion.gap_m * float(np.exp(rng.normal(0, 0.05)))
    return _place(_act(class_name, who, length, gap, rng), gap, rng)


def stretch(class_names: Sequence[str], mean_frames: float | None) -> float:
    """Return the factor on natural durations that gives these actions that mean length."""
    if mean_frames is None:
        return 1.0
    return mean_frames / (FPS * float(np.mean([MOTIONS[name].seconds for name in class_names])))


def choose_classes(classes: int | Sequence[str] | None) -> list[str]:
    """Return the names of the first so many actions, of those named, or of all (None)."""
    if classes is None:
        return list(MOTIONS)
    if isinstance(classes, int):
        if not 1 <= classes <= len(MOTIONS):
            raise InputError(f"can simulate 1 to {len(MOTIONS)} classes, not {classes}")
        return list(MOTIONS)[:classes]
    for name in classes:
        if name not in MOTIONS:
            raise unknown_choice("simulated action", name, MOTIONS)
    return list(dict.fromkeys(classes))


def _act(
    class_name: str, who: list[Performer], length: int, gap: float, rng: np.random.Generator
) -> list[Array]:
    """Let them do it, each in the own axes."""
    plays = [Play(person, length, rng) for person in who]
    motion = MOTIONS[class_name]
    if motion.persons == 2:
        motion.act(*plays, gap)
    else:
        motion.act(*plays)
    bodies = [pose(play.build, play.channels) for play in plays]
    return [mirror(body) for body in bodies] if plays[0].mirrored else bodies


def _place(bodies: list[Array], gap: float, rng: np.random.Generator) -> Array:
    """Stand one body before the middle camera, or two side on to it, and turn them a little."""
    aside = np.pi / 2 * (gap != 0) * (1 if rng.random() < 0.5 else -1)
    yaw, spot = rng.normal(0, 0.2), rng.normal(0, 0.12, 3) * (1, 0, 1)
    placed = []
    for body, side in zip(bodies, (1, -1), strict=False):
        turn = rotation(1, np.array([side * aside + yaw]))[0]
        placed.append(body @ turn.T + turn @ np.array([0.0, 0.0, gap / 2]) + spot)
    return np.stack(placed)
