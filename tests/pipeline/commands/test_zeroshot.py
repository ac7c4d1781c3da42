"""``zeroshot``: which splits of a run folder a name stands for."""

import hashlib

import h5py
import numpy as np
import pytest

from smie_pipe.backbones.features.store import FeatureSet, write_features
from smie_pipe.commands import extract
from smie_pipe.commands.zeroshot import _open_features, split_names
from smie_pipe.preprocessing.datasets import dataset
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.skeletons.store import write_skeletons
from smie_pipe.run_folder import RunFolder
from smie_pipe.zeroshot.splits import resolve

NAMES = dataset("ntu60").class_names


@pytest.fixture
def run(tmp_path):
    """A run folder with features of the paper's three folds and of two splits of the user's."""
    for spec in ("ntu60-smie", "unseen:3,5"):
        for split in resolve(spec, "ntu60", NAMES):
            _write(tmp_path, split.name, list(split.unseen))
    _write(tmp_path, "mine-1", [4, 5])
    return RunFolder(tmp_path)


def _write(folder, name, unseen):
    label = np.arange(len(NAMES))
    v = np.random.default_rng(0).normal(size=(len(NAMES), 4)).astype(np.float32)
    features = FeatureSet(
        v=v,
        v_masked=v,
        label=label,
        row=label,
        part=np.where(np.isin(label, unseen), 2, 0).astype(np.int8),
        class_names=list(NAMES),
        seen=[k for k in label.tolist() if k not in unseen],
        unseen=unseen,
        attrs={"dataset": "ntu60", "split": name},
    )
    write_features(folder / name / "features.h5", features)


FOLDS = ["ntu60-smie-1", "ntu60-smie-2", "ntu60-smie-3"]


@pytest.mark.parametrize(
    "asked, meant",
    [
        (["ntu60-smie"], FOLDS),
        (["ntu60-smie-2"], ["ntu60-smie-2"]),
        (["ntu60-smie-2", "ntu60-smie"], ["ntu60-smie-2", "ntu60-smie-1", "ntu60-smie-3"]),
        (["unseen:5,3"], ["unseen-3-5"]),
        (["mine"], ["mine-1"]),
        (["ntu60-synse-55-5"], ["ntu60-synse-55-5"]),  # not there: for the caller to say
        (["nonsense"], ["nonsense"]),
        ([], []),
    ],
)
def test_a_name_of_a_group_is_all_its_splits(run, asked, meant):
    assert split_names(run, asked) == meant


def test_extract_takes_the_same_names(tmp_path):
    run = RunFolder(tmp_path)
    label = {"label": np.arange(len(NAMES))}
    clips = np.zeros((len(NAMES), 3, 50, 25, 2), np.float32)
    write_skeletons(run.skeletons, clips, label, class_names=NAMES, dataset="ntu60")
    for name in FOLDS:
        run.backbone(name).parent.mkdir()
        run.backbone(name).touch()
    assert extract.split_names(run, ["ntu60-smie"]) == FOLDS
    assert extract.split_names(run, ["nonsense"]) == ["nonsense"]


def test_features_of_an_older_backbone_are_refused(run):
    backbone = run.backbone("mine-1")
    backbone.write_bytes(b"trained first")
    digest = hashlib.sha256(b"trained first").hexdigest()
    with h5py.File(run.features("mine-1"), "a") as file:
        file.attrs["backbone_digest"] = digest
    _open_features(run, ["mine-1"])
    backbone.write_bytes(b"trained again")
    with pytest.raises(InputError, match="another backbone.*run extract --split mine-1"):
        _open_features(run, ["mine-1"])


def test_an_empty_run_folder_is_for_the_caller_to_complain_of(tmp_path):
    assert split_names(RunFolder(tmp_path), ["ntu60-smie"]) == ["ntu60-smie"]
