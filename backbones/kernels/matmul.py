"""Matrix products in float32 on a CPU by oneDNN, torch's second library for them.

torch leaves float32 products to MKL, which on processors that are not Intel's runs at half of
what oneDNN reaches there (measured on an AMD EPYC of family 26, two cores: 200 and 440 GFLOP/s; no
other processor was measured).
Both sum in float32, in another order. Everything else, and all under autocast, goes torch's way.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from smie_pipe.backbones.kernels.private_ops import onednn_linear

# From this many rows on, the gradient of a map is faster as that of a convolution, and from this
# many inputs on, a batch of products is faster one by one (both measured).
MANY_ROWS = 2048
MANY_INPUTS = 64


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``functional.linear(x, weight, bias)``, x of any shape (..., K)."""
    if not (_is_ours(x, weight) and x.shape[-1] == weight.shape[-1]):  # torch says it better
        return functional.linear(x, weight, bias)
    y: Tensor = _Linear.apply(x.reshape(-1, x.shape[-1]), weight, bias)
    return y.view(*x.shape[:-1], len(weight))


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """Return ``a @ b`` of two matrices."""
    return linear(a, b.t())


def bmm(a: Tensor, b: Tensor) -> Tensor:
    """Return ``torch.bmm(a, b)``, for batches of few and large matrices."""
    fitting = a.shape[0] == b.shape[0] and a.shape[2] == b.shape[1]
    if a.shape[-1] < MANY_INPUTS or not (fitting and _is_ours(a, b)):
        return torch.bmm(a, b)
    y: Tensor = _Products.apply(a, b)
    return y


class Linear(nn.Linear):
    """A linear layer whose products go this module's way."""

    def forward(self, x: Tensor) -> Tensor:
        """Return ``linear`` with the layer's weights."""
        return linear(x, self.weight, self.bias)


def _is_ours(a: Tensor, b: Tensor) -> bool:
    both = a.dtype == b.dtype == torch.float32 and a.device.type == b.device.type == "cpu"
    return (
        both
        and bool(torch.backends.mkldnn.enabled)
        and not torch.is_autocast_enabled("cpu")
        and (a.numel() > 0 and b.numel() > 0)  # oneDNN knows no empty sums
        and onednn_linear() is not None
    )


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wanted = ctx.needs_input_grad
        return (
            _product(gradient, weight.t()) if wanted[0] else None,
            _weight_gradient(gradient, x) if wanted[1] else None,
            gradient.sum(0) if wanted[2] else None,
        )


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(a, b)
        return _one_by_one(a, b)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        a, b = ctx.saved_tensors
        of_b = [_weight_gradient(y, x).t() for x, y in zip(a, gradient, strict=True)]
        return _one_by_one(gradient, b.transpose(1, 2)), torch.stack(of_b)


def _one_by_one(a: Tensor, b: Tensor) -> Tensor:
    out = a.new_empty(*a.shape[:2], b.shape[2])
    for x, y, into in zip(a, b, out, strict=True):
        into.copy_(_product(x, y.t()))
    return out


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x @ weight.t() + bias``."""
    product = onednn_linear()
    if product is None:
        return functional.linear(x, weight, bias)
    y: Tensor = product(x, weight, bias, "none", [], "")
    return y


def _weight_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """Return ``gradient.t() @ x``, the gradient of a map's weight."""
    (rows, outputs), inputs = gradient.shape, x.shape[1]
    if rows < MANY_ROWS:  # the larger side second, which can be a third of the time
        few = outputs <= inputs
        return _product(gradient.t(), x.t()) if few else _product(x.t(), gradient.t()).t()
    above = gradient.reshape(1, rows, 1, outputs).permute(0, 3, 1, 2)
    image = x.reshape(1, rows, 1, inputs).permute(0, 3, 1, 2)  # a row of pixels
    return conv2d_weight(image, (outputs, inputs, 1, 1), above).flatten(1)
