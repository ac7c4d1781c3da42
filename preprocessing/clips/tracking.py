"""From the body records of a recording to the one or two persons of a clip.

A *record* is one body in one frame. A *track* is a list of record numbers, one person through the
clip, in time order. The sensor may give one person several ids, call two persons by each other's
id, see bodies in furniture, and lose a person for a while.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from smie_pipe.preprocessing.body import (
    BODIES,
    SHOULDER_LEFT,
    SHOULDER_RIGHT,
    SPINE_BASE,
    SPINE_SHOULDER,
)
from smie_pipe.preprocessing.clips.recipe import present
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.raw.records import RawBodies

SHOULDERS_M = (0.1, 0.7)
"""Widths between the shoulder joints that a body can have; adults measure 0.2 to 0.45."""
TORSO_M = (0.15, 0.9)
"""Lengths of spine that a body can have, bent ones included; adults measure 0.35 to 0.6."""
WIDE = 0.8
"""A body whose x extent is above this part of its y extent in most frames is a piece of
furniture; the field's filters use the same number."""
WIDE_FRAMES = 0.7
_OTHER_ID_M = 0.1  # how much nearer a body of another id must be than one of the same id
_NO_JOIN = 1e6
Notes = list[str]
"""What was done to a clip's bodies, in order."""


@dataclass(frozen=True)
class Clip:
    """The chosen bodies of a clip, and what was done to get them."""

    bodies: np.ndarray
    """(M, T, V, 3) float64, metres; M is 0, 1 or 2; NaN where a body is absent from a frame.
    Frames without a body are gone."""
    treatment: tuple[str, ...]
    """What was done, in order, each with its numbers in brackets; empty for a clean recording."""


def choose_bodies(raw: RawBodies, config: PreprocessConfig, two_persons: bool = False) -> Clip:
    """Return the one or two persons of a recording.

    Records with coordinates that cannot be are left out; the others become tracks, by body id and
    where an id changes by position; phantoms are dropped; of more than two tracks those with the
    most motion stay; short gaps of one body are bridged.

    Parameters
    ----------
    raw
        The records of the recording, or of the part of it that is the clip (see `cut`).
    config
        The bounds of all this, each with its reason.
    two_persons
        Whether the action has two persons: then phantoms are dropped down to two bodies only.

    Notes
    -----
    A clean recording comes out as it is, bodies in file order. Where two had to be chosen out of
    more, or with ``order="motion"``, the one that moves most comes first. Ordering every clip by
    motion would swap the persons of both two-person recordings at hand, while all
    published arrays and weights of this field keep the file's order.
    """
    records, left_out = _possible_records(raw, config)
    tracks, joined = _tracks(raw, records, config)
    tracks, dropped = _persons(raw, tracks, config, two_persons)
    bodies, placed = _placed(raw, tracks, config)
    bodies, bridged = _bridged(bodies, config.max_gap)
    return Clip(bodies, (*left_out, *joined, *dropped, *placed, *bridged))


def _possible_records(raw: RawBodies, config: PreprocessConfig) -> tuple[np.ndarray, Notes]:
    """Return the numbers of the records that can be a body."""
    farthest = np.abs(raw.xyz).max(axis=(1, 2), initial=0.0)
    possible = (farthest > 0) & (farthest <= config.max_coordinate_m)  # NaN fails both
    if possible.all():
        return np.arange(len(possible)), []
    empty = np.count_nonzero(farthest == 0)
    impossible = np.count_nonzero(~possible) - empty
    notes = [
        *_counted("body records of zeros left out", empty),
        *_counted("body records with impossible coordinates left out", impossible),
    ]
    return np.flatnonzero(possible), notes


def _tracks(
    raw: RawBodies, records: np.ndarray, config: PreprocessConfig
) -> tuple[list[np.ndarray], Notes]:
    """Return the tracks, in the order in which the file first names them."""
    ids = raw.body_id[records]
    fragments: list[np.ndarray] = []
    notes: Notes = []
    for body_id in dict.fromkeys(ids.tolist()):
        own, repeated = _one_a_frame(raw, records[ids == body_id])
        fragments += _unbroken(raw, own, config.max_jump_m)
        notes += repeated
    fragments, joined = _joined(raw, fragments, config)
    return sorted(fragments, key=lambda track: int(track[0])), [*notes, *joined]


def _one_a_frame(raw: RawBodies, own: np.ndarray) -> tuple[np.ndarray, Notes]:
    """Drop records of a body in a frame that already has it: the file repeats itself."""
    new = np.diff(raw.frame[own], prepend=-1) > 0
    repeated = len(own) - np.count_nonzero(new)
    if not repeated:
        return own, []
    return own[new], _counted("repeated body records left out", repeated)


def _unbroken(raw: RawBodies, own: np.ndarray, max_jump_m: float) -> list[np.ndarray]:
    """Cut the records of one id where it is lost for a frame or jumps."""
    spine = raw.xyz[own, SPINE_SHOULDER]
    jump = (np.diff(spine, axis=0) ** 2).sum(axis=1) > max_jump_m**2
    gap = np.diff(raw.frame[own]) > 1
    breaks = np.flatnonzero(jump | gap)
    return np.split(own, breaks + 1) if len(breaks) else [own]


def _joined(
    raw: RawBodies, fragments: list[np.ndarray], config: PreprocessConfig
) -> tuple[list[np.ndarray], Notes]:
    """Join fragments that are one person: the pairing with the least way between end and start.

    The same id may always go on; another id only near in place and time.
    """
    if len(fragments) < 2:
        return fragments, []
    cost = _join_cost(raw, fragments, config)
    if (cost >= _NO_JOIN).all():
        return fragments, []
    from scipy.optimize import linear_sum_assignment

    follows = {
        int(i): int(j)
        for i, j in zip(*linear_sum_assignment(cost), strict=True)
        if cost[i, j] < _NO_JOIN
    }
    notes = []
    for i, j in follows.items():
        before, after = int(fragments[i][-1]), int(fragments[j][0])
        if raw.body_id[before] != raw.body_id[after]:
            notes.append(f"body goes on under another id (frame {raw.frame[after] + 1})")
    starts = [i for i in range(len(fragments)) if i not in set(follows.values())]
    joined = [np.concatenate([fragments[i] for i in _chain(one, follows)]) for one in starts]
    return joined, notes


def _chain(start: int, follows: dict[int, int]) -> list[int]:
    chain = [start]
    while chain[-1] in follows:
        chain.append(follows[chain[-1]])
    return chain


def _join_cost(
    raw: RawBodies, fragments: list[np.ndarray], config: PreprocessConfig
) -> np.ndarray:
    """Return the metres from each fragment's end to each one's start, _NO_JOIN if impossible."""
    last = np.array([fragment[-1] for fragment in fragments])
    first = np.array([fragment[0] for fragment in fragments])
    wait = raw.frame[first][None, :] - raw.frame[last][:, None]
    way = raw.xyz[first, SPINE_SHOULDER][None, :] - raw.xyz[last, SPINE_SHOULDER][:, None]
    metres = np.sqrt((way**2).sum(axis=-1))
    same = raw.body_id[first][None, :] == raw.body_id[last][:, None]
    near = (metres <= config.join_distance_m) & (wait <= config.join_gap)
    return np.where((wait > 0) & (same | near), metres + _OTHER_ID_M * ~same, _NO_JOIN)


def _persons(
    raw: RawBodies,
    tracks: list[np.ndarray],
    config: PreprocessConfig,
    two_persons: bool,
) -> tuple[list[np.ndarray], Notes]:
    """Return one or two tracks: no phantoms, of more than two those that move most."""
    notes: Notes = []
    if len(tracks) < 2:
        return tracks, notes
    if config.drop_phantoms:
        tracks, notes = _without_phantoms(raw, tracks, config, 2 if two_persons else 1)
    by_motion = sorted(tracks, key=lambda track: -_motion(raw, track))
    if len(tracks) > BODIES:
        notes = [*notes, f"the {BODIES} bodies that move most kept (of {len(tracks)})"]
    if config.order == "motion" or (config.order == "auto" and len(tracks) > BODIES):
        return by_motion[:BODIES], notes
    kept = {id(track) for track in by_motion[:BODIES]}
    return [track for track in tracks if id(track) in kept], notes


def _without_phantoms(
    raw: RawBodies,
    tracks: list[np.ndarray],
    config: PreprocessConfig,
    least: int,
) -> tuple[list[np.ndarray], Notes]:
    """Drop tracks that are no person, the shortest first, while more than ``least`` remain."""
    kept, notes = list(tracks), []
    for track in sorted(tracks, key=len):
        fault = _phantom(raw, track, config.min_track) if len(kept) > least else ""
        if fault:
            kept = [other for other in kept if other is not track]
            notes.append(f"phantom dropped: {fault}")
    return kept, notes


def _phantom(raw: RawBodies, track: np.ndarray, min_track: int) -> str:
    """Return why a track is no person, with the number that says so, or nothing."""
    frames = len(track)
    if frames < min_track:
        return f"too short ({frames} frames)"
    xyz = raw.xyz[track]
    shoulders = np.median(_length(xyz, SHOULDER_LEFT, SHOULDER_RIGHT))
    if not SHOULDERS_M[0] <= shoulders <= SHOULDERS_M[1]:
        return f"impossible shoulders ({shoulders:.2f} m, {frames} frames)"
    torso = np.median(_length(xyz, SPINE_BASE, SPINE_SHOULDER))
    if not TORSO_M[0] <= torso <= TORSO_M[1]:
        return f"impossible spine ({torso:.2f} m, {frames} frames)"
    extent = np.ptp(xyz, axis=1)
    if np.mean(extent[:, 0] > WIDE * extent[:, 1]) > WIDE_FRAMES:
        return f"wider than tall ({frames} frames)"
    return ""


def _length(xyz: np.ndarray, one: int, other: int) -> np.ndarray:
    return np.linalg.norm(xyz[:, one] - xyz[:, other], axis=-1)


def _motion(raw: RawBodies, track: np.ndarray) -> float:
    """Return how much a body moves: squared metres from its mean, over joints and frames."""
    xyz = raw.xyz[track]
    return float(((xyz - xyz.mean(axis=0)) ** 2).sum())


def _placed(
    raw: RawBodies, tracks: list[np.ndarray], config: PreprocessConfig
) -> tuple[np.ndarray, Notes]:
    """Put the tracks into (M, T, V, 3), with only the frames that hold one of them."""
    bodies = np.full((len(tracks), raw.frames, *raw.xyz.shape[1:]), np.nan)
    notes: Notes = []
    for body, track in zip(bodies, tracks, strict=True):
        body[raw.frame[track]], mended = _trusted_joints(raw, track, config.min_joint_state)
        notes += mended
    kept: np.ndarray = np.any(present(bodies), axis=0)
    lost = len(kept) - np.count_nonzero(kept)
    if not lost:
        return bodies, notes
    return bodies[:, kept], [*notes, *_counted("frames without a body dropped", lost)]


def _trusted_joints(raw: RawBodies, track: np.ndarray, least: int) -> tuple[np.ndarray, Notes]:
    """Return the track's positions, joints of a lower tracking state taken from other frames."""
    xyz = raw.xyz[track]
    trusted = raw.state[track] >= least
    if least == 0 or trusted.all():
        return xyz, []
    xyz, frame = xyz.copy(), raw.frame[track]
    mended = 0
    for joint in np.flatnonzero(~trusted.all(axis=0)):
        good = trusted[:, joint]
        if good.any():  # a joint that never was tracked stays as the sensor guessed it
            mended += np.count_nonzero(~good)
            for axis in range(3):
                values = xyz[:, joint, axis]
                values[~good] = np.interp(frame[~good], frame[good], values[good])
    return xyz, _counted("joints taken from other frames", mended)


def _bridged(bodies: np.ndarray, max_gap: int) -> tuple[np.ndarray, Notes]:
    """Fill short gaps of one of two bodies with a straight line; say which stay open."""
    there = present(bodies)
    if len(bodies) < 2 or there.all():
        return bodies, []
    bodies, notes = bodies.copy(), []
    for number, (body, seen) in enumerate(zip(bodies, there, strict=True), 1):
        frames = np.flatnonzero(seen)
        pairs = zip(frames[:-1], frames[1:], strict=True)
        gaps = [(int(a), int(b)) for a, b in pairs if 1 < b - a <= max_gap + 1]
        for before, after in gaps:
            weight = (np.arange(before + 1, after) - before) / (after - before)
            way = body[after] - body[before]
            body[before + 1 : after] = body[before] + weight[:, None, None] * way
        bridged = sum(after - before - 1 for before, after in gaps)
        notes += _counted(f"frames of body {number} bridged", bridged)
        absent = len(seen) - len(frames) - bridged
        notes += _counted(f"frames without body {number}", absent)
    return bodies, notes


def _counted(what: str, count: int | np.integer) -> Notes:
    """Return the note that something was done so many times; none for no time."""
    return [f"{what} ({count})"] if count else []


def summary(treatments: list[str]) -> Counter[str]:
    """Count what was done over many clips, numbers left out, for a table."""
    return Counter(
        note.partition(" (")[0] for text in treatments if text for note in text.split("; ")
    )
