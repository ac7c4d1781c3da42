"""When is which action: from scores of overlapping windows to segments.

The way of a recording: windows of several lengths over its frames (`windows`), each scored by
the model like a clip; the scores of all windows around a moment averaged and centred for each
label (`moment_scores`); a path through labels and background that changes seldom (`decode`);
runs of one label as segments (`runs`). Arrays in, arrays out; no torch here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.options import Option

Array = np.ndarray
BACKGROUND = -1
SEGMENTS = "With --segments"


@dataclass(frozen=True)
class SegmentConfig:
    """Choices that decide which segments come out."""

    lengths_s: Annotated[
        tuple[float, ...], Option("Lengths of the windows in seconds.", SEGMENTS)
    ] = (1.0, 2.0, 4.0)
    stride_s: Annotated[float, Option("Seconds from one window to the next.", SEGMENTS)] = 0.5
    mean_length_s: Annotated[
        float,
        Option(
            "Expected length of an action in seconds: the longer, the fewer changes.", SEGMENTS
        ),
    ] = 3.0
    merge_gap_s: Annotated[
        float, Option("Segments of one label with a gap shorter than this become one.", SEGMENTS)
    ] = 0.3
    still_m: Annotated[
        float,
        Option(
            "Background where joints move less than this between two frames (30 fps), in metres.",
            SEGMENTS,
        ),
    ] = 0.004
    background: Annotated[
        float | None,
        Option(
            "Margin over the mean label, in deviations of a recording's margins, at which an "
            "action and background are as likely; by default only stillness is background.",
            SEGMENTS,
        ),
    ] = None

    def __post_init__(self) -> None:
        """Check every choice and report all faults at once."""
        faults = [
            f"{name} must be above 0, got {value}"
            for name, value in (
                *(("lengths_s", length) for length in self.lengths_s),
                ("stride_s", self.stride_s),
                ("mean_length_s", self.mean_length_s),
            )
            if not value > 0
        ]
        if not self.lengths_s:
            faults.append("lengths_s is empty; give at least one length")
        if self.mean_length_s <= self.stride_s:
            faults.append(
                f"mean_length_s must be above stride_s, got {self.mean_length_s} and "
                f"{self.stride_s}"
            )
        if faults:
            raise InputError("; ".join(faults))


@dataclass(frozen=True)
class Segment:
    """One action in time: seconds from the start of the recording, ``end_s`` exclusive.

    ``score`` is the mean margin of the label over the mean of all labels within the segment,
    in deviations of the recording's margins.
    """

    label: str
    start_s: float
    end_s: float
    score: float
    recording: str = ""
    body: int | None = None


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows over a recording: frames [first, last) and the moment each is centred on."""

    first: Array
    last: Array
    moment: Array
    """Index of the moment (multiples of the stride) that the window speaks for, (W,)."""
    moments: int

    def __len__(self) -> int:
        return len(self.first)


def windows(frames: int, fps: float, config: SegmentConfig) -> Windows:
    """Return the windows over ``frames`` frames, one for each length around each moment.

    A moment stands at the middle of each stride; a window is cut at the ends of the recording,
    and holds two frames at least.

    Raises
    ------
    InputError
        If the recording has fewer than two frames, or ``fps`` is not above 0.
    """
    if frames < 2:
        raise InputError(f"expected at least 2 frames to look for actions in, found {frames}")
    if not fps > 0:
        raise InputError(f"expected a frame rate above 0, got {fps}")
    stride = config.stride_s * fps
    moments = max(1, round(frames / stride))
    middle = (np.arange(moments) + 0.5) * min(stride, frames)
    half = np.asarray(config.lengths_s)[:, None] * fps / 2
    first = np.clip(np.floor(middle - half), 0, frames - 2).astype(int)
    last = np.clip(np.ceil(middle + half), first + 2, frames).astype(int)
    moment = np.broadcast_to(np.arange(moments), first.shape)
    return Windows(first.ravel(), last.ravel(), moment.ravel(), moments)


def moment_scores(scores: Array, found: Windows, centre: Array | None = None) -> Array:
    """Return one row of centred scores a moment, (moments, K) float64.

    Parameters
    ----------
    scores
        The method's scores of the windows, (W, K), high = alike.
    centre
        Mean score of each label over clips that say nothing of this recording, (K,); by
        default the mean over this recording's windows. A label that fits everything a little
        would win everywhere otherwise.
    """
    scores = np.asarray(scores, dtype=np.float64)
    scores = scores - (scores.mean(0) if centre is None else centre)
    total = np.zeros((found.moments, scores.shape[1]))
    np.add.at(total, found.moment, scores)
    return total / np.bincount(found.moment, minlength=found.moments)[:, None]


def margins(scores: Array) -> Array:
    """Return by how much each label's score is above the mean label's, (moments, K).

    In deviations of all margins of the recording, so that methods whose scores have other units
    change labels as readily. With one label only its own score is left: 0 is the mean of the
    recording.
    """
    above = scores - scores.mean(1, keepdims=True) if scores.shape[1] > 1 else scores
    return above / (float(above.std()) or 1.0)


def decode(
    margin: Array, still: Array, config: SegmentConfig, background: float | None = None
) -> Array:
    """Return the label of each moment, ``BACKGROUND`` where none, by the Viterbi algorithm.

    Parameters
    ----------
    margin
        (moments, K), from `margins`.
    still
        Whether the body hardly moves around each moment, (moments,) bool.
    background
        The margin at which an action and background are as likely; None: where a body moves, it
        acts.

    Notes
    -----
    States are the labels and background. A state stays with probability
    ``1 - stride / mean length``; a change goes to any other state alike.
    """
    moments, labels = margin.shape
    level = np.where(still, 0.0, -np.inf if background is None else background)
    emission = np.concatenate([margin, level[:, None]], axis=1)
    emission[still, :labels] = -np.inf  # nobody acts while standing still
    stay = 1 - config.stride_s / config.mean_length_s
    change = np.log((1 - stay) / labels) - np.log(stay)
    return np.where((best := _best_path(emission, change)) == labels, BACKGROUND, best)


def _best_path(emission: Array, change: float) -> Array:
    """Return the states (T,) of highest total emission, each change of state adding ``change``.

    Since every change costs the same, the best predecessor is the state itself or the best of
    all: T x K steps, not T x K^2.
    """
    steps, states = emission.shape
    total, came_from = emission[0], np.zeros((steps, states), dtype=int)
    for step in range(1, steps):
        best = int(total.argmax())
        moves = total[best] + change > total
        came_from[step] = np.where(moves, best, np.arange(states))
        total = np.where(moves, total[best] + change, total) + emission[step]
    path = np.empty(steps, dtype=int)
    path[-1] = total.argmax()
    for step in range(steps - 1, 0, -1):
        path[step - 1] = came_from[step, path[step]]
    return path


def runs(
    path: Array, margin: Array, labels: Sequence[str], seconds: float, config: SegmentConfig
) -> list[Segment]:
    """Return the runs of one label as segments, in order of time; background is left out.

    Parameters
    ----------
    path
        Label of each moment, from `decode`.
    margin
        (moments, K), whose mean over a run is the segment's score.
    seconds
        Length of the recording, where the last segment ends at the latest.
    """
    edges = np.flatnonzero(np.diff(path, prepend=path[0] - 1, append=path[-1] - 1))
    width = seconds / len(path)
    found = [
        (int(path[a]), a * width, b * width, margin[a:b, path[a]])
        for a, b in zip(edges[:-1], edges[1:], strict=True)
        if path[a] != BACKGROUND
    ]
    return [
        Segment(labels[k], round(start, 3), round(end, 3), float(values.mean()))
        for k, start, end, values in _merged(found, config.merge_gap_s)
    ]


def _merged(found: list[tuple[int, float, float, Array]], gap_s: float) -> list:
    """Join neighbours of one label with less than ``gap_s`` between them."""
    joined: list[tuple[int, float, float, Array]] = []
    for label, start, end, values in found:
        if joined and joined[-1][0] == label and start - joined[-1][2] < gap_s:
            _, first, _, before = joined.pop()
            start, values = first, np.concatenate([before, values])
        joined.append((label, start, end, values))
    return joined


def still_moments(joints: Array, fps: float, moments: int, limit_m: float) -> Array:
    """Return at which moments no body moves, (moments,) bool.

    Parameters
    ----------
    joints
        (T, M, V, 3) in metres, NaN where a body is absent.
    limit_m
        Mean way of a body's joints between two frames of 30 fps, below which it stands still.
        Real recordings of one PKU-MMD file: 0.004, 0.020 and 0.062 m at 10, 50 and 90 %.
    """
    way = np.linalg.norm(np.diff(joints, axis=0), axis=-1) * fps / 30  # (T - 1, M, V)
    there = np.isfinite(way)
    count = there.sum(2)
    mean = np.where(there, way, 0).sum(2) / np.maximum(count, 1)
    speed = np.where(count > 0, mean, 0).max(1)
    parts = np.array_split(speed, moments)
    return np.array([not len(part) or part.mean() < limit_m for part in parts])
