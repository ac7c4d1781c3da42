"""RelationNet: a learned relation of projected clip and class text (Sung 2018; Jasani 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smie_pipe.zeroshot.methods.base import TrainingData, check_positive, normalise, scaled, seeded
from smie_pipe.zeroshot.methods.batches import batches
from smie_pipe.zeroshot.methods.saved import OneNetwork
from smie_pipe.zeroshot.texts.class_texts import ClassTexts


class RelationModule(nn.Module):
    """Linear projections of both sides, then a two-layer perceptron on their concatenation."""

    def __init__(self, visual_width: int, text_width: int, space: int, hidden: int) -> None:
        super().__init__()
        self.visual = nn.Linear(visual_width, space)
        self.text = nn.Linear(text_width, space)
        self.relation = nn.Linear(2 * space, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, v: Tensor, a: Tensor) -> Tensor:
        """Relation of all pairs before the sigmoid: (N, Dv) with (K, Da) gives (N, K)."""
        # Linear on a concatenation is a sum: a part for each clip and a part for each class.
        for_v, for_a = self.relation.weight.chunk(2, dim=1)
        clip_part = self.visual(v) @ for_v.T
        class_part = F.linear(self.text(a), for_a, self.relation.bias)
        return self.out(F.relu(clip_part[:, None] + class_part)).squeeze(-1)


@dataclass
class RelationNet(OneNetwork[RelationModule]):
    """Relation scores by a sigmoid, squared error to 1 for the true class, 0 for the others.

    Parameters
    ----------
    epochs, batch, lr
        Adam; the model after the last epoch counts.
    space, hidden
        Width of the projections and of the relation module's hidden layer.

    Notes
    -----
    Clips are normalised as SMIE's are and texts scaled to the same variance per entry; without
    that the squared error rests long on a plateau where every relation is 1 in K. Every clip
    meets all seen classes in every step.
    Widths, epochs and rate are our choice. The score is the relation before its sigmoid: the
    same ranking, without the ties of saturated values.
    """

    name: ClassVar[str] = "relationnet"
    epochs: int = 100
    batch: int = 128
    lr: float = 1e-4
    space: int = 256
    hidden: int = 512

    def __post_init__(self) -> None:
        check_positive(self, "epochs", "batch", "lr", "space", "hidden")

    def train(
        self, data: TrainingData, *, seed: int, device: torch.device
    ) -> Iterator[dict[str, float]]:
        """Train projections and relation; yields the squared error after each epoch."""
        v, label = normalise(data.v).to(device), data.label.to(device)
        table = scaled(data.texts.sentence.to(device))
        target = torch.eye(len(table), device=device)
        with seeded(seed):
            net = self.network(v.shape[1], table.shape[1]).to(device)
        self.net, self.widths = net, (v.shape[1], table.shape[1])
        adam = torch.optim.Adam(net.parameters(), self.lr, fused=True)
        rng = torch.Generator().manual_seed(seed)
        for _ in range(self.epochs):
            total = torch.zeros((), device=device)
            for clips in batches(len(v), self.batch, rng):
                clips = clips.to(device)
                relation = net(v[clips], table).sigmoid()
                loss = (relation - target[label[clips]]).square().sum(1).mean()
                adam.zero_grad()
                loss.backward()
                adam.step()
                total += loss.detach() * len(clips)
            yield {"loss": float(total) / len(v)}

    def network(self, *widths: int) -> RelationModule:
        """Return the relation module for features and texts of these widths, untrained."""
        visual, text = widths
        return RelationModule(visual, text, self.space, self.hidden)

    @torch.no_grad()
    def score(self, v: Tensor, texts: ClassTexts) -> Tensor:
        """Relations before the sigmoid, (N, K)."""
        weight = self.net.visual.weight
        v, table = normalise(v.to(weight)), scaled(texts.sentence.to(weight))
        # In slices: all pairs at once would fill hidden floats for each.
        return torch.cat([self.net(part, table) for part in v.split(256)]).float().cpu()
