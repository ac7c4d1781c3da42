"""SMIE: estimate and maximise the mutual information of skeletons and class texts.

Equation numbers are the paper's: Zhou et al., Zero-shot Skeleton-based Action Recognition via
Mutual Information Estimation and Maximization, 2023.

=====  ==============================================  =======================================
Eq.    What it says                                    Where it is computed
=====  ==============================================  =======================================
1      v = N(F_v(x)), a = F_e(e), N a LayerNorm        ``base.normalise``; F_v is the backbone
                                                       (``backbones``), F_e the text model
                                                       (``texts.embeddings``)
2, 3   definition of mutual information I(V; A)        not computed: 4 estimates it from below
4      m, the Jensen-Shannon estimate of I(V; A)       ``jsd``, on T of ``estimator.Estimator``
5      L1 = -m                                         ``total_loss``
6-8    motion of each frame, its share q_k of a clip   ``backbones.features.key_frames``; the
                                                       frames of largest q_k are masked
9      m^, the estimate with v^ of the masked clip     ``mutual_information``
10     L2 = max(0, beta - (m - m^))                    ``total_loss``
11     L = L1 + lambda L2                              ``total_loss``
12     InfoNCE in place of 4                           ``infonce``
=====  ==============================================  =======================================

One batch is ``SMIE._step``: T on its pairs (``pair_scores``), m and m^, L, one step of Adam. At
test time a clip gets the class of the highest T(v, a) (``SMIE.score``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.zeroshot.methods.base import TrainingData, check_positive, normalise, seeded
from smie_pipe.zeroshot.methods.batches import Batch, epoch_of_batches, pick
from smie_pipe.zeroshot.methods.estimator import Estimator, score_pairs
from smie_pipe.zeroshot.methods.saved import OneNetwork
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

CHOICES = {
    "estimator": ("jsd", "infonce"),
    "negatives": ("other-class", "roll"),
    "layer_norm": ("both", "train", "none"),
    "precision": ("float32", "bf16"),
}

# Section 4.2 and table 1. PKU-MMD and NTU-60 are small beside NTU-120.
DATASET_DEFAULTS: dict[str, dict[str, float]] = {
    "ntu60": {"lr": 1e-5, "beta": 0.1},
    "ntu120": {"lr": 1e-4, "beta": 0.5},
    "pku51": {"lr": 1e-5, "beta": 0.01},
}


class PairScores(NamedTuple):
    """T for one batch: true pairs, true pairs of the masked clips, false pairs."""

    positive: Tensor  # T(v, a), shape (B,)
    masked: Tensor | None  # T(v^, a), shape (B,)
    negative: Tensor  # T(v', a), shape (B, R)


@dataclass
class SMIE(OneNetwork[Estimator]):
    """Global alignment by mutual information, with the temporal constraint.

    Parameters
    ----------
    epochs, batch, lr, warmup
        Adam; the rate rises over the first ``warmup`` share of the epochs (15 of 100 in the
        public code), then falls along a cosine.
    beta, lam
        Margin of equation 10 and weight lambda of equation 11.
    temporal
        With the temporal constraint L2. Without it this is the paper's "SMIE (w/o L2)".
    estimator
        ``"jsd"`` (equation 4) or ``"infonce"`` (equation 12).
    negatives
        ``"other-class"`` draws v' evenly among the clips of other classes in the batch (in the
        whole set, where the batch has one class); ``"roll"`` takes the next clip of the batch
        as the public code does, which may be of the same class.
    infonce_negatives
        False pairs per clip under ``"infonce"``; with ``"roll"`` the next so many clips.
    layer_norm
        Where equation 1 normalises v: in training and at test (``"both"``), in training only
        as the public code does (``"train"``), nowhere (``"none"``).
    hidden1, hidden2
        Sizes of T's hidden layers, as in the public code.
    precision
        Arithmetic of training. ``"bf16"`` is several times faster on hardware that has it and
        rounds T's products to 8 bits; weights, sums and Adam stay in float32.

    Attributes
    ----------
    net
        T, once ``train`` or ``restore`` was called.

    Notes
    -----
    The model after the last epoch counts; the caller may stop earlier. Default ``lr`` and
    ``beta`` are for small sets of one's own, those of the paper's sets are in ``defaults_for``.
    """

    name: ClassVar[str] = "smie"
    epochs: int = 100
    batch: int = 128
    lr: float = 1e-4
    warmup: float = 0.15
    beta: float = 0.1
    lam: float = 0.5
    temporal: bool = True
    estimator: str = "jsd"
    negatives: str = "other-class"
    infonce_negatives: int = 15
    layer_norm: str = "both"
    hidden1: int = 1024
    hidden2: int = 512
    precision: str = "float32"

    def __post_init__(self) -> None:
        for option, allowed in CHOICES.items():
            if getattr(self, option) not in allowed:
                raise unknown_choice(f"{self.name}.{option}", getattr(self, option), allowed)
        check_positive(self, "epochs", "batch", "lr", "infonce_negatives", "hidden1", "hidden2")

    @staticmethod
    def defaults_for(dataset: str) -> dict[str, Any]:
        """Return the paper's learning rate and beta for a dataset; nothing for others."""
        return dict(DATASET_DEFAULTS.get(dataset, {}))

    def train(
        self, data: TrainingData, *, seed: int, device: torch.device
    ) -> Iterator[dict[str, float]]:
        """Train T; yields ``loss``, ``m`` and, with L2, ``m_hat`` after each epoch.

        Raises
        ------
        InputError
            If the temporal constraint is on and there are no features of masked clips.
        """
        self._check(data)
        labels, table = data.label.cpu(), data.texts.sentence.to(device)
        v, masked = self._visual(data, device)
        with seeded(seed):
            self.net = self.network(v.shape[1], table.shape[1]).to(device)
        self.widths = (v.shape[1], table.shape[1])
        adam = torch.optim.Adam(self.net.parameters(), self.lr, fused=True)
        rng = torch.Generator().manual_seed(seed)
        negatives = 1 if self.estimator == "jsd" else self.infonce_negatives
        for epoch in range(self.epochs):
            adam.param_groups[0]["lr"] = self.lr * self._rate(epoch)
            sums = torch.zeros(2 if masked is None else 3, device=device)
            for batch in epoch_of_batches(labels, self.batch, self.negatives, negatives, rng):
                found = self._step(adam, v, masked, table, batch.to(device))
                sums += found * len(batch.clips)
            means = (sums / len(labels)).tolist()
            yield dict(zip(("loss", "m", "m_hat"), means, strict=False))

    def _step(
        self,
        adam: torch.optim.Optimizer,
        v: Tensor,
        masked: Tensor | None,
        table: Tensor,
        batch: Batch,
    ) -> Tensor:
        """Train T on one batch; returns the loss, m and, with L2, m^, without gradients."""
        with torch.autocast(v.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            scores = pair_scores(self.net, v, masked, table, batch)
        m, m_hat = mutual_information(scores, self.estimator)
        loss = total_loss(m, m_hat, self.beta, self.lam)
        # Where m leads by beta, L2 is 0 and has no gradient: skip the backward pass over the
        # masked clips. On a GPU the question itself would wait for all work under way.
        satisfied = m_hat is not None and not v.is_cuda and bool(m - m_hat >= self.beta)
        adam.zero_grad()
        (-m if satisfied else loss).backward()
        adam.step()
        return torch.stack([x for x in (loss, m, m_hat) if x is not None]).detach()

    def network(self, *widths: int) -> Estimator:
        """Return T for features and texts of these widths, untrained."""
        visual, text = widths
        return Estimator(visual, text, self.hidden1, self.hidden2)

    @torch.no_grad()
    def score(self, v: Tensor, texts: ClassTexts) -> Tensor:
        """T(v, a) of every clip with every class, shape (N, K)."""
        weight = self.net.visual.weight
        v = normalise(v.to(weight)) if self.layer_norm == "both" else v.to(weight)
        return score_pairs(self.net, v, texts.sentence.to(weight)).float().cpu()

    def _check(self, data: TrainingData) -> None:
        if self.temporal and data.v_masked is None:
            raise InputError(
                f"method {self.name!r} compares each clip with itself without its key frames, "
                "and these features hold no masked clips (ready-made features never do). Run "
                "'extract' on the recordings, or use method 'smie-wo-l2', which is SMIE "
                "without the temporal constraint."
            )

    def _visual(self, data: TrainingData, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """Apply equation 1 to the clips and to the masked clips."""
        pair = [data.v, data.v_masked if self.temporal else None]
        if self.layer_norm != "none":
            # LayerNorm has no parameters: once does for all epochs.
            pair = [None if x is None else normalise(x) for x in pair]
        v, masked = (None if x is None else x.to(device) for x in pair)
        assert v is not None
        return v, masked

    def _rate(self, epoch: int) -> float:
        """Share of the learning rate in this epoch, counted from 0."""
        rising = round(self.warmup * self.epochs)
        if epoch < rising:
            return (epoch + 1) / rising
        return 0.5 * (1 + math.cos(math.pi * (epoch - rising) / (self.epochs - rising)))


@dataclass
class SMIEWithoutTemporal(SMIE):
    """SMIE by global alignment alone, the paper's "SMIE (w/o L2)"; needs no masked clips."""

    name: ClassVar[str] = "smie-wo-l2"
    temporal: bool = False


def pair_scores(
    net: Estimator, v: Tensor, masked: Tensor | None, table: Tensor, batch: Batch
) -> PairScores:
    """Run T on the pairs of one batch, sharing what they have in common.

    Parameters
    ----------
    net
        T.
    v, masked
        Normalised features of all clips, (N, Dv); ``masked`` may be None.
    table
        Text of each class, (K, Da).
    batch
        Which clips, classes and negatives.

    Notes
    -----
    v' is another row of the batch, so that the visual part of the first layer runs on 2 B rows
    for 3 B pairs, and the text part on K rows.
    """
    size, negatives = batch.negatives.shape
    visual = net.visual(v[torch.cat([batch.clips, batch.extra])])
    text = pick(net.text(table), batch.label)  # (B, H1)
    other = pick(visual, batch.negatives.T.reshape(-1)).view(negatives, size, -1)
    scores = net.tail(torch.cat([(visual[:size] + text)[None], other + text])).float()
    positive, negative = scores.split([1, negatives])  # (1, B), (R, B)
    # Apart from the others, so that the backward pass can leave them out.
    last = None if masked is None else net.tail(net.visual(masked[batch.clips]) + text).float()
    return PairScores(positive[0], last, negative.T)


def mutual_information(scores: PairScores, estimator: str) -> tuple[Tensor, Tensor | None]:
    """Return m (equation 4 or 12) and m^ (equation 9: the same negatives), or None for it."""
    estimate = jsd if estimator == "jsd" else infonce
    m = estimate(scores.positive, scores.negative)
    if scores.masked is None:
        return m, None
    return m, estimate(scores.masked, scores.negative)


def jsd(positive: Tensor, negative: Tensor) -> Tensor:
    """Equation 4, the Jensen-Shannon estimate: E[-sp(-T(v, a))] - E[sp(T(v', a))].

    -sp(-x) is the logarithm of the sigmoid of x.
    """
    return F.logsigmoid(positive).mean() - F.softplus(negative).mean()


def infonce(positive: Tensor, negative: Tensor) -> Tensor:
    """Equation 12, the contrastive lower bound log S - L_S with f = exp(T).

    S counts the pairs each true one is told from, itself included. The paper's f is a
    distance to a class centre; T in its place keeps scoring the same as under ``jsd``.
    """
    every = torch.cat([positive[:, None], negative], dim=1)
    contrast = torch.logsumexp(every, dim=1) - positive
    return math.log(every.shape[1]) - contrast.mean()


def total_loss(m: Tensor, m_hat: Tensor | None, beta: float, lam: float) -> Tensor:
    """Equations 5, 10 and 11: -m + lambda max(0, beta - (m - m^))."""
    if m_hat is None:
        return -m
    return -m + lam * F.relu(beta - (m - m_hat))
