"""What a score and a margin mean, learnt from recordings of seen classes only.

A method's scores have no unit of their own. Here random groups of seen classes play the labels
of a user, and clips of seen classes by other performers play the recordings: for some the right
label is among them, for others not. From these come the spread of scores, which is taken as
their unit, and the margin above which a label is more likely right than that none fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

Array = np.ndarray
GROUPS = 200
GROUP = 5
SEED = 0


@dataclass(frozen=True)
class Calibration:
    """The unit of scores, and two thresholds in it."""

    unit: float
    """Deviation of a label's score from the mean label's, over clips of seen classes."""
    none_below: float
    """Margin of the first label over the second below which none of the labels is said to fit."""
    kept: float
    """Share of clips with their class among the labels whose margin is ``none_below`` or more."""
    refused: float
    """Share of clips without their class among the labels whose margin is below it."""
    labels: int
    clips: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as ``config.json`` keeps them."""
        return asdict(self)


def calibrate(scores: Array, label: Array) -> Calibration:
    """Return the calibration by scores of seen-class clips against seen classes.

    Parameters
    ----------
    scores
        Of each clip against each seen class, (N, C).
    label
        The clip's own class, (N,).

    Notes
    -----
    The method was trained on these classes, and names their clips more surely than those of
    unseen ones: the shares kept are too high for these. Methods that refit cheaply are trained
    again without each group instead (`of_groups`).
    """
    size = group_size(scores.shape[1])
    draw = np.random.default_rng(SEED)
    groups = []
    for _ in range(GROUPS if size > 1 else 0):
        chosen = draw.choice(scores.shape[1], size, replace=False)
        some = draw.choice(len(scores), min(len(scores), 100), replace=False)
        groups.append((scores[np.ix_(some, chosen)], np.isin(label[some], chosen)))
    return of_groups(groups, size)


def group_size(classes: int) -> int:
    """Return how many of the seen classes play a user's labels."""
    return min(GROUP, classes // 2)


def of_groups(groups: Sequence[tuple[Array, Array]], size: int) -> Calibration:
    """Return the calibration by groups of labels and the clips scored against each.

    A group has the scores (n, size) of some clips, and whether the clip's own class is among
    its labels, (n,). Without groups (fewer than four seen classes) there is nothing to learn
    from, and nothing is refused.
    """
    own, others, ways = [np.empty(0)], [np.empty(0)], []
    for scores, inside in groups:
        part = scores.astype(np.float64)
        above = part - part.mean(1, keepdims=True)
        ways.append(above.ravel())
        first, second = np.sort(part, axis=1)[:, [-1, -2]].T
        own.append((first - second)[inside])
        others.append((first - second)[~inside])
    unit = (float(np.concatenate(ways).std()) if ways else 0.0) or 1.0
    right, wrong = np.concatenate(own) / unit, np.concatenate(others) / unit
    none_below, kept, refused = threshold(right, wrong)
    clips = sum(len(inside) for _, inside in groups)
    return Calibration(unit, none_below, kept, refused, size, clips)


def threshold(right: Array, wrong: Array) -> tuple[float, float, float]:
    """Return the value that tells two groups best, and the shares above and below it.

    The mean of the two shares is as high as it can be; both groups weigh the same, however
    many of each there are.
    """
    if not len(right) or not len(wrong):
        return 0.0, 1.0, 0.0
    values = np.quantile(np.concatenate([right, wrong]), np.linspace(0, 1, 201))
    kept = (right[:, None] >= values).mean(0)
    refused = (wrong[:, None] < values).mean(0)
    best = int((kept + refused).argmax())
    return float(values[best]), float(kept[best]), float(refused[best])
