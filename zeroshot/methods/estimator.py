"""SMIE's network T(v, a), with the first layer split into a clip's part and a class's part."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smie_pipe.backbones.kernels.matmul import Linear


class Estimator(nn.Module):
    """Three-layer perceptron on a pair of visual feature and class text; one number out.

    T takes the concatenation [v; a] (SMIE, section 3.3). Its first layer is linear, so
    W [v; a] + b = W_v v + (W_a a + b): the first term is worth computing once per clip and the
    second once per class, whatever the number of pairs. The numbers are those of the plain form.

    Parameters
    ----------
    visual_width, text_width
        Sizes of v and a.
    hidden1, hidden2
        Sizes of the two hidden layers; 1024 and 512 in the public code.
    """

    def __init__(
        self, visual_width: int, text_width: int, hidden1: int = 1024, hidden2: int = 512
    ) -> None:
        super().__init__()
        # Drawn as one layer: the range of the initial weights depends on the joint width.
        first = nn.Linear(visual_width + text_width, hidden1)
        self.visual = Linear(visual_width, hidden1, bias=False)
        self.text = Linear(text_width, hidden1)
        self.second = Linear(hidden1, hidden2)
        self.third = Linear(hidden2, 1)
        self._split(first.weight, first.bias)

    @torch.no_grad()
    def _split(self, weight: Tensor, bias: Tensor) -> None:
        visual_width = self.visual.in_features
        self.visual.weight.copy_(weight[:, :visual_width])
        self.text.weight.copy_(weight[:, visual_width:])
        self.text.bias.copy_(bias)

    @classmethod
    def from_plain(cls, state: Mapping[str, Tensor], visual_width: int) -> Estimator:
        """Build T from the weights of the plain form.

        Parameters
        ----------
        state
            ``l0.weight`` (H1, visual + text), ``l0.bias``, ``l1.weight`` (H2, H1), ``l1.bias``,
            ``l2.weight`` (1, H2), ``l2.bias``; in the first layer v comes before a.
        visual_width
            Size of v.
        """
        hidden1, width = state["l0.weight"].shape
        net = cls(visual_width, width - visual_width, hidden1, len(state["l1.weight"]))
        net.to(state["l0.weight"].dtype)
        net._split(state["l0.weight"], state["l0.bias"])
        for layer, name in ((net.second, "l1"), (net.third, "l2")):
            layer.load_state_dict(
                {"weight": state[f"{name}.weight"], "bias": state[f"{name}.bias"]}
            )
        return net

    def tail(self, first: Tensor) -> Tensor:
        """Finish T from the sum of both parts, (..., H1), before its ReLU; shape (...)."""
        return self.third(F.relu(self.second(F.relu(first)))).squeeze(-1)

    def forward(self, v: Tensor, a: Tensor) -> Tensor:
        """Return T for pairs of rows, (..., Dv) with (..., Da), broadcast; shape (...)."""
        return self.tail(self.visual(v) + self.text(a))


PAIRS_AT_ONCE = 1024  # their hidden units, 4 MB, stay in the cache of two cores


@torch.no_grad()
def score_pairs(net: Estimator, v: Tensor, a: Tensor) -> Tensor:
    """Return T(v, a) for all pairs.

    Parameters
    ----------
    net
        T.
    v
        Normalised visual features, (N, Dv).
    a
        Class texts, (K, Da).

    Returns
    -------
    Tensor
        Shape (N, K), on the device of ``v``.
    """
    visual, text = net.visual(v), net.text(a)
    clips = max(1, PAIRS_AT_ONCE // len(a))
    return torch.cat([net.tail(part[:, None] + text) for part in visual.split(clips)])
