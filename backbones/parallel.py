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

from backbones.distributed import Group
from backbones.stgcn import Absent
from backbones.temporal import Dropout


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
    ``nn.SyncBatchNorm`` does this on GPUs only. The variance takes a second exchange, after the
    mean, since sums of squares would lose the digits that make the result equal to one
    process's.
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
        x = input.float() if input.dtype in (torch.bfloat16, torch.float16) else input
        over = [axis for axis in range(input.ndim) if axis != 1]
        shape = [1, -1] + [1] * (input.ndim - 2)
        count = _Total.apply(x.new_tensor([input.numel() / input.shape[1]]))
        mean = _Total.apply(x.sum(over)) / count
        centred = x - mean.view(shape)
        variance = _Total.apply(centred.square().sum(over)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum is not None else 1 / self.num_batches_tracked
        self.running_mean.lerp_(mean.to(self.running_mean), float(share))
        self.running_var.lerp_(variance.to(self.running_var), float(share))


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

    It comes after everybody's present bodies, as in one process, and counts once in the
    normalisations.
    """

    def __init__(self, group: Group):
        super().__init__()
        self.group, self.wanted = group, False

    def count(self, wanted: Tensor) -> int:
        """Return 1 in the last process if any process's clips want it, else 0."""
        self.wanted = bool(self.group.total(wanted.to(torch.int64)) > 0)
        return int(self.wanted and self._runs_here())

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
    if group.device.type == "cuda":
        shared = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        _replace(shared, {Absent: lambda layer: SharedAbsent(group)})
        return DistributedDataParallel(shared, device_ids=[group.device.index], **_unsent())
    _replace(
        model,
        {
            nn.BatchNorm1d: SharedBatchNorm.like,
            nn.BatchNorm2d: SharedBatchNorm.like,
            Dropout: lambda layer: SharedDropout(layer.p, group),
            Absent: lambda layer: SharedAbsent(group),
        },
    )
    return DistributedDataParallel(model, **_unsent())


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
