"""torch's private operators used for speed: each probed at its first use, each replaceable.

They are not part of torch's public interface, so another version may lack them or ask for other
arguments. A function here returns the operator if a trial call gives what the public form gives,
else None; whoever uses one has the public form beside it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Operator = Callable[..., Any]
REFUSED = (AttributeError, RuntimeError, TypeError, ValueError, NotImplementedError)


@functools.cache
def onednn_linear() -> Operator | None:
    """Return oneDNN's ``functional.linear``: (x, weight, bias, "none", [], "")."""
    if not torch.backends.mkldnn.is_available():
        return None
    return _working(
        lambda: torch.ops.mkldnn._linear_pointwise,
        lambda op, x: op(x, x, None, "none", [], ""),
        lambda x: functional.linear(x, x),
    )


@functools.cache
def batch_norm_moments() -> Operator | None:
    """Return the first half of batch normalisation: (x, mean, variance, momentum)."""
    return _working(
        lambda: torch.batch_norm_update_stats,
        lambda op, x: op(x, torch.zeros(2), torch.zeros(2), 0.0)[0],
        lambda x: x.mean(dim=0),
    )


@functools.cache
def batch_norm_gradient() -> Operator | None:
    """Return batch normalisation's backward pass, as ``aten`` has it.

    Its arguments are (gradient, x, weight, None, None, mean, 1 / sd, True, eps, wanted).
    """

    def trial(op: Operator, x: Tensor) -> Tensor:
        one = torch.ones(2)
        mean = x.mean(dim=0)
        found = op(x, x, one, None, None, mean, one, True, 0.0, [True] * 3)
        return found[2]

    return _working(
        lambda: torch.ops.aten.native_batch_norm_backward, trial, lambda x: x.sum(dim=0)
    )


def _working(
    find: Callable[[], Operator],
    trial: Callable[[Operator, Tensor], Tensor],
    public: Callable[[Tensor], Tensor],
) -> Operator | None:
    x = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    with torch.no_grad():
        try:
            operator = find()
            same = torch.allclose(trial(operator, x), public(x))
        except REFUSED:
            return None
    return operator if same else None
