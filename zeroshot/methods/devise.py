"""DeViSE: linear maps of clips and class texts into one space, trained to rank (Frome 2013)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from smie_pipe.zeroshot.methods.base import TrainingData, check_positive, normalise, seeded
from smie_pipe.zeroshot.methods.batches import batches
from smie_pipe.zeroshot.methods.losses import rank_hinge
from smie_pipe.zeroshot.methods.saved import OneNetwork
from smie_pipe.zeroshot.texts.class_texts import ClassTexts


class Projections(nn.Module):
    """A linear map for each side; the score is the dot product of their results."""

    def __init__(self, visual_width: int, text_width: int, space: int) -> None:
        super().__init__()
        self.visual = nn.Linear(visual_width, space)
        self.text = nn.Linear(text_width, space)

    def forward(self, v: Tensor, a: Tensor) -> Tensor:
        """Score all pairs: (N, Dv) with (K, Da) gives (N, K)."""
        return self.visual(v) @ self.text(a).T


@dataclass
class DeViSE(OneNetwork[Projections]):
    """Dot product in a common linear space, hinge rank loss over all wrong seen classes.

    Parameters
    ----------
    epochs, batch, lr
        Adam; the model after the last epoch counts.
    space
        Width of the common space.
    margin
        Lead of the true class, 0.1 as in Frome et al., section 3.3.

    Notes
    -----
    Features are normalised as SMIE's are (equation 1), so that the methods differ by the
    connection alone. Width, epochs and rate are our choice: the paper gives none.
    """

    name: ClassVar[str] = "devise"
    epochs: int = 100
    batch: int = 128
    lr: float = 1e-4
    space: int = 256
    margin: float = 0.1

    def __post_init__(self) -> None:
        check_positive(self, "epochs", "batch", "lr", "space", "margin")

    def train(
        self, data: TrainingData, *, seed: int, device: torch.device
    ) -> Iterator[dict[str, float]]:
        """Train both maps; yields the hinge ``loss`` after each epoch."""
        v, label = normalise(data.v).to(device), data.label.to(device)
        table = data.texts.sentence.to(device)
        with seeded(seed):
            net = self.network(v.shape[1], table.shape[1]).to(device)
        self.net, self.widths = net, (v.shape[1], table.shape[1])
        adam = torch.optim.Adam(net.parameters(), self.lr, fused=True)
        rng = torch.Generator().manual_seed(seed)
        for _ in range(self.epochs):
            total = torch.zeros((), device=device)
            for clips in batches(len(v), self.batch, rng):
                clips = clips.to(device)
                loss = rank_hinge(net(v[clips], table), label[clips], self.margin)
                adam.zero_grad()
                loss.backward()
                adam.step()
                total += loss.detach() * len(clips)
            yield {"loss": float(total) / len(v)}

    def network(self, *widths: int) -> Projections:
        """Return the two maps for features and texts of these widths, untrained."""
        visual, text = widths
        return Projections(visual, text, self.space)

    @torch.no_grad()
    def score(self, v: Tensor, texts: ClassTexts) -> Tensor:
        """Dot products in the common space, (N, K)."""
        weight = self.net.visual.weight
        return self.net(normalise(v.to(weight)), texts.sentence.to(weight)).float().cpu()
