"""Layers that look across the clips of all processes, as they would across those of one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from smie_pipe.backbones.hardware.distributed import Group
from smie_pipe.backbones.kernels.batchnorm import Absent, WeightedBatchNorm, remember
from smie_pipe.backbones.kernels.temporal import Dropout


class _Total(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


class SharedBatchNorm(_BatchNorm):
    """Batch normalisation with the mean and variance of all processes' clips.

    Notes
    -----
    ``nn.SyncBatchNorm`` does this on GPUs only, and cannot count a body many times. The
    variance takes a second exchange, after the mean, since sums of squares would lose the
    digits that make the result equal to one process's.
    """

    @classmethod
    def like(cls, layer: _BatchNorm) -> SharedBatchNorm:
        """Return the shared form of a layer, which it shares its tensors with."""
        shared = cls(layer.num_features, layer.eps, layer.momentum)
        shared.weight, shared.bias = layer.weight, layer.bias
        for name, buffer in layer.named_buffers():
            setattr(shared, name, buffer)
        return shared

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept whatever the layer that this one replaces accepted."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` (B, C, ...) normalised; in evaluation by the running statistics."""
        if not self.training:
            return super().forward(input)
        last = input.movedim(1, -1)
        return self._over_all(last, last.new_ones([1] * last.ndim)).movedim(-1, 1)

    def weighted(self, x: Tensor, copies: Tensor) -> Tensor:
        """Return (T, B, V, C) normalised; the last body counts ``copies`` times.

        For the process that runs the absent body; the others call ``forward``.
        """
        weights = x.new_ones(x.shape[1])
        weights[-1] = copies
        return self._over_all(x, weights.view(1, -1, 1, 1))

    def _over_all(self, input: Tensor, weights: Tensor) -> Tensor:
        """Return ``input`` (..., C) normalised over everybody's values, each weighted."""
        half = input.dtype in (torch.bfloat16, torch.float16)
        x, weights = (input.float(), weights.float()) if half else (input, weights)
        over = tuple(range(x.ndim - 1))
        values = weights.expand(*x.shape[:-1], 1)
        count = _Total.apply(values.sum()[None])
        mean = _Total.apply((x * weights).sum(over)) / count
        centred = x - mean
        variance = _Total.apply((centred.square() * weights).sum(over)) / count
        remember(self, mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale + self.bias).to(input.dtype)


class SharedDropout(Dropout):
    """Dropout whose noise is drawn for all processes' bodies, each taking its part.

    Every process draws the same numbers (their generators agree), those one process would have
    drawn for the whole batch.
    """

    def __init__(self, p: float, group: Group):
        super().__init__(p)
        self.group = group

    def noise(self, like: Tensor) -> Tensor:
        """Return the part of (T, all bodies, V, C) that belongs to this process's bodies."""
        frames, bodies, *rest = like.shape
        sizes = self.group.gather(torch.tensor([bodies])).flatten().tolist()
        start = sum(sizes[: self.group.rank])
        everybody = super().noise(like.new_empty(1).expand(frames, sum(sizes), *rest))
        return everybody[:, start : start + bodies]


class SharedAbsent(Absent):
    """The absent body of all processes' clips, run by the last one and told to the others.

    It comes after everybody's present bodies, as in one process, and counts in the
    normalisations for all that any process has.
    """

    def __init__(self, group: Group):
        super().__init__()
        self.group, self.wanted = group, False

    def stands_for(self, absent: Tensor) -> Tensor:
        """Return in the last process how many bodies all processes lack together, else 0."""
        everybody = self.group.total(absent)
        self.wanted = bool(everybody > 0)
        return everybody if self._runs_here() else torch.zeros_like(everybody)

    def complete(self, features: Tensor) -> Tensor:
        """Return this process's present features and, last, the absent one from the last."""
        if not self.wanted:
            return features
        if self._runs_here():
            own, features = features[-1:], features[:-1]
        else:  # wants a gradient, so that all processes take part in the backward exchange
            own = features.new_zeros(1, features.shape[1], requires_grad=True)
        return torch.cat([features, _Total.apply(own)])

    def _runs_here(self) -> bool:
        return self.group.rank == self.group.size - 1


def parallel(model: nn.Module, group: Group) -> nn.Module:
    """Return ``model`` ready to be trained by all processes of the group as if by one.

    Gradients are averaged, so a loss must be scaled by the number of processes where it is a
    sum over the process's own clips divided by the clips of all. ``model``'s layers are
    replaced in place; names in its state dict stay.

    Notes
    -----
    On the CPU dropout is that of one process too. On GPUs each process draws its own, as
    drawing everybody's would cost more than it explains: equal in distribution, not in bits.
    """
    if group.size == 1:
        return model
    on_gpu = group.device.type == "cuda"
    layers: dict[type, Callable[[Any], nn.Module]] = {
        nn.BatchNorm1d: SharedBatchNorm.like,
        nn.BatchNorm2d: SharedBatchNorm.like,
        WeightedBatchNorm: SharedBatchNorm.like,
        Absent: lambda layer: SharedAbsent(group),
    }
    if not on_gpu:
        layers[Dropout] = lambda layer: SharedDropout(layer.p, group)
    _replace(model, layers)
    devices = [group.device.index] if on_gpu else None
    return DistributedDataParallel(model, device_ids=devices, **_unsent())


def _unsent() -> dict[str, Any]:
    """Return the option that saves sending running statistics, which are the same already."""
    known = inspect.signature(DistributedDataParallel).parameters
    return {
        "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False
    }


def _replace(model: nn.Module, shared: dict[type, Callable[[Any], nn.Module]]) -> None:
    """Put shared layers in the place of plain ones, with their parameters and buffers."""
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if type(layer) in shared:
                setattr(parent, name, shared[type(layer)](layer))
