"""TDSM: its noise, ties before it has learnt, negatives of the own class, noises drawn once."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData, fit
from smie_pipe.zeroshot.methods.registry import build_method
from smie_pipe.zeroshot.methods.tdsm import TDSM, Denoiser, ranking_loss, rate, signal_shares
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

QUICK = {"epochs": 2, "batch": 16, "width": 12, "draws": 3}


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def data():
    texts = ClassTexts(rows(5, 9, seed=1))
    return TrainingData(3 + 2 * rows(40, 10), None, torch.arange(40) % 5, texts)


@pytest.fixture(scope="module")
def unseen():
    return ClassTexts(rows(4, 9, seed=3))


def test_the_published_shares_of_signal():
    found = signal_shares()[[0, 10, 25, 49]].tolist()
    assert found == pytest.approx([0.9992, 0.984, 0.934, 0.764], abs=1e-3)


def test_before_it_has_learnt_every_class_ties_at_the_noises_own_size(data, unseen):
    method = fit(TDSM(**QUICK), data, seed=0, device="cpu")
    torch.nn.init.zeros_(method.net.last.weight)
    torch.nn.init.zeros_(method.net.last.bias)
    scores = method.score(data.v, unseen)
    assert torch.equal(scores, scores[:1, :1].expand_as(scores))
    torch.testing.assert_close(-scores[0, 0], method.noises().square().mean())


def test_untrained_its_last_layer_says_nothing():
    net = Denoiser(4, 5, 6)
    assert not net(rows(3, 4), torch.zeros(3), rows(3, 5)).detach().any()


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5), st.booleans()), min_size=1))
def test_own_class_as_negative_adds_nothing_to_the_ranking(drawn):
    p, n, other = (torch.tensor(x) for x in zip(*drawn, strict=True))
    expected = sum(max(0.0, a - b + 1) for a, b, c in drawn if c) / len(drawn)
    assert float(ranking_loss(p, n, other)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("predicts", ["noise", "feature"])
def test_noises_are_the_same_for_all_classes_and_any_batch_size(predicts, data, unseen):
    method = fit(TDSM(**QUICK, predicts=predicts, lr=1e-2), data, seed=0, device="cpu")
    whole = method.score(data.v, unseen)
    parts = torch.cat([method.score(x, unseen) for x in data.v.split(7)])
    torch.testing.assert_close(whole, parts)
    torch.testing.assert_close(method.score(data.v, unseen.take([2, 0])), whole[:, [2, 0]])
    assert whole.std(1).min() > 0


def test_features_are_standardised_by_the_training_clips_alone(data):
    method = fit(TDSM(**QUICK), data, seed=0, device="cpu")
    x = method.net.standardise(data.v)
    torch.testing.assert_close(x.mean(0), torch.zeros(10), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std(0), torch.ones(10))


@given(st.integers(1, 3000))
def test_the_rate_is_above_nothing_at_every_step_and_never_above_its_whole(last):
    found = [rate(step, last) for step in range(last)]
    assert min(found) > 0 and max(found) <= 1


def test_the_papers_data_sets_keep_the_published_batch():
    assert build_method("tdsm", dataset="ntu60").batch == 256


def test_impossible_options_are_told():
    with pytest.raises(InputError, match="unknown tdsm.predicts 'nois'. Did you mean 'noise'"):
        TDSM(predicts="nois")
    with pytest.raises(InputError, match="tdsm.ranking"):
        TDSM(ranking=-1)
