"""SynSE's ready-made features: the same clips come out, and no wrong array gets in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.backbones.features.store import read_features
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.import_features import import_features
from smie_pipe.zeroshot.splits import Split

NAMES = [f"class {label}" for label in range(5)]
SPLIT = Split("mine-3-2", "custom", unseen=(1, 4))
WIDTH = 6


def table(labels, seed):
    labels = np.array(labels)
    v = np.random.default_rng(seed).normal(size=(len(labels), WIDTH))
    return v.astype(np.float32), labels


def arrays():
    """Two training clips a seen class; one test clip of each class, ``gtest`` in mixed order."""
    train, unseen = table([0, 0, 2, 2, 3, 3], 0), table([1, 4], 1)
    seen = table([3, 0, 2], 2)
    every = np.concatenate([seen[0], unseen[0]]), np.concatenate([seen[1], unseen[1]])
    order = [4, 0, 3, 1, 2]
    return {
        "train": train[0],
        "train_label": train[1],
        "ztest": unseen[0],
        "z_label": unseen[1],
        "gtest": every[0][order],
        "g_label": every[1][order],
    }


def save(folder, given):
    for name, array in given.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def imported(folder, split=SPLIT):
    report = import_features(folder, folder / "features.h5", split, NAMES)
    return report, read_features(folder / "features.h5")


def test_every_clip_comes_to_its_part(tmp_path, caplog):
    given = arrays()
    report, found = imported(save(tmp_path, given))
    assert found.counts() == {"seen_train": 6, "seen_test": 3, "unseen_test": 2}
    assert (report.seen_train, report.seen_test, report.unseen_test) == (6, 3, 2)
    np.testing.assert_array_equal(found.take("seen_train").v, given["train"])
    np.testing.assert_array_equal(found.take("seen_train").label, given["train_label"])
    np.testing.assert_array_equal(found.take("unseen_test").v, given["ztest"])
    np.testing.assert_array_equal(found.take("seen_test").label, [3, 0, 2])
    np.testing.assert_array_equal(found.take("seen_test").v, given["gtest"][[1, 3, 4]])
    assert not caplog.records


def test_what_is_known_of_them_is_kept(tmp_path):
    report, found = imported(save(tmp_path, arrays()))
    assert (found.class_names, found.seen, found.unseen) == (NAMES, [0, 2, 3], [1, 4])
    expected = {
        "dataset": "custom",
        "split": "mine-3-2",
        "backbone": "shift-gcn",
        "protocol": "xsub",
        "masked": False,
    }
    assert expected.items() <= found.attrs.items()
    assert "without its temporal constraint" in str(report)


def test_whole_labels_may_be_floats_and_features_float64(tmp_path):
    given = {name: array.astype(np.float64) for name, array in arrays().items()}
    _, found = imported(save(tmp_path, given))
    assert found.v.dtype == np.float32 and found.label.dtype == np.int64


def test_text_embeddings_beside_are_told(tmp_path):
    save(tmp_path, {**arrays(), "ntu60_embeddings": np.ones((5, 3))})
    report, _ = imported(tmp_path)
    assert report.texts == ("ntu60_embeddings.npy",)
    assert "ntu60_embeddings.npy" in str(report)


@given(st.lists(st.sampled_from([0, 2, 3]), max_size=9), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_no_clip_is_lost_or_moved(tmp_path_factory, more, seed):
    given = arrays()
    v, label = table(more, seed) if more else (np.empty((0, WIDTH), np.float32), np.array(more))
    given["train"] = np.concatenate([given["train"], v])
    given["train_label"] = np.concatenate([given["train_label"], label]).astype(int)
    _, found = imported(save(tmp_path_factory.mktemp("synse"), given))
    np.testing.assert_array_equal(found.take("seen_train").v, given["train"])
    np.testing.assert_array_equal(found.take("seen_train").label, given["train_label"])


def test_without_gtest_there_are_no_seen_test_clips(tmp_path, caplog):
    given = arrays()
    del given["gtest"], given["g_label"]
    report, found = imported(save(tmp_path, given))
    assert report.seen_test == 0 and found.counts()["unseen_test"] == 2
    assert "no GZSL" in caplog.text


def test_unseen_clips_that_differ_are_told(tmp_path, caplog):
    given = arrays()
    given["gtest"][0] += 1
    imported(save(tmp_path, given))
    assert "the 2 unseen clips of gtest.npy are not the 2 of ztest.npy" in caplog.text


def relabel(name, old, new):
    def change(given):
        given[name][given[name] == old] = new

    return change


def replace(name, array):
    return lambda given: given.update({name: np.array(array)})


def remove(*names):
    def change(given):
        for name in names:
            del given[name]

    return change


def count_from_one(given):
    given["train_label"] += 1


def positions(given):
    given["train_label"] = np.searchsorted([0, 2, 3], given["train_label"])


def not_finite(given):
    given["ztest"][1, 2] = np.nan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (remove("train", "z_label"), "not found: train.npy, z_label.npy. Expected SynSE's"),
        (remove("g_label"), "not found: g_label.npy"),
        (relabel("train_label", 2, 1), "train_label.npy holds labels [1], which are not seen"),
        (relabel("train_label", 2, 3), "train.npy has no clip of seen classes [2]"),
        (relabel("z_label", 4, 3), "z_label.npy holds labels [3], which are not unseen"),
        (relabel("z_label", 4, 1), "ztest.npy has no clip of unseen classes [4]"),
        (relabel("g_label", 3, 5), "g_label.npy holds labels [5], which are not known"),
        (relabel("g_label", 3, -1), "g_label.npy holds labels [-1]"),
        (count_from_one, "they seem to count from 1"),
        (positions, "they seem to be places in a list of such classes"),
        (replace("ztest", np.ones((2, 3))), "features have different widths"),
        (replace("ztest", np.ones((3, WIDTH))), "z_label.npy has shape (2,), expected (3,)"),
        (replace("ztest", np.ones(2)), "ztest.npy has shape (2,), expected (clips, width)"),
        (replace("z_label", [1.5, 4]), "z_label.npy holds numbers that are not whole"),
        (replace("ztest", [["a"], ["b"]]), "ztest.npy: expected a .npy array of numbers"),
        (replace("z_label", [{}, {}]), "z_label.npy: expected a .npy array of numbers"),
        (not_finite, "ztest.npy has 1 rows that are not finite"),
    ],
)
def test_wrong_arrays_get_one_message(tmp_path, change, message):
    given = arrays()
    change(given)
    with pytest.raises(InputError) as error:
        imported(save(tmp_path, given))
    assert message in str(error.value) and str(tmp_path) in str(error.value)
    assert not (tmp_path / "features.h5").exists()


def test_all_faults_come_together(tmp_path):
    given = arrays()
    relabel("train_label", 2, 1)(given)
    relabel("z_label", 4, 3)(given)
    with pytest.raises(InputError, match=r"train_label\.npy.*z_label\.npy"):
        imported(save(tmp_path, given))


def test_features_of_another_split(tmp_path):
    with pytest.raises(InputError, match="not seen in split other"):
        imported(save(tmp_path, arrays()), Split("other", "custom", unseen=(0, 4)))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        imported(tmp_path / "nowhere")


def test_text_array_cut_short(tmp_path):
    save(tmp_path, arrays())
    (tmp_path / "train.npy").write_bytes(b"")
    with pytest.raises(InputError, match=r"train\.npy: expected a \.npy array"):
        imported(tmp_path)
