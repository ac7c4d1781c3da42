"""Naming recordings from Python: files, arrays, several, and what cannot be named."""

import json
import subprocess
import sys

import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.layouts.read import read_recordings
from smie_pipe.preprocessing.skeletons.store import SkeletonFile
from smie_pipe.zeroshot.recognition.recognizer import Recognizer

LABELS = ["kick something", "put on jacket", "drink water"]


@pytest.fixture(scope="module")
def recognizer(model):
    return Recognizer.load(model)


def test_a_file_is_named_as_its_clip_in_the_run_folder(recognizer, recording, run):
    with SkeletonFile(run / "skeletons.h5") as file:
        row = file.name.tolist().index(recording.stem)
        x, place = file.x[row : row + 1], file.place(np.array([row]))
    scores = recognizer.score(x, LABELS, place=place)[0]
    found = recognizer.predict(recording, LABELS)
    assert [r.label for r in found.ranking] == [LABELS[k] for k in np.argsort(-scores)]
    assert found.margin == pytest.approx(found.ranking[0].score - found.ranking[1].score)
    assert sum(r.score for r in found.ranking) == pytest.approx(0, abs=1e-6)
    assert sum(r.share for r in found.ranking) == pytest.approx(1)


def test_arrays_of_one_and_two_bodies(recognizer):
    one = np.random.default_rng(0).normal(size=(40, 25, 3))
    found = recognizer.predict(one, LABELS)
    two = np.stack([one, np.zeros_like(one)], axis=1)
    assert recognizer.predict(two, LABELS).ranking == found.ranking
    two[:, 1] = np.nan
    assert recognizer.predict(two, LABELS).ranking == found.ranking


def test_persons_apart(recognizer):
    bodies = np.random.default_rng(1).normal(size=(40, 2, 25, 3))
    apart = list(recognizer.predict_all(bodies, LABELS, per_body=True))
    assert [p.body for p in apart] == [0, 1]
    alone = recognizer.predict(bodies[:, 1], LABELS)
    assert apart[1].ranking == alone.ranking


def test_several_sources_come_lazily_and_in_order(recognizer, recording):
    arrays = (np.random.default_rng(k).normal(size=(20, 25, 3)) for k in range(3))
    found = list(recognizer.predict_all([recording, *arrays], LABELS))
    assert [p.recording for p in found] == [recording.stem, "array", "array", "array"]
    folder = list(recognizer.predict_all(recording.parent, LABELS))
    named = [r for r in read_recordings(recording.parent) if r.clips]
    assert len([p for p in folder if not p.fault]) == len(named)


def test_what_cannot_be_named_does_not_stop_the_others(recognizer, recording, tmp_path):
    bad = tmp_path / "bad.skeleton"
    bad.write_text("not a recording")
    nobody = np.full((30, 25, 3), np.nan)
    found = list(recognizer.predict_all([bad, nobody, recording], LABELS))
    assert [bool(p.fault) for p in found] == [True, True, False]
    assert "0 of 30 frames hold a body" in found[1].fault
    with pytest.raises(InputError, match="hold a body"):
        recognizer.predict(nobody, LABELS)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((5, 17, 3)), r"\(T, 25, 3\)"),
        (np.array(["a"]), "expected joints"),
        (np.ones((1, 25, 3)), "1 of 1 frames"),
    ],
)
def test_wrong_arrays_are_one_message(recognizer, array, said):
    with pytest.raises(InputError, match=said):
        recognizer.predict(array, LABELS)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([], "no label"),
        (["a", " "], "label 2 is empty"),
        (["a", "a"], "twice"),
        ([str(k) for k in range(10_001)], "at most 10,000"),
    ],
)
def test_labels_that_cannot_be_scored(recognizer, labels, said):
    with pytest.raises(InputError, match=said):
        recognizer.predict(np.ones((9, 25, 3)), labels)


def test_one_label_has_no_margin_and_says_so(recognizer, recording):
    found = recognizer.predict(recording, ["wave"])
    assert found.margin is None and found.none_of_these is None
    assert "one label only" in found.notes[-1]


def test_near_twins_are_found(recognizer):
    twins = recognizer.near_twins(["put on jacket", "put on jacket now", "kick"])
    assert [(a, b) for a, b, _ in twins] == [("put on jacket", "put on jacket now")]


def test_another_text_model_is_refused_for_new_labels_only(model, recognizer, monkeypatch):
    fresh = Recognizer.load(model)
    monkeypatch.setattr("smie_pipe.zeroshot.texts.models.TextModel.digest", "other", raising=False)
    fresh.predict(np.random.default_rng(0).normal(size=(20, 25, 3)), fresh.unseen)
    with pytest.raises(InputError, match="not those this model was trained"):
        fresh.predict(np.ones((20, 25, 3)), ["a new label"])


def test_known_labels_load_no_text_model(model, recording):
    code = (
        "import sys; from smie_pipe import Recognizer; assert 'torch' not in sys.modules or 1\n"
        f"r = Recognizer.load({str(model)!r}); r.predict({str(recording)!r}, r.unseen)\n"
        "sys.exit(any(m in sys.modules for m in ('sentence_transformers', 'transformers')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_loads_no_torch():
    code = "import sys, smie_pipe; smie_pipe.__version__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("ending", ["json", "csv", "tsv"])
def test_a_prediction_is_saved_by_its_ending(recognizer, recording, tmp_path, ending):
    found = recognizer.predict(recording, LABELS)
    text = found.save(tmp_path / f"x.{ending}").read_text()
    if ending == "json":
        assert json.loads(text)[0]["label"] == found.label
    else:
        assert text.splitlines()[1].split("," if ending == "csv" else "\t")[3] == found.label
    with pytest.raises(InputError, match="Known: csv, json, tsv"):
        found.save(tmp_path / "x.xls")


def test_a_long_recording_is_cut_into_segments(recognizer):
    rng = np.random.default_rng(2)
    still = np.tile(rng.normal(size=(25, 3)), (90, 1, 1))
    moving = still + np.cumsum(rng.normal(size=(90, 25, 3)), axis=0) * 0.05
    found = recognizer.segments(np.concatenate([still, moving, still]), LABELS)
    assert found, "the moving part is an action"
    assert all(s.start_s >= 2.0 and s.end_s <= 7.0 for s in found)
    assert {s.label for s in found} <= set(LABELS)
