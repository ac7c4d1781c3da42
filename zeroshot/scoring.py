"""Score every clip against every class with T: the one loop that meets all pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from smie_pipe.zeroshot.methods.estimator import Estimator

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
