"""What a user may give by mistake, and what is said."""

import io
import json

import h5py
import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.trackers.joints.names import read_markers
from smie_pipe.preprocessing.trackers.read import (
    TrackerOptions,
    read_tracker,
    read_tracker_bytes,
    recognise,
)
from smie_pipe.preprocessing.trackers.writers.formats import FORMATS, written

HEADER = b'{"format": "azure-32", "unit": "mm"}\n'
CSV = b"time,LeftShoulder_x,LeftShoulder_y,LeftShoulder_z,RightShoulder_x,RightShoulder_y,RightShoulder_z"  # noqa: E501
BVH = b"HIERARCHY\nROOT Hips\n{\n OFFSET 0 0 0\n CHANNELS 3 Xposition Yposition Zposition\n}\n"


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def netcdf(**arrays):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return buffer.getvalue()


def zed(**body):
    return json.dumps({"1700000000000": {"body_list": [{"id": 0, **body}]}}).encode()


def azure(**frame):
    return json.dumps({"joint_names": None, "k4abt_sdk_version": "1", "frames": [frame]}).encode()


FLAT = "lift them to 3D first"
FAULTS = {
    "empty array": ("a.npy", b"", "an array of numbers"),
    "pickle in an array": ("a.npy", npy(np.array([{}], object)), "Object arrays"),
    "words": ("a.npy", npy(np.array(["x"])), "array of numbers"),
    "unknown joints": ("a.npy", npy(np.zeros((5, 21, 3))), r"V one of 17, .*found .*\(5, 21, 3\)"),
    "no frames": ("a.npy", npy(np.zeros((0, 25, 3))), r"\(0, 25, 3\)"),
    "many clips": ("a.npy", npy(np.zeros((4, 3, 5, 25, 2))), "4 clips"),
    "features": ("a.npy", npy(np.zeros((9, 263))), "new_joints"),
    "flat array": ("a.npy", npy(np.ones((9, 17, 2))), FLAT),
    "pixels and score": ("a.npy", npy(np.full((9, 17, 3), [300, 200, 0.5])), FLAT),
    "damaged npz": ("a.npz", b"PK\x03\x04 nonsense", "an array of numbers"),
    "ragged rows": ("a.txt", b"1 2 3\n4 5\n", "line 2: expected 3 numbers"),
    "prose": ("a.txt", b"hello there\n", "line 1: expected rows of numbers"),
    "no json": ("a.json", b'{"frames": [', "expected JSON"),
    "json of nobody": ("a.json", b'{"a": 1}', "of no body tracker that is known"),
    "azure without frames": ("a.json", b'{"joint_names": []}', "'frames', a list"),
    "azure names": (
        "a.json",
        b'{"joint_names": ["PELVIS"], "frames": []}',
        "32 joint names of an Azure",
    ),
    "openpose": ("a.json", b'{"people": [{"pose_keypoints_2d": [1, 2, 0.5]}]}', FLAT),
    "coco": ("a.json", b'[{"image_id": 1, "category_id": 1, "keypoints": [1]}]', FLAT),
    "yolo": ("a.txt", b"0 " + b"0.5 " * 55, FLAT),
    "zed of 21 joints": ("a.json", zed(keypoint=[[0, 0, 0]] * 21), "18, 34, 38 joints, found 21"),
    "zed of text": ("a.json", zed(keypoint=[["a", 0, 0]] * 18), "something else in the list"),
    "zed flat": ("a.json", zed(keypoint=[[1, 2]] * 18), FLAT),
    "zed without list": ("a.json", b'{"1700000000000": {"x": 1}}', "'body_list', a list"),
    "mmpose flat": (
        "a.json",
        b'{"instance_info": [{"instances": [{"keypoints": [[1, 2]]}]}]}',
        FLAT,
    ),
    "lines without format": ("a.jsonl", b'{"bodies": []}\n', 'such as {"format": "azure-32"'),
    "lines of an unknown format": ("a.jsonl", b'{"format": "azur-32"}\n', "mean 'azure-32'"),
    "lines of an unknown unit": (
        "a.jsonl",
        b'{"format": "azure-32", "unit": "yard"}\n',
        "line 1: unknown unit",
    ),
    "lines with a bad frame": (
        "a.jsonl",
        HEADER + b'{"t": 0, "bodies": [{"id": 1, "joints": [[0,0,0]]}]}\n',
        "line 2: expected 32 joints",
    ),
    "lines without time": ("a.jsonl", HEADER + b'{"bodies": []}\n', "line 2: expected 't'"),
    "csv of other things": ("a.csv", b"name,age\nx,3\n", "NAME_x, NAME_y, NAME_z"),
    "flat csv": (
        "a.csv",
        b",".join(b"j%d_x,j%d_y" % (i, i) for i in range(6)) + b"\n" + b"1," * 11 + b"1\n",
        FLAT,
    ),
    "csv without hips": ("a.csv", CSV + b"\n0,1,2,3,4,5,6\n", "left hip, the right hip"),
    "csv of a short row": ("a.csv", CSV + b"\n0,1\n", "line 2: expected 7 cells"),
    "csv of words": ("a.csv", CSV + b"\n0,1,2,x,4,5,6\n", "line 2, column 4"),
    "trc of others": ("a.trc", b"nonsense\n" * 9, "PathFileType"),
    "bvh without motion": ("a.bvh", BVH, "expected MOTION"),
    "bvh cut short": (
        "a.bvh",
        BVH + b"MOTION\nFrames: 3\nFrame Time: 0.1\n1 2 3\n",
        "expected 3 frames, found 1",
    ),
    "bvh of a short row": (
        "a.bvh",
        BVH + b"MOTION\nFrames: 1\nFrame Time: 0.1\n1 2\n",
        "line 10: expected 3 numbers",
    ),
    "bvh unbalanced": ("a.bvh", b"HIERARCHY\nROOT a\n{\nMOTION\n", "expected OFFSET"),
    "bvh of no person": (
        "a.bvh",
        BVH + b"MOTION\nFrames: 1\nFrame Time: 0.1\n1 2 3\n",
        "the left shoulder",
    ),
    "no netcdf": ("a.nc", b"\x89HDF\r\n\x1a\nrest", "netCDF4"),
    "netcdf of others": ("a.nc", netcdf(speed=[1.0]), "'position'"),
    "flat netcdf": (
        "a.nc",
        netcdf(position=np.zeros((3, 2, 4, 1)), keypoints=[b"a"] * 4),
        FLAT,
    ),
    "another file": ("a.mp4", b"video", "of no body tracker that is known"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_every_fault_has_its_sentence(case):
    name, data, expected = FAULTS[case]
    with pytest.raises(InputError, match=expected) as caught:
        read_tracker_bytes(data, name, TrackerOptions(fps=30))
    assert str(caught.value).startswith(name) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["h36m", "smpl", "array"])
def test_a_file_without_a_clock_asks_for_the_rate(name, standing, tmp_path):
    with np.load(io.BytesIO(written(standing, name))) as content:
        np.save(tmp_path / "clip.npy", content["joints"])
    with pytest.raises(InputError, match="--fps"):
        read_tracker(tmp_path / "clip.npy")
    assert read_tracker(tmp_path / "clip.npy", fps=30).raw.frames == 40


def test_options_that_cannot_be_are_refused_at_once():
    for options, expected in (
        ({"source": "kinekt"}, "unknown tracker 'kinekt'"),
        ({"fps": 0}, "fps must be above 0"),
        ({"axes": "x,y"}, "axes 'x,y': expected y-up"),
        ({"axes": "x,x,z"}, "each of x, y, z once"),
        ({"unit": "yard"}, "unknown unit 'yard'"),
    ):
        with pytest.raises(InputError, match=expected):
            TrackerOptions(**options)


def test_a_folder_or_a_missing_file_is_nobodys(tmp_path):
    assert recognise(tmp_path) is None
    assert recognise(tmp_path / "none.bvh") is None


def test_the_last_line_of_a_stream_may_be_cut(standing):
    data = written(standing, "jsonl")
    read = read_tracker_bytes(data[:-200], "clip.jsonl", TrackerOptions())
    assert read.raw.frames == 39 and "the last line is cut short and left out" in read.notes


def test_a_file_without_anybody_is_a_recording_without_a_body():
    data = json.dumps({"frames": [{"timestamp_usec": 1, "bodies": []}], "bone_list": []}).encode()
    read = read_tracker_bytes(data, "a.json", TrackerOptions())
    assert (len(read.raw.frame), read.raw.frames, read.faults) == (0, 1, ())
    assert "no joints" in str(read)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected the heading joint,markers"),
        ("joint,markers\nLeftHip\n", "m.csv:2: expected a joint and its markers"),
        ("joint,markers\nLeftHip,a;;b\n", "m.csv:2: "),
    ],
)
def test_a_table_of_markers_is_checked(text, expected):
    with pytest.raises(InputError, match=expected):
        read_markers(text.encode(), "m.csv")


def test_joints_are_the_means_of_their_markers(standing, tmp_path):
    kind = FORMATS["trc"]
    data = written(standing, "trc").replace(b"LShoulder", b"skin1").replace(b"LElbow", b"skin2")
    table = tmp_path / "markers.csv"
    others = [n for n in kind.skeleton.joints if n not in ("LShoulder", "LElbow")]
    rows = ["LShoulder,skin1;skin2", *(f"{name},{name}" for name in others)]
    table.write_text("joint,markers\n" + "\n".join(rows) + "\n")
    read = read_tracker_bytes(data, "clip.trc", TrackerOptions(markers=table))
    mean = (standing.xyz[:, 4] + standing.xyz[:, 5]) / 2
    np.testing.assert_allclose(read.raw.xyz[:, 4], mean, atol=0.001)
    table.write_text("joint,markers\nLeftHip,LHib\n")
    with pytest.raises(InputError, match="Did you mean 'LHip'"):
        read_tracker_bytes(data, "clip.trc", TrackerOptions(markers=table))
    with pytest.raises(InputError, match="joints, not markers"):
        read_tracker_bytes(written(standing, "azure"), "a.json", TrackerOptions(markers=table))
