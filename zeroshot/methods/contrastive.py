"""Contrastive: a linear map of clips onto class texts, trained by both softmaxes of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData, check_positive, normalise, seeded
from smie_pipe.zeroshot.methods.batches import batches
from smie_pipe.zeroshot.methods.saved import OneNetwork
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

SHARPNESS = 10.0
"""A clip's target is the softmax of this times [same class]."""


@dataclass
class Contrastive(OneNetwork[nn.Sequential]):
    """Cosine between a map of the clip's feature and the class text.

    In a batch of B clips and their texts, ``L = cos(W v_i, t_j) / temperature``, and the target
    of row i is the softmax over j of 10 [same class]. The loss is the mean of the divergences
    KL(target, softmax of L) over rows and over columns.

    Parameters
    ----------
    epochs, batch, lr
        SGD with momentum 0.9 and weight decay 5e-4; the last epoch counts.
    warmup
        Epochs in which the rate rises to ``lr``, a step a batch.
    temperature
        Fixed, as its training is without effect in the source.
    hidden
        0: W is linear; else a ReLU layer of this width comes before it.

    Notes
    -----
    The feature-level form of PGFA (TIP 2025): there the backbone is trained from scratch with
    the same loss. After the warm-up the rate falls as a cosine (our choice). PGFA's test step,
    which looks at all test clips together, is no part of this method: ``--transductive
    prototypes`` does it for every method.
    """

    name: ClassVar[str] = "contrastive"
    epochs: int = 50
    batch: int = 128
    lr: float = 0.05
    warmup: int = 5
    temperature: float = 0.07
    hidden: int = 0

    def __post_init__(self) -> None:
        check_positive(self, "epochs", "batch", "lr", "temperature")
        for option in ("warmup", "hidden"):
            if getattr(self, option) < 0:
                raise InputError(f"option contrastive.{option}: expected 0 or more.")

    def train(
        self, data: TrainingData, *, seed: int, device: torch.device
    ) -> Iterator[dict[str, float]]:
        """Train the map; yields ``loss`` after each epoch."""
        v, label = normalise(data.v).to(device), data.label.to(device)
        table = data.texts.sentence.to(device)
        with seeded(seed):
            self.net = self.network(v.shape[1], table.shape[1]).to(device)
        self.widths = (v.shape[1], table.shape[1])
        sgd = torch.optim.SGD(self.net.parameters(), self.lr, momentum=0.9, weight_decay=5e-4)
        rng = torch.Generator().manual_seed(seed)
        for epoch in range(self.epochs):
            total = torch.zeros((), device=device)
            order = batches(len(v), self.batch, rng)
            for step, clips in enumerate(order):
                own = clips.to(device)
                sgd.param_groups[0]["lr"] = self.lr * self._rate(epoch + step / len(order))
                loss = self._loss(v[own], label[own], table)
                sgd.zero_grad()
                loss.backward()
                sgd.step()
                total += loss.detach() * len(own)
            yield {"loss": float(total) / len(v)}

    def _loss(self, v: Tensor, label: Tensor, table: Tensor) -> Tensor:
        logits = F.normalize(self.net(v), dim=1) @ table[label].T / self.temperature
        target = targets(label)
        terms = [
            F.kl_div(F.log_softmax(x, dim=1), target, reduction="batchmean")
            for x in (logits, logits.T)
        ]
        return (terms[0] + terms[1]) / 2

    def _rate(self, epoch: float) -> float:
        """Return the share of the learning rate at a time counted in epochs."""
        if epoch < self.warmup:
            return (epoch + 1) / (self.warmup + 1)
        rest = max(1, self.epochs - self.warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (epoch - self.warmup) / rest)))

    def network(self, *widths: int) -> nn.Sequential:
        """Return the map from features to texts of these widths, untrained."""
        visual, text = widths
        if not self.hidden:
            return nn.Sequential(nn.Linear(visual, text))
        return nn.Sequential(
            nn.Linear(visual, self.hidden), nn.ReLU(), nn.Linear(self.hidden, text)
        )

    @torch.no_grad()
    def score(self, v: Tensor, texts: ClassTexts) -> Tensor:
        """Cosines, (N, K)."""
        weight = next(self.net.parameters())
        clips = F.normalize(self.net(normalise(v.to(weight))), dim=1)
        return (clips @ texts.sentence.to(weight).T).float().cpu()


def targets(label: Tensor) -> Tensor:
    """Return what each clip of a batch should find, (B, B): rows sum to 1."""
    return F.softmax(SHARPNESS * (label[:, None] == label).float(), dim=1)
