"""No unseen clip, label or text reaches training, choosing or calibrating: they are poisoned.

Every method is trained on clean features and on features whose unseen part is NaN, garbage or
has its labels permuted; what comes out must be the same to the last bit.
"""

import numpy as np
import pytest
import torch

from smie_pipe.zeroshot.config import TextSource, ZeroShotConfig, ZeroShotRun
from smie_pipe.zeroshot.gzsl.calibration import calibrate
from smie_pipe.zeroshot.methods.registry import METHODS, method_class, method_options
from smie_pipe.zeroshot.texts.class_texts import ClassTexts
from smie_pipe.zeroshot.training.held_out import Choice, choose
from smie_pipe.zeroshot.training.train import seen_training_data, train
from smie_pipe.zeroshot.training.trainer import Trainer
from smie_pipe.zeroshot.trials import trial
from smie_pipe.zeroshot.trials.experiment import run_experiments

CPU = torch.device("cpu")
ONE = ZeroShotRun(jobs=1)
SMALL = {"epochs": 2, "batch": 64, "hidden1": 16, "hidden2": 8}
SMALL |= {"cycles": 2, "cycle": 8, "samples": 10, "steps": 10, "width": 8, "draws": 2}


def _options(method):
    known = method_options(method)
    return method_options(method, {k: v for k, v in SMALL.items() if k in known})


def _nan(features, rng):
    rows = features.part == 2
    features.v[rows] = np.nan
    features.v_masked[rows] = np.nan


def _garbage(features, rng):
    rows = features.part == 2
    features.v[rows] = 1e20 * rng.normal(size=features.v[rows].shape)
    features.v_masked[rows] = -1e20


def _permuted(features, rng):
    rows = features.part == 2
    features.label[rows] = rng.permutation(features.label[rows])


def _trained(method, select, features, texts):
    """Return all that training leaves: what was chosen, losses, scores on seen test clips."""
    options, epochs, choice = _options(method), None, None
    data = seen_training_data(features, texts)
    if select == "held-out":
        choice = choose(Trainer(method, 1, CPU), options, data, share=0.25, folds=1)
        options, epochs = choice.options, choice.epochs
    model = method_class(method)(**options)
    history = list(train(model, data, seed=1, device=CPU, epochs=epochs))
    seen = torch.as_tensor(features.take("seen_test").v)
    return choice, history, model.score(seen, texts.take(features.seen))


@pytest.mark.parametrize("select", ["last", "held-out"])
@pytest.mark.parametrize("method", METHODS)
def test_poison_in_the_unseen_part_changes_nothing(method, select, small_study):
    torch.set_num_threads(1)
    study = small_study()
    texts = study.texts[TextSource()]
    clean = _trained(method, select, study.sets["fold-1"], _other_texts_of([], texts))
    for poison in (_nan, _garbage, _permuted):
        features = small_study().sets["fold-1"]
        poison(features, np.random.default_rng(0))
        found = _trained(method, select, features, _other_texts_of(features.unseen, texts))
        assert found[:2] == clean[:2]
        assert torch.equal(found[2], clean[2])


def _other_texts_of(classes, texts):
    tables = [t.clone() for t in (texts.sentence, texts.verb, texts.noun)]
    for table in tables:
        table[classes] = torch.randn(len(classes), table.shape[1])
    return ClassTexts(*tables)


@pytest.mark.parametrize("method", METHODS)
def test_gamma_and_gate_do_not_see_unseen_clips_or_texts(method, small_study):
    def calibrated(features, texts):
        data = seen_training_data(features, texts)
        return calibrate(
            Trainer(method, 0, CPU),
            _options(method),
            2,
            data,
            ways="both",
            unseen_classes=3,
            folds=2,
        )

    torch.set_num_threads(1)
    study = small_study()
    texts = study.texts[TextSource()]
    clean = calibrated(study.sets["fold-1"], _other_texts_of([], texts))
    for poison in (_nan, _garbage, _permuted):
        poisoned = small_study().sets["fold-1"]
        poison(poisoned, np.random.default_rng(0))
        found = calibrated(poisoned, _other_texts_of(poisoned.unseen, texts))
        assert (found.gamma, found.chosen_on) == (clean.gamma, clean.chosen_on)
        np.testing.assert_array_equal(found.gate.weight, clean.gate.weight)
        assert (found.gate.scale, found.gate.bias) == (clean.gate.scale, clean.gate.bias)
        assert found.gate.temperature == clean.gate.temperature
        assert found.gate.threshold == clean.gate.threshold


@pytest.mark.parametrize("select", ["last", "held-out"])
def test_the_whole_run_chooses_and_trains_the_same(select, small_study):
    study = small_study()
    config = ZeroShotConfig(
        method=("smie:hidden1=16:hidden2=8:batch=64", "ridge"),
        epochs=3,
        select=select,
        held_out_folds=1,
        gzsl="both",
        also_optimistic=True,
    )
    clean = run_experiments(study.files, study.run_dir, config, texts=study.texts, run=ONE)
    before = _histories(study.run_dir)
    study = small_study()
    rng = np.random.default_rng(2)
    features = study.sets["fold-1"]
    _garbage(features, rng)
    _permuted(features, rng)
    features.v[features.part == 2] /= 1e15
    study.rewrite("fold-1")
    found = run_experiments(study.files, study.run_dir, config, texts=study.texts, run=ONE)
    assert _histories(study.run_dir) == before
    assert [r.chosen for r in found.entries] == [r.chosen for r in clean.entries]
    assert [_gammas(r) for r in found.entries] == [_gammas(r) for r in clean.entries]
    assert [r.accuracy for r in found.entries] != [r.accuracy for r in clean.entries]


def _gammas(result):
    """Return all that was fitted for GZSL: gamma, threshold and temperature of the gate."""
    gzsl = result.gzsl
    gate = gzsl["gate"]
    return gzsl["stacking"]["gamma"], gzsl["held_out"], gate["gamma"], gate["temperature"]


def _histories(run_dir):
    return {path.parent: path.read_bytes() for path in run_dir.glob("*/*/*/history.csv")}


def test_the_optimistic_figure_is_of_every_epoch_not_of_those_up_to_the_chosen_one(
    small_study, monkeypatch
):
    def stop_at_two(trainer, options, data, **_):
        return Choice(dict(options), 2, 0.5, 0.5, {})

    rising = iter(np.linspace(0, 1, 5))
    monkeypatch.setattr("smie_pipe.zeroshot.trials.trial.choose", stop_at_two)
    monkeypatch.setattr(trial._Test, "accuracy", lambda *_: next(rising))
    study = small_study()
    config = ZeroShotConfig(
        method=("smie:hidden1=16:hidden2=8",), epochs=5, select="held-out", also_optimistic=True
    )
    found = run_experiments(study.files, study.run_dir, config, texts=study.texts, run=ONE)
    assert found.entries[0].epochs == 2
    assert found.entries[0].optimistic == {"accuracy": 1.0, "epoch": 5}


def test_looking_at_the_optimistic_figure_changes_no_result(small_study):
    def run(also):
        study = small_study()
        config = ZeroShotConfig(
            method=("smie:hidden1=16:hidden2=8:batch=64",), epochs=4, also_optimistic=also
        )
        return run_experiments(study.files, study.run_dir, config, texts=study.texts, run=ONE)

    plain, with_optimistic = run(False).entries[0], run(True).entries[0]
    assert plain.confusion == with_optimistic.confusion
    assert plain.losses == with_optimistic.losses
    assert plain.optimistic is None
    assert with_optimistic.optimistic["accuracy"] >= with_optimistic.accuracy
