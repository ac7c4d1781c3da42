"""Generalised zero-shot recognition: seen and unseen classes compete for every clip. No torch.

Scores lean to the classes a method was trained on. Two remedies: calibrated stacking takes a
constant gamma off the scores of seen classes; SynSE's gate decides first whether a clip is of a
seen class, and asks a classifier of the seen classes or the zero-shot method. Both are fitted
on classes held out of the seen ones. S and U are the accuracies on the clips of seen and unseen
classes with every class allowed, H = 2 S U / (S + U).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Array = np.ndarray
PerClip = TypeVar("PerClip", bound="DataclassInstance")


@dataclass(frozen=True, eq=False)
class Margins:
    """For each of N clips: how far seen margins unseen, and whether either side names it rightly.

    ``margin`` is the best seen score minus the best unseen one; ``right_if_seen`` whether the
    answer is right when a seen class is given, ``right_if_unseen`` when an unseen one is;
    ``is_seen`` whether the clip is of a seen class.
    """

    margin: Array
    right_if_seen: Array
    right_if_unseen: Array
    is_seen: Array

    def __post_init__(self) -> None:
        if self.is_seen.all() or not self.is_seen.any():
            raise InputError(
                "generalised zero-shot needs test clips of seen and of unseen classes; "
                f"found {int(self.is_seen.sum())} and {int((~self.is_seen).sum())}"
            )


def margins_of(scores: Array, truth: Array, unseen: Array) -> Margins:
    """Return how far seen classes score above unseen ones, by one method's scores.

    Parameters
    ----------
    scores
        Against all K classes, shape (N, K).
    truth
        Column of the true class, shape (N,).
    unseen
        Which columns are unseen classes, shape (K,), bool.
    """
    seen_best, seen_is = best_within(scores, ~unseen)
    unseen_best, unseen_is = best_within(scores, unseen)
    return Margins(seen_best - unseen_best, seen_is == truth, unseen_is == truth, ~unseen[truth])


def best_within(scores: Array, allowed: Array) -> tuple[Array, Array]:
    """Return the highest score among the allowed columns, and its column."""
    columns = np.flatnonzero(allowed)
    at = columns[scores[:, columns].argmax(1)]
    return scores[np.arange(len(scores)), at].astype(np.float64), at


@dataclass(frozen=True, eq=False)
class Curve:
    """S and U at every gamma where either changes: ``gamma``, ``S``, ``U``, rising in gamma."""

    gamma: Array
    S: Array
    U: Array

    @property
    def H(self) -> Array:
        """Harmonic mean of S and U; 0 where both are."""
        return harmonic(self.S, self.U)

    def area(self) -> float:
        """Area under U over S (AUSUC; Chao et al. 2016), 1 at best."""
        return float(((self.S[:-1] - self.S[1:]) * (self.U[:-1] + self.U[1:]) / 2).sum())

    def best_gamma(self) -> float:
        """Return the gamma with the highest H; amid several, the middle one of them."""
        H = self.H
        best = np.flatnonzero(np.equal(H, H.max()))
        return float(self.gamma[best[len(best) // 2]])

    def thin(self, points: int = 101) -> dict[str, list[float]]:
        """Return at most ``points`` points of the curve, for a figure."""
        at = np.unique(np.linspace(0, len(self.S) - 1, points).round().astype(int))
        return {"S": self.S[at].round(6).tolist(), "U": self.U[at].round(6).tolist()}


def joined(parts: Sequence[PerClip]) -> PerClip:
    """Return the clips of several parts, margins or gate inputs, as one."""
    names = [field.name for field in fields(parts[0])]
    return type(parts[0])(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def harmonic(S: Array | float, U: Array | float) -> Array:
    """Return 2 S U / (S + U), 0 where both are 0."""
    total = np.add(S, U)
    return np.where(total > 0, 2 * np.multiply(S, U) / np.where(total > 0, total, 1), 0.0)


def curve(c: Margins) -> Curve:
    """Return S and U over all gamma: a clip is given a seen class where its margin is >= gamma.

    Both change only where gamma passes a clip's margin, so one value between each two margins
    (and one beyond either end) is every case there is. N log N.
    """
    margins = np.unique(c.margin)
    middle = (margins[:-1] + margins[1:]) / 2
    gamma = np.concatenate([[margins[0] - 1], middle, [margins[-1] + 1]])
    kept = np.sort(c.margin[c.is_seen & c.right_if_seen])
    released = np.sort(c.margin[~c.is_seen & c.right_if_unseen])
    S = (len(kept) - np.searchsorted(kept, gamma)) / c.is_seen.sum()
    U = np.searchsorted(released, gamma) / (~c.is_seen).sum()
    return Curve(gamma, S, U)


def at(c: Margins, gamma: float) -> dict[str, float]:
    """Return S, U and H for one gamma."""
    seen = c.margin >= gamma
    right = np.where(seen, c.right_if_seen, c.right_if_unseen)
    S, U = float(right[c.is_seen].mean()), float(right[~c.is_seen].mean())
    return {"gamma": float(gamma), "S": S, "U": U, "H": float(harmonic(S, U))}
