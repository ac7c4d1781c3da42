"""``export-model`` and ``predict`` as their user meets them."""

import json

import numpy as np
import pytest

from .conftest import call


def predict(model, *words, code=0):
    return call("predict", *words, "--model", model, code=code)


def test_a_readable_ranking(model, recording):
    text = predict(model, recording, "--labels", "kick something, drink water").stdout
    assert recording.stem in text and "margin" in text and "#" in text
    assert "0 is the mean of the labels" in text


def test_one_line_of_json(model, recording):
    text = predict(model, recording, "--labels", "unseen", "--json").stdout
    (found,) = json.loads(text)["results"]
    assert len(found["ranking"]) == 2 and found["fault"] is None


def test_files_of_all_forms(model, recording, tmp_path):
    out = tmp_path / "out"
    predict(model, recording, "--labels", "all", "-o", out)
    assert sorted(p.name for p in out.iterdir()) == [
        f"predictions.{form}" for form in ("csv", "json", "tsv")
    ]
    refused = predict(model, recording, "--labels", "all", "-o", out, code=1)
    assert "--overwrite" in refused.output


def test_labels_of_a_file_with_more_texts(model, recording, tmp_path):
    (tmp_path / "mine.csv").write_text("name,definition\nkick,move a foot fast\nbow,bend\n")
    text = predict(model, recording, "--labels-file", tmp_path / "mine.csv", "--json").stdout
    assert {r["label"] for r in json.loads(text)["results"][0]["ranking"]} == {"kick", "bow"}
    (tmp_path / "lines.txt").write_text("kick\n\nbow\n")
    predict(model, recording, "--labels-file", tmp_path / "lines.txt")


def test_a_bad_recording_ends_with_1_and_the_others_are_named(model, recording, tmp_path):
    (tmp_path / "bad.skeleton").write_text("3\n")
    words = (tmp_path / "bad.skeleton", recording, "--labels", "unseen")
    result = predict(model, *words, code=1)
    assert "not named" in result.output and recording.stem in result.stdout


@pytest.mark.parametrize("form", ["table", "vtt"])
def test_segments(model, form, tmp_path):
    rng = np.random.default_rng(2)
    still = np.tile(rng.normal(size=(25, 3)), (90, 1, 1))
    moving = still + np.cumsum(rng.normal(size=(90, 25, 3)), axis=0) * 0.05
    np.save(tmp_path / "long.npy", np.concatenate([still, moving, still]))
    words = (tmp_path / "long.npy", "--labels", "kick something, drink water", "--segments")
    if form == "table":
        assert " s  " in predict(model, *words).stdout
    else:
        predict(model, *words, "-o", tmp_path / "out", "-f", form)
        assert (tmp_path / "out" / "long.vtt").read_text().startswith("WEBVTT")


def test_a_high_background_leaves_no_segment(model, tmp_path):
    steps = np.random.default_rng(2).normal(size=(150, 25, 3))
    np.save(tmp_path / "long.npy", np.cumsum(steps, axis=0) * 0.05)
    words = (tmp_path / "long.npy", "--labels", "kick something, drink water", "--segments")
    assert " s  " in predict(model, *words, "--lengths-s", "1,2").stdout
    assert "no action found" in predict(model, *words, "--background", 1000).stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 2, "either --labels or --labels-file"),
        (("--labels", "a,,b"), 1, "label 2 is empty"),
        (("--labels", "a,b", "-f", "xls"), 1, "format"),
        (("--labels", "a,b", "--segments", "--per-body"), 2, "exclude each other"),
        (("--labels", "a,b", "--stride-s", 0.2), 2, "without --segments"),
        (("--labels", "a,b", "--segments", "--stride-s", 0), 2, "stride_s must be above 0"),
        (("--labels", "a,b", "--segments", "--lengths-s", "1,x"), 2, "lengths"),
    ],
)
def test_misuse_is_one_message(model, recording, words, code, said):
    result = predict(model, recording, *words, code=code)
    assert said in result.output and "Traceback" not in result.output


def test_a_missing_recording_or_model_is_named(model, recording, tmp_path):
    assert "no such file" in predict(model, tmp_path / "x", "--labels", "a,b", code=1).output
    result = predict(tmp_path, recording, "--labels", "a,b", code=1)
    assert "holds no config.json" in result.output


def test_near_twins_are_told_before_scoring(model, recording):
    result = predict(model, recording, "--labels", "put on jacket, put on jacket now, kick")
    assert "near twins" in result.stderr
