"""The field's ready-made arrays: clips that another preprocessing has finished.

``train_position.npy`` and ``val_position.npy``, (N, 3, T, 25, 2) float32, with ``train_label`` and
``val_label`` as ``.pkl`` or ``.json`` = (names, labels). Labels count from 0.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from smie_pipe.preprocessing.body import BODIES, JOINTS
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.npy import read_npy
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
from smie_pipe.preprocessing.sources.files import RawFile

NUMBERS = {"train": 1, "val": 0}
"""Parts in file names, in the order in which they are read, and their numbers in a protocol."""
GIVEN = "given"
"""Protocol of arrays: the division that their maker chose."""


class Arrays(Layout):
    """``{train,val}_position.npy`` with labels."""

    name = "arrays"
    expects = "arrays (train_position.npy, val_position.npy)"
    patterns = (
        "train_position.npy",
        "val_position.npy",
        "train_label.pkl",
        "val_label.pkl",
        "train_label.json",
        "val_label.json",
    )
    in_workers = False

    def recordings(self, files: Files, known: Dataset | None, config: PreprocessConfig) -> Listing:
        """Return runs of clips, training clips first, and their division."""
        positions = [file for file in files.own if file.name.lower().endswith(".npy")]
        not_packed(self, positions)
        recordings: list[Recording] = []
        findings: list[Finding] = []
        given: dict[str, int] = {}
        for file in sorted(positions, key=lambda file: list(NUMBERS).index(_part(file))):
            names, labels = _read_labels(file, len(_open(file, config.frames)))
            good, faults = good_entries(file, names, labels, known, set(given))
            given.update(dict.fromkeys(names, NUMBERS[_part(file)]))
            recordings += [
                Recording(f"{file.stem}[{first}:{end}]", file, rows=(first, end))
                for first, end in runs(good)
            ]
            findings += faults
        return Listing(recordings, findings, {GIVEN: given})

    def clips(
        self, recording: Recording, known: Dataset | None, config: PreprocessConfig
    ) -> tuple[list[RawClip], list[Finding]]:
        """Return some hundreds of finished clips."""
        file = recording.file
        clips = _open(file, config.frames)
        names, labels = _read_labels(file, len(clips))
        whole, findings = [], []
        for i in range(*(recording.rows or (0, 0))):
            x = np.array(clips[i], np.float32)
            fault = _fault(x)
            if fault:
                severity = "excluded" if fault == "no body" else "damaged"
                detail = f"{file.path}: {names[i]}: {fault}"
                findings.append(Finding(names[i], file.path, 0, fault, detail, severity))
            else:
                label = labels[i] if known else None
                whole.append(RawClip(names[i], x, label, facts=facts_of_name(names[i])))
        return whole, findings


def _part(file: RawFile) -> str:
    return file.name.lower().partition("_")[0]


def _open(file: RawFile, frames: int) -> np.ndarray:
    expected = f"an array (N, 3, {frames}, {len(JOINTS)}, {BODIES})"
    clips = read_npy(file.path, in_place=True)
    found = f"{clips.shape} {clips.dtype}"
    if clips.ndim == 5 and clips.shape[1:] == (3, clips.shape[2], len(JOINTS), BODIES):
        if clips.shape[2] != frames:
            raise InputError(
                f"{file.path}: expected {expected}, found {clips.shape[2]} frames; these clips "
                f"are finished, so give --frames {clips.shape[2]}"
            )
        if clips.dtype.kind == "f":
            return clips
    raise InputError(f"{file.path}: expected {expected}, found {found}")


@lru_cache(maxsize=4)
def _read_labels(positions: RawFile, count: int) -> tuple[list[str], list[int]]:
    """Return names and labels of an array: from .pkl, or from the .json that `export` writes."""
    stem = Path(positions.path.removesuffix("position.npy") + "label")
    for suffix in (".pkl", ".json"):
        path = stem.with_suffix(suffix)
        if path.is_file():
            content = plain_pickle(path) if suffix == ".pkl" else _json(path)
            return _names_and_labels(content, count, path)
    raise InputError(f"{stem}.pkl: no such file; expected (names, labels) of {positions.path}")


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
