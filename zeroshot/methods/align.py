"""Align: the text head that was trained with the backbone, used as it is."""

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

HEAD = ("weight", "bias", "centre")
SAME = 1e-3
"""Texts whose entries differ by less are those that the head was trained with."""


@dataclass
class Align:
    """Cosine between the text head's map of a clip's features and the centred class texts.

    The head is the linear map that ``pretrain-backbone --align`` trains beside the classifier, by
    cross-entropy over cosines with the texts of the seen classes. Nothing is trained here, and
    there is no seed: ``train`` only checks that the texts are those of the head.

    Notes
    -----
    The head knows all seen classes. Where some of them are held out, as in choosing options or
    the calibration of generalised zero-shot, they are not unseen to it.
    """

    name: ClassVar[str] = "align"
    cheap_refit: ClassVar[bool] = True

    def train(
        self, data: TrainingData, *, seed: int, device: torch.device
    ) -> Iterator[dict[str, float]]:
        """Take the head; yields one epoch, its loss the mean of 1 - cosine with the true text.

        Raises
        ------
        InputError
            If the features have no text head, or it was trained with other texts.
        """
        if data.head is None:
            raise InputError(
                "align needs the text head of a backbone, and these features hold none: they "
                "must be a backbone's alone, made by pretrain-backbone --align and extract"
            )
        head = {name: data.head[name].to(device, torch.float32) for name in data.head}
        self.weight, self.bias = head["weight"], head["bias"]
        self.centre = head["centre"] * float(_raw(data.texts, head))
        scores = self.score(data.v, data.texts)
        yield {"loss": float(1 - scores.gather(1, data.label.cpu()[:, None]).mean())}

    @torch.no_grad()
    def score(self, v: Tensor, texts: ClassTexts) -> Tensor:
        """Cosine between a clip's predicted and a class's centred text, shape (N, K)."""
        predicted = F.linear(v.to(self.weight), self.weight, self.bias)
        candidates = F.normalize(texts.sentence.to(self.weight) - self.centre, dim=1)
        return (F.normalize(predicted, dim=1) @ candidates.T).float().cpu()

    def state(self) -> MethodState:
        """Return the head and the mean that it takes off texts."""
        return MethodState({name: getattr(self, name) for name in HEAD})

    def restore(self, state: MethodState) -> None:
        """Take a head."""
        for name in HEAD:
            setattr(self, name, state.tensors[name])


def _raw(texts: ClassTexts, head: dict[str, Tensor]) -> bool:
    """Tell whether texts are those of the head as they are, or have been centred already.

    Raises
    ------
    InputError
        If they are neither.
    """
    rows, own = texts.sentence.to(head["texts"]), head["texts"]
    if rows.shape[1] == own.shape[1]:
        if _among(rows, own):
            return True
        if _among(rows, F.normalize(own - own.mean(0), dim=1)):
            return False
    raise InputError(
        f"align: the text head was trained with other texts (width {own.shape[1]}) than those "
        f"given (width {rows.shape[1]}); give --text and --text-model as --align-text and "
        "--align-text-model were, and --combine views"
    )


def _among(rows: Tensor, table: Tensor) -> bool:
    """Tell whether each row stands in the table."""
    apart = (rows[:, None] - table[None]).abs().amax(2)
    return bool((apart.amin(1) < SAME).all())
