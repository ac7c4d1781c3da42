"""The transductive figures of one training: its scores bettered by all test clips together."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from smie_pipe.zeroshot.evaluate import measure
from smie_pipe.zeroshot.methods.base import TrainingData
from smie_pipe.zeroshot.training.held_out import divide
from smie_pipe.zeroshot.training.train import of_classes
from smie_pipe.zeroshot.training.trainer import Trainer, scores_of
from smie_pipe.zeroshot.transductive.layers import cache, likeliest_entropy, prototypes

Ways = Literal["none", "prototypes", "cache", "both"]


def transduced(
    scores: np.ndarray,
    v: np.ndarray,
    truth: np.ndarray,
    ways: Ways,
    trainer: Trainer,
    options: dict[str, Any],
    epochs: int,
    data: TrainingData,
) -> dict[str, dict[str, float]] | None:
    """Return ``accuracy`` and ``class_mean`` of each way; None where none is asked for.

    Parameters
    ----------
    scores, v, truth
        Of the unseen test clips: (N, K), (N, D) and (N,). ``truth`` serves to count only.
    trainer, options, epochs, data
        The training that the scores are of. ``prototypes`` needs it once more, with as many
        seen classes held out as are unseen, for how sure the method may be of its answers.
    """
    if ways == "none":
        return None
    found = {}
    if ways in ("prototypes", "both"):
        entropy = held_out_entropy(trainer, options, epochs, data, scores.shape[1])
        found["prototypes"] = prototypes(scores, v, entropy)
    if ways in ("cache", "both"):
        found["cache"] = cache(scores, v, trainer.seed)
    return {way: _figures(table, truth) for way, table in found.items()}


def held_out_entropy(
    trainer: Trainer,
    options: dict[str, Any],
    epochs: int,
    data: TrainingData,
    unseen_classes: int,
) -> float:
    """Return the entropy of answers about held-out seen classes, at their likeliest temperature.

    As a share of the largest that there can be; see ``likeliest_entropy``.
    """
    classes = len(data.texts)
    held = min(unseen_classes, classes // 2)
    division = divide(classes, held, 1, trainer.seed)[0]
    method = trainer.trained(options, of_classes(data, division.kept), epochs)
    out = of_classes(data, division.held).to(trainer.device)
    scores = scores_of(method, out.v, out.texts).numpy()
    return likeliest_entropy(scores, out.label.cpu().numpy())


def _figures(scores: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    measures = measure(scores, truth)
    return {"accuracy": measures.accuracy, "class_mean": measures.class_mean}
