"""ST-GCN (Yan et al. 2018), the small version with 16 hidden channels and 256 features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from backbones.graph import JOINTS, adjacency

SUBSETS = 3
KERNEL_FRAMES = 9


class GraphConvolution(nn.Module):
    """A pointwise map per subset of the graph, summed over each joint's neighbours."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = nn.Conv2d(inputs, SUBSETS * outputs, kernel_size=1)

    def forward(self, x: Tensor, graph: Tensor) -> Tensor:
        """Return (B, outputs, T, V) from (B, inputs, T, V) and a graph (3, V, V).

        Notes
        -----
        Aggregates first and maps afterwards, which is the same sum in another order and moves
        3 x inputs instead of 3 x outputs channels.
        """
        b, c, t, v = x.shape
        spread = graph.permute(1, 0, 2).reshape(v, SUBSETS * v)
        near = (x.reshape(-1, v) @ spread).view(b, c, t, SUBSETS, v)
        near = near.permute(0, 3, 1, 2, 4).reshape(b, SUBSETS * c, t, v)
        outputs = self.conv.out_channels // SUBSETS
        weight = self.conv.weight.view(SUBSETS, outputs, c).permute(1, 0, 2)
        bias = self.conv.get_parameter("bias").view(SUBSETS, outputs).t() @ graph.sum(dim=1)
        mapped = nn.functional.conv2d(near, weight.reshape(outputs, SUBSETS * c, 1, 1))
        return mapped + bias[:, None, :]


class Block(nn.Module):
    """Graph convolution, temporal convolution over 9 frames, and a residual path."""

    def __init__(
        self, inputs: int, outputs: int, stride: int = 1, dropout: float = 0.5, skip: bool = True
    ):
        super().__init__()
        self.gcn = GraphConvolution(inputs, outputs)
        self.tcn = nn.Sequential(
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, (KERNEL_FRAMES, 1), (stride, 1), (KERNEL_FRAMES // 2, 0)),
            nn.BatchNorm2d(outputs),
            nn.Dropout(dropout),
        )
        self.residual: nn.Module | None = None
        if skip and inputs == outputs and stride == 1:
            self.residual = nn.Identity()
        elif skip:
            self.residual = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride=(stride, 1)), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor, graph: Tensor) -> Tensor:
        """Return (B, outputs, T / stride, V) from (B, inputs, T, V) and a graph (3, V, V)."""
        y = self.tcn(self.gcn(x, graph))
        if self.residual is not None:
            y = y + self.residual(x)
        return nn.functional.relu(y)


class STGCN(nn.Module):
    """Clips to 256 features by spatial-temporal graph convolution.

    Parameters
    ----------
    hidden
        Channels of the first four blocks; the next ones have 2 and 4 times as many.
    features
        Length of the output, the channels of the last block.
    dropout
        Share of activations dropped in training after each temporal convolution.
    """

    def __init__(self, hidden: int = 16, features: int = 256, dropout: float = 0.5):
        super().__init__()
        self.config = {"hidden": hidden, "features": features, "dropout": dropout}
        first, second, third = hidden, 2 * hidden, 4 * hidden
        widths = (3, *[first] * 4, *[second] * 3, *[third] * 2, features)
        strides = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)
        plan = list(zip(widths[:-1], widths[1:], strides, strict=True))
        self.register_buffer("A", torch.from_numpy(adjacency()))
        self.data_bn = nn.BatchNorm1d(3 * JOINTS)
        self.st_gcn_networks = nn.ModuleList(
            Block(i, o, stride, dropout if place else 0.0, skip=place > 0)
            for place, (i, o, stride) in enumerate(plan)
        )
        self.edge_importance = nn.ParameterList(
            nn.Parameter(torch.ones(SUBSETS, JOINTS, JOINTS)) for _ in plan
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return features (N, 256) of clips (N, 3, T, 25, M), absent bodies being zeros."""
        n, c, t, v, m = x.shape
        x = x.permute(0, 4, 3, 1, 2).reshape(n * m, v * c, t)
        x = self.data_bn(x).view(n * m, v, c, t).permute(0, 2, 3, 1).contiguous()
        for block, importance in zip(self.st_gcn_networks, self.edge_importance, strict=True):
            x = block(x, self.A * importance)
        return x.mean(dim=(2, 3)).view(n, m, -1).mean(dim=1)
