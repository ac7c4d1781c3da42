"""How good a set of scores is: accuracy, confusion, and how sure a difference is. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError

Array = np.ndarray


@dataclass(frozen=True)
class Measures:
    """What the scores of N clips against K classes are worth.

    Attributes
    ----------
    accuracy
        Share of clips whose highest score is their class: one mean over clips, not a mean of
        batch means as in public code.
    class_mean
        Mean over classes of the share within a class.
    chance
        Accuracy of a guess: 1 / K.
    top
        Share of clips with their class among the 1, 2, ... highest scores, up to 5.
    confusion
        Counts, row = true class, column = highest score, shape (K, K).
    """

    accuracy: float
    class_mean: float
    chance: float
    top: tuple[float, ...]
    confusion: Array


def measure(scores: Array, truth: Array) -> Measures:
    """Measure scores against the true classes.

    Parameters
    ----------
    scores
        Shape (N, K), higher is more alike.
    truth
        Column of the true class of each clip, shape (N,).

    Raises
    ------
    InputError
        If there is no clip, a class without a clip, or a score that is not finite.
    """
    _check(scores, truth)
    classes = scores.shape[1]
    confusion = count_confusions(truth, scores.argmax(1), classes)
    hits = np.diag(confusion)
    rank = ranks(scores, truth)
    top = tuple(float((rank < k).mean()) for k in range(1, min(classes, 5) + 1))
    return Measures(
        accuracy=float(hits.sum() / len(truth)),
        class_mean=float((hits / confusion.sum(1)).mean()),
        chance=1 / classes,
        top=top,
        confusion=confusion,
    )


def _check(scores: Array, truth: Array) -> None:
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).any(1).sum())
        raise InputError(
            f"{bad} of {len(scores)} clips have scores that are not finite: the training "
            "diverged; give a lower learning rate (--method NAME:lr=...)"
        )
    empty = np.setdiff1d(np.arange(scores.shape[1]), truth).tolist()
    if empty:
        raise InputError(f"classes {empty} have no test clip, so their accuracy is undefined")


def count_confusions(truth: Array, predicted: Array, classes: int) -> Array:
    """Count clips by true class (row) and predicted class (column), shape (K, K)."""
    flat = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes)


def ranks(scores: Array, truth: Array) -> Array:
    """Return how many classes score above the true one, shape (N,); 0 is right.

    Of equal scores the first column wins, as in ``argmax``.
    """
    own = scores[np.arange(len(truth)), truth][:, None]
    before = np.arange(scores.shape[1]) < truth[:, None]
    return ((scores > own) | ((scores == own) & before)).sum(1)


@dataclass(frozen=True)
class Difference:
    """A mean difference in accuracy and its 95 % interval, as shares (0.01 = one point)."""

    mean: float
    low: float
    high: float


def paired_difference(
    ours: Sequence[Array],
    theirs: Sequence[Array],
    *,
    seed: int = 0,
    draws: int = 10_000,
    level: float = 0.95,
) -> Difference:
    """Bootstrap the difference in accuracy of two methods over the same clips.

    Parameters
    ----------
    ours, theirs
        For each split how often each clip was right, averaged over seeds: (N,) from 0 to 1,
        clips in the same order on both sides.
    seed
        Of the draws.
    draws
        Resamples of the clips of every split; the interval is their middle ``level``.

    Returns
    -------
    Difference
        Of the mean over splits, each split counting the same.

    Notes
    -----
    Clips are resampled within their split, so the interval says how sure the difference is on
    these splits and these trainings, not on other splits. A difference takes few values (seeds
    are few), so a resample is a multinomial draw of how often each value comes, which is the
    same distribution as drawing clips one by one and costs nothing.
    """
    rng = np.random.default_rng(seed)
    drawn = np.zeros(draws)
    centre = 0.0
    for a, b in zip(ours, theirs, strict=True):
        values, counts = np.unique(np.round(a - b, 12), return_counts=True)
        clips = counts.sum()
        drawn += rng.multinomial(clips, counts / clips, size=draws) @ values / clips
        centre += values @ counts / clips
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(drawn / len(ours), [tail, 100 - tail])
    return Difference(float(centre / len(ours)), float(low), float(high))
