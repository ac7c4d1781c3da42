"""What other people's zero-shot code would load, by its own file names."""

import numpy as np
import pytest

from smie_pipe.backbones.features.store import FeatureSet, read_features, write_features
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.skeletons.store import write_skeletons
from smie_pipe.zeroshot.export import export_smie, export_synse, export_texts, smie_folder
from smie_pipe.zeroshot.import_features import import_features
from smie_pipe.zeroshot.splits import Split

NAMES = [f"class {label}" for label in range(5)]
SPLIT = Split("mine-3-2", "custom", unseen=(1, 4))


@pytest.fixture
def skeletons(tmp_path):
    """Twenty clips, four a class, of which two train."""
    x = np.random.default_rng(0).normal(size=(20, 3, 50, 25, 2)).astype(np.float32)
    label = np.arange(20) % 5
    parts = {"xsub": (np.arange(20) < 10).astype(np.int8)}
    path = tmp_path / "skeletons.h5"
    write_skeletons(path, x, {"label": label}, class_names=NAMES, protocols=parts)
    return path, x, label


def test_smies_tree(skeletons, tmp_path):
    path, x, label = skeletons
    counts = export_smie(path, tmp_path / "SMIE", SPLIT, "xsub")
    folder = tmp_path / "SMIE" / "data" / "zeroshot" / "custom" / "split_mine-3-2"
    train, unseen = np.arange(20) < 10, np.isin(label, SPLIT.unseen)
    rows = {
        "seen_train": train & ~unseen,
        "seen_test": ~train & ~unseen,
        "unseen": ~train & unseen,
    }
    assert counts == {"seen_train": 6, "seen_test": 6, "unseen_test": 4}
    assert len(list(folder.iterdir())) == 6
    for name, chosen in rows.items():
        np.testing.assert_array_equal(np.load(folder / f"{name}_data.npy"), x[chosen])
        np.testing.assert_array_equal(np.load(folder / f"{name}_label.npy"), label[chosen])


@pytest.mark.parametrize(
    "name, dataset, place",
    [
        ("ntu60-smie-2", "ntu60", "ntu60/split_2"),
        ("ntu120-smie-1", "ntu120", "ntu120/split_4"),
        ("pku51-smie-3", "pku51", "pku/split_9"),
        ("ntu60-synse-55-5", "ntu60", "ntu60/split_ntu60-synse-55-5"),
    ],
)
def test_the_papers_splits_have_the_numbers_of_their_code(tmp_path, name, dataset, place):
    folder = smie_folder(tmp_path, Split(name, dataset, unseen=(1,)))
    assert folder.relative_to(tmp_path).as_posix() == f"data/zeroshot/{place}"


def test_texts_for_smie(tmp_path):
    rows = np.arange(15, dtype=np.float32).reshape(5, 3)
    np.save(tmp_path / "mine.npy", rows)
    path = export_texts(tmp_path / "SMIE", "pku51", NAMES, str(tmp_path / "mine.npy"))
    assert path == tmp_path / "SMIE" / "data" / "language" / "pku_embeddings.npy"
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)  # as SMIE's code makes them, too
    np.testing.assert_allclose(np.load(path), unit, rtol=1e-6)


def features(**changes):
    label = np.array([0, 2, 3, 0, 2, 3, 1, 4])
    v = np.random.default_rng(1).normal(size=(8, 6)).astype(np.float32)
    given = {
        "v": v,
        "v_masked": v,
        "label": label,
        "row": np.arange(8),
        "part": np.array([0, 0, 0, 1, 1, 1, 2, 2], np.int8),
        "class_names": NAMES,
        "seen": [0, 2, 3],
        "unseen": [1, 4],
        **changes,
    }
    return FeatureSet(**given)


def test_synses_folder_comes_in_again(tmp_path):
    write_features(tmp_path / "features.h5", features())
    counts = export_synse(tmp_path / "features.h5", tmp_path / "out")
    assert counts == {"train": 3, "ztest": 2, "gtest": 5}
    folder = tmp_path / "out" / "ntu_results" / "shift_2_r"
    assert len(list(folder.iterdir())) == 6
    import_features(folder, tmp_path / "again.h5", SPLIT, NAMES)
    one, other = read_features(tmp_path / "features.h5"), read_features(tmp_path / "again.h5")
    for name in ("v", "label", "part"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_nothing_to_test_on(tmp_path):
    few = {
        name: getattr(features(), name)[:6] for name in ("v", "v_masked", "label", "row", "part")
    }
    write_features(tmp_path / "features.h5", features(**few))
    with pytest.raises(InputError, match="no clips to train on, or none of unseen classes"):
        export_synse(tmp_path / "features.h5", tmp_path / "out")
    assert not (tmp_path / "out").exists()
