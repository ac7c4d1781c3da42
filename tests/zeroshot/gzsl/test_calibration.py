"""Gamma of methods that refit cheaply: no clip is scored by a model that has learnt from it."""

import numpy as np
import pytest
import torch

from smie_pipe.zeroshot.gzsl.calibration import CLIP_FOLDS, calibrate, fold_of_clips
from smie_pipe.zeroshot.methods.base import TrainingData
from smie_pipe.zeroshot.methods.registry import METHODS, Entry, method_class
from smie_pipe.zeroshot.texts.class_texts import ClassTexts
from smie_pipe.zeroshot.training.trainer import Trainer

CPU = torch.device("cpu")
CLASSES, CLIPS = 9, 13


class Spy:
    """A method that notes which clips it learns from and scores, by their first number."""

    name = "spy"
    cheap_refit = True
    log: list = []

    def train(self, data, *, seed, device):
        self.learnt = set(data.v[:, 0].tolist())
        self.kept = len(data.texts)
        yield {"loss": 0.0}

    def score(self, v, texts):
        Spy.log.append((self.learnt, v[:, 0].tolist(), self.kept))
        return torch.as_tensor(np.random.default_rng(0).normal(size=(len(v), len(texts))))


def training(seed=0):
    """A clip is its class's prototype and noise, its text a linear image of the prototype."""
    rng = np.random.default_rng(seed)
    prototypes = rng.normal(size=(CLASSES, 12))
    label = np.arange(CLASSES * CLIPS) % CLASSES
    v = prototypes[label] + 0.7 * rng.normal(size=(len(label), 12))
    v[:, 0] = np.arange(len(v))
    texts = ClassTexts(torch.as_tensor(prototypes @ rng.normal(size=(12, 20))))
    return TrainingData(torch.as_tensor(v), None, label, texts)


def gamma_of(spec, data, seed=0, ways="stacking"):
    return calibrate(Trainer(spec, seed, CPU), {}, 1, data, ways=ways, unseen_classes=2, folds=3)


def test_every_clip_is_scored_by_models_without_it_and_every_class_is_held_out(monkeypatch):
    monkeypatch.setitem(METHODS, "spy", Entry(Spy, "Spy"))
    monkeypatch.setattr(Spy, "log", [])
    gamma_of("spy", training())
    groups = 5  # of two classes, so that all nine are held out
    assert len(Spy.log) == groups * CLIP_FOLDS
    assert all(not learnt & set(scored) for learnt, scored, _ in Spy.log)
    assert {kept for _, _, kept in Spy.log} == {CLASSES - 2}
    for group in range(groups):
        runs = Spy.log[group * CLIP_FOLDS : (group + 1) * CLIP_FOLDS]
        scored = [clip for _, clips, _ in runs for clip in clips]
        assert sorted(scored) == list(range(CLASSES * CLIPS))  # each clip once


@pytest.mark.parametrize("spec", ["ridge", "prototypes"])
def test_the_closed_form_methods_refit_and_repeat_themselves(spec):
    assert method_class(spec).cheap_refit
    first, again = gamma_of(spec, training()), gamma_of(spec, training())
    assert first.gamma == again.gamma and first.chosen_on == again.chosen_on
    plain = 2 * CLIPS / (CLASSES * CLIPS)
    assert first.chosen_on["H"] > plain
    assert gamma_of(spec, training(), ways="both").gate is not None


def test_clips_are_dealt_out_evenly_and_a_lone_clip_is_kept():
    label = np.array([0] * 23 + [1] * 4 + [2])
    fold = fold_of_clips(label, 10, seed=1)
    assert np.bincount(fold[:23]).tolist() == [3, 3, 3, *[2] * 7]
    assert sorted(fold[23:27]) == [0, 1, 2, 3] and fold[27] == -1
