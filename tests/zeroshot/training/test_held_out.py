from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods import registry as methods
from smie_pipe.zeroshot.methods.base import TrainingData
from smie_pipe.zeroshot.texts.class_texts import ClassTexts
from smie_pipe.zeroshot.training.held_out import checkpoints, choose, divide
from smie_pipe.zeroshot.training.train import of_classes, seen_training_data
from smie_pipe.zeroshot.training.trainer import Trainer

CPU = torch.device("cpu")


@pytest.mark.parametrize("classes, asked, held", [(4, 1, 2), (22, 4, 4), (55, 11, 11), (4, 9, 2)])
def test_groups_are_of_the_asked_size_and_disjoint(classes, asked, held):
    divisions = divide(classes, asked, folds=2, seed=3)
    for division in divisions:
        assert len(division.held) == held
        assert sorted((*division.kept, *division.held)) == list(range(classes))
    assert not set(divisions[0].held) & set(divisions[1].held)


def test_groups_go_by_the_seed():
    assert divide(22, 4, 1, seed=0) == divide(22, 4, 1, seed=0)
    assert divide(22, 4, 1, seed=0) != divide(22, 4, 1, seed=1)


def test_three_seen_classes_are_too_few():
    with pytest.raises(InputError, match="3 seen classes.*at least 4.*--select last"):
        divide(3, 1, 1, seed=0)


@pytest.mark.parametrize("last, first", [(1, 1), (7, 1), (20, 1), (100, 5), (300, 15)])
def test_checkpoints_are_few_and_end_with_the_last_epoch(last, first):
    found = checkpoints(last)
    assert len(found) <= 20
    assert min(found) == first and max(found) == last


def test_of_classes_counts_labels_anew():
    texts = ClassTexts(torch.eye(4))
    data = TrainingData(torch.arange(8.0)[:, None], None, torch.arange(8) % 4, texts)
    part = of_classes(data, [3, 1])
    assert part.v.flatten().tolist() == [1, 3, 5, 7]
    assert part.label.tolist() == [1, 0, 1, 0]
    assert torch.equal(part.texts.sentence, torch.eye(4)[[3, 1]])


@dataclass
class Peaked:
    """A method that is right on held-out clips at one epoch and one learning rate only."""

    name: ClassVar[str] = "peaked"
    lr: float = 0.01
    beta: float = 0.1
    temporal: bool = True
    epochs: int = 10
    best_epoch: ClassVar[int] = 6
    seen_by: ClassVar[list] = []

    def train(self, data, *, seed, device):
        self.seen_by.append(set(data.label.tolist()))
        for epoch in range(1, self.epochs + 1):
            self.epoch = epoch
            yield {"loss": 1 / epoch}

    def score(self, v, texts):
        right = v[:, :1] == torch.arange(len(texts))  # v says the column of its class
        good = (self.epoch == self.best_epoch) + (self.lr == pytest.approx(0.1))
        good += self.beta == pytest.approx(0.5)
        tell = torch.arange(len(v)) % 4 < good + 1
        return (right & tell[:, None]).float() + 0.1 * (torch.arange(len(texts)) == 0)


@pytest.fixture
def peaked(monkeypatch):
    monkeypatch.setitem(methods.METHODS, "peaked", methods.Entry(Peaked, "Peaked"))
    Peaked.seen_by.clear()
    texts = ClassTexts(torch.eye(8))
    label = torch.arange(8).repeat_interleave(12)
    # v names the place of a clip's class in the list of those held out.
    division = divide(8, 2, 1, seed=0)[0]
    place = {k: i for i, k in enumerate(division.held)}
    v = torch.tensor([[float(place.get(k, -1)), 1.0] for k in label.tolist()])
    return TrainingData(v, None, label, texts)


def test_epoch_learning_rate_and_beta_are_found(peaked):
    options = {"lr": 0.01, "beta": 0.1, "temporal": True, "epochs": 10}
    choice = choose(Trainer("peaked", 0, CPU), options, peaked, share=0.25, folds=1)
    assert choice.epochs == 6
    assert choice.options == {"lr": 0.1, "beta": 0.5, "temporal": True, "epochs": 10}
    assert choice.chance == 0.5
    assert choice.accuracy == 1.0
    assert set(choice.tried) == {
        "as given",
        "lr=0.001",
        "lr=0.1",
        "beta=0.01",
        "beta=0.5",
        "beta=1",
    }
    assert choice.tried["lr=0.1"] > choice.tried["as given"] > 0


def test_options_the_user_gave_stay(peaked):
    options = {"lr": 0.01, "beta": 0.1, "temporal": True, "epochs": 10}
    choice = choose(Trainer("peaked", 0, CPU), options, peaked, fixed=("lr",), share=0.25, folds=1)
    assert choice.options["lr"] == 0.01
    assert not any(name.startswith("lr") for name in choice.tried)


def test_beta_is_not_searched_where_it_does_nothing(peaked):
    options = {"lr": 0.01, "beta": 0.1, "temporal": False, "epochs": 10}
    choice = choose(Trainer("peaked", 0, CPU), options, peaked, share=0.25, folds=1)
    assert not any(name.startswith("beta") for name in choice.tried)


def test_training_for_choosing_sees_kept_classes_only(peaked):
    options = {"lr": 0.01, "beta": 0.1, "temporal": True, "epochs": 3}
    choose(Trainer("peaked", 0, CPU), options, peaked, share=0.25, folds=3)
    assert Peaked.seen_by and all(labels == set(range(6)) for labels in Peaked.seen_by)


def test_a_rate_that_diverges_is_not_chosen(peaked, monkeypatch):
    def train(self, data, *, seed, device):
        for epoch in range(1, self.epochs + 1):
            self.epoch = epoch
            yield {"loss": float("nan") if self.lr > 0.05 else 1.0}

    monkeypatch.setattr(Peaked, "train", train)
    options = {"lr": 0.01, "beta": 0.1, "temporal": False, "epochs": 10}
    choice = choose(Trainer("peaked", 0, CPU), options, peaked, share=0.25, folds=1)
    assert choice.options["lr"] == 0.01
    assert choice.tried["lr=0.1"] == -1


def test_choosing_helps_ridge_on_transferable_data(small_study):
    study = small_study(noise=2.0)
    data = seen_training_data(study.sets["fold-1"], next(iter(study.texts.values())))
    choice = choose(Trainer("ridge", 0, CPU), {"alpha": 1e4}, data, share=0.25, folds=3)
    assert choice.accuracy >= choice.tried["as given"]
    assert choice.epochs == 1
    assert np.isclose(choice.chance, 0.5)
