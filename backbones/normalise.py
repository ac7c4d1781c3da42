"""Batch normalisation over bodies of which one stands for many."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

HALF = (torch.float16, torch.bfloat16)


class WeightedBatchNorm(_BatchNorm):
    """Batch normalisation that can count the last body of a batch many times.

    Its parameters and buffers are those of ``nn.BatchNorm2d``; called, it does as that does.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept (B, C, ...)."""

    def weighted(self, x: Tensor, copies: Tensor) -> Tensor:
        """Return (T, B, V, C) normalised as if the last body were there ``copies`` times.

        Takes the channels' mean and variance over all frames, bodies and joints, and moves the
        running statistics by them, as the plain forward pass would. ``copies``: a number, ().
        """
        return weighted_batch_norm(x, self, copies)


def weighted_batch_norm(x: Tensor, bn: _BatchNorm, copies: Tensor) -> Tensor:
    """See ``WeightedBatchNorm.weighted``."""
    kind = torch.float32 if x.dtype in HALF else x.dtype
    once, many = x[:, :-1], x[:, -1:]
    bodies = (copies + once.shape[1]).to(kind)
    share, count = copies / bodies, bodies * (x.shape[0] * x.shape[2])
    with torch.no_grad():
        mean, variance = _moments(once.to(kind), many.to(kind), share)
        remember(bn, mean, variance * (count / (count - 1)))
    return _Weighted.apply(x, bn.weight, bn.bias, mean, variance, bn.eps, copies)


def _moments(once: Tensor, many: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of two groups together, of which the second weighs ``share``."""
    over = (0, 1, 2)
    there, here = (
        torch.var_mean(once, over, correction=0),
        torch.var_mean(many, over, correction=0),
    )
    mean = there[1].lerp(here[1], share)
    spread = there[0].lerp(here[0], share)
    return mean, spread + share * (1 - share) * (there[1] - here[1]).square()


@torch.no_grad()
def remember(bn: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics by a batch's mean and unbiased variance."""
    running_mean, running_var = bn.get_buffer("running_mean"), bn.get_buffer("running_var")
    seen = bn.get_buffer("num_batches_tracked").add_(1)
    share = bn.momentum if bn.momentum is not None else 1 / float(seen)
    running_mean.lerp_(mean.to(running_mean), share)
    running_var.lerp_(variance.to(running_var), share)


class _Weighted(torch.autograd.Function):
    """(x - mean) / sd * weight + bias, with the gradient that flows through mean and sd.

    With y = (x - mean) / sd over N values, of which value i counts w_i times and its gradient
    g_i already is the sum over its copies:
    dx_i = weight / sd * (g_i - w_i / N * (sum g + y_i sum g y)).
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        eps: float,
        copies: Tensor,
    ) -> Tensor:
        inverse = torch.rsqrt(variance + eps)
        ctx.save_for_backward(x, weight, mean, inverse, copies)
        factor = weight * inverse
        return torch.addcmul((bias - mean * factor).to(x.dtype), x, factor.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, inverse, copies = ctx.saved_tensors
        over, kind = (0, 1, 2), mean.dtype
        total = gradient.sum(over, dtype=kind)
        along = ((gradient * x).sum(over, dtype=kind) - mean * total) * inverse
        count = (copies + x.shape[1] - 1).to(kind) * (x.shape[0] * x.shape[2])
        factor = weight * inverse
        slope = factor * inverse * along / count
        offset = factor * (total - mean * inverse * along) / count
        dx = torch.addcmul(-offset.to(x.dtype), gradient, factor.to(x.dtype))
        dx[:, :-1].addcmul_(x[:, :-1], -slope.to(x.dtype))
        last = dx[:, -1:]
        last.addcmul_(x[:, -1:], -(copies * slope).to(x.dtype))
        last.sub_(((copies - 1) * offset).to(x.dtype))
        return dx, along, total, None, None, None, None
