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


CLIPS_AT_ONCE = 2000


SPARE = 32  # columns beside the hidden units: two carry the bias, the others keep rows aligned


@torch.no_grad()
def score_pairs(net: Estimator, v: Tensor, a: Tensor, precision: str = "float32") -> Tensor:
    """Return T(v, a) for all pairs.

    Parameters
    ----------
    net
        T.
    v
        Normalised visual features, (N, Dv).
    a
        Class texts, (K, Da).
    precision
        ``"float32"``, or ``"bf16"`` for products of 8 bits, summed in float32: some six times
        as fast on CPUs with AMX, slower on those without bf16 instructions. Scores move by
        about 1 % of their spread over the classes; ``benchmarks/zeroshot.py`` tells how many
        predictions change.

    Returns
    -------
    Tensor
        Shape (N, K), on the device of ``v``.
    """
    visual, text = net.visual(v), net.text(a)
    if precision == "bf16" and v.device.type == "cpu":
        return _score_bf16(net, visual, text)
    clips = max(1, PAIRS_AT_ONCE // len(a))
    with torch.autocast(v.device.type, torch.bfloat16, enabled=precision == "bf16"):
        parts = [net.tail(part[:, None] + text).float() for part in visual.split(clips)]
    return torch.cat(parts)


def _score_bf16(net: Estimator, visual: Tensor, text: Tensor) -> Tensor:
    """Finish T for all pairs with little beside the matrix products.

    The second layer's product is 512 x 1024 multiplications for each pair, and bf16 hardware
    does it so fast that passes over the hidden units cost as much. Three identities save them:

    - relu(p + q) = max(relu(p + c), c - q) - (c - q) for any c >= q. With c the largest q over
      the classes both sides of the maximum are never negative, and such bf16 numbers compare
      as 16-bit integers, twice as fast as floats. What is subtracted is the same for all clips
      and goes into the class's bias.
    - The bias enters through two spare columns of the product, as a rounded value and the rest.
    - w relu(o) = sign(w) relu(abs(w) o): the last layer's weights go into the second layer, so
      that the last layer is a sum, taken over positive and negated negative columns in one.
    """
    shift = text.amax(0)
    clips = (visual + shift).relu().bfloat16().view(torch.int16)  # (N, H1)
    floors = (shift - text).bfloat16()  # (K, H1)
    weight, bias, positive = _folded(net)
    width = weight.shape[1]
    biases = bias - floors.float() @ weight.float().T  # (K, H2)
    weight = torch.cat([weight, weight.new_zeros(len(weight), SPARE)], dim=1)
    hidden = torch.zeros(CLIPS_AT_ONCE, width + SPARE, dtype=torch.bfloat16)
    hidden[:, width : width + 2] = 1
    out = torch.empty(CLIPS_AT_ONCE, len(weight), dtype=torch.bfloat16)
    scores = torch.empty(len(floors), len(clips))
    for part, into in zip(clips.split(CLIPS_AT_ONCE), scores.split(CLIPS_AT_ONCE, 1), strict=True):
        h, o = hidden[: len(part)], out[: len(part)]
        for k, floor in enumerate(floors.view(torch.int16)):
            weight[:, width] = biases[k]
            weight[:, width + 1] = biases[k] - weight[:, width]
            torch.maximum(part, floor, out=h.view(torch.int16)[:, :width])
            torch.mm(h, weight.T, out=o)
            o[:, :positive].view(torch.int16).clamp_min_(0)  # relu, on the bits
            o[:, positive:].view(torch.int16).clamp_max_(0)  # -relu(-o)
            torch.sum(o, 1, dtype=torch.float32, out=into[k])
    return scores.T + net.third.bias


def _folded(net: Estimator) -> tuple[Tensor, Tensor, int]:
    """Return the second layer times the third, columns of positive weight first.

    Rows of negative weight keep their sign: relu(abs(w) o) subtracted is min(w o, 0) added.
    """
    last = net.third.weight[0]
    order = (last < 0).sort(stable=True).indices
    weight = (net.second.weight * last[:, None])[order].bfloat16()
    return weight, (net.second.bias * last)[order], int((last >= 0).sum())
