"""SynSE's gate: a logistic regression that tells seen clips from unseen ones."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from smie_pipe.zeroshot.gzsl.stacking import Array, Margins, at, best_within, curve

TEMPERATURES = (0.5, 1.0, 2.0, 4.0)
"""Grid of the seen classifier's temperature for the gate."""


TOP = 10
"""At most so many of the highest scores of each side tell the gate what it sees."""


@dataclass(frozen=True, eq=False)
class GateInputs:
    """What the gate looks at.

    Zero-shot scores (N, Ku) of the unseen classes, the seen classifier's logits (N, Ks), and
    whether each side names the clip rightly, (N,) each.
    """

    unseen_scores: Array
    seen_logits: Array
    right_if_seen: Array
    right_if_unseen: Array
    is_seen: Array


def gate_inputs(scores: Array, seen_logits: Array, truth: Array, unseen: Array) -> GateInputs:
    """Return what the gate sees of N clips.

    Parameters
    ----------
    scores
        Zero-shot scores against all K classes, shape (N, K).
    seen_logits
        The seen classifier's, a column per seen class in the order of the columns, (N, Ks).
    truth, unseen
        As for ``margins_of``.
    """
    seen_is = np.flatnonzero(~unseen)[seen_logits.argmax(1)]
    _, unseen_is = best_within(scores, unseen)
    return GateInputs(
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

    def margins(self, c: GateInputs) -> Margins:
        """Return the gate's log-odds of "seen" as the margin of seen classes."""
        x = _looks(c, self.scale, self.temperature, self.top)
        return Margins(x @ self.weight + self.bias, c.right_if_seen, c.right_if_unseen, c.is_seen)


def fit_gate(c: GateInputs, unseen_classes: int) -> Gate:
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
        key=lambda gate: at(gate.margins(c), gate.threshold)["H"],
    )


def _fit_at(c: GateInputs, scale: float, temperature: float, top: int) -> Gate:
    from sklearn.linear_model import LogisticRegression

    x = _looks(c, scale, temperature, top)
    fitted = LogisticRegression(class_weight="balanced", max_iter=1000).fit(x, c.is_seen)
    gate = Gate(scale, temperature, top, fitted.coef_[0], float(fitted.intercept_[0]), 0.0)
    threshold = curve(gate.margins(c)).best_gamma()
    return Gate(scale, temperature, top, gate.weight, gate.bias, threshold)


def _looks(c: GateInputs, scale: float, temperature: float, top: int) -> Array:
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
