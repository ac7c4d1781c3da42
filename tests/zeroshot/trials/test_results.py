import csv
import json
import shutil
from dataclasses import asdict, replace

import numpy as np
import pytest

from smie_pipe.backbones.pretrainings import pretraining_name
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.trials.results import (
    Result,
    Results,
    check_own,
    read_results,
    write_gathered,
)
from smie_pipe.zeroshot.trials.summaries import split_set, summarise

PLAIN = Result(
    dataset="ntu60",
    split="ntu60-smie-1",
    backbone="stgcn",
    protocol="xsub",
    mask="key-frames",
    method="smie",
    variant="smie",
    options={"lr": 1e-5},
    changed={},
    text="labels",
    text_model="all-mpnet-base-v2",
    text_width=768,
    select="last",
    chosen=None,
    seed=0,
    folder="ntu60-smie-1/smie/seed-0",
    classes=["a", "b"],
    clips=10,
    accuracy=0.5,
    class_mean=0.4,
    chance=0.5,
    top=[0.5, 1.0],
    confusion=[[3, 2], [3, 2]],
    epochs=100,
    losses={"loss": 1.25},
    seconds={"train": 2.0},
    optimistic=None,
    gzsl=None,
    device="cpu",
    digest="d",
)


def _entry(split=1, seed=0, accuracy=0.5, **changed):
    name = f"ntu60-smie-{split}"
    folder = f"{name}/{changed.get('variant', 'smie')}/seed-{seed}"
    return replace(PLAIN, split=name, seed=seed, accuracy=accuracy, folder=folder, **changed)


def _keep(run_dir, *entries):
    for entry in entries:
        folder = run_dir / entry.folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "result.json").write_text(json.dumps(asdict(entry)))


def test_results_are_gathered_from_the_trainings_folders(tmp_path):
    entries = [_entry(1), _entry(2, 1, 0.6)]
    further = replace(
        _entry(1),
        split="ntu60-smie-1/pretraining-2",
        folder="ntu60-smie-1/pretraining-2/smie/seed-0",
    )
    _keep(tmp_path, *entries, further)
    results = write_gathered(tmp_path)
    assert results.entries == [entries[0], further, entries[1]] == read_results(tmp_path).entries
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["format"] == "smie-pipe zero-shot results" and content["version"] == 1
    assert content["summary"][0]["splits"] == ["ntu60-smie-1", "ntu60-smie-2"]
    with open(tmp_path / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["accuracy"] for row in rows] == ["0.5", "0.5", "0.6"]
    assert rows[0]["split_set"] == "ntu60-smie" and rows[0]["seconds"] == "2.0"


def test_a_folder_without_results_has_none(tmp_path):
    assert read_results(tmp_path).entries == []


def test_a_deleted_folder_is_a_missing_result(tmp_path):
    _keep(tmp_path, _entry(1), _entry(2))
    write_gathered(tmp_path)
    shutil.rmtree(tmp_path / "ntu60-smie-1" / "smie")
    assert write_gathered(tmp_path).entries == [_entry(2)]


@pytest.mark.parametrize("content", ["{", "[]", '{"seed": 1}', "null", '{"seed": NaN'])
def test_a_damaged_result_is_a_missing_one_with_a_warning(content, tmp_path, caplog):
    _keep(tmp_path, _entry(1), _entry(2))
    (tmp_path / _entry(1).folder / "result.json").write_text(content)
    assert read_results(tmp_path).entries == [_entry(2)]
    assert "result.json cannot be read and is left out" in caplog.text


def test_a_result_of_an_earlier_version_is_read(tmp_path):
    _keep(tmp_path, _entry(1))
    path = tmp_path / _entry(1).folder / "result.json"
    old = json.loads(path.read_text())
    del old["saw_unseen"], old["text_digest"]
    path.write_text(json.dumps(old))
    assert read_results(tmp_path).entries == [_entry(1)]


def test_a_result_lies_where_it_is_found(tmp_path):
    _keep(tmp_path / "a", _entry(1))
    (tmp_path / "a").rename(tmp_path / "b")
    (tmp_path / "b" / "ntu60-smie-1" / "smie").rename(tmp_path / "b" / "ntu60-smie-1" / "kept")
    assert read_results(tmp_path / "b").entries[0].folder == "ntu60-smie-1/kept/seed-0"


def test_what_another_process_found_meanwhile_is_written_too(tmp_path, monkeypatch):
    _keep(tmp_path, _entry(1))
    write = Results.write

    def interrupted(self):
        write(self)
        if len(self.entries) == 1:
            _keep(tmp_path, _entry(2))

    monkeypatch.setattr(Results, "write", interrupted)
    assert len(write_gathered(tmp_path).entries) == 2
    assert len(json.loads((tmp_path / "results.json").read_text())["results"]) == 2


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"format": "smie-pipe zero-shot results", "version": 9}']
)
def test_a_file_that_is_none_of_ours_is_refused(content, tmp_path):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match="results.json: expected .* move the file away"):
        check_own(tmp_path)


def test_merging_replaces_the_same_training_only():
    old = Results(None, [_entry(1), _entry(1, seed=1), _entry(2)])
    merged = old.merge([_entry(1, accuracy=0.9)])
    assert [(e.split, e.seed, e.accuracy) for e in merged.entries] == [
        ("ntu60-smie-1", 0, 0.9),
        ("ntu60-smie-1", 1, 0.5),
        ("ntu60-smie-2", 0, 0.5),
    ]


def test_mean_and_deviations_over_splits_and_seeds():
    values = {(1, 0): 0.1, (1, 1): 0.3, (2, 0): 0.5, (2, 1): 0.9}
    found = summarise(
        [_entry(*key, accuracy=v, confusion=[[k]]) for k, (key, v) in enumerate(values.items())]
    )
    assert found.mean == pytest.approx(0.45)
    assert found.std == pytest.approx(np.std([0.1, 0.3, 0.5, 0.9], ddof=1))
    assert found.std_splits == pytest.approx(np.std([0.2, 0.7], ddof=1))
    assert found.std_seeds == pytest.approx(
        np.mean([np.std([0.1, 0.3], ddof=1), np.std([0.5, 0.9], ddof=1)])
    )
    assert found.splits == ["ntu60-smie-1", "ntu60-smie-2"] and found.seeds == [0, 1]


def test_one_training_has_no_deviation():
    found = summarise([_entry()])
    assert (found.std, found.std_splits, found.std_seeds) == (None, None, None)


def test_the_optimistic_figure_is_summed_up_only_where_all_have_it():
    best = {"accuracy": 0.7, "epoch": 3}
    assert summarise([_entry(optimistic=best)]).optimistic == pytest.approx(0.7)
    assert summarise([_entry(optimistic=best), _entry(seed=1)]).optimistic is None


@pytest.mark.parametrize("field", ["variant", "text", "text_model", "select", "backbone"])
def test_different_settings_are_not_averaged(field):
    results = Results(None, [_entry(), _entry(2, **{field: "other"})])
    assert len(results.summary()) == 2


@pytest.mark.parametrize(
    "split, name",
    [
        ("ntu60-smie-1", "ntu60-smie"),
        ("ntu60-synse-55-5", "ntu60-synse-55-5"),
        ("pku51-star-39-12", "pku51-star-39-12"),
        ("random-5-seed12", "random-5"),
        ("unseen-3-5-12", "unseen-3-5-12"),
        ("unseen-3", "unseen-3"),
        ("mine", "mine"),
    ],
)
def test_splits_that_are_averaged(split, name):
    assert split_set(split) == name


def test_pretrainings_of_a_split_are_averaged_with_it():
    assert split_set(pretraining_name("ntu60-smie-2", 3)) == "ntu60-smie"
