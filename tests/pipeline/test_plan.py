"""What is known to fail is refused before the first stage of a chain starts."""

import numpy as np
import pytest
from click.testing import CliRunner

from smie_pipe.cli import cli
from smie_pipe.plan import Plan, Step, duration, size
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.study import Study


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Raw files of six classes and two performers."""
    folder = tmp_path_factory.mktemp("raw") / "clips"
    words = ["--classes", "6", "--performers", "2", "--views", "1", "--workers", "1"]
    assert CliRunner().invoke(cli, ["simulate", str(folder), *words]).exit_code == 0
    return folder


@pytest.fixture
def call(raw, tmp_path):
    """Run `preprocess RAW`, then what is given, with `--dry-run` where asked."""
    np.save(tmp_path / "texts.npy", np.eye(6, dtype=np.float32))

    def run(*words, first=("preprocess", str(raw), "--workers", "1"), dry=False, code=0):
        options = ["--run", str(tmp_path / "run"), "--device", "cpu", *["--dry-run"] * dry]
        words = [str(word).format(here=tmp_path) for word in words]
        result = CliRunner().invoke(cli, [*options, *first, *words])
        assert result.exit_code == code, result.output
        return result

    return run


PRETRAIN = ("pretrain-backbone", "--split", "random:2:0", "--protocol", "subjects:1")
ZEROSHOT = ("extract", "zeroshot", "--text-model", "{here}/texts.npy")


@pytest.mark.parametrize(
    "words, said",
    [
        ((*PRETRAIN, *ZEROSHOT, "--method", "smiee"), "Did you mean 'smie'?"),
        ((*PRETRAIN, *ZEROSHOT, "--method", "smie:betta=1"), "Did you mean 'beta'?"),
        ((*PRETRAIN, *ZEROSHOT, "--method", "own.py:Own"), "own.py"),
        ((*PRETRAIN, *ZEROSHOT, "--split", "random:3:7"), "unknown split"),
        ((*PRETRAIN, "extract", "--split", "random:3:7"), "unknown split"),
        ((*PRETRAIN[:3], *ZEROSHOT), "unknown protocol of custom 'xsub'"),
        ((*PRETRAIN[:4], "subjects:one", *ZEROSHOT), "unknown protocol"),
        (("pretrain-backbone", "--split", "ntu60-smie-1"), "ntu60"),
        (("extract",), "is missing: run"),
        ((*PRETRAIN, "zeroshot"), "extract` first"),
        ((*PRETRAIN, "extract", "zeroshot", "--text-model", "no/such"), "no/such"),
        ((*PRETRAIN, "extract", "zeroshot", "--text-model", "no.npy"), "no.npy: no such file"),
        ((*PRETRAIN, *ZEROSHOT[:-1], "{here}", "--text", "no.csv"), "no.csv"),
    ],
)
def test_a_mistake_of_a_late_stage_stops_the_first(call, tmp_path, monkeypatch, words, said):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = call(*words, code=1)
    assert said in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "run" / "skeletons.h5").exists()


def test_a_dry_run_prints_the_plan_and_makes_nothing(call, tmp_path):
    text = call(*PRETRAIN, *ZEROSHOT, dry=True).stdout
    for word in ("12 recordings", "random-2-seed0: stgcn, ", "1 trainings", "rest on"):
        assert word in text
    assert not (tmp_path / "run").exists()


def test_what_is_made_already_is_told(call):
    call()
    text = call(*PRETRAIN, *ZEROSHOT, dry=True).stdout
    assert "12 clips" in text.splitlines()[1] and "made already" in text.splitlines()[1]


def test_what_was_made_in_another_way_is_told_before_anything_runs(call, raw):
    call()
    first = ("preprocess", str(raw), "--frames", "40")
    assert "frames 50 then, 40 now" in call(*PRETRAIN, first=first, dry=True, code=1).output


def test_a_disk_too_small_is_told(tmp_path):
    plan = Plan(Study(tmp_path / "run", "cpu", 0))
    plan.steps.append(Step("preprocess", "much", disk=1e18))
    with pytest.raises(InputError, match="about 1000000000.0 GB, .* are free"):
        plan.check_disk()


@pytest.mark.parametrize(
    "seconds, said",
    [(None, "not known"), (0.2, "1 s"), (40, "40 s"), (720, "12 min"), (36000, "10.0 h")],
)
def test_times_are_said_in_units_one_reads(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize("count, said", [(None, ""), (900, "1 kB"), (2e6, "2.0 MB")])
def test_sizes_are_said_in_units_one_reads(count, said):
    assert size(count) == said
