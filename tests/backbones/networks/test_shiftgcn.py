"""Shift-GCN: golden logits, the shifts against naive loops, gradients in float64."""

import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from smie_pipe.backbones.networks.registry import build
from smie_pipe.backbones.networks.shiftgcn import (
    ShiftGCN,
    SpatialShiftConvolution,
    TemporalShift,
    shift_joints,
    spatial_shift,
)
from smie_pipe.backbones.weights import load_backbone, load_foreign, save_backbone


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.fixture(scope="module")
def model():
    """A network whose masks, shifts and statistics are not the initial ones."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ShiftGCN()
        for name, parameter in network.named_parameters():
            parameter.data += (0.3 if "pos" in name else 0.05) * torch.randn_like(parameter)
        norms = [
            m for m in network.modules() if isinstance(m, torch.nn.modules.batchnorm._NormBase)
        ]
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            network.train()(clips([1, 2, 1]))
    return network.eval()


def clips(bodies, frames=12):
    x = random(len(bodies), 3, frames, 25, 2, dtype=torch.float32)
    for clip, count in enumerate(bodies):
        x[clip, ..., count:] = 0
    return x


@pytest.mark.parametrize("channels", [3, 64, 256])
@pytest.mark.parametrize("forwards", [True, False])
def test_spatial_shift_takes_the_channel_of_a_joint_further_on(channels, forwards):
    table = spatial_shift(channels, forwards)
    assert sorted(table.tolist()) == list(range(25 * channels))
    for joint in (0, 7, 24):
        for channel in (0, 1, channels - 1):
            source = (joint + (channel if forwards else -channel)) % 25
            assert table[joint * channels + channel] == source * channels + channel


def test_shifting_back_undoes_the_shift():
    x = random(25, 8, 3, 2)
    there = shift_joints(x, spatial_shift(8, forwards=True))
    assert not torch.equal(there, x)
    torch.testing.assert_close(shift_joints(there, spatial_shift(8, forwards=False)), x)
    torch.testing.assert_close(there[2, 5], x[7, 5])


def naive_shift(x, xpos, ypos, stride):
    """Each value by four reads, zeros outside; x is (V, C, T, B)."""
    joints, channels, frames, bodies = x.shape
    y = torch.zeros(joints, channels, math.ceil(frames / stride), bodies, dtype=x.dtype)
    for joint in range(joints):
        for channel in range(channels):
            for h in range(y.shape[2]):
                at_t = stride * h + ypos[channel] + (0.5 if stride == 2 else 0.0)
                at_v = joint + xpos[channel]
                t0, v0 = math.floor(at_t), math.floor(at_v)
                for t, wt in ((t0, t0 + 1 - at_t), (t0 + 1, at_t - t0)):
                    for v, wv in ((v0, v0 + 1 - at_v), (v0 + 1, at_v - v0)):
                        if 0 <= t < frames and 0 <= v < joints:
                            y[joint, channel, h] += wt * wv * x[v, channel, t]
    return y


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("frames", [7, 8])
@pytest.mark.parametrize("learning", [True, False])
def test_temporal_shift_against_a_naive_loop(stride, frames, learning):
    shift = TemporalShift(5, stride).double()
    shift.xpos.data = torch.tensor([0.0, 0.3, -1.6, 1e-10, 2.0]).double()
    shift.ypos.data = torch.tensor([0.0, -0.7, 2.0, 3.4, -40.0]).double()
    x = random(6, 5, frames, 2)
    expected = naive_shift(x, shift.xpos.tolist(), shift.ypos.tolist(), stride)
    with torch.set_grad_enabled(learning):
        torch.testing.assert_close(shift(x), expected)


def test_negligible_joint_shifts_are_left_out_in_evaluation_only():
    shift = TemporalShift(4)
    shift.xpos.data.fill_(1e-10)
    x = random(6, 4, 8, 2, dtype=torch.float32)
    with torch.no_grad():
        fast = shift(x)
    torch.testing.assert_close(fast, shift(x), rtol=0, atol=1e-7)


@pytest.mark.parametrize("stride", [1, 2])
def test_temporal_shift_gradients(stride):
    shift = TemporalShift(3, stride).double()
    x = random(4, 3, 5, 2).requires_grad_()
    xpos = torch.tensor([0.3, -0.6, 1.2], dtype=torch.float64, requires_grad=True)
    ypos = torch.tensor([0.2, -1.3, 2.6], dtype=torch.float64, requires_grad=True)

    def function(x, xpos, ypos):
        return torch.func.functional_call(shift, {"xpos": xpos, "ypos": ypos}, (x,))

    assert gradcheck(function, (x, xpos, ypos))


def test_spatial_shift_convolution_gradients():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layer = SpatialShiftConvolution(2, 3).double()
    x = random(25, 2, 2, 2).requires_grad_()
    assert gradcheck(layer.eval(), (x,))
    assert gradcheck(lambda x: layer.train()(x), (x,), atol=1e-4)


def test_golden_logits_and_labels(shared, tmp_path):
    # golden/shiftgcn.npz: a public NTU-60 xsub model on six real clips; 1e-3.
    golden = np.load(shared / "golden/shiftgcn.npz")
    network = ShiftGCN(classes=60).eval()
    weights = {k[2:]: torch.from_numpy(golden[k]) for k in golden.files if k.startswith("w/")}
    assert weights.keys() == network.state_dict().keys()
    torch.save({f"module.{k}": v for k, v in weights.items()}, tmp_path / "public.pt")
    load_foreign(network, tmp_path / "public.pt")
    with torch.no_grad():
        logits = network.logits(torch.from_numpy(golden["x"]))
    np.testing.assert_allclose(logits.numpy(), golden["logits"], atol=1e-3, rtol=0)
    np.testing.assert_array_equal(logits.argmax(dim=1).numpy(), golden["label"])


def test_public_weights_load_without_their_classifier(shared, tmp_path):
    golden = np.load(shared / "golden/shiftgcn.npz")
    weights = {k[2:]: torch.from_numpy(golden[k]) for k in golden.files if k.startswith("w/")}
    torch.save(weights, tmp_path / "public.pt")
    assert sorted(load_foreign(ShiftGCN(), tmp_path / "public.pt")) == ["fc.bias", "fc.weight"]


def test_absent_bodies_are_computed_once_and_the_same(model):
    x = clips([1, 2, 1, 1, 0])
    with torch.no_grad():
        features = model(x)
        y = model.data_bn(x.permute(0, 4, 3, 1, 2).reshape(5, 150, 12))
        every = model._run(y.view(10, 25, 3, 12)).view(5, 2, -1).mean(dim=1)
    assert features.std(dim=0).max() > 1e-3
    torch.testing.assert_close(features, every, rtol=1e-5, atol=1e-5)


def test_a_clip_does_not_depend_on_its_neighbours_in_evaluation(model):
    x = clips([1, 2, 1] * 14)
    with torch.no_grad():
        together = model(x)
        torch.testing.assert_close(together[7:8], model(x[7:8]), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model(x), together, rtol=0, atol=0)


@pytest.mark.parametrize("frames", [12, 35, 50])
def test_length_may_vary(model, frames):
    with torch.no_grad():
        assert model(clips([1, 2], frames)).shape == (2, 256)


def test_every_parameter_gets_a_gradient():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ShiftGCN()
    network.train()(clips([1, 2, 2])).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.slow
def test_overfits_eight_samples():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, head = ShiftGCN(), torch.nn.Linear(256, 8)
    x, label = clips([1, 2] * 4), torch.arange(8)
    optimiser = torch.optim.Adam([*network.parameters(), *head.parameters()], 1e-3)
    for _ in range(25):
        loss = torch.nn.functional.cross_entropy(head(network(x)), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05


def test_bfloat16_autocast_stays_near(model):
    x = clips([1, 2])
    with torch.no_grad():
        expected = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            features = model(x)
    assert (features - expected).norm() < 0.05 * expected.norm()


def test_round_trip_through_a_file(model, tmp_path):
    path = tmp_path / "backbone.safetensors"
    save_backbone(path, model, {"seen": [1]})
    loaded, metadata = load_backbone(path)
    assert metadata["backbone"] == "shift-gcn"
    with torch.no_grad():
        torch.testing.assert_close(loaded(clips([1])), model(clips([1])), rtol=0, atol=0)


def test_registered_by_name():
    assert isinstance(build("shift-gcn"), ShiftGCN)
