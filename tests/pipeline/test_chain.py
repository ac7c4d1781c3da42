"""The whole way on simulated raw files: one line, four commands, again, and after a kill."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from smie_pipe.backbones.features.store import read_features
from smie_pipe.cli import cli
from smie_pipe.preprocessing.simulation.config import SimulateConfig
from smie_pipe.preprocessing.simulation.simulate import simulate

PREPROCESS = ("--dataset", "custom", "--workers", "1")
PRETRAIN = ("--split", "random:2:0", "--protocol", "subjects:1", "--epochs", "1")
ZEROSHOT = ("--method", "ridge,smie", "--epochs", "1", "--no-figures", "--jobs", "1")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Eight classes, two performers, one view: 16 raw NTU files."""
    folder = tmp_path_factory.mktemp("simulated") / "raw"
    simulate(folder, SimulateConfig(classes=8, performers=2, views=1))
    return folder


@pytest.fixture(scope="module")
def embeddings(tmp_path_factory):
    """Text embeddings that need no model."""
    path = tmp_path_factory.mktemp("texts") / "names.npy"
    np.save(path, np.random.default_rng(0).normal(size=(8, 32)).astype(np.float32))
    return path


def call(run, *words, code=0):
    result = CliRunner().invoke(cli, ["--run", str(run), "--device", "cpu", *map(str, words)])
    assert result.exit_code == code, result.output
    return result


def chain(raw, embeddings):
    return [
        ("preprocess", raw, *PREPROCESS),
        ("pretrain-backbone", *PRETRAIN),
        ("extract",),
        ("zeroshot", *ZEROSHOT, "--text-model", embeddings),
    ]


@pytest.fixture(scope="module")
def whole(raw, embeddings, tmp_path_factory):
    """A run folder made by one line."""
    run = tmp_path_factory.mktemp("whole")
    result = call(run, *(word for stage in chain(raw, embeddings) for word in stage))
    return run, result


def figures(run):
    entries = json.loads((run / "results.json").read_text())["results"]
    return {(e["method"], e["seed"]): (e["accuracy"], e["losses"]) for e in entries}


def test_one_line_gives_every_file_of_the_run_folder(whole):
    run, result = whole
    assert {"skeletons.h5", "run.json", "results.json", "results.csv"} <= {
        path.name for path in run.iterdir()
    }
    assert {"backbone.safetensors", "features.h5"} <= {
        path.name for path in (run / "random-2-seed0").iterdir()
    }
    assert "chance" in result.stdout and "SMIE" in result.stdout
    assert set(json.loads((run / "run.json").read_text())["stages"]) == {
        "preprocess",
        "pretrain-backbone/random-2-seed0",
        "extract/random-2-seed0",
        "zeroshot",
    }


def test_four_commands_give_what_one_line_gives(whole, raw, embeddings, tmp_path):
    for stage in chain(raw, embeddings):
        call(tmp_path, *stage)
    assert figures(tmp_path) == figures(whole[0])
    ours, theirs = (read_features(r / "random-2-seed0/features.h5") for r in (tmp_path, whole[0]))
    np.testing.assert_array_equal(ours.v, theirs.v)
    np.testing.assert_array_equal(ours.v_masked, theirs.v_masked)


def test_what_is_made_is_skipped_and_said(whole, raw, embeddings, caplog):
    run, _ = whole
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.h5")}
    result = call(run, *(word for stage in chain(raw, embeddings) for word in stage))
    assert "made already" in result.stderr
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.h5")} == before


def test_other_options_do_not_overwrite(whole, raw):
    run, _ = whole
    result = call(run, "preprocess", raw, *PREPROCESS, "--frames", "40", code=1)
    assert "frames 50 then, 40 now" in result.stderr
    assert "--overwrite" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("pretrain-backbone", "--split", "ntu60-smie-1"), "ntu60"),
        (("pretrain-backbone", "--split", "nosuch"), "unknown split"),
        (("pretrain-backbone", "--split", "random:2:7"), "protocol"),
        (("extract", "--split", "nosuch"), "nosuch"),
        (("zeroshot", "--method", "smei"), "smie"),
        (("zeroshot", "--text-model", "no/such/model"), "no/such/model"),
    ],
)
def test_bad_input_is_one_message(whole, words, said, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = call(whole[0], *words, code=1)
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_damaged_file_is_recorded_and_the_chain_goes_on(raw, tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for path in raw.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    broken = sorted(folder.glob("*P002*.skeleton"))[0]
    broken.write_bytes(broken.read_bytes()[:5000])
    result = call(
        tmp_path / "run", "preprocess", folder, *PREPROCESS, "pretrain-backbone", *PRETRAIN, code=1
    )
    assert broken.name in result.stdout
    assert (tmp_path / "run/random-2-seed0/backbone.safetensors").is_file()
    again = call(tmp_path / "run", "preprocess", folder, *PREPROCESS, code=1)
    assert "made already" in again.stderr


@pytest.mark.slow
def test_two_processes_go_the_whole_way_and_one_speaks(whole, raw, embeddings, tmp_path):
    words = [str(word) for stage in chain(raw, embeddings) for word in stage]
    torchrun = [
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "--",
        "smie_pipe",
    ]
    done = subprocess.run(
        [sys.executable, "-m", *torchrun, "--run", tmp_path, "--device", "cpu", *words],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("chance") == 1
    ours, theirs = (read_features(r / "random-2-seed0/features.h5") for r in (tmp_path, whole[0]))
    np.testing.assert_array_equal(ours.row, theirs.row)
    assert ours.v.shape == theirs.v.shape
