"""One method with one seed on one device: built, trained and scored, as often as asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import Method, TrainingData
from smie_pipe.zeroshot.methods.registry import method_class
from smie_pipe.zeroshot.texts.class_texts import ClassTexts
from smie_pipe.zeroshot.training.train import train


@dataclass(frozen=True)
class Trainer:
    """What stays the same while options, clips and epochs vary.

    Parameters
    ----------
    spec
        The method, as for ``smie_pipe.zeroshot.methods.registry.method_class``.
    seed
        Of every training, and of the choice of held-out classes.
    device
        Where it is trained.
    stop
        Asked after each epoch; when true, ``Interrupted`` ends the training.
    """

    spec: str
    seed: int
    device: torch.device
    stop: Callable[[], bool] = lambda: False

    def build(self, options: Mapping[str, Any]) -> Method:
        """Return the method with all its options, untrained."""
        return method_class(self.spec)(**options)

    def epochs(
        self, method: Method, data: TrainingData, epochs: int | None = None
    ) -> Iterator[tuple[int, dict[str, float]]]:
        """Train epoch by epoch; see ``smie_pipe.zeroshot.training.train.train``."""
        return train(
            method, data, epochs=epochs, seed=self.seed, device=self.device, stop=self.stop
        )

    def trained(
        self, options: Mapping[str, Any], data: TrainingData, epochs: int | None = None
    ) -> Method:
        """Return the method, trained for ``epochs`` or to its end."""
        method = self.build(options)
        for _ in self.epochs(method, data, epochs):
            pass
        return method


def scores_of(method: Method, v: Tensor, texts: ClassTexts) -> Tensor:
    """Return a method's scores, (N, K) float32 on the CPU and without a gradient.

    Raises
    ------
    InputError
        If they have another shape.
    """
    found = torch.as_tensor(method.score(v, texts))
    expected = (len(v), len(texts))
    if tuple(found.shape) != expected:
        raise InputError(
            f"method {method.name!r}: score returned {tuple(found.shape)}, expected {expected}, "
            "a row for each clip and a column for each class"
        )
    return found.detach().float().cpu()
