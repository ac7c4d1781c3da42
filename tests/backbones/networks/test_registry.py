"""A backbone is a class and a line in the registry; all else asks the class."""

import sys
import types

import pytest
import torch
from torch import nn

from smie_pipe.backbones.adopt import adopt_weights
from smie_pipe.backbones.config import ExtractConfig, PretrainConfig
from smie_pipe.backbones.features.extract import extract
from smie_pipe.backbones.features.store import read_features
from smie_pipe.backbones.networks.base import Backbone, freeze_idle
from smie_pipe.backbones.networks.registry import BACKBONES, build, name_of
from smie_pipe.backbones.pretraining.pretrain import pretrain
from smie_pipe.backbones.weights import load_backbone


class Toy(Backbone):
    """The mean position of each joint, normalised and mapped to 12 numbers."""

    idle = ("map.bias",)

    def __init__(self, gain: float = 1.0):
        super().__init__()
        self.config, self.features = {"gain": gain}, 12
        self.gain = gain
        self.map = nn.Linear(75, 12)
        self.bn = nn.BatchNorm1d(12)

    @classmethod
    def options(cls, config):
        return {"gain": 1 - config.dropout}

    def forward(self, x):
        return self.bn(self.map(self.gain * x.abs().mean(dim=(2, 4)).flatten(1)))


@pytest.fixture
def toy(monkeypatch):
    module = types.ModuleType("toy_backbone")
    module.Toy = Toy
    monkeypatch.setattr(Toy, "__module__", "toy_backbone")
    monkeypatch.setitem(sys.modules, "toy_backbone", module)
    monkeypatch.setitem(BACKBONES, "toy", "toy_backbone:Toy")


def test_a_toy_backbone_takes_one_class_and_one_line(toy, small_skeletons, tmp_path):
    skeletons, weights = small_skeletons(), tmp_path / "backbone.safetensors"
    config = PretrainConfig(backbone="toy", epochs=4, batch=8, dropout=0.25)
    options = {"seen": (0, 1, 3), "split": "mine", "protocol": "subjects:1"}
    pretrain(skeletons, weights, config, **options)
    model, facts = load_backbone(weights)
    assert (facts["backbone"], facts["config"]) == ("toy", {"gain": 0.75})
    extract(skeletons, weights, tmp_path / "features.h5", ExtractConfig(masked_frames=3))
    features = read_features(tmp_path / "features.h5")
    assert features.v.shape[1] == features.v_masked.shape[1] == 12
    assert features.v.std() > 0
    adopt_weights(weights, "toy", tmp_path / "own.safetensors", skeletons=skeletons, **options)
    torch.testing.assert_close(
        load_backbone(tmp_path / "own.safetensors")[0].map.weight, model.map.weight
    )
    assert freeze_idle(build("toy")) == ["map.bias"]


def test_every_name_builds_a_backbone_that_says_its_width():
    for name in BACKBONES:
        model = build(name).eval()
        assert name_of(model) == name
        assert model(torch.zeros(1, 3, 8, 25, 2)).shape == (1, model.features)
        assert build(name, **model.config).config == model.config


@pytest.mark.parametrize("name", BACKBONES)
def test_just_what_has_nothing_to_learn_is_frozen(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build(name).double().train()
        x = torch.randn(2, 3, 8, 25, 2, dtype=torch.float64)
        (model(x) * torch.randn(2, 256)).sum().backward()
    frozen = {n for n in freeze_idle(model) if not n.endswith("xpos")}
    gradients = {n: p.grad.abs().max() for n, p in model.named_parameters() if p.grad is not None}
    idle = {n for n, gradient in gradients.items() if gradient < 1e-10}
    assert frozen == {n for n in idle if not n.endswith("xpos")}
    assert len(frozen) > 10
