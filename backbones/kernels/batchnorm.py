"""Batch normalisation over bodies of which one, absent, stands for many."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from smie_pipe.backbones.kernels.private_ops import batch_norm_gradient, batch_norm_moments

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


class Absent(nn.Module):
    """The one absent body of a training batch, which stands, and counts, for all.

    A module of its own so that several processes can put one in its place that is run once for
    all of them.
    """

    def stands_for(self, absent: Tensor) -> Tensor:
        """Return how many absent bodies one that is run here stands for, 0 for none to run.

        ``absent``: how many this batch has.
        """
        return absent

    def complete(self, features: Tensor) -> Tensor:
        """Return the features of present bodies and, last, of the absent one."""
        return features


def weighted_batch_norm(x: Tensor, bn: _BatchNorm, copies: Tensor) -> Tensor:
    """See ``WeightedBatchNorm.weighted``."""
    frames, bodies, joints, _ = x.shape
    copies = copies.to(torch.float32 if x.dtype in HALF else x.dtype)
    values = (copies + bodies - 1) * (frames * joints)
    with torch.no_grad():
        mean, variance = _moments(x, 1 - frames * bodies * joints / values)
        remember(bn, mean, variance * (values / (values - 1)))
    y: Tensor = _Weighted.apply(x, bn.weight, bn.bias, mean, variance, bn.eps, copies)
    return y


def _moments(x: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of ``x`` and more of its last body, which weighs ``share``."""
    kind = torch.float32 if x.dtype in HALF else x.dtype
    mean, variance = _plain_moments(x, kind)
    more, of_more = torch.var_mean(x[:, -1].to(kind), (0, 1), correction=0)[::-1]
    spread = variance.lerp(of_more, share)
    between = share * (1 - share) * (mean - more).square()
    return mean.lerp(more, share), spread + between


def _plain_moments(x: Tensor, kind: torch.dtype) -> tuple[Tensor, Tensor]:
    update = batch_norm_moments() if x.device.type == "cpu" else None
    if update is None:
        return torch.var_mean(x.to(kind), (0, 1, 2), correction=0)[::-1]
    # The first half of torch's own normalisation: ten times as fast as var_mean on this order.
    unused = torch.zeros(2, x.shape[3], dtype=kind)
    mean, variance = update(_image(x), unused[0], unused[1], 0.0)
    return mean, variance


def _image(x: Tensor) -> Tensor:
    """Return (T, B, V, C) as (1, C, T, B * V), channels last in memory, without a copy."""
    return x.flatten(1, 2).unsqueeze(0).permute(0, 3, 1, 2)


def _bodies(image: Tensor, like: Tensor) -> Tensor:
    return image.permute(0, 2, 3, 1).reshape(like.shape)


@torch.no_grad()
def remember(bn: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Move the running statistics by a batch's mean and unbiased variance."""
    running_mean, running_var = bn.get_buffer("running_mean"), bn.get_buffer("running_var")
    seen = bn.get_buffer("num_batches_tracked").add_(1)
    share = bn.momentum if bn.momentum is not None else 1 / float(seen)
    running_mean.lerp_(mean.to(running_mean), share)
    running_var.lerp_(variance.to(running_var), share)


def _plain_gradient(
    gradient: Tensor, x: Tensor, weight: Tensor, mean: Tensor, inverse: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a plain batch normalisation's gradients of x, weight and bias."""
    fast = batch_norm_gradient()
    if fast is not None:
        image, along, total = fast(
            _image(gradient), _image(x), weight, None, None, mean, inverse, True, eps,
            [True, True, True],
        )  # fmt: skip
        return _bodies(image, x), along, total
    kind = torch.promote_types(x.dtype, mean.dtype)
    g, y = gradient.to(kind), (x.to(kind) - mean) * inverse
    total, along = g.sum((0, 1, 2)), (g * y).sum((0, 1, 2))
    count = x.shape[0] * x.shape[1] * x.shape[2]
    dx = weight * inverse * (g - (total + y * along) / count)
    return dx.to(x.dtype), along, total


class _Weighted(torch.autograd.Function):
    """(x - mean) / sd * weight + bias, with the gradient that flows through mean and sd.

    With y = (x - mean) / sd over N values, of which value i counts w_i times and its gradient
    g_i already is the sum over its copies:
    dx_i = weight / sd * (g_i - w_i / N * (sum g + y_i sum g y)).
    Torch's own backward pass gives this with w_i = 1 and, for N, the n values in memory. For the
    values that count once it is put right by n / N of it and (1 - n / N) of weight / sd * g_i.
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
        ctx.save_for_backward(x, weight, mean, variance, copies)
        ctx.eps = eps
        y = functional.batch_norm(_image(x), mean, variance, weight, bias, eps=eps)
        return _bodies(y, x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, variance, copies = ctx.saved_tensors
        inverse = torch.rsqrt(variance + ctx.eps)
        factor = weight * inverse
        here = x.shape[0] * x.shape[1] * x.shape[2]
        values = here + (copies - 1) * x.shape[0] * x.shape[2]
        share = here / values
        gradient = gradient.contiguous()
        dx, along, total = _plain_gradient(gradient, x, weight * share, mean, inverse, ctx.eps)
        dx = dx.addcmul_(gradient, ((1 - share) * factor).to(x.dtype))
        y = (x[:, -1] - mean) * inverse
        many = factor * (gradient[:, -1] - copies / values * (total + y * along))
        dx[:, -1] = many.to(x.dtype)
        return dx, along, total, None, None, None, None
