import numpy as np
import pytest
from PIL import Image

from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.preprocess import preprocess
from smie_pipe.preprocessing.skeletons.describe import describe
from smie_pipe.preprocessing.skeletons.render import bodies_of, render_file


@pytest.fixture
def skeletons(ntu_folder, tmp_path):
    """The clips of `ntu_folder`, but one of them cut short and one with a body of two ids."""
    files = sorted(ntu_folder.rglob("*.skeleton"))
    files[0].write_bytes(files[0].read_bytes()[:3000])
    head, _, tail = files[2].read_bytes().rpartition(b"72057594037931101")
    files[2].write_bytes(head + b"99" + tail)
    config = PreprocessConfig(min_frames=6)
    preprocess(ntu_folder, tmp_path / "s.h5", config, PreprocessRun(workers=1))
    return tmp_path / "s.h5"


def test_a_file_of_clips(skeletons):
    text = describe(skeletons)
    for line in [
        "s.h5: 11 clips of ntu60, 3 x 50 x 25 x 2 float32",
        "options min_frames 6",
        "protocol xsub: 7 train, 4 test",
        "by subject: 1: 3, 2: 4, 3: 4",
        "by camera: 1: 5, 2: 6",
        "by bodies: 1: 5, 2: 6",
        "raw frames: 12 to 22, mean 17.0, median 17, nine of ten from 12 to 22",
        "bodies treated in 1 clips",
        "        1  body goes on under another id",
        "damaged: 1  expected ",
        "S001C001P001R001A001.skeleton:",
        "by class, 2 of 60 have clips:",
        "       1        5  drink water",
    ]:
        assert line in text
    assert max(map(len, text.splitlines())) < 250


def test_raw_files(ntu_folder, pku_folder):
    text = describe(ntu_folder / "s001" / "S001C001P001R001A050.skeleton")
    assert "17 frames, 34 bodies in 17 of them" in text
    assert "body 72057594037931101: 17 frames from 1 to 17, x " in text
    assert "0.0% not tracked, 0.0% inferred, 100.0% tracked" in text
    assert "in a clip: 2 bodies in 17 frames (nothing to mend)" in text
    assert "60 frames, 60 bodies in 60 of them" in describe(
        pku_folder / "PKU_Skeleton_Renew" / "0002-L.txt"
    )
    text = describe(pku_folder / "Train_Label_PKU_final" / "0002-L.txt")
    assert "2 labelled actions up to frame 60; by action id 1: 1, 14: 1" in text


def test_what_cannot_be_described(tmp_path):
    (tmp_path / "a.skeleton").write_text("x")
    (tmp_path / "b").write_text("x")
    (tmp_path / "d.h5").write_text("x")
    for name, message in [
        ("a.skeleton", ":1: expected"),
        ("b", "no raw recordings. Expected NTU files"),
        ("d.h5", "no readable HDF5"),
        ("c", "no such"),
    ]:
        with pytest.raises(InputError, match=message):
            describe(tmp_path / name)


@pytest.mark.parametrize(
    "clip, caption",
    [
        (None, "S001C001P001R001A050: punching/slapping other person"),
        ("1", "S001C001P002R001A001: drink water"),
        ("S001C002P003R001A001", "S001C002P003R001A001: drink water"),
    ],
)
def test_a_strip_of_frames(skeletons, tmp_path, clip, caption):
    assert render_file(skeletons, tmp_path / "out.png", clip) == caption
    with Image.open(tmp_path / "out.png") as picture:
        colours = np.asarray(picture.convert("RGB"))
    assert colours.shape[1] > 500
    for red, green, blue in [(0xC2, 0x41, 0x0C), (0x1D, 0x4E, 0xD8)]:  # left and right limbs
        assert (np.abs(colours.astype(int) - [red, green, blue]).max(axis=-1) < 8).sum() > 50


def test_a_moving_picture(ntu_folder, tmp_path):
    raw = ntu_folder / "s001" / "S001C001P001R001A001.skeleton"
    assert render_file(raw, tmp_path / "out.gif") == "S001C001P001R001A001, 11 frames"
    with Image.open(tmp_path / "out.gif") as picture:
        assert (picture.format, picture.n_frames) == ("GIF", 11)


@pytest.mark.parametrize(
    "name, clip, message",
    [("o.jpg", None, "ends in .png or .gif"), ("o.png", "99", "no clip '99'; .*row from 0 to 10")],
)
def test_what_cannot_be_drawn(skeletons, tmp_path, name, clip, message):
    with pytest.raises(InputError, match=message):
        render_file(skeletons, tmp_path / name, clip)
    assert not (tmp_path / name).exists()


def test_two_bodies_stand_side_by_side_and_an_absent_one_is_not_drawn():
    clip = np.zeros((3, 4, 25, 2), np.float32)
    clip[:, :, :, 0] = 1
    assert bodies_of(clip).shape == (1, 4, 25, 3)
    clip[:, :2, :, 1] = 1
    both = bodies_of(clip)
    assert both.shape == (2, 4, 25, 3) and both[1, 0, 0, 0] == pytest.approx(2.2)
    assert np.isnan(both[1, 2:]).all()
