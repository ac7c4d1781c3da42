"""Trackers' files through ``preprocess``: labels by name or list, findings, joints kept."""

import shutil

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from smie_pipe.cli import cli
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.layouts.find import find_source, may_be_input
from smie_pipe.preprocessing.layouts.read import read_recordings
from smie_pipe.preprocessing.preprocess import preprocess
from smie_pipe.preprocessing.simulation.config import SimulateConfig
from smie_pipe.preprocessing.simulation.simulate import simulate
from smie_pipe.preprocessing.skeletons.store import SkeletonFile
from smie_pipe.preprocessing.trackers.joints.kinds import WRITABLE
from smie_pipe.preprocessing.trackers.joints.reduce import reduced_clip

PLAIN = {"classes": 2, "performers": 1, "views": 1, "noise": 0.0, "dropout": 0.0, "phantom": 0.0}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Two clips as a Kinect's and as every tracker's, of the same exact bodies."""
    folder = tmp_path_factory.mktemp("simulated")
    for name in (None, *WRITABLE):
        config = SimulateConfig(tracker=name, switch=0.0, frames=(40, 50), **PLAIN)
        simulate(folder / (name or "kinect"), config)
    return folder


def clips(source, output, **choices):
    """Preprocess and return (clips, report)."""
    report = preprocess(source, output, PreprocessConfig(**choices))
    with h5py.File(output) as file:
        return file["x"][:], report


@pytest.mark.parametrize("name", WRITABLE)
def test_a_trackers_clips_are_those_of_a_kinect_reduced_to_its_joints(name, simulated, tmp_path):
    choices = {"fps": 30.0} if name == "mmpose" else {}
    found, report = clips(simulated / name, tmp_path / "tracker.h5", **choices)
    assert (report.clips, report.damaged) == (2, 0)
    kept = {"mediapipe": "mediapipe-33", "azure": "azure-32", "jsonl": "azure-32",
            "mmpose": "h36m-17", "h36m": "h36m-17", "smpl": "smpl-22", "bvh": "smpl-22",
            "kinect-v1": "kinect-v1-20", "movement": "kinect-v2-25", "array": "kinect-v2-25",
            "zed-18": "zed-18", "zed-34": "zed-34", "zed-38": "zed-38"}.get(name)  # fmt: skip
    if kept is not None:
        expected, _ = clips(simulated / "kinect", tmp_path / "kinect.h5", joints=kept)
        np.testing.assert_allclose(found, expected, atol=0.002)


def test_made_up_joints_are_counted_in_the_report(simulated, tmp_path):
    _, report = clips(simulated / "zed-18", tmp_path / "out.h5")
    noticed = report.counts()["noticed"]
    assert noticed == {"8 of 25 joints made up (zed-18)": 2}


def test_labels_come_from_a_list(simulated, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    for number, path in enumerate(sorted((simulated / "azure").glob("*.json"))):
        shutil.copy(path, raw / f"recording {number}.json")
    shutil.copy(sorted((simulated / "bvh").glob("*.bvh"))[0], raw / "mocap.bvh")
    (raw / "labels.csv").write_text(
        "file,label,subject\nrecording 0.json,wave,3\nrecording 1.json,bow,4\nmocap,bow,5\n"
    )
    preprocess(raw, tmp_path / "out.h5", PreprocessConfig())
    with SkeletonFile(tmp_path / "out.h5") as file:
        assert list(file.class_names) == ["bow", "wave"]
    with h5py.File(tmp_path / "out.h5") as file:
        assert sorted(file["label"][:].tolist()) == [0, 0, 1]
        assert sorted(file["subject"][:].tolist()) == [3, 4, 5]


def test_unlabelled_files_are_read_for_prediction(simulated, tmp_path):
    path = next((simulated / "trc").glob("*.trc"))
    shutil.copy(path, tmp_path / "mine.trc")
    (reading,) = read_recordings(tmp_path / "mine.trc")
    assert reading.clips[0].bodies.xyz.shape[1:] == (25, 3) and reading.clips[0].label is None


def test_archives_are_read_in_place(simulated, tmp_path, zipped):
    archive = zipped(simulated / "zed-34", tmp_path / "zed.zip")
    found, _ = clips(archive, tmp_path / "packed.h5")
    plain, _ = clips(simulated / "zed-34", tmp_path / "plain.h5")
    np.testing.assert_array_equal(found, plain)


def test_damaged_and_flat_files_are_findings_and_others_go_on(simulated, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(simulated / "azure", raw)
    (raw / "S001C001P001R001A003.json").write_text('{"people": [{"pose_keypoints_2d": [1]}]}')
    first = sorted(raw.glob("*A001.json"))[0]
    first.write_bytes(first.read_bytes()[:-2000])
    (raw / "classes.csv").write_text("id,name\n1,a\n2,b\n3,c\n")
    report = preprocess(raw, tmp_path / "out.h5", PreprocessConfig())
    assert (report.clips, report.damaged) == (1, 2)
    text = str(report)
    assert "lift them to 3D first" in text and "cut short" in text


def test_a_missing_rate_is_told_for_each_file_and_mended_by_the_option(simulated, tmp_path):
    with pytest.raises(InputError, match="Give the frames a second with --fps"):
        preprocess(simulated / "mmpose", tmp_path / "out.h5", PreprocessConfig())


def test_our_own_outputs_are_not_taken_for_recordings(tmp_path, simulated):
    raw = tmp_path / "raw"
    shutil.copytree(simulated / "azure", raw)
    before = len(find_source(raw, PreprocessConfig()).recordings)
    (raw / "run.json").write_text('{"frames": [], "bone_list": []}')
    (raw / "metrics.csv").write_text("epoch,loss\n1,2\n")
    (raw / "notes.json").write_text('{"a": 1}')
    assert len(find_source(raw, PreprocessConfig()).recordings) == before
    assert not may_be_input("run.json") and may_be_input("take1.json")


@pytest.mark.parametrize("joints", ["zed-18", "h36m-17", "smpl-22", "kinect-v1-20"])
def test_a_finished_clip_reduced_is_the_clip_of_reduced_recordings(joints, simulated, tmp_path):
    """Feet that are made up apart: those the rule cannot place between two frames."""
    whole, _ = clips(simulated / "kinect", tmp_path / "whole.h5", turn="none")
    first, _ = clips(simulated / "kinect", tmp_path / "first.h5", turn="none", joints=joints)
    np.testing.assert_allclose(reduced_clip(whole, joints), first, atol=0.004)
    assert not reduced_clip(np.zeros((3, 5, 25, 2), np.float32), joints).any()


def test_misuse_in_a_terminal(tmp_path, simulated):
    source = str(simulated / "azure")
    for words, said in (
        (["--tracker", "azur"], "Did you mean 'azure'?"),
        (["--joints", "h36m"], "Did you mean 'h36m-17'?"),
        (["--axes", "up"], "three signed letters"),
        (["--unit", "yard"], "inch"),
        (["--fps", "0"], "fps"),
    ):
        done = CliRunner().invoke(
            cli, ["--run", str(tmp_path / "run"), "preprocess", source, *words]
        )
        assert done.exit_code == 2 and said in done.output, done.output
    done = CliRunner().invoke(cli, ["simulate", str(tmp_path / "s"), "--as", "azur"])
    assert done.exit_code == 2 and "'azure'" in done.output
    done = CliRunner().invoke(
        cli, ["simulate", str(tmp_path / "s"), "--as", "bvh", "--layout", "pku"]
    )
    assert done.exit_code == 2 and "--layout pku" in done.output


def test_inspect_says_what_a_trackers_file_holds(simulated, tmp_path):
    path = sorted((simulated / "zed-18").glob("*.json"))[0]
    done = CliRunner().invoke(cli, ["inspect", str(path)])
    assert done.exit_code == 0
    assert "zed (zed-18)" in done.output and "8 made up" in done.output
    clockless = sorted((simulated / "mmpose").glob("*.json"))[0]
    done = CliRunner().invoke(cli, ["inspect", str(clockless)])
    assert done.exit_code == 0 and "30 frames a second assumed" in done.output
