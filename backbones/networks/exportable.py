"""The backbones as plain networks of public operations, which an exporter can follow.

The networks themselves choose their way by what they meet (absent bodies are run once, kernels
differ by size and machine), and an exporter writes down one way only. Here every body of every
clip is run. The numbers are the same but for the order of sums.
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn

from smie_pipe.backbones.networks.base import Backbone
from smie_pipe.backbones.networks.graph import JOINTS
from smie_pipe.backbones.networks.shiftgcn import (
    NO_SHIFT,
    ShiftGCN,
    SpatialShiftConvolution,
    TemporalShift,
    reading,
)
from smie_pipe.backbones.networks.stgcn import STGCN, plain_stgcn
from smie_pipe.preprocessing.foundation.errors import InputError


def exportable(model: Backbone, frames: int) -> nn.Module:
    """Return a module from clips (N, 3, frames, 25, 2) to features, for any number of clips.

    Parameters
    ----------
    model
        A trained backbone; it stays as it is.
    frames
        Length of the clips.

    Raises
    ------
    InputError
        For a backbone that this module does not know.
    """
    if isinstance(model, STGCN):
        return _PlainSTGCN(model)
    if isinstance(model, ShiftGCN):
        return _PlainShiftGCN(model, frames)
    raise InputError(
        f"backbone {type(model).__name__} cannot be exported: backbones/networks/exportable.py "
        "holds no plain form of it"
    )


class _PlainSTGCN(nn.Module):
    def __init__(self, model: STGCN):
        super().__init__()
        self.model = copy.deepcopy(model).eval()

    def forward(self, clips: Tensor) -> Tensor:
        """Return features (N, 256)."""
        return plain_stgcn(self.model, clips)


class _FixedShift(nn.Module):
    """A temporal shift whose reading matrices are constants."""

    def __init__(self, shift: TemporalShift, frames: int):
        super().__init__()
        self.register_buffer("along", reading(shift.ypos, frames, shift.stride).detach())
        moves = bool((shift.xpos.abs() > NO_SHIFT).any())
        across = reading(shift.xpos, JOINTS).detach() if moves else None
        self.register_buffer("across", across)

    def forward(self, x: Tensor) -> Tensor:
        """Return (V, C, T', B) from (V, C, T, B)."""
        if self.across is not None:
            x = torch.einsum("cwv,vctb->wctb", self.across, x)
        return torch.matmul(cast(Tensor, self.along), x)


class _FixedSpatialShift(nn.Module):
    """A spatial shift convolution by plain indexing."""

    def __init__(self, conv: SpatialShiftConvolution):
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """Return (V, O, T, B) from (V, C, T, B)."""
        conv, (v, c, t, b) = self.conv, x.shape
        mask = conv.Feature_Mask[0].tanh() + 1
        y = x.reshape(v * c, t, b)[cast(Tensor, conv.shift_in)].view(v, c, t, b)
        y = torch.einsum("vctb,co,vc->votb", y, conv.Linear_weight, mask)
        y = y + conv.Linear_bias.flatten()[:, None, None]
        y = y.reshape(-1, t, b)[cast(Tensor, conv.shift_out)]
        y = conv.bn(y.permute(2, 0, 1)).permute(1, 2, 0).reshape(v, -1, t, b)
        return torch.relu(y + (x if conv.down is None else conv.down(x)))


class _PlainShiftGCN(nn.Module):
    def __init__(self, model: ShiftGCN, frames: int):
        super().__init__()
        self.model = copy.deepcopy(model).eval()
        for block in (m for m in self.model.children() if hasattr(m, "gcn1")):
            block.gcn1 = _FixedSpatialShift(cast(SpatialShiftConvolution, block.gcn1))
            for name in ("shift_in", "shift_out"):
                shift = getattr(block.tcn1, name)
                setattr(block.tcn1, name, _FixedShift(shift, frames))
                frames = -(-frames // shift.stride)

    def forward(self, clips: Tensor) -> Tensor:
        """Return features (N, 256)."""
        n, c, t, v, m = clips.shape
        y = self.model.data_bn(clips.permute(0, 4, 3, 1, 2).reshape(n, m * v * c, t))
        features = self.model._features(y.view(n * m, v, c, t))
        return features.view(n, m, -1).mean(dim=1)
