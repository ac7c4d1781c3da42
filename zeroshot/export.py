"""Clips and features in the folders that other people's zero-shot code reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from smie_pipe.backbones.features.store import read_features
from smie_pipe.backbones.subsets import choose_parts
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.preprocessing.skeletons.export import save_clips
from smie_pipe.preprocessing.skeletons.store import SkeletonFile
from smie_pipe.zeroshot.splits import Split

_SMIE_PARTS = {"seen_train": "seen_train", "seen_test": "seen_test", "unseen_test": "unseen"}
_SMIE_DATASETS = {"pku51": "pku"}
_SMIE_FIRST = {"ntu60-smie": 1, "ntu120-smie": 4, "pku51-smie": 7}
"""Number of the first split of each group in SMIE's code, which counts through all three."""


def export_smie(skeletons: Path, output: Path, split: Split, protocol: str) -> dict[str, int]:
    """Write the clips of a split as SMIE's public code loads them.

    Parameters
    ----------
    skeletons
        A ``skeletons.h5`` of 50-frame clips.
    output
        The checkout of that code, or any folder: files go to
        ``data/zeroshot/DATASET/split_K/`` in it, ``{seen_train,seen_test,unseen}_data.npy``
        (n, 3, T, 25, 2) float32 and ``..._label.npy`` (n,) int64. K is the number that the code
        has for the paper's splits, else the split's name.
    split
        Which classes are unseen.
    protocol
        Which clips train; unseen classes are tested on the others.

    Returns
    -------
    dict[str, int]
        Number of clips of each part.

    Raises
    ------
    InputError
        If a part has no clips, or the file has no such protocol.
    """
    with SkeletonFile(skeletons) as file:
        seen = split.seen(len(file.class_names))
        chosen = choose_parts(skeletons, seen, protocol, split.unseen)
        folder = smie_folder(output, split)
        _refuse_empty({part: len(rows) for part, rows in chosen.rows.items()}, split, protocol)
        for part, name in _SMIE_PARTS.items():
            rows = chosen.rows[part]
            save_clips(file, folder / f"{name}_data.npy", rows, what=f"export {name}")
            _save(folder / f"{name}_label.npy", file.label[rows])
    return {part: len(chosen.rows[part]) for part in _SMIE_PARTS}


def smie_folder(output: Path, split: Split) -> Path:
    """Return where SMIE's code looks for the clips of a split."""
    number = re.search(r"-([0-9]+)$", split.name)
    first = _SMIE_FIRST.get(split.name[: number.start()] if number else "")
    place = str(first + int(number[1]) - 1) if number and first else split.name
    dataset = _SMIE_DATASETS.get(split.dataset, split.dataset)
    return output / "data" / "zeroshot" / dataset / f"split_{place}"


def export_synse(features: Path, output: Path) -> dict[str, int]:
    """Write a ``features.h5`` as SynSE's public code loads features.

    Parameters
    ----------
    features
        A features file, whose split is the one exported.
    output
        Any folder: files go to ``ntu_results/shift_K_r/`` in it, K the number of unseen classes;
        ``train`` (seen classes), ``ztest`` (unseen) and ``gtest`` (all, test clips), (n, D)
        float32, with ``train_label``, ``z_label`` and ``g_label``, (n,) int64 from 0.

    Returns
    -------
    dict[str, int]
        Number of clips of each part.

    Raises
    ------
    InputError
        If the file is none, or has no test clips.
    """
    found = read_features(features)
    train, seen, unseen = (found.take(part) for part in found.counts())
    if not len(train) or not len(unseen):
        raise InputError(f"{features}: no clips to train on, or none of unseen classes to test")
    folder = synse_folder(output, len(found.unseen))
    both = np.concatenate([seen.v, unseen.v]), np.concatenate([seen.label, unseen.label])
    tables = {
        ("train", "train_label"): (train.v, train.label),
        ("ztest", "z_label"): (unseen.v, unseen.label),
        ("gtest", "g_label"): both,
    }
    for names, arrays in tables.items():
        for name, array in zip(names, arrays, strict=True):
            _save(folder / f"{name}.npy", array)
    return {names[0]: len(arrays[1]) for names, arrays in tables.items()}


def synse_folder(output: Path, unseen: int) -> Path:
    """Return where SynSE's code keeps the features of a split."""
    return output / "ntu_results" / f"shift_{unseen}_r"


def export_texts(output: Path, dataset: str, class_names: Sequence[str], model: str) -> Path:
    """Write the embeddings of all class names (K, D), of length 1, where SMIE's code reads them.

    Raises
    ------
    InputError
        If there is no such text model.
    """
    from smie_pipe.zeroshot.texts.embeddings import class_texts

    path = output / "data" / "language" / f"{_SMIE_DATASETS.get(dataset, dataset)}_embeddings.npy"
    _save(path, class_texts(class_names, model=model).sentence.numpy())
    return path


def _refuse_empty(counts: Mapping[str, int], split: Split, protocol: str) -> None:
    empty = [part for part, count in counts.items() if not count]
    if empty:
        raise InputError(
            f"split {split.name}, protocol {protocol}: no clips of {', '.join(empty)}"
        )


def _save(path: Path, array: np.ndarray) -> None:
    with replace_when_whole(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array)
