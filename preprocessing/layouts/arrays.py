"""The field's arrays: many clips in one file, finished by another preprocessing or raw.

======================================  ===================  ==========================
file                                    shape                labels
======================================  ===================  ==========================
``{train,val}_position.npy``            (N, 3, T, 25, 2)     ``{train,val}_label``
``{train,val}_data[_joint].npy``        (N, 3, 300, 25, 2)   ``{train,val}_label``
``NAME.npz`` with x_train and x_test    (N, 300, 150)        y_train, y_test, one-hot
======================================  ===================  ==========================

The first are finished clips (AimCLR's, SMIE's and our own export), the others raw joints that go
through the recipe (ST-GCN's, 2s-AGCN's and CTR-GCN's). Labels count from 0; a label file is
``.pkl`` or ``.json`` with (names, labels), or ``.npy`` with labels alone. Clips without names are
called ``train_000000``.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from smie_pipe.preprocessing.body import BODIES, JOINTS
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.npy import read_npy, read_npz
from smie_pipe.preprocessing.layouts.base import (
    Files,
    Layout,
    Listing,
    RawClip,
    Recording,
    good_entries,
    not_packed,
    runs,
)
from smie_pipe.preprocessing.layouts.ntu import facts_of_name
from smie_pipe.preprocessing.raw.pickles import plain_pickle
from smie_pipe.preprocessing.raw.records import RawBodies, bodies_of_array
from smie_pipe.preprocessing.sources.files import RawFile

NUMBERS = {"train": 1, "val": 0}
"""Parts in file names, in the order in which they are read, and their numbers in a protocol."""
GIVEN = "given"
"""Protocol of arrays: the division that their maker chose."""
_FINISHED, _RAW = ("_position.npy",), ("_data.npy", "_data_joint.npy")
_LABELS = ("_label.pkl", "_label.json", "_label.npy")
_NPZ_KEYS = {"train": ("x_train", "y_train"), "val": ("x_test", "y_test")}


@dataclass(frozen=True, eq=False)
class _Table:
    """The clips of one part of a file, on disk where that can be, with names and labels."""

    clips: np.ndarray
    """(N, 3, T, V, M) finished, (N, 3, T, V, M) raw or (N, T, M V C) raw."""
    names: list[str]
    labels: list[int]


class Arrays(Layout):
    """``{train,val}_position.npy``, ``{train,val}_data.npy`` and ``.npz``, with labels."""

    name = "arrays"
    expects = "arrays (train_position.npy, val_position.npy; train_data_joint.npy; NTU60_CS.npz)"
    patterns = (
        *(f"{part}{end}" for part in NUMBERS for end in (*_FINISHED, *_RAW, *_LABELS)),
        "*.npz",
    )
    in_workers = False

    def recognises(self, file: RawFile) -> bool:
        """Return whether a file is named so, and holds what is looked for in an archive."""
        is_archive = file.name.lower().endswith(".npz")
        return self.may_read(file.name) and (not is_archive or bool(_parts_inside(file)))

    def recordings(self, files: Files, known: Dataset | None, config: PreprocessConfig) -> Listing:
        """Return runs of clips, training clips first, and their division."""
        not_packed(self, files.own)
        recordings: list[Recording] = []
        findings: list[Finding] = []
        given: dict[str, int] = {}
        tables = [(part, file) for file in files.own for part in _parts(file)]
        for part, file in sorted(tables, key=lambda pair: list(NUMBERS).index(pair[0])):
            table = _read(file, part, config.frames)
            good, faults = good_entries(file, table.names, table.labels, known, set(given))
            given.update(dict.fromkeys(table.names, NUMBERS[part]))
            recordings += [
                Recording(f"{part}[{first}:{end}]", file, rows=(first, end))
                for first, end in runs(good)
            ]
            findings += faults
        return Listing(recordings, findings, {GIVEN: given})

    def clips(
        self, recording: Recording, known: Dataset | None, config: PreprocessConfig
    ) -> tuple[list[RawClip], list[Finding]]:
        """Return some hundreds of clips."""
        file, part = recording.file, recording.name.partition("[")[0]
        table = _read(file, part, config.frames)
        whole, findings = [], []
        for i in range(*(recording.rows or (0, 0))):
            name, clip = table.names[i], np.array(table.clips[i], np.float32)
            fault = _fault(clip)
            if fault:
                severity = "excluded" if fault == "no body" else "damaged"
                detail = f"{file.path}: {name}: {fault}"
                findings.append(Finding(name, file.path, 0, fault, detail, severity))
                continue
            bodies = clip if _is_finished(file) else _raw(clip, f"{file.path}: {name}")
            label = table.labels[i] if known else None
            whole.append(RawClip(name, bodies, label, facts=facts_of_name(name)))
        return whole, findings


def _is_finished(file: RawFile) -> bool:
    return file.name.lower().endswith(_FINISHED)


def _parts(file: RawFile) -> list[str]:
    """Return which parts a file holds clips of; none for a label file."""
    name = file.name.lower()
    if name.endswith(".npz"):
        return _parts_inside(file)
    return [name.partition("_")[0]] if name.endswith((*_FINISHED, *_RAW)) else []


@lru_cache(maxsize=64)
def _parts_inside(file: RawFile) -> list[str]:
    """Return which parts an archive of arrays holds."""
    if file.offset >= 0:
        return []
    try:
        with zipfile.ZipFile(file.path) as archive:
            there = {name.removesuffix(".npy") for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []
    return [part for part, keys in _NPZ_KEYS.items() if there >= set(keys)]


@lru_cache(maxsize=1)
def _read(file: RawFile, part: str, frames: int) -> _Table:
    if file.name.lower().endswith(".npz"):
        return _from_archive(file, part)
    clips = read_npy(file.path, in_place=True)
    _check_shape(file, clips, frames if _is_finished(file) else None)
    return _Table(clips, *_read_labels(file, part, len(clips)))


def _from_archive(file: RawFile, part: str) -> _Table:
    """Return CTR-GCN's layout: (N, T, 150), two bodies of 25 joints a frame; one-hot labels."""
    x, y = read_npz(file.path, _NPZ_KEYS[part])
    width = BODIES * len(JOINTS) * 3
    if x.ndim != 3 or x.shape[2] != width or x.dtype.kind != "f":
        raise InputError(
            f"{file.path}: {_NPZ_KEYS[part][0]}: expected (N, frames, {width}), found {x.shape} "
            f"{x.dtype}"
        )
    one_hot = y.ndim == 2 and len(y) == len(x) and bool((np.count_nonzero(y, axis=1) == 1).all())
    if not one_hot and y.shape != (len(x),):
        raise InputError(
            f"{file.path}: {_NPZ_KEYS[part][1]}: expected ({len(x)}, classes), one 1 a row, or "
            f"({len(x)},), found {y.shape}"
        )
    labels = (np.argmax(y, axis=1) if one_hot else y).astype(np.int64)
    return _Table(x, _made_up(part, len(x)), labels.tolist())


def _check_shape(file: RawFile, clips: np.ndarray, frames: int | None) -> None:
    expected = f"an array (N, 3, {frames or 'frames'}, {len(JOINTS)}, {BODIES})"
    if clips.ndim == 5 and clips.shape[1:] == (3, clips.shape[2], len(JOINTS), BODIES):
        if frames is not None and clips.shape[2] != frames:
            raise InputError(
                f"{file.path}: expected {expected}, found {clips.shape[2]} frames; these clips "
                f"are finished, so give --frames {clips.shape[2]}"
            )
        if clips.dtype.kind == "f":
            return
    raise InputError(f"{file.path}: expected {expected}, found {clips.shape} {clips.dtype}")


def _read_labels(positions: RawFile, part: str, count: int) -> tuple[list[str], list[int]]:
    """Return names and labels of an array, from whichever label file lies beside it."""
    paths = [Path(positions.path).with_name(f"{part}{end}") for end in _LABELS]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise InputError(
            f"{paths[0]}: no such file; expected (names, labels) of {positions.path} there, or in "
            f"{paths[1].name} or {paths[2].name}"
        )
    if path.suffix == ".npy":
        return _made_up(part, count), _label_array(path, count)
    content = plain_pickle(path) if path.suffix == ".pkl" else _json(path)
    return _names_and_labels(content, count, path)


def _made_up(part: str, count: int) -> list[str]:
    return [f"{part}_{i:06d}" for i in range(count)]


def _label_array(path: Path, count: int) -> list[int]:
    labels = read_npy(path)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise InputError(
            f"{path}: expected {count} whole numbers from 0, as the array beside it has clips; "
            f"found {labels.shape} {labels.dtype}"
        )
    return labels.tolist()


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, found none ({error})") from None


def _names_and_labels(content: Any, count: int, path: Path) -> tuple[list[str], list[int]]:
    pair = isinstance(content, (list, tuple)) and len(content) == 2
    if pair and all(isinstance(part, (list, tuple)) and len(part) == count for part in content):
        names, labels = content
        if all(type(label) is int for label in labels):
            return [str(name).removesuffix(".skeleton") for name in names], list(labels)
    raise InputError(
        f"{path}: expected (names, labels), two lists of {count} names and whole numbers from 0 "
        f"as the array beside it has clips; found something else"
    )


def _fault(clip: np.ndarray) -> str:
    if not np.isfinite(clip).all():
        return "coordinates that are no numbers"
    return "" if clip.any() else "no body"


def _raw(clip: np.ndarray, path: str) -> RawBodies:
    """Return raw joints (3, T, V, M) or (T, M V C) as body records, without frames of padding.

    CTR-GCN's files for NTU RGB+D 120 repeat a single body as the second one; it is taken once.
    """
    if clip.ndim == 2:
        joints = clip.reshape(len(clip), BODIES, len(JOINTS), 3).transpose(1, 0, 2, 3)
    else:
        joints = clip.transpose(3, 1, 2, 0)  # (C, T, V, M) -> (M, T, V, C)
    if np.array_equal(joints[0], joints[1]):
        joints = joints[:1]
    last = int(np.flatnonzero(joints.any(axis=(0, 2, 3)))[-1])
    return bodies_of_array(joints[:, : last + 1], path)
