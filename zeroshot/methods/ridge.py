"""Ridge regression from visual features to class texts: the floor every method must beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData
from smie_pipe.zeroshot.methods.saved import MethodState
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

TRAINED = ("centre", "mean", "scale", "offset", "weight")


@dataclass
class Ridge:
    """Linear regression with an L2 penalty, solved in closed form in float64.

    Features are standardised by the mean and deviation of the training clips, texts are centred
    on the mean over the seen classes (sentence embeddings of action names all point roughly one
    way, and the regression would spend itself on that way). The score is the cosine between the
    predicted and the centred text of a class.

    Parameters
    ----------
    alpha
        Penalty, as a share of the number of clips: the normal equations are
        ``X'X + alpha N I``, so that one value suits sets of any size.
    """

    name: ClassVar[str] = "ridge"
    cheap_refit: ClassVar[bool] = True
    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not self.alpha > 0:
            raise InputError(f"option ridge.alpha: expected a number above 0, got {self.alpha}.")

    def train(
        self, data: TrainingData, *, seed: int, device: torch.device
    ) -> Iterator[dict[str, float]]:
        """Solve once; yields one epoch with the mean squared error. The seed plays no part."""
        v = data.v.to(device, torch.float64)
        texts = data.texts.sentence.to(device, torch.float64)
        self.centre = texts.mean(0)
        target = (texts - self.centre)[data.label.to(device)]
        self.mean, self.scale = v.mean(0), v.std(0, correction=0).clamp_min(1e-8)
        x = (v - self.mean) / self.scale
        penalty = self.alpha * len(x) * torch.eye(x.shape[1], dtype=x.dtype, device=device)
        # No intercept beside the mean target: x has mean 0, so the penalised solution is exact.
        self.offset = target.mean(0)
        self.weight = torch.linalg.solve(x.T @ x + penalty, x.T @ (target - self.offset))
        error = x @ self.weight + self.offset - target
        yield {"loss": float(error.square().sum(1).mean())}

    def state(self) -> MethodState:
        """Return the solution and what features and texts are centred and scaled by."""
        return MethodState({name: getattr(self, name) for name in TRAINED})

    def restore(self, state: MethodState) -> None:
        """Take a solution."""
        for name in TRAINED:
            setattr(self, name, state.tensors[name])

    @torch.no_grad()
    def score(self, v: Tensor, texts: ClassTexts) -> Tensor:
        """Cosine between predicted and centred text, shape (N, K)."""
        x = (v.to(self.mean) - self.mean) / self.scale
        predicted = F.normalize(x @ self.weight + self.offset, dim=1)
        candidates = F.normalize(texts.sentence.to(self.mean) - self.centre, dim=1)
        return (predicted @ candidates.T).float().cpu()
