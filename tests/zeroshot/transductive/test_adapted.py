"""Transductive figures in a study: in a column of their own, and nothing else changes."""

import dataclasses

import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.config import ZeroShotConfig, ZeroShotRun
from smie_pipe.zeroshot.tables.tables import tables
from smie_pipe.zeroshot.trials.experiment import run_experiments
from smie_pipe.zeroshot.trials.results import read_results


def run(study, **choices):
    config = ZeroShotConfig(method=("ridge", "prototypes"), figures=False, **choices)
    once = ZeroShotRun(jobs=1)
    return run_experiments(study.files, study.run_dir, config, texts=study.texts, run=once)


def test_figures_stand_apart_and_change_no_inductive_one(small_study):
    plain, both = run(small_study()), run(small_study(), transductive="both")
    for one, other in zip(plain.entries, both.entries, strict=True):
        assert one.transductive is None and set(other.transductive) == {"prototypes", "cache"}
        assert (one.accuracy, one.confusion) == (other.accuracy, other.confusion)
    assert both.summary()[0].mean == plain.summary()[0].mean
    apart = {t.title.partition(",")[0]: t for t in tables(both)}
    assert apart["Transductive"].header == ["", "prototypes %", "cache %"]
    assert "comparable" in " ".join(apart["Transductive"].notes)
    assert not [name for name in apart["Methods"].header if "cache" in name]
    assert "Transductive" not in {t.title.partition(",")[0] for t in tables(plain)}


def test_they_are_read_again_and_the_same_for_a_seed(small_study):
    study = small_study()
    first = run(study, transductive="cache")
    assert read_results(study.run_dir).entries[0].transductive == first.entries[0].transductive
    assert list(first.entries[0].transductive) == ["cache"]
    assert run(small_study(), transductive="cache").entries[0].transductive == (
        first.entries[0].transductive
    )


def test_test_labels_change_no_score_only_what_is_counted(small_study, monkeypatch):
    tables_made = []

    def spy(scores, truth):
        tables_made.append(scores)
        return dataclasses.make_dataclass("M", ["accuracy", "class_mean"])(0.0, 0.0)

    monkeypatch.setattr("smie_pipe.zeroshot.transductive.adapted.measure", spy)
    run(small_study(), transductive="both")
    study = small_study()
    features = study.sets["fold-1"]
    rows = features.part == 2
    features.label[rows] = np.random.default_rng(0).permutation(features.label[rows])
    study.rewrite("fold-1")
    run(study, transductive="both")
    half = len(tables_made) // 2
    assert half == 4
    for one, other in zip(tables_made[:half], tables_made[half:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_too_few_seen_classes_are_told_before_any_work(small_study):
    study = small_study({"fold-1": list(range(9))})
    with pytest.raises(InputError, match="3 seen classes, at least 4"):
        run(study, transductive="prototypes")
    assert run(study, transductive="cache").entries
