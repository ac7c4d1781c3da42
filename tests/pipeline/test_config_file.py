"""A study in a TOML file: what stands there is taken, what cannot be is named by file and key."""

import pytest
from click.testing import CliRunner

from smie_pipe.cli import cli
from smie_pipe.config_file import read_config
from smie_pipe.preprocessing.foundation.errors import InputError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[preproces]\nframes = 50", "Did you mean 'preprocess'?"),
        ("[preprocess]\nframe = 50", "Did you mean 'frames'?"),
        ("frames = 50", "'frames' belongs into a table: [preprocess]"),
        ("framez = 50", "unknown stage 'framez'"),
        ("preprocess = 3", "expected a table [preprocess], found 3"),
        ("seed = 'x'", "run.toml: seed: 'x' is not a valid integer"),
        ("run = 3", "run.toml: run: expected a path, found 3"),
        ("[preprocess]\nframes = 50.5", "run.toml: [preprocess] frames: expected a whole number"),
        ("[preprocess]\nlayout = ['ntu']", "[preprocess] layout: expected one value"),
        ("[preprocess]\norder = 'fil'", "[preprocess] order: expected one of auto, file, motion"),
        ("[zeroshot]\nbeta = ['a']", "[zeroshot] beta: ['a'] is not a comma-separated list"),
        ("[zeroshot]\nfigures = 'yes'", "[zeroshot] figures: expected true or false"),
        ("[zeroshot]\nmethod = {a = 1}", "[zeroshot] method: expected a word"),
        ("[preprocess", "expected TOML"),
    ],
)
def test_a_wrong_config_file_is_refused(tmp_path, text, said):
    config = tmp_path / "run.toml"
    config.write_text(text)
    result = CliRunner().invoke(cli, ["--config", str(config), "info"])
    assert result.exit_code == 1
    assert said in result.output


def test_the_config_file_yields_to_the_command_line(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text("[simulate]\nperformers = 0\nlayout = 'ntu'")
    words = ["--config", str(config), "simulate", str(tmp_path / "raw")]
    assert "performers must be" in CliRunner().invoke(cli, words).output
    small = [*words, "--performers", "1", "--views", "1", "--max-files", "1", "--workers", "1"]
    result = CliRunner().invoke(cli, small)
    assert result.exit_code == 0, result.output


def test_a_config_file_takes_the_names_of_the_command_line(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(
        '[pretrain-backbone]\nsplit = ["ntu60-smie"]\nno-such = 1\n[zeroshot]\njson = true\n'
    )
    with pytest.raises(InputError, match=r"unknown option 'no-such'.*checkpoint-steps"):
        read_config(config, cli)
    config.write_text(config.read_text().replace("no-such = 1", "share_absent = true"))
    assert read_config(config, cli) == {
        "pretrain-backbone": {"specs": ["ntu60-smie"], "share_absent": True},
        "zeroshot": {"as_json": True},
    }


STUDY = """
run = "{0}/run"
seed = 3
device = "cpu"
[preprocess]
source = "{0}/raw"
dataset = "custom"
min_frames = 5
workers = 1
[export]
output = "{0}/arrays"
protocol = "subjects:1"
"""


@pytest.fixture
def study(tmp_path):
    """A TOML file of two stages, and the raw files they read."""
    words = ["--classes", "3", "--performers", "2", "--views", "1", "--workers", "1"]
    made = CliRunner().invoke(cli, ["simulate", str(tmp_path / "raw"), *words])
    assert made.exit_code == 0, made.output
    path = tmp_path / "study.toml"
    path.write_text(STUDY.format(tmp_path))
    return path


def test_a_file_is_a_study(study):
    result = CliRunner().invoke(cli, ["--config", str(study)])
    assert result.exit_code == 0, result.output
    assert (study.parent / "run/skeletons.h5").is_file()
    assert (study.parent / "arrays/train_position.npy").is_file()


def test_the_command_line_goes_before_the_file(study):
    words = ["--config", str(study), "--run", str(study.parent / "other"), "preprocess"]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    assert (study.parent / "other/skeletons.h5").is_file()
    assert not (study.parent / "run").exists()


def test_a_refused_value_is_said_to_stand_in_the_file(study):
    study.write_text(study.read_text().replace("min_frames = 5", "min_frames = 0"))
    result = CliRunner().invoke(cli, ["--config", str(study)])
    assert "min_frames must be at least 1, got 0 (min_frames: " in result.output
    study.write_text(study.read_text().replace("/raw", "/rwa"))
    result = CliRunner().invoke(cli, ["--config", str(study)])
    assert "rwa' does not exist. (in " in result.output


@pytest.mark.parametrize("value", ['"random:2:0"', '["random:2:0"]'])
def test_lists_and_words_are_both_taken(tmp_path, value):
    path = tmp_path / "run.toml"
    path.write_text(f"[pretrain-backbone]\nsplit = {value}\n[zeroshot]\nmethod = 'a,b'")
    found = read_config(path, cli)
    assert found["pretrain-backbone"] == {"specs": ["random:2:0"]}
    assert found["zeroshot"] == {"method": "a,b"}
