"""Time: from a tracker's own, uneven time stamps to the 30 frames a second of a Kinect v2."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.trackers.joints.recording import TrackedRecording

FPS = 30.0
GAP_S = 0.5
"""A body away for longer is not bridged: half a second is a whole movement of the hand."""
GAP_STEPS = 3
"""... nor for more than this many of the file's own steps, where those are longer."""
STEADY_S = 0.002
"""Time stamps that stray from an even 30 a second by less are taken as even: a clock that counts
milliseconds strays by half of one, and moving the joints by that would add noise, not remove it.
"""
MOST_FRAMES = 1_000_000  # 9 hours
_UNSEEN = 0.99

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Resampled:
    """Body records at 30 frames a second.

    Attributes
    ----------
    frames
        Frames of the recording, from its first to its last time stamp.
    frame, body_id
        As in `TrackedRecording`.
    xyz
        (B, J, 3); NaN for joints that a body never showed.
    seen
        bool (B, J): whether the joint was in the file just then, not bridged.
    notes
        On rate, unevenness and gaps, a sentence each.
    """

    frames: int
    frame: NDArray[np.int32]
    body_id: NDArray[np.int64]
    xyz: Array
    seen: NDArray[np.bool_]
    notes: tuple[str, ...]


def times(recording: TrackedRecording, fps: float | None) -> Array:
    """Return the second of each frame (T,), by ``fps`` if given, else by the file.

    Raises
    ------
    InputError
        If neither tells.
    """
    fps = fps or (recording.fps if recording.seconds is None else None)
    if fps is None and recording.seconds is None:
        raise InputError(
            f"{recording.path}: expected time stamps, found none: {recording.source} files need "
            f"not tell how fast they were taken. Give the frames a second with --fps"
        )
    if fps is None:
        assert recording.seconds is not None
        return recording.seconds
    return np.arange(recording.frames) / fps


def resampled(recording: TrackedRecording, xyz: Array, seconds: Array) -> Resampled:
    """Return the bodies at 30 frames a second by linear interpolation, joint by joint.

    A joint that is missing for a while is bridged, and counts as not seen there; before it first
    and after it last is seen it stays where it is. A body that is away for longer than
    `GAP_S` has no records meanwhile.

    Parameters
    ----------
    recording
        For frames and bodies.
    xyz
        Its joints (B, J, 3), perhaps in other axes.
    seconds
        Time of each frame (T,).

    Raises
    ------
    InputError
        If the times make an impossible recording.
    """
    seconds, notes = _rising(recording, seconds)
    frames = _frames(recording.path, seconds)
    if len(seconds) and _steady(seconds):
        seconds = seconds[0] + np.arange(len(seconds)) / FPS
    else:
        notes += _rate(seconds)
    longest = _longest_gap(seconds)
    parts = [
        _one_stretch(xyz, seconds, recording.frame, stretch, frames)
        for stretch in _stretches(recording, seconds, longest)
    ]
    return _gathered(recording, parts, frames, notes)


def _rising(recording: TrackedRecording, seconds: Array) -> tuple[Array, list[str]]:
    """Return times that never fall: a frame that claims to be earlier is put with the last."""
    if not np.isfinite(seconds).all():
        raise InputError(
            f"{recording.path}: expected a time for each frame, found one that is no number; "
            f"give the frames a second with --fps"
        )
    rising = np.maximum.accumulate(seconds) if len(seconds) else seconds
    back = int(np.count_nonzero(np.diff(seconds) <= 0))
    if back and back >= len(seconds) - 1:
        raise InputError(
            f"{recording.path}: expected time stamps that rise, found none that does; give the "
            f"frames a second with --fps"
        )
    return rising, [f"{back} frames whose time stamp does not rise"] if back else []


def _frames(path: str, seconds: Array) -> int:
    if not len(seconds):
        return 0
    span = float(seconds[-1] - seconds[0])
    if span * FPS > MOST_FRAMES:
        raise InputError(
            f"{path}: expected a recording of at most {MOST_FRAMES / FPS / 3600:.0f} hours, found "
            f"time stamps that span {span / 3600:.3g}; give the frames a second with --fps"
        )
    return int(span * FPS + 0.5 * STEADY_S * FPS + 1e-6) + 1


def _steady(seconds: Array) -> bool:
    even = np.arange(len(seconds)) / FPS
    return bool(np.abs(seconds - seconds[0] - even).max() <= STEADY_S)


def _longest_gap(seconds: Array) -> float:
    steps = np.diff(seconds)
    steps = steps[steps > 0]
    usual = float(np.median(steps)) if len(steps) else 0.0
    return max(GAP_S, GAP_STEPS * usual)


def _rate(seconds: Array) -> list[str]:
    """Say how fast and how evenly the frames came."""
    steps = np.diff(seconds)
    steps = steps[steps > 0]
    if not len(steps):
        return []
    low, usual, high = np.percentile(steps, [5, 50, 95])
    notes = [f"{1 / usual:.3g} frames a second brought to {FPS:g}"]
    if high > 1.2 * low:
        notes[0] += f", uneven ({1000 * low:.0f} to {1000 * high:.0f} ms apart)"
    gaps = steps[steps > max(GAP_S, GAP_STEPS * usual)]
    if len(gaps):
        notes.append(f"{len(gaps)} gaps in time, the longest of {gaps.max():.1f} s, left open")
    return notes


def _stretches(
    recording: TrackedRecording, seconds: Array, longest: float
) -> list[NDArray[np.intp]]:
    """Return the records of each body, cut where it is away for too long."""
    found = []
    order = np.argsort(recording.body_id, kind="stable")
    ends = np.flatnonzero(np.diff(recording.body_id[order])) + 1
    for own in np.split(order, ends) if len(order) else []:
        time = seconds[recording.frame[own]]
        own = own[np.diff(time, prepend=-np.inf) > 0]  # the first of two at one time
        time = seconds[recording.frame[own]]
        found += np.split(own, np.flatnonzero(np.diff(time) > longest) + 1)
    return found


def _one_stretch(
    xyz: Array, seconds: Array, frame: NDArray, own: NDArray[np.intp], frames: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], Array, NDArray[np.bool_]]:
    """Return (records, new frames, joints, seen) of one body's unbroken stay."""
    time = (seconds[frame[own]] - seconds[0]) * FPS  # in new frames
    even = np.rint(time)
    time = np.where(np.abs(time - even) < 1e-6, even, time)  # left exactly as it is
    slack = 0.5 * STEADY_S * FPS + 1e-6
    first, last = int(np.ceil(time[0] - slack)), int(np.floor(time[-1] + slack))
    new = np.arange(first, min(last, frames - 1) + 1)
    joints = np.full((len(new), *xyz.shape[1:]), np.nan)
    seen = np.zeros(joints.shape[:2], bool)
    for joint in range(xyz.shape[1]):
        there = ~np.isnan(xyz[own, joint, 0])
        if there.any():
            seen[:, joint] = np.interp(new, time, there.astype(float)) > _UNSEEN
            for axis in range(3):
                values = xyz[own[there], joint, axis]
                joints[:, joint, axis] = np.interp(new, time[there], values)
    return own, new, joints, seen


def _gathered(
    recording: TrackedRecording,
    parts: list[tuple[NDArray[np.intp], NDArray[np.intp], Array, NDArray[np.bool_]]],
    frames: int,
    notes: list[str],
) -> Resampled:
    joints = recording.xyz.shape[1]
    ids = [np.full(len(new), recording.body_id[own[0]]) for own, new, _, _ in parts]
    frame = np.concatenate([np.zeros(0, np.intp), *[new for _, new, _, _ in parts]])
    order = np.argsort(frame, kind="stable")
    return Resampled(
        frames=frames,
        frame=frame[order].astype(np.int32),
        body_id=np.concatenate([np.zeros(0, np.int64), *ids])[order].astype(np.int64),
        xyz=np.concatenate([np.zeros((0, joints, 3)), *[xyz for *_, xyz, _ in parts]])[order],
        seen=np.concatenate([np.zeros((0, joints), bool), *[seen for *_, seen in parts]])[order],
        notes=tuple(notes),
    )
