"""All pairs at once, in float32 and in bf16."""

import pytest
import torch

from smie_pipe.zeroshot.methods.estimator import Estimator, _folded, score_pairs


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Estimator(16, 24, 64, 32)


def pairs(clips=50, classes=7):
    generator = torch.Generator().manual_seed(1)
    v = torch.nn.functional.layer_norm(torch.randn(clips, 16, generator=generator), (16,))
    return v, torch.nn.functional.normalize(torch.randn(classes, 24, generator=generator))


@pytest.mark.parametrize("clips, classes", [(50, 7), (1, 1), (300, 11), (3, 2000)])
def test_all_pairs_equal_pairs_one_by_one(net, clips, classes):
    v, a = pairs(clips, classes)
    scores = score_pairs(net, v, a)
    assert scores.shape == (clips, classes)
    with torch.no_grad():
        expected = torch.stack([net(v, text.expand(clips, -1)) for text in a[:5]], dim=1)
    torch.testing.assert_close(scores[:, :5], expected, rtol=0, atol=2e-6)


def test_scores_of_no_clips_are_an_empty_table(net):
    v, a = pairs(1)
    for precision in ("float32", "bf16"):
        assert score_pairs(net, v[:0], a, precision).shape == (0, 7)


@pytest.mark.parametrize("clips", [50, 2000, 2003])
def test_bf16_scores_stay_near_float32(net, clips):
    v, a = pairs(clips)
    with torch.no_grad():
        net.text.weight.mul_(8)  # as training does: texts must matter
    exact, rounded = score_pairs(net, v, a), score_pairs(net, v, a, "bf16")
    spread = exact.std(1).mean()
    assert (rounded - exact).square().mean().sqrt() < 0.02 * spread
    assert (rounded - exact).abs().max() < 0.1 * spread


def test_folded_last_layer_gives_the_same_score(net):
    """sum over positive columns of max(w o, 0), over negative ones of min(w o, 0)."""
    weight, bias, positive = _folded(net)
    hidden = torch.rand(9, 64)
    with torch.no_grad():
        o = hidden @ weight.float().T + bias
        folded = o[:, :positive].clamp_min(0).sum(1) + o[:, positive:].clamp_max(0).sum(1)
        expected = net.third(net.second(hidden).relu())[:, 0] - net.third.bias
    assert 0 < positive < 32
    torch.testing.assert_close(folded, expected, rtol=0, atol=3e-3)  # weights of 8 bits
