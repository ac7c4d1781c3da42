"""ST-GCN (Yan et al. 2018), the small version with 16 hidden channels and 256 features.

``plain_stgcn`` is the network as the paper writes it; all below it is the same, made fast.

Inside, a batch is (T, B, V, C): frames, bodies, joints, channels. Every step is then a matrix
product or a pass over memory that lies in order, and no step copies to rearrange.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from smie_pipe.backbones.kernels.batchnorm import Absent, WeightedBatchNorm
from smie_pipe.backbones.kernels.matmul import linear, matmul
from smie_pipe.backbones.kernels.temporal import Dropout, convolve_by_frequency, convolve_directly
from smie_pipe.backbones.networks.base import Backbone
from smie_pipe.backbones.networks.graph import JOINTS, adjacency

if TYPE_CHECKING:
    from smie_pipe.backbones.config import PretrainConfig

SUBSETS = 3
TAPS = 9
HALF = (torch.float16, torch.bfloat16)
# Up to this width one product with a matrix of mostly zeros beats many tiny ones (measured).
FEW_CHANNELS = 4
# From this width on, fewer multiplications outweigh two more passes over memory (measured).
FREQUENCY_FROM_CHANNELS = 32
# Bodies that go through the network together in evaluation on a CPU: their activations stay in
# its cache (measured: 16 to 64 are alike, all of 256 at once take half as long again).
BODIES_AT_ONCE = 32


def plain_stgcn(model: STGCN, x: Tensor) -> Tensor:
    """Return what this network computes, as published: to read, and to test against.

    Features (N, 256) of clips (N, 3, T, 25, M). Each block expands by a pointwise map, then
    aggregates over the graph's three subsets, then convolves along time; every body of every
    clip is run. ``STGCN.forward`` gives the same numbers (but for the noise of dropout, see
    ``share_absent``) with the sums in another order and fewer multiplications.
    """
    n, c, t, v, m = x.shape
    x = model.data_bn(x.permute(0, 4, 3, 1, 2).reshape(n * m, v * c, t))
    x = x.view(n * m, v, c, t).permute(0, 2, 3, 1).contiguous()
    for block, importance in zip(model.blocks(), model.edge_importance, strict=True):
        skip = 0 if block.residual is None else block.residual(x)
        y = block.gcn.conv(x)
        y = y.view(y.shape[0], SUBSETS, -1, y.shape[2], v)
        y = torch.einsum("nkctv,kvw->nctw", y, model.A * importance).contiguous()
        x = functional.relu(block.tcn(y) + skip)
    return x.mean(dim=(2, 3)).view(n, m, -1).mean(dim=1)


class GraphConvolution(nn.Module):
    """A pointwise map per subset of the graph, summed over each joint's neighbours."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, SUBSETS * outputs, kernel_size=1)

    def merged(self, graph: Tensor) -> tuple[Tensor, Tensor]:
        """Return the map as one matrix (3 x inputs, outputs) and its bias (V, outputs)."""
        weight = self.conv.weight.view(SUBSETS, -1, self.conv.in_channels)
        bias = self.conv.get_parameter("bias").view(SUBSETS, -1)
        return weight.transpose(1, 2).flatten(0, 1), graph.sum(dim=1).t() @ bias


def working_dtype(x: Tensor) -> torch.dtype:
    """Return the type in which products of ``x`` are made here, autocast or not."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def gather_neighbours(x: Tensor, graph: Tensor) -> Tensor:
    """Return what each joint reads, a row per joint and frame: (T * B * V, 3 x C).

    Aggregating before the pointwise map is the same sum in another order and moves 3 x inputs
    instead of 3 x outputs channels.
    """
    t, b, v, c = x.shape
    reading = graph.permute(2, 0, 1).reshape(v * SUBSETS, v).to(working_dtype(x))
    if c <= FEW_CHANNELS:
        whole = torch.kron(reading, torch.eye(c, dtype=reading.dtype, device=x.device))
        return linear(x.reshape(t * b, v * c), whole).view(t * b * v, SUBSETS * c)
    near = torch.bmm(reading.expand(t * b, v * SUBSETS, v), x.reshape(t * b, v, c))
    return near.view(t * b * v, SUBSETS * c)


def map_graph(x: Tensor, graph: Tensor, weight: Tensor) -> Tensor:
    """Return the graph convolution (T, B, V, O) with ``weight`` as merged, without bias."""
    return matmul(gather_neighbours(x, graph), weight).view(*x.shape[:3], -1)


def convolve_time(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """Return the temporal convolution (T / stride, B, V, O), by the faster of two ways.

    Half precision goes the direct way: it would lose digits in the transform, and matrix
    units make the products cheap.
    """
    t, b, v, c = x.shape
    rows = x.view(t, b * v, c)
    if stride == 1 and c >= FREQUENCY_FROM_CHANNELS and working_dtype(x) not in HALF:
        y = convolve_by_frequency(rows, weight, bias)
    else:
        y = convolve_directly(rows, weight, bias, stride)
    return y.view(-1, b, v, y.shape[-1])


def normalise(
    bn: WeightedBatchNorm, x: Tensor, copies: Tensor | None, relu: bool = False
) -> Tensor:
    """Return (T, B, V, C) after a batch normalisation over all but C, and a ReLU if asked.

    ``copies``: how many bodies the last one stands for; None where each stands for itself.
    """
    if copies is not None:
        y = bn.weighted(x, copies)
        return functional.relu(y) if relu else y
    t, b, v, c = x.shape
    y = bn(x.view(1, t, b * v, c).permute(0, 3, 1, 2))  # (1, C, T, B * V), channels last
    if relu:
        y = functional.relu(y, inplace=True)  # before the view: in place on one costs a copy
    return y.permute(0, 2, 3, 1).view(t, b, v, c)


def pool(x: Tensor) -> Tensor:
    """Return the mean over frames and joints, (B, C), in at least single precision."""
    over_time = x.mean(dim=0, dtype=torch.float32 if x.dtype in HALF else None)
    return over_time.mean(dim=1)


def fold(bn: nn.modules.batchnorm._BatchNorm) -> tuple[Tensor, Tensor]:
    """Return the factor and the offset that ``bn`` is in evaluation."""
    mean, variance = bn.get_buffer("running_mean"), bn.get_buffer("running_var")
    factor = bn.weight * torch.rsqrt(variance + bn.eps)
    return factor, bn.bias - mean * factor


def fold_into(conv: nn.Conv2d, bn: WeightedBatchNorm) -> tuple[Tensor, Tensor]:
    """Return weight and bias of ``conv`` followed by ``bn`` in evaluation."""
    factor, offset = fold(bn)
    weight = conv.weight * factor[:, None, None, None]
    return weight, conv.get_parameter("bias") * factor + offset


class Folded(NamedTuple):
    """A block's weights in evaluation, with the normalisations folded into the maps."""

    graph: Tensor
    map: Tensor
    map_bias: Tensor
    taps: Tensor
    taps_bias: Tensor
    skip: Tensor | None
    skip_bias: Tensor | None


class Block(nn.Module):
    """Graph convolution, temporal convolution over 9 frames, and a residual path."""

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, dropout: float = 0.5, skip: bool = True
    ):
        super().__init__()
        self.stride = stride
        self.gcn = GraphConvolution(inputs, outputs)
        self.tcn = nn.Sequential(
            WeightedBatchNorm(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, (TAPS, 1), (stride, 1), (TAPS // 2, 0)),
            WeightedBatchNorm(outputs),
            Dropout(dropout),
        )
        self.residual: nn.Module | None = None
        if skip and inputs == outputs and stride == 1:
            self.residual = nn.Identity()
        elif skip:
            self.residual = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=(stride, 1)), WeightedBatchNorm(outputs)
            )

    def _temporal(self) -> tuple[WeightedBatchNorm, nn.Conv2d, WeightedBatchNorm]:
        before, _, conv, after, _ = self.tcn
        return (
            cast(WeightedBatchNorm, before),
            cast(nn.Conv2d, conv),
            cast(WeightedBatchNorm, after),
        )

    def _shortcut(self) -> tuple[nn.Conv2d, WeightedBatchNorm] | None:
        if not isinstance(self.residual, nn.Sequential):
            return None
        conv, bn = self.residual
        return cast(nn.Conv2d, conv), cast(WeightedBatchNorm, bn)

    def forward(self, x: Tensor, graph: Tensor, copies: Tensor | None = None) -> Tensor:
        """Return (T / stride, B, V, outputs) from (T, B, V, inputs) and a graph (3, V, V).

        ``copies`` as for ``normalise``; only training asks for it.
        """
        if not self.training:
            return self.evaluate(x, self.folded(graph))
        before, conv, after = self._temporal()
        weight, bias = self.gcn.merged(graph)
        y = map_graph(x, graph, weight)
        y = normalise(before, y + bias.to(y.dtype), copies, relu=True)
        y = convolve_time(y, conv.weight, conv.get_parameter("bias"), self.stride)
        y = normalise(after, y, copies)
        joined = self._join(y, self._skip(x, copies))
        return functional.relu(joined, inplace=joined is not y)

    def _skip(self, x: Tensor, copies: Tensor | None) -> Tensor | None:
        shortcut = self._shortcut()
        if shortcut is not None:
            conv, bn = shortcut
            y = linear(x[:: self.stride], conv.weight.flatten(1), conv.bias)
            return normalise(bn, y, copies)
        return None if self.residual is None else x

    def _join(self, y: Tensor, skip: Tensor | None) -> Tensor:
        """Return ``y`` after dropout, plus the residual path."""
        dropout = cast(Dropout, self.tcn[4])
        if skip is not None and dropout.p > 0 and y.device.type == "cpu":
            return torch.addcmul(skip.to(y.dtype), y, dropout.noise(y))
        y = dropout(y)
        return y if skip is None else y + skip

    def folded(self, graph: Tensor) -> Folded:
        """Return the weights for ``evaluate``; with the running statistics as they are."""
        before, conv, after = self._temporal()
        weight, bias = self.gcn.merged(graph)
        factor, offset = fold(before)
        taps, taps_bias = fold_into(conv, after)
        skip = skip_bias = None
        shortcut = self._shortcut()
        if shortcut is not None:
            skip, skip_bias = fold_into(*shortcut)
            skip = skip.flatten(1)
        return Folded(
            graph, weight * factor, bias * factor + offset, taps, taps_bias, skip, skip_bias
        )

    def evaluate(self, x: Tensor, at: Folded) -> Tensor:
        """Return the block's output with weights that ``folded`` has made."""
        y = map_graph(x, at.graph, at.map)
        y = y.add_(at.map_bias.to(y.dtype)).relu_()
        y = convolve_time(y, at.taps, at.taps_bias, self.stride)
        if at.skip is not None:
            y = y.add_(linear(x[:: self.stride], at.skip, at.skip_bias))
        elif self.residual is not None:
            y = y.add_(x)
        return y.relu_()


class STGCN(Backbone):
    """Clips to 256 features by spatial-temporal graph convolution.

    Parameters
    ----------
    hidden
        Channels of the first four blocks; the next ones have 2 and 4 times as many.
    features
        Length of the output, the channels of the last block.
    dropout
        Share of activations dropped in training after each temporal convolution but the first.
    share_absent
        In training, too, run one absent body for all of a batch. It counts as many times as it
        stands for in the normalisations, so that only the noise of dropout differs from running
        each: counted once, or left out, training takes twice the steps on a few hundred clips.

    Notes
    -----
    An absent body is all zeros and so the same for all clips: in evaluation it is computed once
    for a batch, which is exact.
    """

    idle = ("tcn.2.bias", "residual.0.bias")  # a normalisation follows

    def __init__(
        self,
        hidden: int = 16,
        features: int = 256,
        dropout: float = 0.5,
        share_absent: bool = True,
    ):
        super().__init__()
        self.config = {
            "hidden": hidden,
            "features": features,
            "dropout": dropout,
            "share_absent": share_absent,
        }
        self.features = features
        self.share_absent, self.absent = share_absent, Absent()
        first, second, third = hidden, 2 * hidden, 4 * hidden
        widths = (3, *[first] * 4, *[second] * 3, *[third] * 2, features)
        strides = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)
        plan = list(zip(widths[:-1], widths[1:], strides, strict=True))
        self.register_buffer("A", torch.from_numpy(adjacency()))
        self.data_bn = WeightedBatchNorm(3 * JOINTS)
        self.st_gcn_networks = nn.ModuleList(
            Block(i, o, stride, dropout if place else 0.0, skip=place > 0)
            for place, (i, o, stride) in enumerate(plan)
        )
        self.edge_importance = nn.ParameterList(
            nn.Parameter(torch.ones(SUBSETS, JOINTS, JOINTS)) for _ in plan
        )

    @classmethod
    def options(cls, config: PretrainConfig) -> dict[str, Any]:
        """Return dropout and the treatment of absent bodies as ``config`` has them."""
        return {"dropout": config.dropout, "share_absent": config.share_absent}

    def forward(self, x: Tensor) -> Tensor:
        """Return features (N, 256) of clips (N, 3, T, 25, M), absent bodies being zeros."""
        n, c, t, v, m = x.shape
        bodies = x.permute(0, 4, 2, 3, 1).reshape(n * m, t, v, c)
        if self.training and not self.share_absent:
            return self._run(bodies).view(n, m, -1).mean(dim=1)
        present = bodies.flatten(1).any(dim=1)
        absent = cast(Absent, self.absent) if self.training else Absent()
        copies = absent.stands_for((~present).sum())
        one = bodies.new_zeros(int(copies > 0), t, v, c)
        bodies = torch.cat([bodies[present], one])
        features = absent.complete(self._run(bodies, copies if len(one) else None))
        place = torch.where(present, present.cumsum(0) - 1, features.shape[0] - 1)
        return features[place].view(n, m, -1).mean(dim=1)

    def _run(self, bodies: Tensor, copies: Tensor | None = None) -> Tensor:
        """Return features (B, 256) of bodies (B, T, V, C)."""
        graphs = [cast(Tensor, self.A) * importance for importance in self.edge_importance]
        steps = list(zip(self.blocks(), graphs, strict=True))
        if self.training:
            return self._train(bodies, steps, copies)
        folded = [(block, block.folded(graph)) for block, graph in steps]
        at_once = BODIES_AT_ONCE if bodies.device.type == "cpu" else len(bodies)
        return torch.cat([self._evaluate(some, folded) for some in bodies.split(at_once)])

    def blocks(self) -> list[Block]:
        """Return the blocks in their order."""
        return [cast(Block, block) for block in self.st_gcn_networks]

    def _train(
        self, bodies: Tensor, steps: list[tuple[Block, Tensor]], copies: Tensor | None
    ) -> Tensor:
        b, t, v, c = bodies.shape
        flat = bodies.transpose(0, 1).reshape(t, b, 1, v * c)
        x = normalise(cast(WeightedBatchNorm, self.data_bn), flat, copies).view(t, b, v, c)
        for block, graph in steps:
            x = block(x, graph, copies)
        return pool(x)

    def _evaluate(self, bodies: Tensor, steps: list[tuple[Block, Folded]]) -> Tensor:
        factor, offset = fold(self.data_bn)
        x = bodies.transpose(0, 1).flatten(2) * factor + offset
        x = x.view(*x.shape[:2], JOINTS, -1)
        for block, weights in steps:
            x = block.evaluate(x, weights)
        return pool(x)
