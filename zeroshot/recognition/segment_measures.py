"""How well segments are found: PKU-MMD's measures, over IoU thresholds, beside chance.

PKU-MMD (Liu et al. 2017) counts a predicted segment as right where it overlaps a true one of
its label and recording by ``IoU >= theta``, and reports mean average precision over classes
(mAP_a) and over recordings (mAP_v), and F1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.recognition.segments import Segment

THRESHOLDS = tuple(round(0.1 * k, 1) for k in range(1, 10))
Matching = Literal["once", "published"]


@dataclass(frozen=True)
class SegmentMeasures:
    """Measures at one IoU threshold, each from 0 to 1."""

    theta: float
    mAP_a: float
    """Mean over the classes that occur among the true segments."""
    mAP_v: float
    """Mean over the recordings that hold a true segment."""
    f1: float
    precision: float
    recall: float


def iou(a: Segment, b: Segment) -> float:
    """Return the overlap of two segments divided by what they cover together, 0 if apart."""
    both = min(a.end_s, b.end_s) - max(a.start_s, b.start_s)
    cover = max(a.end_s, b.end_s) - min(a.start_s, b.start_s)
    return max(both, 0.0) / cover if cover > 0 else 0.0


def measure(
    predicted: Sequence[Segment],
    truth: Sequence[Segment],
    thresholds: Iterable[float] = THRESHOLDS,
    matching: Matching = "once",
) -> list[SegmentMeasures]:
    """Return the measures at each threshold.

    Parameters
    ----------
    predicted, truth
        Segments with their recordings' names; only labels that occur in ``truth`` count, so
        that unseen classes are measured by leaving the others out of it.
    matching
        ``once``: each true segment is found by one prediction, the most confident first; the
        others that overlap it are wrong. ``published``: as the data set's own program counts.

    Raises
    ------
    InputError
        If there is no true segment.

    Notes
    -----
    The data set's program counts every prediction that overlaps a true segment as right,
    however many do, and caps recall at 1; it takes the precision *after* leaving a prediction
    out, so that the most confident one counts for nothing and a single perfect prediction has
    an average precision of 0; and it divides by all 52 label numbers, 0 among them, whether
    they occur or not. The first two are kept in ``published``; the last is not.
    """
    if not truth:
        raise InputError("there is no true segment to compare with")
    labels = sorted({segment.label for segment in truth})
    recordings = sorted({segment.recording for segment in truth})
    predicted = [segment for segment in predicted if segment.label in set(labels)]
    found = []
    for theta in thresholds:
        right = _matches(predicted, truth, theta, matching)
        found.append(
            SegmentMeasures(
                theta,
                _mean_ap(predicted, right, truth, labels, lambda s: s.label, matching),
                _mean_ap(predicted, right, truth, recordings, lambda s: s.recording, matching),
                *_f1(right, len(truth)),
            )
        )
    return found


def _matches(
    predicted: Sequence[Segment], truth: Sequence[Segment], theta: float, matching: Matching
) -> np.ndarray:
    """Return which predictions are right, (P,) bool."""
    right = np.zeros(len(predicted), dtype=bool)
    taken: set[int] = set()
    by_confidence = sorted(range(len(predicted)), key=lambda i: -predicted[i].score)
    for i in by_confidence:
        one = predicted[i]
        overlaps = [
            (iou(one, true), j)
            for j, true in enumerate(truth)
            if true.label == one.label
            and true.recording == one.recording
            and (matching == "published" or j not in taken)
        ]
        best, j = max(overlaps, default=(0.0, -1))
        if best >= theta:
            right[i] = True
            taken.add(j)
    return right


def _mean_ap(
    predicted: Sequence[Segment],
    right: np.ndarray,
    truth: Sequence[Segment],
    groups: Sequence[str],
    key: Callable[[Segment], str],
    matching: Matching,
) -> float:
    """Return the mean over groups (classes or recordings) of the average precision."""
    total = []
    for group in groups:
        chosen = [i for i, segment in enumerate(predicted) if key(segment) == group]
        scores = np.array([predicted[i].score for i in chosen])
        count = sum(key(segment) == group for segment in truth)
        total.append(average_precision(scores, right[chosen], count, matching))
    return float(np.mean(total))


def average_precision(
    scores: np.ndarray, right: np.ndarray, truths: int, matching: Matching = "once"
) -> float:
    """Return the area below the interpolated precision over recall.

    Parameters
    ----------
    scores, right
        Confidence of each prediction and whether it is right, (P,).
    truths
        Number of true segments, at least 1.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    precision = hits / np.arange(1, len(hits) + 1)
    recall = np.minimum(hits / truths, 1.0)
    if matching == "published":  # the most confident prediction has no step of its own
        return _published_area(precision, recall, right[order])
    interpolated = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(recall, prepend=0.0)
    return float((interpolated * steps).sum())


def _published_area(precision: np.ndarray, recall: np.ndarray, right: np.ndarray) -> float:
    """Return the area as the data set's program adds it up, from the lowest confidence on."""
    if not len(right):
        return 0.0
    area, best, last = 0.0, 0.0, float(recall[-1])
    for k in range(len(right) - 1, 0, -1):
        if right[k]:
            best = max(best, float(precision[k - 1]))
            area += best * (last - float(recall[k - 1]))
            last = float(recall[k - 1])
    return area + best * last


def _f1(right: np.ndarray, truths: int) -> tuple[float, float, float]:
    hits = float(right.sum())
    precision = hits / len(right) if len(right) else 0.0
    recall = min(hits / truths, 1.0)
    both = precision + recall
    return (2 * precision * recall / both if both else 0.0, precision, recall)


def shuffled_labels(
    segments: Sequence[Segment], labels: Sequence[str], seed: int
) -> list[Segment]:
    """Return the segments with labels drawn anew from ``labels``: what chance would find.

    Times and scores stay, so that what is left is what the times alone are worth.
    """
    drawn = np.random.default_rng(seed).integers(0, len(labels), len(segments))
    return [replace(s, label=labels[k]) for s, k in zip(segments, drawn, strict=True)]


def chance(
    predicted: Sequence[Segment],
    truth: Sequence[Segment],
    thresholds: Iterable[float] = THRESHOLDS,
    matching: Matching = "once",
    draws: int = 20,
) -> list[SegmentMeasures]:
    """Return the mean measures of predictions with shuffled labels, over ``draws`` seeds."""
    thresholds = tuple(thresholds)
    labels = sorted({segment.label for segment in truth})
    rounds = [
        measure(shuffled_labels(predicted, labels, seed), truth, thresholds, matching)
        for seed in range(draws)
    ]
    names = ("mAP_a", "mAP_v", "f1", "precision", "recall")
    return [
        SegmentMeasures(
            theta, *(float(np.mean([getattr(r[k], name) for r in rounds])) for name in names)
        )
        for k, theta in enumerate(thresholds)
    ]
