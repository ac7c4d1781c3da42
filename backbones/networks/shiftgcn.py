"""Shift-GCN (Cheng et al. 2020): joints and frames exchange channels by shifts, not by kernels.

Inside, a batch is (V, C, T, B): joints, channels, frames, bodies. A spatial shift then moves
whole rows, a pointwise map is one matrix product a joint, and so is a temporal shift.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from smie_pipe.backbones.networks.base import Backbone
from smie_pipe.backbones.networks.graph import JOINTS
from smie_pipe.preprocessing.clips.recipe import BODIES

FEATURES = 256
# Channels and stride of the ten blocks.
PLAN = ((64, 1),) * 4 + ((128, 2),) + ((128, 1),) * 2 + ((256, 2),) + ((256, 1),) * 2
# Bodies that go through the network together in evaluation on a CPU (measured).
BODIES_AT_ONCE = 32
# A joint shift below this changes no digit of a single-precision number.
NO_SHIFT = 1e-8


def spatial_shift(channels: int, forwards: bool) -> Tensor:
    """Return where each (joint, channel) takes its value from, as in the state dict.

    Position ``i * C + c`` holds ``(i * C + c + c * C) mod (25 * C)``, with minus backwards: the
    same channel of the joint ``c`` places on, cyclically. Shape (25 * C,), int64.
    """
    place = torch.arange(JOINTS * channels)
    step = (place % channels) * channels
    return (place + (step if forwards else -step)) % (JOINTS * channels)


class _TakeRows(torch.autograd.Function):
    """Rows of a matrix in another order; the gradient takes them back instead of adding up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (order,) = ctx.saved_tensors
        back = torch.empty_like(order)
        back[order] = torch.arange(len(order), device=order.device)
        return gradient.index_select(0, back), None


def shift_joints(x: Tensor, order: Tensor) -> Tensor:
    """Return (V, C, T, B) with its joint-channel rows in another order, a permutation."""
    v, c, t, b = x.shape
    rows: Tensor = _TakeRows.apply(x.reshape(v * c, t * b), order)
    return rows.view(v, c, t, b)


def reading(offset: Tensor, size: int, stride: int = 1) -> Tensor:
    """Return the matrices that read ``size`` values around shifted places, zeros outside.

    Parameters
    ----------
    offset
        How far each channel reads from its own place, shape (C,); any real number.
    size
        How many values there are.
    stride
        Step between the places; with stride 2 they lie at 2h + 0.5.

    Returns
    -------
    Tensor
        Shape (C, ceil(size / stride), size): two weights a row, those of linear interpolation.
        They are differentiable in ``offset``.
    """
    offset = offset + (stride - 1) / 2
    whole = offset.detach().floor()
    share = (offset - whole)[:, None, None]
    place = torch.arange(0, size, stride, device=offset.device)
    ahead = torch.arange(size, device=offset.device)[None, :] - place[:, None]
    first = ahead == whole[:, None, None]
    second = ahead == whole[:, None, None] + 1
    return torch.where(first, 1 - share, 0) + torch.where(second, share, 0)


class TemporalShift(nn.Module):
    """Each channel moved by its own learned number of frames and, hardly, of joints.

    Parameters
    ----------
    channels
        How many.
    stride
        Step in frames; output frame h reads around h, with stride 2 around 2h + 0.5.

    Notes
    -----
    Bilinear interpolation with zeros outside, differentiable in both shifts. Public code has a
    CUDA kernel for it; here it is two products with matrices of two weights a row, which any
    device makes.
    """

    def __init__(self, channels: int, stride: int = 1):
        super().__init__()
        self.stride = stride
        self.xpos = nn.Parameter(torch.empty(channels).uniform_(-1e-8, 1e-8))
        self.ypos = nn.Parameter(torch.empty(channels).uniform_(-1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (V, C, ceil(T / stride), B) from (V, C, T, B)."""
        learning = torch.is_grad_enabled()
        if (learning and self.xpos.requires_grad) or bool((self.xpos.abs() > NO_SHIFT).any()):
            x = self._across_joints(x)
        along = reading(self.ypos, x.shape[2], self.stride).to(x.dtype)
        return self._along_frames(x, along) if learning else _each_joint(along, x)

    def _across_joints(self, x: Tensor) -> Tensor:
        v, c, t, b = x.shape
        by_channel = x.transpose(0, 1).reshape(c, v, t * b)
        across = reading(self.xpos, v).to(x.dtype)
        return torch.bmm(across, by_channel).view(c, v, t, b).transpose(0, 1)

    def _along_frames(self, x: Tensor, along: Tensor) -> Tensor:
        return torch.matmul(along[:, None], x.transpose(0, 1)).transpose(0, 1)


def _each_joint(along: Tensor, x: Tensor) -> Tensor:
    """Return the matrices (C, T', T) times each joint of (V, C, T, B), without repeating them."""
    y = torch.empty(*x.shape[:2], along.shape[1], x.shape[3], dtype=x.dtype, device=x.device)
    for joint, into in zip(x, y, strict=True):
        torch.bmm(along, joint, out=into)
    return y


def pointwise(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return (V, O, T, B) from (V, C, T, B), a weight (O, C) or (V, O, C) and a bias (O,)."""
    v, c, t, b = x.shape
    # A plain product would reorder x first.
    each = weight.to(x.dtype).expand(v, *weight.shape[-2:])
    y = torch.baddbmm(bias.to(x.dtype)[:, None], each, x.reshape(v, c, t * b))
    return y.view(v, -1, t, b)


class Pointwise(nn.Sequential):
    """A pointwise map and a normalisation, where the residual path changes width."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return (V, O, T, B) from (V, C, T, B)."""
        conv, bn = cast(nn.Conv2d, self[0]), self[1]
        y: Tensor = bn(pointwise(x, conv.weight.flatten(1), conv.get_parameter("bias")))
        return y


class SpatialShiftConvolution(nn.Module):
    """Shift over joints, mask, pointwise map, shift back, normalisation, residual, ReLU."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        scale = outputs**-0.5
        self.Linear_weight = nn.Parameter(torch.randn(inputs, outputs) * scale)
        self.Linear_bias = nn.Parameter(torch.zeros(1, 1, outputs))
        self.Feature_Mask = nn.Parameter(torch.zeros(1, JOINTS, inputs))
        self.register_buffer("shift_in", spatial_shift(inputs, forwards=True))
        self.register_buffer("shift_out", spatial_shift(outputs, forwards=False))
        self.down = Pointwise(inputs, outputs) if inputs != outputs else None
        self.bn = nn.BatchNorm1d(JOINTS * outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return (V, O, T, B) from (V, C, T, B)."""
        mask = self.Feature_Mask[0].tanh() + 1  # goes to the weights, fewer than the clips' values
        masked = self.Linear_weight.t() * mask[:, None, :]
        y = shift_joints(x, cast(Tensor, self.shift_in))
        y = pointwise(y, masked, self.Linear_bias.flatten())
        y = shift_joints(y, cast(Tensor, self.shift_out))
        y = self.bn(y.view(1, -1, y.shape[2] * y.shape[3])).view(y.shape)
        return functional.relu(y + (x if self.down is None else self.down(x)), inplace=True)


class TemporalShiftConvolution(nn.Module):
    """Normalisation, temporal shift, pointwise map, ReLU, temporal shift, normalisation."""

    def __init__(self, channels: int, stride: int):
        super().__init__()
        self.bn = nn.BatchNorm2d(channels)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shift_in = TemporalShift(channels)
        self.shift_out = TemporalShift(channels, stride)
        self.temporal_linear = nn.Conv2d(channels, channels, 1)
        nn.init.kaiming_normal_(self.temporal_linear.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        """Return (V, C, ceil(T / stride), B) from (V, C, T, B)."""
        linear = self.temporal_linear
        shifted = self.shift_in(self.bn(x))
        y = pointwise(shifted, linear.weight.flatten(1), linear.get_parameter("bias"))
        out: Tensor = self.bn2(self.shift_out(functional.relu(y, inplace=True)))
        return out


class Residual(nn.Module):
    """The residual path of a block that changes width or length."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(inputs, outputs, 1, stride=(stride, 1))
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return (V, O, ceil(T / stride), B) from (V, C, T, B)."""
        weight, bias = self.conv.weight.flatten(1), self.conv.get_parameter("bias")
        y: Tensor = self.bn(pointwise(x[:, :, :: self.stride], weight, bias))
        return y


class Block(nn.Module):
    """A spatial, then a temporal shift convolution, and a residual path."""

    def __init__(self, inputs: int, outputs: int, stride: int, skip: bool):
        super().__init__()
        self.skip = skip
        self.gcn1 = SpatialShiftConvolution(inputs, outputs)
        self.tcn1 = TemporalShiftConvolution(outputs, stride)
        changes = inputs != outputs or stride != 1
        self.residual = Residual(inputs, outputs, stride) if skip and changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Return (V, O, ceil(T / stride), B) from (V, C, T, B)."""
        y = self.tcn1(self.gcn1(x))
        if self.skip:
            y = (x if self.residual is None else self.residual(x)) + y
        return functional.relu(y, inplace=True)


class ShiftGCN(Backbone):
    """Clips to 256 features by shift graph convolution.

    Parameters
    ----------
    classes
        With a number, a linear classifier ``fc`` for ``logits`` is added, as in public weights.

    Notes
    -----
    An absent second body is all zeros, and after the first normalisation, which knows first and
    second bodies apart, it is the same for all clips: in evaluation it is computed once a batch,
    which is exact. In training every body is run, as in public code.
    """

    # Where a normalisation follows, and the shift across joints: the published weights have
    # never learned one, theirs are still in the starting interval, shrunk by weight decay alone.
    idle = ("Linear_bias", "down.0.bias", "residual.conv.bias", "xpos")

    def __init__(self, classes: int | None = None):
        super().__init__()
        self.config, self.features = {"classes": classes}, FEATURES
        self.data_bn = nn.BatchNorm1d(BODIES * JOINTS * 3)
        width = 3
        for place, (outputs, stride) in enumerate(PLAN):
            setattr(self, f"l{place + 1}", Block(width, outputs, stride, skip=place > 0))
            width = outputs
        if classes is not None:
            self.fc = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return features (N, 256) of clips (N, 3, T, 25, 2), absent bodies being zeros."""
        n, c, t, v, m = x.shape
        y = self.data_bn(x.permute(0, 4, 3, 1, 2).reshape(n, m * v * c, t))
        bodies = y.view(n * m, v, c, t)
        if self.training:
            return self._run(bodies).view(n, m, -1).mean(dim=1)
        run = x.permute(0, 4, 1, 2, 3).flatten(2).any(dim=2)
        run[:, 0] = True  # absent in a place of its own: only later ones share theirs
        run = run.flatten()
        features = self._run(torch.cat([bodies[run], bodies[~run][:1]]))
        place = torch.where(run, run.cumsum(0) - 1, features.shape[0] - 1)
        return features[place].view(n, m, -1).mean(dim=1)

    def _run(self, bodies: Tensor) -> Tensor:
        """Return features (B, 256) of bodies (B, V, C, T) after the first normalisation."""
        small = bodies.device.type == "cpu" and not self.training
        parts = bodies.split(BODIES_AT_ONCE if small else len(bodies))
        return torch.cat([self._features(part) for part in parts])

    def _features(self, bodies: Tensor) -> Tensor:
        x = bodies.permute(1, 2, 3, 0).contiguous()
        for place in range(len(PLAN)):
            x = getattr(self, f"l{place + 1}")(x)
        return x.mean(dim=2).mean(dim=0).t()  # (V, C, T, B) -> (B, C)

    def logits(self, x: Tensor) -> Tensor:
        """Return class scores (N, classes) of clips; only with ``classes`` given."""
        y: Tensor = self.fc(self(x))
        return y
