"""The contrastive aligner: its targets, and a rate that rises and falls."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData, fit
from smie_pipe.zeroshot.methods.contrastive import Contrastive, targets
from smie_pipe.zeroshot.texts.class_texts import ClassTexts


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_targets_are_shares_even_among_clips_of_one_class(label):
    label = torch.tensor(label)
    found = targets(label)
    torch.testing.assert_close(found.sum(1), torch.ones(len(label)))
    for row, own in zip(found, label, strict=True):
        assert row[label == own].min() == row.max()


def test_a_batch_of_one_class_has_an_even_target():
    assert torch.equal(targets(torch.zeros(4)), torch.full((4, 4), 0.25))


def test_the_rate_rises_to_its_whole_and_falls_to_nothing():
    method = Contrastive(epochs=20, warmup=5)
    rate = [method._rate(e / 4) for e in range(81)]
    assert max(rate) == rate[20] == 1 and rate[80] == pytest.approx(0)
    assert rate[:20] == sorted(rate[:20]) and rate[20:] == sorted(rate[20:], reverse=True)
    assert Contrastive(epochs=2, warmup=5)._rate(1.9) > 0


@pytest.mark.parametrize("hidden", [0, 16])
def test_it_learns_and_a_subset_of_classes_keeps_its_scores(hidden):
    draw = torch.Generator().manual_seed(0)
    label = torch.arange(60) % 6
    v = torch.randn(6, 20, generator=draw)[label] + 0.1 * torch.randn(60, 20, generator=draw)
    texts = ClassTexts(torch.randn(6, 8, generator=draw))
    data = TrainingData(v, None, label, texts)
    method = fit(Contrastive(hidden=hidden, batch=16), data, seed=0, device="cpu")
    scores = method.score(v, texts)
    assert (scores.argmax(1) == label).all()
    torch.testing.assert_close(method.score(v, texts.take([4, 1])), scores[:, [4, 1]])


@pytest.mark.parametrize("option", ["warmup", "hidden"])
def test_impossible_options_are_told(option):
    with pytest.raises(InputError, match=f"contrastive.{option}"):
        Contrastive(**{option: -1})
