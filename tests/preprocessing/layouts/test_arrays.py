import json
import pickle

import numpy as np
import pytest

from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.layouts.read import read_recordings
from smie_pipe.preprocessing.preprocess import preprocess
from smie_pipe.preprocessing.raw.pickles import array_pickle, plain_pickle
from smie_pipe.preprocessing.raw.records import bodies_of_array
from smie_pipe.preprocessing.skeletons.export import export_arrays
from smie_pipe.preprocessing.skeletons.store import SkeletonFile, write_skeletons

NAMES = ["S001C001P001R001A001", "S001C002P002R001A002", "S001C003P003R001A050"]


ONE = PreprocessRun(workers=1)


def made(source, output, **options):
    return preprocess(source, output, PreprocessConfig(dataset="ntu60", **options), ONE)


@pytest.fixture
def arrays(tmp_path):
    """Two training clips and one test clip as other people's code leaves them."""
    folder = tmp_path / "arrays"
    folder.mkdir()
    x = np.random.default_rng(0).normal(size=(3, 3, 50, 25, 2)).astype(np.float32)
    for part, rows in (("train", slice(0, 2)), ("val", slice(2, 3))):
        np.save(folder / f"{part}_position.npy", x[rows])
        labels = [0, 1, 49][rows]
        (folder / f"{part}_label.pkl").write_bytes(pickle.dumps((NAMES[rows], labels)))
    return folder


def test_arrays_come_in(arrays, tmp_path):
    report = made(arrays, tmp_path / "s.h5")
    assert (report.clips, report.recordings, report.exit_code) == (3, 3, 0)
    with SkeletonFile(tmp_path / "s.h5") as file:
        np.testing.assert_array_equal(file.x[:2], np.load(arrays / "train_position.npy"))
        assert file.name.tolist() == NAMES and file.label.tolist() == [0, 1, 49]
        assert file.subject.tolist() == [1, 2, 3]
        assert file.protocol("given").tolist() == [1, 1, 0]
        assert file.protocol("xview").tolist() == [0, 1, 1]


def test_what_goes_out_comes_in_again(arrays, tmp_path):
    made(arrays, tmp_path / "s.h5")
    assert export_arrays(tmp_path / "s.h5", tmp_path / "out", "xsub") == {"train": 2, "val": 1}
    names, labels = json.loads((tmp_path / "out" / "train_label.json").read_text())
    assert (names, labels) == (NAMES[:2], [0, 1])
    assert np.load(tmp_path / "out" / "val_label.npy").tolist() == [49]
    assert not list((tmp_path / "out").glob("*.pkl"))
    made(tmp_path / "out", tmp_path / "t.h5")
    with SkeletonFile(tmp_path / "s.h5") as one, SkeletonFile(tmp_path / "t.h5") as other:
        np.testing.assert_array_equal(one.x[:], other.x[:])
        assert one.digest == other.digest
    with pytest.raises(InputError, match="has no clips for val"):
        export_arrays(one_part(tmp_path), tmp_path / "out", "given")


def test_what_goes_out_comes_in_again_without_its_names(arrays, tmp_path):
    made(arrays, tmp_path / "s.h5")
    export_arrays(tmp_path / "s.h5", tmp_path / "out", "xsub")
    for path in (tmp_path / "out").glob("*.json"):
        path.unlink()
    made(tmp_path / "out", tmp_path / "t.h5")
    with SkeletonFile(tmp_path / "s.h5") as one, SkeletonFile(tmp_path / "t.h5") as other:
        np.testing.assert_array_equal(one.x[:], other.x[:])
        assert other.name.tolist() == ["train_000000", "train_000001", "val_000000"]
        assert other.label.tolist() == one.label.tolist()
        assert other.protocol("given").tolist() == [1, 1, 0]


@pytest.fixture
def raw_clips(ntu_folder, tmp_path):
    """The twelve recordings as (N, 3, 300, 25, 2), and the skeletons.h5 made of the files."""
    preprocess(ntu_folder, tmp_path / "raw.h5", PreprocessConfig(dataset="ntu60"), ONE)
    x, labels = np.zeros((12, 3, 300, 25, 2), np.float32), []
    for row, reading in enumerate(read_recordings(ntu_folder)):
        bodies = reading.clips[0].bodies
        places = [sorted(set(bodies.body_id.tolist())).index(i) for i in bodies.body_id.tolist()]
        x[row, :, bodies.frame, :, places] = bodies.xyz.transpose(0, 2, 1)
        labels.append(reading.clips[0].action - 1)
    return x, np.array(labels), tmp_path / "raw.h5"


@pytest.mark.parametrize("name", ["data", "data_joint"])
def test_raw_arrays_equal_the_raw_files(raw_clips, tmp_path, name):
    """ST-GCN's train_data.npy and 2s-AGCN's train_data_joint.npy."""
    x, labels, raw = raw_clips
    (tmp_path / "a").mkdir()
    for part, rows in (("train", slice(0, 8)), ("val", slice(8, 12))):
        np.save(tmp_path / "a" / f"{part}_{name}.npy", x[rows])
        pair = ([f"S001C001P001R001A{i:03d}" for i in range(12)][rows], labels[rows].tolist())
        (tmp_path / "a" / f"{part}_label.pkl").write_bytes(pickle.dumps(pair))
    made(tmp_path / "a", tmp_path / "s.h5")
    same_clips(raw, tmp_path / "s.h5", [1] * 8 + [0] * 4)


@pytest.mark.parametrize("twice", [False, True])
def test_ctr_gcn_archives_equal_the_raw_files(raw_clips, tmp_path, twice):
    """NTU60_CS.npz; the scripts for NTU RGB+D 120 write a lone body into both places."""
    x, labels, raw = raw_clips
    if twice:
        alone = ~x[..., 1].any(axis=(1, 2, 3))
        x[alone, ..., 1] = x[alone, ..., 0]
    flat = x.transpose(0, 2, 4, 3, 1).reshape(12, 300, 150)
    hot = np.eye(60)[labels]
    (tmp_path / "a").mkdir()
    parts = {"x_train": flat[:8], "y_train": hot[:8], "x_test": flat[8:], "y_test": hot[8:]}
    np.savez(tmp_path / "a" / "NTU60_CS.npz", **parts)
    made(tmp_path / "a" / "NTU60_CS.npz", tmp_path / "s.h5")
    same_clips(raw, tmp_path / "s.h5", [1] * 8 + [0] * 4)


def same_clips(raw, arrays, given):
    with SkeletonFile(raw) as one, SkeletonFile(arrays) as other:
        np.testing.assert_allclose(one.x[:], other.x[:], atol=1e-5)
        assert one.label.tolist() == other.label.tolist()
        assert one.bodies.tolist() == other.bodies.tolist()
        assert other.protocol("given").tolist() == given


@pytest.mark.parametrize(
    "change, message",
    [
        ({"x_train": np.zeros((2, 300, 75))}, r"x_train: expected \(N, frames, 150\), found"),
        ({"y_train": np.zeros((2, 60))}, "y_train: expected .2, classes., one 1 a row"),
        ({"y_train": np.array([None, 1])}, "found another format, pickles"),
    ],
)
def test_faulty_archives(tmp_path, change, message):
    x, y = np.ones((2, 300, 150)), np.eye(60)[:2]
    np.savez(
        tmp_path / "a.npz", **{"x_train": x, "y_train": y, "x_test": x, "y_test": y, **change}
    )
    with pytest.raises(InputError, match=message):
        made(tmp_path / "a.npz", tmp_path / "s.h5")


def test_other_archives_are_no_clips(tmp_path):
    np.savez(tmp_path / "a.npz", train_data=np.zeros(3))
    (tmp_path / "b.npz").write_bytes(b"PK")
    for name in "ab":
        with pytest.raises(InputError, match="no raw recordings"):
            made(tmp_path / f"{name}.npz", tmp_path / "s.h5")


def one_part(tmp_path):
    with SkeletonFile(tmp_path / "s.h5") as file:
        write_skeletons(
            tmp_path / "one.h5",
            file.x[:],
            {"label": file.label},
            class_names=file.class_names,
            protocols={"given": np.ones(3)},
        )
    return tmp_path / "one.h5"


def test_clips_of_arrays_that_cannot_be_used(arrays, tmp_path):
    x = np.load(arrays / "train_position.npy")
    x[0, 0, 0, 0, 0] = np.nan
    np.save(arrays / "train_position.npy", np.concatenate([x, x[1:], 0 * x[1:]]))
    names = [*NAMES[:2], "S001C001P001R001A009", "S001C001P001R001A010"]
    pair = (names, [0, 1, 60, 3])
    (arrays / "train_label.pkl").write_bytes(pickle.dumps(pair))
    report = made(arrays, tmp_path / "s.h5")
    assert report.clips == 2
    assert report.counts() == {
        "damaged": {
            "coordinates that are no numbers": 1,
            "label outside 0 to 59 of NTU RGB+D 60": 1,
        },
        "excluded": {"no body": 1},
    }


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f: np.save(f / "val_position.npy", np.zeros((1, 3, 64, 25, 2))), "--frames 64"),
        (lambda f: np.save(f / "val_position.npy", np.zeros((1, 50, 75))), "expected an array"),
        (
            lambda f: (f / "val_position.npy").write_bytes(b"x"),
            "expected a .npy array of numbers, found another format",
        ),
        (lambda f: (f / "val_label.pkl").unlink(), "val_label.pkl: no such file"),
        (lambda f: (f / "val_label.pkl").write_bytes(b"x"), "expected a pickle of containers"),
        (lambda f: (f / "val_label.pkl").write_bytes(pickle.dumps([1])), "two lists of 1 names"),
    ],
)
def test_faulty_arrays(arrays, tmp_path, change, message):
    change(arrays)
    with pytest.raises(InputError, match=message):
        made(arrays, tmp_path / "s.h5")


def test_arrays_need_the_name_of_their_dataset(arrays, tmp_path):
    with pytest.raises(InputError, match="name the dataset with --dataset"):
        preprocess(arrays, tmp_path / "s.h5")


def test_pickle_of_annotations_equals_the_raw_files(ntu_folder, tmp_path):
    """The same clips by two ways: raw text, and the arrays that others made of it."""
    from smie_pipe.preprocessing.raw.ntu import read_skeleton

    annotations = []
    for path in sorted(ntu_folder.rglob("*.skeleton"), key=lambda path: path.stem):
        raw = read_skeleton(path.read_bytes(), path.name)
        bodies = len(set(raw.body_id.tolist()))
        joints = raw.xyz.reshape(-1, bodies, 25, 3).transpose(1, 0, 2, 3)
        label = int(path.stem[-3:]) - 1
        annotations.append({"frame_dir": path.stem, "label": label, "keypoint": joints})
    split = {"xsub_train": [one["frame_dir"] for one in annotations[:5]], "xsub_val": []}
    (tmp_path / "p").mkdir()
    for protocol in (2, 4, 5):
        content = {"split": split, "annotations": annotations}
        (tmp_path / "p" / "ntu.pkl").write_bytes(pickle.dumps(content, protocol))
        made(tmp_path / "p", tmp_path / "a.h5")
        made(ntu_folder, tmp_path / "b.h5")
        with SkeletonFile(tmp_path / "a.h5") as one, SkeletonFile(tmp_path / "b.h5") as other:
            np.testing.assert_array_equal(one.x[:], other.x[:])
            np.testing.assert_array_equal(one.protocol("xsub"), other.protocol("xsub"))


def test_annotations_that_cannot_be_used(tmp_path):
    joints = np.random.default_rng(0).normal(size=(1, 20, 25, 3))
    annotations = [
        {"frame_dir": "a", "label": 0, "keypoint": joints},
        {"frame_dir": "a", "label": 0, "keypoint": joints},
        {"frame_dir": "b", "label": 99, "keypoint": joints},
        {"frame_dir": "c", "label": 0, "keypoint": joints[..., :2]},
        {"label": 0},
    ]
    flat = [{"frame_dir": "a", "label": 0, "keypoint": np.zeros((1, 20, 17, 2), "f4")}]
    (tmp_path / "hrnet.pkl").write_bytes(pickle.dumps({"annotations": flat}))
    with pytest.raises(InputError, match=r"hrnet.pkl: .*found 17 joints in 2 \(COCO-17 in pix"):
        made(tmp_path / "hrnet.pkl", tmp_path / "s.h5")
    (tmp_path / "n.pkl").write_bytes(pickle.dumps({"annotations": annotations}))
    report = made(tmp_path / "n.pkl", tmp_path / "s.h5")
    assert report.clips == 1 and report.damaged == 4
    (tmp_path / "n.pkl").write_bytes(pickle.dumps({"x": 1}))
    with pytest.raises(InputError, match=r"expected \{'split'.*found \['x'\]"):
        made(tmp_path / "n.pkl", tmp_path / "t.h5")


def test_a_body_of_zeros_is_absent():
    joints = np.ones((2, 4, 25, 3))
    joints[1, 2:] = 0
    raw = bodies_of_array(joints, "x")
    assert raw.frame.tolist() == [0, 0, 1, 1, 2, 3]
    assert raw.body_id.tolist() == [0, 1, 0, 1, 0, 0]


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/should-never-exist",)


@pytest.mark.parametrize(
    "content",
    [
        Evil(),
        [Evil()],
        {"a": Evil()},
        np.array([Evil()], object),
        np.dtype("f4,i4"),
        range(3),
        print,
    ],
)
@pytest.mark.parametrize("read", [plain_pickle, array_pickle])
def test_nothing_in_a_pickle_is_run(tmp_path, content, read):
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match="evil.pkl: expected a pickle of .* It is not run"):
        read(tmp_path / "evil.pkl")


@pytest.mark.parametrize("protocol", range(6))
def test_numbers_and_arrays_are_read_in_all_protocols(tmp_path, protocol):
    content = {
        "list": [1, 2.5, "x", b"y", None, True],
        "set": {1, 2},
        "array": np.arange(6.0).reshape(2, 3),
        "turned": np.arange(6, dtype=">i2").reshape(2, 3).T,
        "number": np.float32(1.5),
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content, protocol))
    got = array_pickle(tmp_path / "a.pkl")
    assert got["list"] == content["list"] and got["set"] == {1, 2} and got["number"] == 1.5
    np.testing.assert_array_equal(got["array"], content["array"])
    np.testing.assert_array_equal(got["turned"], content["turned"])


@pytest.mark.parametrize("protocol", range(6))
def test_a_mutated_pickle_gives_a_value_or_a_message(tmp_path, protocol):
    content = {"a": [np.arange(4.0), {"b": (1, "c")}], "d": np.int64(3)}
    rng = np.random.default_rng(protocol)
    whole = pickle.dumps(content, protocol)
    for count in range(200):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 1 + count % 4):
            data[at] = rng.integers(0, 256)
        (tmp_path / "m.pkl").write_bytes(data)
        try:
            array_pickle(tmp_path / "m.pkl")
        except InputError as error:
            assert "m.pkl: expected a pickle" in str(error)
