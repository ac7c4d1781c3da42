"""The command line as a user meets it: help, wrong usage, bad input, and the README's word."""

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from smie_pipe.cli import cli
from smie_pipe.preprocessing.foundation.errors import InputError

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
COMMANDS = (Path(__file__).parents[2] / "docs/commands.md").read_text(encoding="utf-8")


@pytest.fixture
def smie(tmp_path):
    """Run `smie-pipe --run tmp_path/run WORDS`."""

    def run(*words, folder="run"):
        return CliRunner().invoke(cli, ["--run", str(tmp_path / folder), *map(str, words)])

    return run


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_help_and_stands_in_the_documents(name):
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert cli.commands[name].help
    assert any(f"`{name}" in page or f"smie-pipe {name}" in page for page in (README, COMMANDS))


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_option_has_help(name):
    silent = [
        option.opts
        for option in cli.commands[name].params
        if isinstance(option, click.Option) and not option.help
    ]
    assert not silent


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_example_is_a_command_line_that_exists(name):
    text = CliRunner().invoke(cli, ["help", name]).output
    after = text.partition("Example:\n")[2].replace("\\\n", " ")
    words = [w for line in after.splitlines() if "smie-pipe" in line for w in shlex.split(line)]
    assert words and name in words
    known = {o for c in (cli, *cli.commands.values()) for p in c.params for o in p.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize(
    "words, said",
    [
        (["zeroshot", "--run", "R"], "--run belongs before the first stage: smie-pipe --run"),
        (["extract", "--seed=3"], "--seed belongs before the first stage"),
        (["--json", "zeroshot"], "smie-pipe ... zeroshot --json"),
        (
            ["--run", "R", "--epochs", "3", "extract", "zeroshot"],
            "smie-pipe ... zeroshot --epochs",
        ),
        (["--jsn", "zeroshot"], "No such option"),
        (["help", "zerosht"], "Did you mean 'zeroshot'?"),
    ],
)
def test_an_option_in_the_wrong_place_is_told_where_it_belongs(words, said):
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert said in result.output


def test_options_need_no_source_code(tmp_path):
    """A bytecode-only install has none; the help must not be read out of it."""
    code = (
        "import inspect\ninspect.getsource = inspect.getsourcelines = None\n"
        "from smie_pipe.cli import cli\ncli(['zeroshot', '--help'])"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom smie_pipe.cli import cli\n"
        "print([m for m in ('torch', 'numba', 'sklearn', 'matplotlib', 'transformers') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_command_offers_the_nearest(smie):
    result = smie("preproces", "RAW")
    assert result.exit_code == 2
    assert "Did you mean 'preprocess'?" in result.output


def test_a_stage_without_a_run_folder_says_so():
    result = CliRunner().invoke(cli, ["extract"])
    assert result.exit_code == 2
    assert "--run DIR" in result.output


def test_a_folder_without_raw_files_is_named(smie, tmp_path):
    (tmp_path / "empty").mkdir()
    result = smie("preprocess", tmp_path / "empty", "--dataset", "ntu60")
    assert result.exit_code == 1
    assert str(tmp_path / "empty") in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "stage"),
    [
        (("pretrain-backbone", "--split", "ntu60-smie-1"), "preprocess"),
        (("extract",), "pretrain-backbone"),
        (("zeroshot",), "extract"),
    ],
)
def test_a_missing_input_names_the_stage_that_makes_it(smie, words, stage):
    result = smie(*words)
    assert result.exit_code == 1
    assert stage in result.output
    assert "Traceback" not in result.output


def test_info_speaks_json():
    result = CliRunner().invoke(cli, ["info", "--json"])
    assert {"torch", "python", "numpy"} <= set(json.loads(result.stdout))


def test_an_absent_device_is_refused(smie, tmp_path):
    from smie_pipe.study import Study

    with pytest.raises(InputError, match="sees .* CUDA devices here"):
        Study(tmp_path, "cuda:99", 0).torch_device()
    with pytest.raises(InputError, match="expected auto, cpu, cuda"):
        Study(tmp_path, "gpu", 0).torch_device()


@pytest.mark.slow
def test_help_answers_in_half_a_second():
    def seconds():
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "smie_pipe", "--help"], check=True, capture_output=True
        )
        return time.perf_counter() - began

    assert min(seconds() for _ in range(3)) < 0.5


def test_info_without_torch_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    result = CliRunner().invoke(cli, ["info"])
    assert result.exit_code == 0
    assert "not installed" in result.output
