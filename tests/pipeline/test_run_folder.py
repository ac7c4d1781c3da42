"""The run folder: what is done is skipped, what differs is refused, nothing is overwritten."""

import json

import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.run_folder import RunFolder, Task


@pytest.fixture
def run(tmp_path):
    """A run folder whose `skeletons.h5` was made with frames=50 from input "a"."""
    run = RunFolder(tmp_path / "run")
    make(run, task(run))
    return run


def task(run, *, frames=50, raw="a", seed=None):
    return Task("preprocess", run.skeletons, {"frames": frames}, {"raw": raw}, seed)


def make(run, task, content="data"):
    with run.recording(task):
        task.output.parent.mkdir(parents=True, exist_ok=True)
        task.output.write_text(content)


def test_what_was_made_in_the_same_way_is_done(run):
    assert run.is_done(task(run), overwrite=False)


def test_overwrite_makes_it_anew(run):
    assert not run.is_done(task(run), overwrite=True)


def test_nothing_is_done_in_a_new_folder(tmp_path):
    run = RunFolder(tmp_path)
    assert not run.is_done(task(run), overwrite=False)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"frames": 64}, "frames 50 then, 64 now"),
        ({"raw": "b"}, "another raw"),
        ({"seed": 1}, "seed None then, 1 now"),
    ],
)
def test_what_was_made_in_another_way_is_refused_with_the_difference(run, other, said):
    with pytest.raises(InputError, match=said) as error:
        run.is_done(task(run, **other), overwrite=False)
    assert "--overwrite" in str(error.value)


def test_a_file_nobody_recorded_is_not_overwritten(tmp_path):
    run = RunFolder(tmp_path)
    run.skeletons.write_text("somebody's")
    with pytest.raises(InputError, match="does not say what made it"):
        run.is_done(task(run), overwrite=False)


def test_a_changed_output_is_noticed(run):
    run.skeletons.write_text("other")
    with pytest.raises(InputError, match="was changed since"):
        run.is_done(task(run), overwrite=False)


def test_a_failed_stage_is_not_recorded(tmp_path):
    run = RunFolder(tmp_path)
    with pytest.raises(RuntimeError), run.recording(task(run)):
        raise RuntimeError
    assert run.records() == {}


def test_the_record_says_versions_options_inputs_and_time(run):
    entry = json.loads((run.path / "run.json").read_text())["stages"]["preprocess"]
    assert entry["options"] == {"frames": 50}
    assert entry["inputs"] == {"raw": "a"}
    assert entry["output"]["path"] == "skeletons.h5"
    assert {"torch", "numpy", "python"} <= set(entry["versions"])
    assert entry["seconds"] >= 0


def test_a_foreign_record_is_refused(tmp_path):
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(InputError, match="run.json: expected a record"):
        RunFolder(tmp_path).records()


def test_a_missing_input_names_the_stage_to_run(run):
    with pytest.raises(InputError, match="pretrain-backbone"):
        run.require(run.backbone("split"), "pretrain-backbone")


def test_pretrainings_are_listed_by_what_they_hold(tmp_path):
    run = RunFolder(tmp_path)
    for split, number in (("b", 1), ("a", 10), ("a", 1), ("a", 2)):
        run.features(split, number).parent.mkdir(parents=True, exist_ok=True)
        run.features(split, number).touch()
    (tmp_path / "a" / "smie").mkdir()
    (tmp_path / "a" / "smie" / "features.h5").touch()  # none of ours
    assert run.pretrainings_with("features.h5") == [("a", 1), ("a", 2), ("a", 10), ("b", 1)]
    assert run.pretrainings_with("features.h5", ["b", "a"])[0] == ("b", 1)
    assert run.pretrainings_with("backbone.safetensors") == []
    assert run.splits_with("features.h5") == ["a", "b"]
    assert run.features("a", 2) == tmp_path / "a" / "pretraining-2" / "features.h5"
