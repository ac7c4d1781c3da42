"""simulate, preprocess, inspect and export as a user meets them, on few small recordings."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from smie_pipe.cli import cli

CLASSES = "salute,hand waving,handshaking"


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Six recordings: three classes, two performers, one camera."""
    folder = tmp_path_factory.mktemp("raw") / "clips"
    options = ["--classes", CLASSES, "--performers", "2", "--views", "1", "--workers", "1"]
    result = CliRunner().invoke(cli, ["simulate", str(folder), *options])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def smie(tmp_path):
    """Run `smie-pipe --run tmp_path/run WORDS` and check its exit code."""

    def run(*words, code=0):
        result = CliRunner().invoke(cli, ["--run", str(tmp_path / "run"), *map(str, words)])
        assert result.exit_code == code, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


@pytest.fixture
def damaged(raw, tmp_path):
    """The same recordings, one of them cut short."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for path in raw.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    broken = sorted(folder.glob("*.skeleton"))[3]
    broken.write_bytes(broken.read_bytes()[:3000])
    return folder, broken.name


def test_from_simulated_files_to_arrays(smie, raw, tmp_path):
    made = json.loads(smie("preprocess", raw, "--json").stdout)
    assert (made["clips"], made["recordings"], made["findings"]) == (6, 6, {})
    held = smie("inspect", tmp_path / "run" / "skeletons.h5").stdout
    assert "6 clips of custom" in held and "by bodies: 1: 4, 2: 2" in held
    exported = smie("export", tmp_path / "arrays", "--protocol", "subjects:1").stdout
    assert exported.startswith("3 clips train, 3 clips val")
    assert np.load(tmp_path / "arrays" / "val_position.npy").shape == (3, 3, 50, 25, 2)
    again = smie("export", tmp_path / "arrays", "--protocol", "subjects:1", code=1)
    assert "exists; give --overwrite to replace it" in again.output


def test_a_damaged_recording_ends_with_1_and_so_does_the_same_command_again(smie, damaged):
    folder, name = damaged
    first = smie("preprocess", folder, code=1)
    assert "5 clips from 6 recordings" in first.stdout and f"{name}:" in first.stdout
    again = smie("preprocess", folder, code=1)
    assert "is made already" in again.output
    assert "1 damaged are not in it; to see them: smie-pipe inspect" in again.output


def test_strict_and_max_bad_write_nothing(smie, damaged, tmp_path):
    folder, name = damaged
    assert f"{name}:" in smie("preprocess", folder, "--strict", code=1).output
    assert "more than --max-bad 0" in smie("preprocess", folder, "--max-bad", "0", code=1).output
    assert not (tmp_path / "run" / "skeletons.h5").exists()


def test_a_change_behind_a_link_is_noticed(smie, damaged, tmp_path):
    folder, name = damaged
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "clips").symlink_to(folder)
    (folder / "round").symlink_to(tmp_path / "linked")
    smie("preprocess", tmp_path / "linked", code=1)
    assert "is made already" in smie("preprocess", tmp_path / "linked", code=1).output
    (folder / name).unlink()
    changed = smie("preprocess", tmp_path / "linked", code=1).output
    assert "made in another way: another raw files" in changed


def test_the_run_folder_may_be_the_source(smie, damaged, tmp_path):
    folder, _ = damaged
    folder.rename(tmp_path / "run")
    smie("preprocess", tmp_path / "run", code=1)
    assert "is made already" in smie("preprocess", tmp_path / "run", code=1).output


def test_an_output_of_unknown_making_is_not_replaced(smie, raw, tmp_path):
    output = tmp_path / "run" / "skeletons.h5"
    output.parent.mkdir()
    output.write_text("mine")
    assert "give --overwrite to make it anew" in smie("preprocess", raw, code=1).output
    assert output.read_text() == "mine"
    assert "6 clips" in smie("preprocess", raw, "--overwrite").stdout


@pytest.mark.parametrize("suffix, start", [("png", b"\x89PNG"), ("gif", b"GIF8")])
def test_a_raw_file_is_described_and_drawn(smie, raw, tmp_path, suffix, start):
    recording = sorted(raw.glob("*A003.skeleton"))[0]
    assert "in a clip: 2 bodies" in smie("inspect", recording).stdout
    picture = tmp_path / f"clip.{suffix}"
    smie("inspect", recording, "--render", picture)
    assert picture.read_bytes().startswith(start)
    assert "give --overwrite" in smie("inspect", recording, "--render", picture, code=1).output


@pytest.mark.parametrize(
    "words, code, message",
    [
        (["preprocess", "{}/none"], 2, "does not exist"),
        (["preprocess", "{}"], 1, "no raw recordings"),
        (["preprocess", "{}", "--dataset", "ntu61"], 2, "expected one of auto, ntu60"),
        (["inspect", "{}/x.h5"], 1, "no readable HDF5"),
        (["export", "{}/out"], 1, "preprocess` first"),
        (["simulate", "{}"], 1, "expected a folder that is empty"),
    ],
)
def test_wrong_use_is_told(smie, tmp_path, words, code, message):
    folder = tmp_path / "some ünusual folder"
    folder.mkdir()
    (folder / "x.h5").write_text("no")
    assert message in smie(*(word.format(folder) for word in words), code=code).output
