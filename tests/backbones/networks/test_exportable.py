"""The plain forms that are exported give the networks' own features."""

import pytest
import torch
from torch import nn

from smie_pipe.backbones.networks.base import Backbone
from smie_pipe.backbones.networks.exportable import exportable
from smie_pipe.backbones.networks.registry import BACKBONES, build
from smie_pipe.backbones.networks.shiftgcn import TemporalShift
from smie_pipe.preprocessing.foundation.errors import InputError


def clips(count=2, frames=16):
    x = torch.randn(count, 3, frames, 25, 2, generator=torch.Generator().manual_seed(0))
    x[0, ..., 1] = 0  # an absent body
    return x


def trained(name):
    """Return a network whose normalisations, masks and shifts are not those of the start."""
    torch.manual_seed(1)
    model = build(name)
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if key.endswith(("running_mean", "bias", "Feature_Mask", "edge_importance")):
                value.add_(0.1 * torch.randn_like(value))
            elif key.endswith("running_var"):
                value.mul_(1 + torch.rand_like(value))
    return model.eval()


@torch.no_grad()
@pytest.mark.parametrize("frames", [16, 13])
@pytest.mark.parametrize("name", BACKBONES)
def test_the_plain_form_gives_the_same_features(name, frames):
    model, x = trained(name), clips(frames=frames)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    torch.testing.assert_close(exportable(model, frames)(x), model(x), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@torch.no_grad()
def test_learned_shifts_across_joints_are_kept():
    model, x = trained("shift-gcn"), clips()
    unmoved = model(x)
    for module in model.modules():
        if isinstance(module, TemporalShift):
            module.xpos.uniform_(-0.5, 0.5)
    moved = model(x)
    assert not torch.allclose(moved, unmoved, atol=1e-3)
    torch.testing.assert_close(exportable(model, 16)(x), moved, rtol=1e-4, atol=1e-5)


def test_an_unknown_backbone_is_refused():
    class Mine(Backbone, nn.Module):
        pass

    with pytest.raises(InputError, match="backbone Mine cannot be exported"):
        exportable(Mine(), 50)
