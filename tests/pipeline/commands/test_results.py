"""``tables``, ``compare``, ``gather``, ``remove``: results shown and tidied, nothing trained."""

import csv
import json
from dataclasses import asdict

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from smie_pipe.cli import cli
from smie_pipe.zeroshot.trials.results import Result

CLIPS = 20


def keep(run, *, method="smie", changed=None, seed=0, right=10, split="ntu60-smie-1"):
    """Lay one training's files as `zeroshot` leaves them; `right` of 20 clips are right."""
    changed = changed or {}
    variant = "_".join([method, *(f"{k}-{v}" for k, v in changed.items())])
    folder = run / split / variant / f"seed-{seed}"
    folder.mkdir(parents=True)
    truth = np.arange(CLIPS) % 2
    scores = np.zeros((CLIPS, 2), np.float32)
    scores[np.arange(CLIPS), np.where(np.arange(CLIPS) < right, truth, 1 - truth)] = 1
    save_file({"scores": scores, "truth": truth}, folder / "scores.safetensors")
    entry = Result(
        dataset="ntu60", split=split, backbone="stgcn", protocol="xsub", mask="key-frames",
        method=method, variant=variant, options={"lr": 1e-5, **changed}, changed=changed,
        text="labels", text_model="all-mpnet-base-v2", text_width=768, select="last",
        chosen=None, seed=seed, folder="", classes=["a", "b"], clips=CLIPS,
        accuracy=right / CLIPS, class_mean=right / CLIPS, chance=0.5, top=[right / CLIPS, 1.0],
        confusion=[[5, 5], [5, 5]], epochs=1, losses={}, seconds={"train": 1.0},
        optimistic=None, gzsl=None, device="cpu", digest="d",
    )  # fmt: skip
    (folder / "result.json").write_text(json.dumps(asdict(entry)))
    return folder


@pytest.fixture
def runs(tmp_path):
    """Two run folders: in B, SMIE is right on four clips more; ridge stands in A only."""
    a, b = tmp_path / "A", tmp_path / "B"
    keep(a)
    keep(a, method="ridge", right=8)
    keep(b, right=14)
    return a, b


def call(*words, code=0, answer=None):
    result = CliRunner().invoke(cli, [str(word) for word in words], input=answer)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


@pytest.mark.parametrize(
    "form, holds",
    [
        ("text", "SMIE"),
        ("markdown", "| SMIE | 50.00"),
        ("latex", "SMIE & 50.00"),
        ("csv", "SMIE,50.00"),
    ],
)
def test_tables_in_every_form(runs, form, holds):
    text = call("tables", runs[0], "--format", form).stdout
    assert holds in text and "ridge" in text


def test_tables_of_several_folders_stand_under_their_names(runs):
    text = call("tables", *runs).stdout
    assert text.index(str(runs[0])) < text.index("50.00") < text.index(str(runs[1]))
    assert "70.00" in text


def test_the_run_folder_of_the_study_is_the_default(runs):
    assert "50.00" in call("--run", runs[0], "tables").stdout
    assert "this stage needs a run folder" in call("tables", code=2).output


def test_only_some_methods_and_a_file(runs, tmp_path):
    output = tmp_path / "tables.csv"
    words = ("tables", runs[0], "--only", "ridge", "--format", "csv", "-o", output)
    call(*words)
    rows = list(csv.reader(output.read_text().splitlines()))
    assert [row[0] for row in rows[1:]] == ["ridge regression", "chance"]
    assert "give --overwrite" in call(*words, code=1).output
    call(*words, "--overwrite")
    assert "Did you mean 'ridge'?" in call("tables", runs[0], "--only", "rigde", code=1).output


def test_tables_for_machines(runs):
    found = json.loads(call("tables", *runs, "--json").stdout)
    assert [row["variant"] for row in found[str(runs[0])]] == ["ridge", "smie"]


def test_a_folder_without_results_names_the_stage(tmp_path):
    assert "zeroshot` first" in call("tables", tmp_path, code=1).output


def test_two_folders_side_by_side_with_the_difference(runs):
    text = call("compare", *runs).stdout
    (line,) = [line for line in text.splitlines() if line.startswith("SMIE")]
    assert "50.00  70.00  +20.00 [" in line
    assert "ridge" not in text
    rows = json.loads(call("compare", *runs, "--json").stdout)["rows"]
    assert (rows[0]["A"], rows[0]["B"]) == ("50.00", "70.00")


def test_nothing_in_common_is_said(runs, tmp_path):
    keep(tmp_path / "C", method="devise")
    assert "in common" in call("compare", runs[0], tmp_path / "C", code=1).output


def test_a_method_is_removed_after_a_question(runs):
    a = runs[0]
    words = ("--run", a, "remove", "ridge")
    assert "Aborted" in call(*words, code=1, answer="n\n").output
    assert (a / "ntu60-smie-1/ridge").is_dir()
    call(*words, answer="y\n")
    assert not (a / "ntu60-smie-1/ridge").exists()
    assert "ridge" not in (a / "results.csv").read_text()
    assert "smie" in (a / "results.csv").read_text()


def test_a_method_name_is_all_its_variants_a_variant_is_itself(tmp_path):
    for changed in ({}, {"beta": 0.5}, {"beta": 1.0}):
        keep(tmp_path, changed=changed)
    keep(tmp_path, method="ridge")
    call("--run", tmp_path, "remove", "smie_beta-0.5", "--yes")
    assert len(list(tmp_path.glob("*/smie*"))) == 2
    call("--run", tmp_path, "remove", "smie", "--yes")
    assert [path.name for path in tmp_path.glob("*/*") if path.is_dir()] == ["ridge"]


def test_a_failed_training_without_result_is_removed_too(runs):
    (runs[0] / "ntu60-smie-1" / "debug_x" / "seed-0").mkdir(parents=True)
    call("--run", runs[0], "remove", "debug_x", "--yes")
    assert not (runs[0] / "ntu60-smie-1" / "debug_x").exists()


def test_of_one_split_only(tmp_path):
    keep(tmp_path)
    other = keep(tmp_path, split="ntu60-smie-2")
    call("--run", tmp_path, "remove", "smie", "--split", "ntu60-smie-1", "--yes")
    assert other.is_dir() and not (tmp_path / "ntu60-smie-1/smie").exists()
    wrong = ("--run", tmp_path, "remove", "smie", "--split", "ntu60-smie-3", "--yes")
    assert "unknown split" in call(*wrong, code=1).output
    assert "Did you mean 'smie'?" in call("--run", tmp_path, "remove", "smei", code=1).output


def test_gather_writes_what_lies_there(runs):
    a = runs[0]
    keep(a, seed=1)
    assert "3 trainings" in call("gather", a).stdout
    assert len((a / "results.csv").read_text().splitlines()) == 4


def test_a_run_folder_its_results_and_scores_are_described(runs):
    a = runs[0]
    for path in (a, a / "results.json"):
        call("gather", a)
        assert "2 trainings of 2 methods (ridge, smie)" in call("inspect", path).stdout
    scores = a / "ntu60-smie-1/smie/seed-0/scores.safetensors"
    assert "scores of a training\n  scores: 20 x 2" in call("inspect", scores).stdout
    found = json.loads(call("inspect", a, "--json").stdout)
    assert found["trainings"] == 2 and found["methods"] == ["ridge", "smie"]


def test_a_folder_that_is_no_run_folder_is_told_so(tmp_path):
    assert "expected a run folder" in call("inspect", tmp_path, code=1).output
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    assert "expected" in call("inspect", tmp_path / "x.safetensors", code=1).output
