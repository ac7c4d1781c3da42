"""Where other people's ready-made features lie, and how each of their layouts is read.

========  ==============================================================================
layout    files
========  ==============================================================================
folder    SynSE's and SA-DVAE's: ``train``, ``ztest``, ``gtest`` with ``train_label``,
          ``z_label``, ``g_label`` (.npy)
sota      SMIE's: ``train``, ``test`` with ``train_label``, ``test_label`` (.npy)
archive   Flora's, STAR's: one .npz with ``train_data``, ``zsl_data``, ``gzsl_data`` and
          their ``..._label``
========  ==============================================================================
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.preprocessing.foundation.npy import read_npy, read_npz
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole

Names = Mapping[str, tuple[str, str]]
FOLDER: Names = {
    "train": ("train.npy", "train_label.npy"),
    "ztest": ("ztest.npy", "z_label.npy"),
    "gtest": ("gtest.npy", "g_label.npy"),
}
SOTA: Names = {
    "train": ("train.npy", "train_label.npy"),
    "ztest": ("test.npy", "test_label.npy"),
}
ARCHIVE: Names = {
    "train": ("train_data", "train_label"),
    "ztest": ("zsl_data", "zsl_label"),
    "gtest": ("gzsl_data", "gzsl_label"),
}
NEEDED = ("train", "ztest")
Table = tuple[np.ndarray, np.ndarray]
_SHOWN = 40
_TEXTS = {"_labels.npy": "", "_verb.npy": "_verbs", "_noun.npy": "_nouns"}
"""Ends of SynSE's text files, and what `texts.embeddings` looks for."""


@dataclass(frozen=True)
class FeatureSource:
    """One set of ready-made features, made for one split."""

    name: str
    """Where it lies below what was searched, as ``--which`` takes it."""
    path: Path
    """The folder, or the archive."""
    files: Names
    """For each part the names of features and labels."""

    def read(self) -> dict[str, Table]:
        """Return features and labels by part.

        Raises
        ------
        InputError
            If a needed one is missing, or one without its partner, or no array of numbers.
        """
        have = _keys(self.path) if self.files is ARCHIVE else {p.name for p in _files(self.path)}
        there = [part for part, pair in self.files.items() if have & set(pair)]
        wanted = [part for part in self.files if part in NEEDED or part in there]
        missing = [name for part in wanted for name in self.files[part] if name not in have]
        if missing:
            every = ", ".join(name for pair in self.files.values() for name in pair)
            raise InputError(f"{self.path}: not found: {', '.join(missing)}. Expected: {every}")
        if self.files is ARCHIVE:
            keys = [key for part in there for key in self.files[part]]
            arrays = iter(read_npz(self.path, keys))
            return {part: (next(arrays), next(arrays)) for part in there}
        return {
            part: (
                read_npy(self.path / self.files[part][0]),
                read_npy(self.path / self.files[part][1]),
            )
            for part in there
        }


def find_features(source: Path, which: str | None = None) -> FeatureSource:
    """Return the features in a folder or archive, or the one of several that ``which`` names.

    Raises
    ------
    InputError
        If there are none, or several and ``which`` names none of them; the message lists them.
    """
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; expected ready-made features there")
    found = {one.name: one for one in _all_features(source)}
    if not found:
        wanted = "; or ".join(
            ", ".join(name for part in NEEDED for name in names[part])
            for names in (FOLDER, SOTA, ARCHIVE)
        )
        raise InputError(f"{source}: no ready-made features. Expected {wanted} (.npz)")
    if which is not None:
        return _chosen(found, which)
    if len(found) > 1:
        names = list(found)
        more = f"\n  ... and {len(names) - _SHOWN} more" * (len(names) > _SHOWN)
        listed = "".join(f"\n  {name}" for name in names[:_SHOWN])
        raise InputError(
            f"{source} holds {len(names)} sets of features; choose one with --which NAME:"
            f"{listed}{more}"
        )
    return next(iter(found.values()))


def _chosen(found: Mapping[str, FeatureSource], which: str) -> FeatureSource:
    """Return the set of that name, or the only one whose last part is it."""
    ends = [name for name in found if name == which or name.endswith(f"/{which}")]
    if which in found or len(ends) == 1:
        return found[which if which in found else ends[0]]
    raise unknown_choice("set of features", which, found)


def _all_features(source: Path) -> Iterator[FeatureSource]:
    if source.is_file():
        if _keys(source) >= set(ARCHIVE["train"]):
            yield FeatureSource(source.stem, source, ARCHIVE)
        return
    names = {name for names in (FOLDER, SOTA) for pair in names.values() for name in pair}
    folders = {path.parent for name in names for path in source.rglob(name)}
    for folder in sorted(folders):
        is_sota = (folder / SOTA["ztest"][0]).is_file()
        name = folder.relative_to(source).as_posix()
        yield FeatureSource(name, folder, SOTA if is_sota else FOLDER)
    for path in sorted(source.rglob("*.npz")):
        if _keys(path) >= set(ARCHIVE["train"]):
            name = path.relative_to(source).with_suffix("").as_posix()
            yield FeatureSource(name, path, ARCHIVE)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.is_file())


def _keys(path: Path) -> set[str]:
    """Return the names of the arrays in an archive; none where it is no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return set()


def take_texts(source: Path, folder: Path, dataset: str, classes: int) -> list[Path]:
    """Copy the text embeddings below ``source`` as ``--text-model`` takes them.

    Parameters
    ----------
    source
        Where to look: ``DATASET_MODEL_labels.npy`` with ``_verb.npy`` and ``_noun.npy`` (SynSE,
        SA-DVAE), and ``DATASET..._embeddings.npy`` (SMIE).
    folder
        Where to write ``DATASET_MODEL.npy``, ``..._verbs.npy``, ``..._nouns.npy``.
    dataset
        What their names begin with.
    classes
        How many rows they must have; others are left where they are.

    Returns
    -------
    list[Path]
        The sentence embeddings written, each (classes, D) float32.
    """
    if not source.is_dir():
        return []
    taken = []
    for path in sorted(source.rglob(f"{dataset}_*.npy")):
        for end, new in {**_TEXTS, "_embeddings.npy": "_embeddings"}.items():
            if path.name.endswith(end) and (rows := _rows(path, classes)) is not None:
                target = folder / f"{path.name.removesuffix(end)}{new}.npy"
                _save(target, rows)
                taken += [target] if new in ("", "_embeddings") else []
    return taken


def _rows(path: Path, classes: int) -> np.ndarray | None:
    """Return the embeddings of all classes; some files have an axis of length one more."""
    try:
        rows = read_npy(path)
    except InputError:  # words, such as the vocabulary that SynSE gives
        return None
    if rows.ndim < 2 or len(rows) != classes or not np.isfinite(rows).all():
        return None
    return rows.reshape(classes, -1).astype(np.float32)


def _save(path: Path, rows: np.ndarray) -> None:
    with replace_when_whole(path) as temporary, open(temporary, "wb") as file:
        np.save(file, rows)


def unseen_apart(tables: dict[str, Table], unseen: Sequence[int]) -> dict[str, Table]:
    """Return test clips of all classes as GZSL's, and those of unseen classes as ZSL's.

    SMIE's ``test`` holds unseen classes alone as its authors give it, and all of them as others
    make it.
    """
    v, label = tables["ztest"]
    chosen = np.isin(label, unseen)
    if "gtest" in tables or v.shape[:1] != label.shape or chosen.all():
        return tables
    return {**tables, "ztest": (v[chosen], label[chosen]), "gtest": (v, label)}
