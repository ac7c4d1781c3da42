"""The features file: what goes in comes out, and what does not fit is named."""

import dataclasses

import h5py
import numpy as np
import pytest

from smie_pipe.backbones.features.store import FeatureSet, read_features, write_features
from smie_pipe.backbones.subsets import PARTS
from smie_pipe.preprocessing.foundation.errors import InputError


def feature_set(**changes) -> FeatureSet:
    """Return six clips of four classes, of which class 3 is unseen."""
    rng = np.random.default_rng(0)
    fields = {
        "v": rng.normal(size=(6, 8)).astype("f4"),
        "v_masked": rng.normal(size=(6, 8)).astype("f4"),
        "label": np.array([0, 1, 2, 0, 3, 3]),
        "row": np.array([0, 2, 4, 5, 7, 9]),
        "part": np.array([0, 0, 0, 1, 2, 2], "i1"),
        "class_names": ["drink", "eat", "wave", "hör auf"],
        "seen": [0, 1, 2],
        "unseen": [3],
        "attrs": {"dataset": "custom", "P": 15, "trained_elsewhere": False},
    }
    return FeatureSet(**(fields | changes))


def test_written_is_read(tmp_path):
    path = tmp_path / "new folder" / "features.h5"
    features = feature_set()
    write_features(path, features)
    read = read_features(path)
    for column in dataclasses.fields(FeatureSet):
        np.testing.assert_array_equal(getattr(read, column.name), getattr(features, column.name))
    assert type(read.attrs["P"]) is int
    assert read.v.dtype == np.float32
    assert [file.name for file in path.parent.iterdir()] == ["features.h5"]


def test_parts_share_out_the_rows():
    features = feature_set()
    assert features.counts() == {"seen_train": 3, "seen_test": 1, "unseen_test": 2}
    assert [features.take(part).row.tolist() for part in PARTS] == [[0, 2, 4], [5], [7, 9]]


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"row": np.arange(5)}, "row has 5 rows, label has 6"),
        ({"v_masked": np.zeros((6, 9), "f4")}, r"shapes are \(6, 8\) and \(6, 9\)"),
        ({"unseen": [2, 3]}, r"classes \[2\] are called seen and unseen"),
        ({"unseen": [3, 4]}, r"labels \[4\] are outside the 4 classes"),
        ({"label": np.array([0, 1, 3, 0, 3, 3])}, r"labels \[3\] stand in seen_train"),
        ({"part": np.array([0, 0, 0, 1, 2, 7], "i1")}, "part must be 0..2"),
        ({"v": np.full((6, 8), np.nan, "f4")}, "6 rows hold values that are not finite"),
    ],
)
def test_what_does_not_fit_is_named(changes, words):
    with pytest.raises(InputError, match=words):
        feature_set(**changes)


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("no features")
    with pytest.raises(InputError, match=r"notes\.txt: expected a features file"):
        read_features(text)
    foreign = tmp_path / "skeletons.h5"
    with h5py.File(foreign, "w") as file:
        file.attrs["format"] = "smie-pipe skeletons"
    with pytest.raises(InputError, match="skeletons.h5.*found 'smie-pipe skeletons'"):
        read_features(foreign)
    with pytest.raises(FileNotFoundError, match="no such features file"):
        read_features(tmp_path / "absent.h5")


def test_another_version_is_refused(tmp_path):
    path = tmp_path / "features.h5"
    write_features(path, feature_set())
    with h5py.File(path, "a") as file:
        file.attrs["version"] = 99
    with pytest.raises(InputError, match="found 99"):
        read_features(path)


def test_300_damaged_files_are_refused_or_hold_the_same(tmp_path):
    path = tmp_path / "features.h5"
    write_features(path, feature_set())
    whole, data = read_features(path), path.read_bytes()
    rng, refused = np.random.default_rng(0), 0
    for place in rng.integers(0, len(data), 300):
        kind, size = rng.integers(4), int(rng.choice([1, 8, 200]))
        flipped = bytes([data[place] ^ 1 << int(rng.integers(8))])
        mutant = [
            data[:place] + flipped + data[place + 1 :],
            data[:place] + data[place + size :],
            data[:place] + rng.bytes(size) + data[place:],
            data[:place],
        ][kind]
        path.write_bytes(mutant)
        try:
            found = read_features(path)
        except InputError as error:
            assert str(path) in str(error)
            refused += 1
        else:  # the seal was hit, not what it seals
            np.testing.assert_array_equal(found.v, whole.v)
            np.testing.assert_array_equal(found.label, whole.label)
            assert found.attrs == whole.attrs
    assert refused > 270
