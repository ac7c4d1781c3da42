"""The text head: a linear map from a backbone's features to the texts of the seen classes.

It is trained beside the classifier by cross-entropy over cosines, and kept: in the backbone's file
and, for the method ``align``, in features.h5. Of texts it is given those of the seen classes and
no others.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

PREFIX = "text_head."
NAMES = ("weight", "bias", "texts", "centre")


class TextHead(nn.Module):
    """Cosines between a linear map of features and the seen classes' texts.

    Parameters
    ----------
    features
        Width of the features.
    texts
        A row for each seen class, (S, D).
    centred
        Take the mean of these rows, normalised, off each: sentence embeddings of action names
        all point roughly one way, and what tells classes apart is the rest.
    """

    def __init__(self, features: int, texts: Tensor, *, centred: bool):
        super().__init__()
        rows = functional.normalize(texts.float(), dim=1)
        self.map = nn.Linear(features, rows.shape[1])
        self.register_buffer("texts", rows)
        self.register_buffer("centre", rows.mean(0) * float(centred))

    def forward(self, features: Tensor) -> Tensor:
        """Return the cosine with each seen class's text, (N, S), of features (N, width)."""
        texts, centre = self.get_buffer("texts"), self.get_buffer("centre")
        return cosines(self.map(features), texts - centre)

    def tensors(self) -> dict[str, Tensor]:
        """Return what is kept: the map, and the texts it was trained with."""
        own = {"weight": self.map.weight, "bias": self.map.bias}
        return {**own, **dict(self.named_buffers())}


def cosines(x: Tensor, texts: Tensor) -> Tensor:
    """Return the cosines between rows of (N, D) and (K, D), (N, K)."""
    kind = torch.promote_types(x.dtype, torch.float32)
    with torch.autocast(x.device.type, enabled=False):  # half precision would round them to 0.004
        x, texts = (functional.normalize(rows.to(kind), dim=1) for rows in (x, texts))
        return x @ texts.T


def split_off(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return a backbone file's weights without the text head's, and these by their own names."""
    weights = {name: t for name, t in tensors.items() if not name.startswith(PREFIX)}
    head = {name.removeprefix(PREFIX): t for name, t in tensors.items() if name.startswith(PREFIX)}
    return weights, head
