"""ST-GCN: golden numbers, and the same function and gradients as the plain form."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from smie_pipe.backbones.kernels.temporal import (
    convolve_by_frequency,
    convolve_directly,
    keep_half,
)
from smie_pipe.backbones.networks.stgcn import STGCN, plain_stgcn


def network(**options):
    """A small network with edge weights and running statistics as training would leave them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = STGCN(**{"hidden": 8, "features": 40, "dropout": 0.0, **options}).double()
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._NormBase)]
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            plain_stgcn(model.train(), clips([1, 2, 2, 1]))
        for norm in norms:
            norm.momentum = 0.1
    return model


def clips(bodies, frames=20):
    """Clips of which the i-th has ``bodies[i]`` bodies."""
    generator = torch.Generator().manual_seed(len(bodies))
    x = torch.randn(len(bodies), 3, frames, 25, 2, generator=generator, dtype=torch.float64)
    for clip, count in enumerate(bodies):
        x[clip, ..., count:] = 0
    return x


def outcome(function, model, x):
    """The features, and the gradients of a fixed function of them."""
    model.zero_grad()
    x = x.clone().requires_grad_()
    features = function(x)
    weights = torch.linspace(-1, 2, features.numel(), dtype=features.dtype)
    (features * weights.view_as(features)).sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    return features.detach(), {**gradients, "input": x.grad}


def assert_same(model, other, x, skip=()):
    features, gradients = outcome(model, model, x)
    expected, wanted = outcome(lambda clip: plain_stgcn(other, clip), other, x)
    torch.testing.assert_close(features, expected, rtol=1e-9, atol=1e-10)
    assert wanted["st_gcn_networks.0.gcn.conv.weight"].abs().max() > 1e-3
    for name, value in gradients.items():
        if name not in skip:
            scale = max(1.0, wanted[name].abs().max().item())
            torch.testing.assert_close(value, wanted[name], rtol=0, atol=1e-8 * scale, msg=name)


BODIES = {"mixed": [1, 2, 1, 1], "one body": [1, 1, 1], "two bodies": [2, 2], "none": [0, 1]}


@pytest.mark.parametrize("bodies", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("frames", [20, 35, 50])
def test_evaluation_equals_the_plain_form(bodies, frames):
    model = network().eval()
    x = clips(bodies, frames)
    with torch.no_grad():
        torch.testing.assert_close(model(x), plain_stgcn(model, x), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("bodies", BODIES.values(), ids=BODIES)
def test_gradients_in_evaluation_equal_those_of_the_plain_form(bodies):
    model = network().eval()
    # The gradient to an absent body's zeros is that of none: nothing is there to move.
    assert_same(model, model, clips(bodies), skip=() if bodies == [2, 2] else ("input",))


@pytest.mark.parametrize("bodies", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("frames", [20, 35, 50])
def test_training_equals_the_plain_form(bodies, frames):
    # One absent body, counted as often as it stands for, is all of them, but for dropout.
    model, other = network().train(), network().train()
    assert_same(model, other, clips(bodies, frames), () if bodies == [2, 2] else ("input",))
    for name, buffer in model.named_buffers():
        torch.testing.assert_close(buffer, dict(other.named_buffers())[name], msg=name)


def test_training_with_every_body_equals_the_plain_form():
    model, other = network(share_absent=False).train(), network().train()
    assert_same(model, other, clips([1, 2, 1]))


def test_golden_features(shared):
    # golden/stgcn.npz: public SMIE code on six real NTU files, random weights; 2e-6.
    golden = np.load(shared / "golden/stgcn.npz")
    model = STGCN().eval()
    weights = {k[2:]: torch.from_numpy(golden[k]) for k in golden.files if k.startswith("w/")}
    assert weights.keys() == model.state_dict().keys()
    model.load_state_dict(weights)
    x = torch.from_numpy(golden["x"])
    kept = torch.from_numpy(golden["kept_frames"])
    masked = torch.stack([clip[:, frames] for clip, frames in zip(x, kept, strict=True)])
    with torch.no_grad():
        np.testing.assert_allclose(model(x).numpy(), golden["out50"], atol=2e-6, rtol=0)
        np.testing.assert_allclose(model(masked).numpy(), golden["out35"], atol=2e-6, rtol=0)


def test_a_clip_does_not_depend_on_its_neighbours_in_evaluation():
    model = network().float().eval()
    x = clips([1, 2, 1, 2, 1] * 9).float()
    with torch.no_grad():
        together = model(x)
        alone = torch.cat([model(clip[None]) for clip in x])
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(model(x), together, rtol=0, atol=0)


def test_bodies_may_stand_in_either_place():
    model = network().eval()
    x = clips([1, 2])
    with torch.no_grad():
        torch.testing.assert_close(model(x), model(x.flip(-1)))


def test_every_parameter_gets_a_gradient():
    model = network(dropout=0.5).float().train()
    model(clips([1, 2, 1, 2]).float()).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not name.endswith(("gcn.conv.bias", "tcn.2.bias", "residual.0.bias")):
            assert parameter.grad.abs().max() > 0, name  # a bias before a normalisation has none


def test_the_absent_body_is_part_of_training():
    model = network().train()
    x = clips([1, 1, 1])
    features = model(x)
    weights = torch.linspace(-1, 1, features.numel(), dtype=features.dtype)
    (features * weights.view_as(features)).sum().backward()
    before = model.data_bn.bias.grad.clone()
    model.zero_grad()
    features = model(clips([2, 2, 2]))
    (features * weights.view_as(features)).sum().backward()
    assert not torch.allclose(before, model.data_bn.bias.grad)


def test_dropout_differs_between_passes_and_repeats_with_the_seed():
    model = network(dropout=0.5).float().train()
    x = clips([2, 2]).float()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        first, second = model(x), model(x)
        torch.manual_seed(3)
        again = model(x)
    assert not torch.allclose(first, second)
    torch.testing.assert_close(first, again, rtol=0, atol=0)


@pytest.mark.parametrize("share", [True, False])
def test_overfits_eight_samples(share):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = STGCN(hidden=8, features=32, dropout=0.0, share_absent=share)
        head = torch.nn.Linear(32, 8)
    x, label = clips([1, 2] * 4, frames=12).float(), torch.arange(8)
    optimiser = torch.optim.Adam([*model.parameters(), *head.parameters()], 1e-2)
    for _ in range(40):
        loss = functional.cross_entropy(head(model(x)), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05


def test_state_dict_round_trip():
    model, other = network().eval(), STGCN(hidden=8, features=40).double().eval()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(other(clips([1, 2])), model(clips([1, 2])), rtol=0, atol=0)


@pytest.mark.parametrize("training", [False, True])
def test_bfloat16_autocast_stays_near(training):
    model, other = network(features=64).float(), network(features=64).float()
    model.train(training)
    other.train(training)
    x = clips([1, 2, 2, 1]).float()
    with torch.autocast("cpu", torch.bfloat16):
        features = model(x)
    assert features.dtype == torch.float32
    expected = other(x)
    assert (features - expected).norm() < 0.05 * expected.norm()
    features.square().sum().backward()


@pytest.mark.parametrize("frames", [1, 3, 9, 13, 14, 25])
@pytest.mark.parametrize("taps", [3, 9])
def test_both_ways_to_convolve_agree(frames, taps):
    generator = torch.Generator().manual_seed(frames)
    x = torch.randn(frames, 6, 5, generator=generator, dtype=torch.float64)
    weight = torch.randn(4, 5, taps, 1, generator=generator, dtype=torch.float64)
    bias = torch.randn(4, generator=generator, dtype=torch.float64)
    direct = convolve_directly(x, weight, bias, stride=1)
    torch.testing.assert_close(convolve_by_frequency(x, weight, bias), direct)
    loop = bias.expand(frames, 6, 4).clone()
    for t in range(frames):
        for k in range(taps):
            if 0 <= t + k - taps // 2 < frames:
                loop[t] += x[t + k - taps // 2] @ weight[:, :, k, 0].t()
    torch.testing.assert_close(direct, loop)


def test_the_frequency_way_is_no_less_exact_in_single_precision():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(13, 50, 64, generator=generator, dtype=torch.float64)
    weight = torch.randn(64, 64, 9, 1, generator=generator, dtype=torch.float64)
    bias = torch.zeros(64, dtype=torch.float64)
    exact = convolve_directly(x, weight, bias, stride=1)
    single = (x.float(), weight.float(), bias.float())
    error = (convolve_by_frequency(*single) - exact).abs().max()
    assert error < 2 * (convolve_directly(*single, stride=1) - exact).abs().max()


def test_half_is_kept_at_random():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mask = keep_half(torch.empty(50, 31, 8, 16))
    assert set(mask.unique().tolist()) == {0.0, 2.0}
    assert abs(mask.mean().item() - 1) < 0.02
    bits = mask.flatten() - 1
    for lag in (1, 31, 32, bits.numel() // 31, bits.numel() // 31 + 1):
        assert abs((bits[lag:] * bits[:-lag]).mean().item()) < 0.02, lag
