"""All pairs at once, against pairs one by one."""

import pytest
import torch

from smie_pipe.zeroshot.methods.estimator import Estimator, score_pairs


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
    assert score_pairs(net, v[:0], a).shape == (0, 7)
