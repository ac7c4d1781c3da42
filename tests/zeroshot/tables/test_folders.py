import shutil

import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.config import ZeroShotConfig, ZeroShotRun
from smie_pipe.zeroshot.tables.folders import compare, gather, tables_of
from smie_pipe.zeroshot.tables.tables import tables
from smie_pipe.zeroshot.trials.experiment import run_experiments

TWO = {"fold-1": [0, 3, 7], "fold-2": [1, 2, 11]}


@pytest.fixture
def ran(small_study, tmp_path):
    """Run two methods on two splits; returns a function that copies the folder, less a part."""
    study = small_study(TWO)
    config = ZeroShotConfig(method=("ridge", "ridge:alpha=9"))
    run = ZeroShotRun(jobs=1)
    whole = run_experiments(study.files, study.run_dir, config, texts=study.texts, run=run)

    def copy(name, without=()):
        shutil.copytree(study.run_dir, tmp_path / name)
        for folder in without:
            shutil.rmtree(tmp_path / name / folder)
        return tmp_path / name

    return study, whole, copy


def _cells(found):
    return [(table.title, table.header, table.rows) for table in found]


def test_shards_give_the_tables_of_one_run_whether_they_overlap_or_not(ran):
    study, whole, copy = ran
    one = copy("one", ["fold-1/ridge", "fold-2/ridge_alpha-9.0"])
    other = copy("other", ["fold-1/ridge_alpha-9.0"])
    assert _cells(tables_of([one, other])) == _cells(tables(whole))
    assert _cells(tables_of([study.run_dir, one, one])) == _cells(tables(whole))


def test_the_same_training_on_other_features_is_refused(ran):
    study, _, copy = ran
    other = copy("other")
    study.rewrite("fold-1", v=-study.sets["fold-1"].v)
    config, run = ZeroShotConfig(method=("ridge",)), ZeroShotRun(jobs=1)
    run_experiments(study.files, study.run_dir, config, texts=study.texts, run=run)
    with pytest.raises(InputError, match="same training with other features"):
        gather([study.run_dir, other])
    (table,) = compare(study.run_dir, other)
    assert [row[0] for row in table.rows] == ["ridge regression", "ridge regression, alpha 9"]


def test_a_folder_against_itself_differs_in_nothing(ran):
    study, _, copy = ran
    (table,) = compare(study.run_dir, copy("same"))
    assert {row[-1] for row in table.rows} == {"+0.00 [+0.00, +0.00]"}


def test_results_of_features_made_anew_are_left_out(ran, caplog):
    study, _, _ = ran
    study.rewrite("fold-1", v=-study.sets["fold-1"].v)
    assert {entry.split for entry in gather([study.run_dir]).entries} == {"fold-2"}
    assert "2 results in" in caplog.text


def test_only_the_methods_named(ran):
    study, _, _ = ran
    with pytest.raises(InputError, match="unknown method in these run folders 'rigde'"):
        tables_of([study.run_dir], methods=["rigde"])
    assert tables_of([study.run_dir], methods=["ridge"], per_split=True)[0].header[3:5] == [
        "fold-1",
        "fold-2",
    ]


@pytest.mark.parametrize("there, said", [(True, "no results"), (False, "no such run folder")])
def test_a_folder_without_results_is_told(there, said, tmp_path):
    if there:
        (tmp_path / "run").mkdir()
    for act in (lambda run: tables_of([run]), lambda run: compare(run, run)):
        with pytest.raises(InputError, match=said):
            act(tmp_path / "run")


def test_nothing_in_common_is_told(ran):
    study, _, copy = ran
    one = copy("one", ["fold-1/ridge", "fold-2/ridge"])
    other = copy("other", ["fold-1/ridge_alpha-9.0", "fold-2/ridge_alpha-9.0"])
    with pytest.raises(InputError, match="no method on the same set of splits in common"):
        compare(one, other)
