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


def test_text_embeddings_are_taken_with_them(tmp_path):
    """SynSE's three files by the names that --text-model wants, and SMIE's sentences."""
    texts = {
        "custom_bert_labels": np.ones((5, 1, 3)),
        "custom_bert_verb": np.full((5, 3), 2.0),
        "custom_bert_noun": np.full((5, 3), 3.0),
        "custom_embeddings": np.full((5, 4), 4.0),
        "custom_words_labels": np.array(["a"] * 5),
        "ntu120_bert_labels": np.ones((120, 3)),
    }
    (tmp_path / "top" / "feats").mkdir(parents=True)
    (tmp_path / "top" / "text_feats").mkdir()
    save(tmp_path / "top" / "feats", arrays())
    save(tmp_path / "top" / "text_feats", texts)
    report = import_features(tmp_path / "top", tmp_path / "out" / "features.h5", SPLIT, NAMES)
    folder = tmp_path / "out" / "texts"
    assert report.texts == tuple(
        str(folder / name) for name in ("custom_bert.npy", "custom_embeddings.npy")
    )
    assert str(folder / "custom_bert.npy") in str(report)
    read = {path.name: np.load(path) for path in folder.iterdir()}
    assert {name: (a.shape, a.flat[0]) for name, a in read.items()} == {
        "custom_bert.npy": ((5, 3), 1),
        "custom_bert_verbs.npy": ((5, 3), 2),
        "custom_bert_nouns.npy": ((5, 3), 3),
        "custom_embeddings.npy": ((5, 4), 4),
    }


def test_several_sets_are_told_apart(tmp_path):
    """As in synse_resources/ntu_results and resources/sk_feats."""
    for name in ("ntu_results/shift_5_r", "ntu_results/shift_12_r", "old/shift_12_r"):
        (tmp_path / name).mkdir(parents=True)
        save(tmp_path / name, arrays())
    np.savez(tmp_path / "flora.npz", train_data=np.zeros(1))
    with pytest.raises(InputError, match=r"(?s)3 sets of features.*--which.*\n  ntu_results/shi"):
        imported(tmp_path)
    for which in ("shift_5_r", "ntu_results/shift_12_r"):
        report = import_features(tmp_path, tmp_path / "f.h5", SPLIT, NAMES, which=which)
        assert report.seen_train == 6
    for which in ("shift_12_r", "shift_5"):  # one of two, and none
        with pytest.raises(InputError, match="unknown set of features .*old/shift_12_r"):
            import_features(tmp_path, tmp_path / "f.h5", SPLIT, NAMES, which=which)


def same(one, other):
    np.testing.assert_array_equal(one.v, other.v)
    np.testing.assert_array_equal(one.label, other.label)
    np.testing.assert_array_equal(one.part, other.part)


@pytest.mark.parametrize("place", ["a.npz", ""])
def test_archives_hold_the_same(tmp_path, place):
    """Flora's and STAR's single files, given themselves or by their folder."""
    given = arrays()
    keys = {"train": "train", "zsl": "ztest", "gzsl": "gtest"}
    labels = {"train": "train_label", "zsl": "z_label", "gzsl": "g_label"}
    (tmp_path / "npz").mkdir()
    (tmp_path / "npy").mkdir()
    np.savez(
        tmp_path / "npz" / "a.npz",
        **{f"{new}_data": given[old] for new, old in keys.items()},
        **{f"{new}_label": given[old] for new, old in labels.items()},
    )
    _, expected = imported(save(tmp_path / "npy", given))
    import_features(tmp_path / "npz" / place, tmp_path / "f.h5", SPLIT, NAMES)
    found = read_features(tmp_path / "f.h5")
    same(found, expected)
    assert found.attrs["source_digest"] == expected.attrs["source_digest"]


@pytest.mark.parametrize("whole", [False, True])
def test_smies_folder_has_one_test(tmp_path, whole, caplog):
    """Of unseen classes alone as its authors give it; of all, in other hands."""
    given = arrays()
    v, label = ("gtest", "g_label") if whole else ("ztest", "z_label")
    names = {"train": "train", "train_label": "train_label", "test": v, "test_label": label}
    _, found = imported(save(tmp_path, {new: given[old] for new, old in names.items()}))
    assert found.counts() == {"seen_train": 6, "seen_test": 3 * whole, "unseen_test": 2}
    assert ("no GZSL" in caplog.text) is not whole
    assert sorted(found.take("unseen_test").label) == [1, 4]


def test_nothing_to_import(tmp_path):
    (tmp_path / "notes.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"no ready-made features. Expected train.npy, train_lab"):
        imported(tmp_path)


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
        (remove("train", "z_label"), "not found: train.npy, z_label.npy. Expected: train.npy"),
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
    with pytest.raises(InputError, match="no such file or folder"):
        imported(tmp_path / "nowhere")


def test_text_array_cut_short(tmp_path):
    save(tmp_path, arrays())
    (tmp_path / "train.npy").write_bytes(b"")
    with pytest.raises(InputError, match=r"train\.npy: expected a \.npy array"):
        imported(tmp_path)
