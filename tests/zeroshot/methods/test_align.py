"""The text head as a method: used as it is, with the texts that it was trained with."""

import dataclasses

import pytest
import torch

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.config import TextSource, ZeroShotConfig, ZeroShotRun
from smie_pipe.zeroshot.methods.align import Align
from smie_pipe.zeroshot.methods.base import TrainingData, fit
from smie_pipe.zeroshot.texts.class_texts import ClassTexts, TextCentre
from smie_pipe.zeroshot.training.train import of_classes
from smie_pipe.zeroshot.trials.experiment import run_experiments


@pytest.fixture
def data(with_head):
    draw = torch.Generator().manual_seed(0)
    v, texts = torch.randn(30, 8, generator=draw), torch.randn(6, 5, generator=draw) + 1
    return with_head(TrainingData(v, v, torch.arange(30) % 6, ClassTexts(texts)))


def test_scores_are_cosines_of_the_heads_map(data):
    method = fit(Align(), data, seed=0, device="cpu")
    head, v = data.head, torch.randn(4, 8)
    mapped = v @ head["weight"].T + head["bias"]
    centred = data.texts.sentence - head["centre"]
    expected = torch.cosine_similarity(mapped[:, None], centred[None], dim=2)
    torch.testing.assert_close(method.score(v, data.texts), expected)


def test_texts_that_are_centred_already_are_not_centred_twice(data):
    centred = TextCentre.of(data.texts).apply(data.texts)
    other = dataclasses.replace(data, texts=centred)
    plain, moved = (fit(Align(), d, seed=0, device="cpu") for d in (data, other))
    v = torch.randn(4, 8)
    torch.testing.assert_close(plain.score(v, data.texts), moved.score(v, centred))


def test_a_part_of_the_seen_classes_serves(data):
    part = of_classes(data, [4, 1])
    method = fit(Align(), part, seed=0, device="cpu")
    whole = fit(Align(), data, seed=0, device="cpu")
    assert torch.equal(method.score(data.v, data.texts), whole.score(data.v, data.texts))


@pytest.mark.parametrize("width", [5, 7])
def test_other_texts_are_refused(data, width):
    other = dataclasses.replace(data, texts=ClassTexts(torch.randn(6, width)))
    with pytest.raises(InputError, match="trained with other texts .*--align-text-model"):
        fit(Align(), other, seed=0, device="cpu")


def test_features_without_a_head_are_refused_before_any_work(small_study, data):
    with pytest.raises(InputError, match="hold none.*pretrain-backbone --align"):
        fit(Align(), dataclasses.replace(data, head=None), seed=0, device="cpu")
    study = small_study()
    study.rewrite("fold-1", made={})
    config = ZeroShotConfig(method=("ridge", "align"))
    with pytest.raises(InputError, match=r"align: .*features.h5 hold no text head"):
        run_experiments(study.files, study.run_dir, config, texts=study.texts)
    assert not (study.run_dir / "results.json").exists()


def test_a_study_names_unseen_classes_by_the_head(small_study):
    study = small_study()
    assert TextSource() in study.texts
    config = ZeroShotConfig(method=("align",), figures=False)
    run = ZeroShotRun(jobs=1)
    found = run_experiments(study.files, study.run_dir, config, texts=study.texts, run=run)
    assert [entry.method for entry in found.entries] == ["align"]
    assert found.entries[0].accuracy > 0.5  # of three
