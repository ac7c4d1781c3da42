"""Generalised zero-shot recognition: seen and unseen classes compete for every clip. No torch.

Scores lean to the classes a method was trained on. Two remedies: calibrated stacking takes a
constant gamma off the scores of seen classes; SynSE's gate decides first whether a clip is of a
seen class, and asks a classifier of the seen classes or the zero-shot method. Both are fitted
on classes held out of the seen ones. S and U are the accuracies on the clips of seen and unseen
classes with every class allowed, H = 2 S U / (S + U).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError

Array = np.ndarray
PerClip = TypeVar("PerClip", "Contest", "Clues")
TEMPERATURES = (0.5, 1.0, 2.0, 4.0)
"""Grid of the seen classifier's temperature for the gate."""
TOP = 10
"""At most so many of the highest scores of each side tell the gate what it sees."""


@dataclass(frozen=True, eq=False)
class Contest:
    """For each of N clips: how far seen leads unseen, and whether either side names it rightly.

    ``lead`` is the best seen score minus the best unseen one; ``right_if_seen`` whether the
    answer is right when a seen class is given, ``right_if_unseen`` when an unseen one is;
    ``is_seen`` whether the clip is of a seen class.
    """

    lead: Array
    right_if_seen: Array
    right_if_unseen: Array
    is_seen: Array

    def __post_init__(self) -> None:
        if self.is_seen.all() or not self.is_seen.any():
            raise InputError(
                "generalised zero-shot needs test clips of seen and of unseen classes; "
                f"found {int(self.is_seen.sum())} and {int((~self.is_seen).sum())}"
            )


def contest(scores: Array, truth: Array, unseen: Array) -> Contest:
    """Return the contest between seen and unseen classes by one method's scores.

    Parameters
    ----------
    scores
        Against all K classes, shape (N, K).
    truth
        Column of the true class, shape (N,).
    unseen
        Which columns are unseen classes, shape (K,), bool.
    """
    seen_best, seen_is = _best(scores, ~unseen)
    unseen_best, unseen_is = _best(scores, unseen)
    return Contest(seen_best - unseen_best, seen_is == truth, unseen_is == truth, ~unseen[truth])


def _best(scores: Array, allowed: Array) -> tuple[Array, Array]:
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
    """Return the clips of several contests, or several sets of clues, as one."""
    names = [field.name for field in fields(parts[0])]
    return type(parts[0])(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))


def harmonic(S: Array | float, U: Array | float) -> Array:
    """Return 2 S U / (S + U), 0 where both are 0."""
    total = np.add(S, U)
    return np.where(total > 0, 2 * np.multiply(S, U) / np.where(total > 0, total, 1), 0.0)


def curve(c: Contest) -> Curve:
    """Return S and U over all gamma: a clip is given a seen class where its lead is >= gamma.

    Both change only where gamma passes a clip's lead, so one value between each two leads
    (and one beyond either end) is every case there is. N log N.
    """
    leads = np.unique(c.lead)
    middle = (leads[:-1] + leads[1:]) / 2
    gamma = np.concatenate([[leads[0] - 1], middle, [leads[-1] + 1]])
    won = np.sort(c.lead[c.is_seen & c.right_if_seen])
    freed = np.sort(c.lead[~c.is_seen & c.right_if_unseen])
    S = (len(won) - np.searchsorted(won, gamma)) / c.is_seen.sum()
    U = np.searchsorted(freed, gamma) / (~c.is_seen).sum()
    return Curve(gamma, S, U)


def at(c: Contest, gamma: float) -> dict[str, float]:
    """Return S, U and H for one gamma."""
    seen = c.lead >= gamma
    right = np.where(seen, c.right_if_seen, c.right_if_unseen)
    S, U = float(right[c.is_seen].mean()), float(right[~c.is_seen].mean())
    return {"gamma": float(gamma), "S": S, "U": U, "H": float(harmonic(S, U))}


@dataclass(frozen=True, eq=False)
class Clues:
    """What the gate looks at.

    Zero-shot scores (N, Ku) of the unseen classes, the seen classifier's logits (N, Ks), and
    whether each side names the clip rightly, (N,) each.
    """

    unseen_scores: Array
    seen_logits: Array
    right_if_seen: Array
    right_if_unseen: Array
    is_seen: Array


def clues(scores: Array, seen_logits: Array, truth: Array, unseen: Array) -> Clues:
    """Return what the gate sees of N clips.

    Parameters
    ----------
    scores
        Zero-shot scores against all K classes, shape (N, K).
    seen_logits
        The seen classifier's, a column per seen class in the order of the columns, (N, Ks).
    truth, unseen
        As for ``contest``.
    """
    seen_is = np.flatnonzero(~unseen)[seen_logits.argmax(1)]
    _, unseen_is = _best(scores, unseen)
    return Clues(
        scores[:, unseen], seen_logits, seen_is == truth, unseen_is == truth, ~unseen[truth]
    )


@dataclass(frozen=True, eq=False)
class Gate:
    """SynSE's gate, fitted: logistic regression on the sorted top probabilities of both sides.

    ``scale`` brings zero-shot scores of any method to one spread before the softmax,
    ``temperature`` divides the seen classifier's logits, ``top`` of each are looked at;
    ``weight`` (2 top,) and ``bias`` give the log-odds of "seen", ``threshold`` is what they
    must reach.
    """

    scale: float
    temperature: float
    top: int
    weight: Array
    bias: float
    threshold: float

    def contest(self, c: Clues) -> Contest:
        """Return the contest with the gate's log-odds of "seen" as the lead."""
        x = _looks(c, self.scale, self.temperature, self.top)
        return Contest(x @ self.weight + self.bias, c.right_if_seen, c.right_if_unseen, c.is_seen)


def fit_gate(c: Clues, unseen_classes: int) -> Gate:
    """Fit the gate on held-out classes: weights, then threshold and temperature by H.

    Parameters
    ----------
    c
        Of clips of kept and of held-out seen classes, none of which was trained on.
    unseen_classes
        How many classes are unseen in the test; the gate looks at no more scores than that.

    Notes
    -----
    SynSE (Gupta 2021), section 3. Both kinds of clips weigh the same in the regression, since
    H does not depend on how many of each there are.
    """
    top = min(TOP, c.unseen_scores.shape[1], c.seen_logits.shape[1], unseen_classes)
    scale = float(c.unseen_scores.std()) or 1.0
    return max(
        (_fit_at(c, scale, temperature, top) for temperature in TEMPERATURES),
        key=lambda gate: at(gate.contest(c), gate.threshold)["H"],
    )


def _fit_at(c: Clues, scale: float, temperature: float, top: int) -> Gate:
    from sklearn.linear_model import LogisticRegression

    x = _looks(c, scale, temperature, top)
    fitted = LogisticRegression(class_weight="balanced", max_iter=1000).fit(x, c.is_seen)
    gate = Gate(scale, temperature, top, fitted.coef_[0], float(fitted.intercept_[0]), 0.0)
    threshold = curve(gate.contest(c)).best_gamma()
    return Gate(scale, temperature, top, gate.weight, gate.bias, threshold)


def _looks(c: Clues, scale: float, temperature: float, top: int) -> Array:
    """Return the sorted top probabilities of the zero-shot and of the seen side, (N, 2 top)."""
    return np.concatenate(
        [
            _top_probabilities(c.unseen_scores / scale, top),
            _top_probabilities(c.seen_logits / temperature, top),
        ],
        axis=1,
    )


def _top_probabilities(logits: Array, top: int) -> Array:
    p = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return -np.sort(-p, axis=1)[:, :top]


class SeenClassifier:
    """A linear softmax classifier of the seen classes on standardised features."""

    def __init__(self, v: Array, label: Array):
        """Fit to features (N, D) and labels (N,) 0..Ks-1, all of which occur."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        self.mean, self.scale = v.mean(0), np.maximum(v.std(0), 1e-6)
        self.model = LogisticRegression(C=0.1, max_iter=300, tol=1e-3)
        with warnings.catch_warnings():
            # A fit that runs out of steps serves: the gate needs no last digit of it.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(self._standard(v), label)

    def _standard(self, v: Array) -> Array:
        return ((v - self.mean) / self.scale).astype(np.float32)

    def logits(self, v: Array) -> Array:
        """Return the scores of the seen classes, shape (N, Ks)."""
        found = self.model.decision_function(self._standard(v))
        return np.stack([np.zeros_like(found), found], axis=1) if found.ndim == 1 else found
