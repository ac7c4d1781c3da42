"""Any recording is read without a label, whatever its name."""

import shutil

import numpy as np
import pytest

from smie_pipe.preprocessing.clips.from_raw import finished_clip
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.layouts.read import read_recordings


def test_a_raw_file_under_any_name(ntu_folder, tmp_path):
    one = ntu_folder / "s001" / "S001C001P001R001A050.skeleton"
    shutil.copy(one, tmp_path / "my recording.skeleton")
    [mine] = read_recordings(tmp_path / "my recording.skeleton")
    [named] = read_recordings(one)
    assert (mine.name, mine.clips[0].action, mine.clips[0].label) == ("my recording", None, None)
    assert (named.clips[0].action, named.clips[0].label) == (50, None)
    np.testing.assert_array_equal(mine.clips[0].bodies.xyz, named.clips[0].bodies.xyz)
    assert finished_clip(mine.clips[0], PreprocessConfig()).x.shape == (3, 50, 25, 2)


def test_a_long_recording_without_labels_is_one_clip(pku_folder, tmp_path):
    one = pku_folder / "PKU_Skeleton_Renew" / "0002-L.txt"
    shutil.copy(one, tmp_path / "kitchen.txt")
    for path in (one, tmp_path / "kitchen.txt"):
        [reading] = read_recordings(path)
        assert [clip.bodies.frames for clip in reading.clips] == [60]
        assert reading.name == reading.clips[0].name == path.stem


def test_a_long_recording_with_labels_is_its_actions(pku_folder):
    readings = list(read_recordings(pku_folder))
    assert [reading.name for reading in readings] == ["0002-L", "0002-M", "0003-L", "0003-M"]
    assert [clip.action for clip in readings[0].clips] == [1, 14]
    assert [clip.bodies.frames for clip in readings[0].clips] == [25, 30]


def test_own_names_with_label_files_of_their_own(pku_folder, tmp_path):
    shutil.copy(pku_folder / "PKU_Skeleton_Renew" / "0002-L.txt", tmp_path / "kitchen.txt")
    (tmp_path / "label").mkdir()
    (tmp_path / "label" / "kitchen.txt").write_text("3,1,30,1\n4,31,60,1\n")
    shutil.rmtree(pku_folder)
    [reading] = read_recordings(tmp_path)
    assert [(clip.action, clip.bodies.frames) for clip in reading.clips] == [(3, 30), (4, 30)]


def test_one_damaged_recording_does_not_end_the_others(ntu_folder):
    (ntu_folder / "broken.skeleton").write_text("3\n")
    (ntu_folder / "more.zip").write_bytes(b"no")
    readings = {reading.name: reading for reading in read_recordings(ntu_folder)}
    assert len(readings) == 14
    assert sum(bool(reading.clips) for reading in readings.values()) == 12
    assert "expected the body count" in readings["broken"].findings[0].detail


def test_what_no_layout_recognises(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"x")
    for name in ("a.bin", "none"):
        with pytest.raises(InputError, match="no raw recordings|no such file"):
            next(read_recordings(tmp_path / name))
