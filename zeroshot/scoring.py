"""Score every clip against every class with T: the one loop that meets all pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from zeroshot.estimator import Estimator

PAIRS_AT_ONCE = 1024


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
        ``"float32"`` or ``"bf16"``.

    Returns
    -------
    Tensor
        Shape (N, K), on the device of ``v``.
    """
    visual, text = net.visual(v), net.text(a)
    clips = max(1, PAIRS_AT_ONCE // len(a))
    return torch.cat([net.tail(part[:, None] + text) for part in visual.split(clips)])
