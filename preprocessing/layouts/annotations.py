"""Pickles of annotations: raw joints of many clips in one file, which go through the recipe.

``{"split": {"xsub_train": [names], ...}, "annotations": [{"frame_dir": name, "label": ...,
"keypoint": (M, T, V, C)}, ...]}``. Labels count from 0. Nothing in the pickle is run.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
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
from smie_pipe.preprocessing.raw.pickles import array_pickle
from smie_pipe.preprocessing.raw.records import bodies_of_array
from smie_pipe.preprocessing.sources.files import RawFile

_SUFFIXES = {"_train": 1, "_val": 0, "_test": 0}


class Annotations(Layout):
    """``NAME.pkl`` with ``split`` and ``annotations``."""

    name = "pyskl"
    expects = "a pickle of annotations (.pkl)"
    patterns = ("*.pkl", "*.pickle")
    in_workers = False

    def recordings(self, files: Files, known: Dataset | None, config: PreprocessConfig) -> Listing:
        """Return runs of annotations, and the divisions that the files give."""
        not_packed(self, files.own)
        recordings: list[Recording] = []
        findings: list[Finding] = []
        splits: dict[str, dict[str, int]] = {}
        seen: set[str] = set()
        for file in files.own:
            given, annotations = _read(file)
            for protocol, parts in given.items():
                splits.setdefault(protocol, {}).update(parts)
            names = [_name(one) for one in annotations]
            labels = [one.get("label") if isinstance(one, dict) else None for one in annotations]
            good, faults = good_entries(file, names, labels, known, seen)
            seen.update(names)
            findings += faults
            recordings += [
                Recording(f"{file.stem}[{first}:{end}]", file, rows=(first, end))
                for first, end in runs(good)
            ]
        return Listing(recordings, findings, splits)

    def clips(
        self, recording: Recording, known: Dataset | None, config: PreprocessConfig
    ) -> tuple[list[RawClip], list[Finding]]:
        """Return some hundreds of clips."""
        file = recording.file
        _, annotations = _read(file)
        clips, findings = [], []
        for one in annotations[slice(*(recording.rows or (0, 0)))]:
            name, fault = _name(one), _fault(one)
            if fault:
                detail = f"{file.path}: annotation {name!r}: {fault}"
                findings.append(Finding(name, file.path, 0, fault, detail))
                continue
            raw = bodies_of_array(one["keypoint"], f"{file.path}: {name}")
            label = int(one["label"]) if known else None
            clips.append(RawClip(name, raw, label, facts=facts_of_name(name)))
        return clips, findings


@lru_cache(maxsize=1)
def _read(file: RawFile) -> tuple[dict[str, dict[str, int]], list[Any]]:
    """Return the divisions and the annotations of a file."""
    content = array_pickle(Path(file.path))
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list):
        raise InputError(
            f"{file.path}: expected {{'split': {{...}}, 'annotations': [...]}}, found "
            f"{sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__}"
        )
    _refuse_other_bodies(file, annotations)
    splits: dict[str, dict[str, int]] = {}
    split = content.get("split")
    for key, names in split.items() if isinstance(split, dict) else ():
        for suffix, part in _SUFFIXES.items():
            if str(key).endswith(suffix) and isinstance(names, (list, tuple)):
                parts = splits.setdefault(str(key).removesuffix(suffix), {})
                parts.update(dict.fromkeys(map(str, names), part))
    return splits, annotations


def _refuse_other_bodies(file: RawFile, annotations: list[Any]) -> None:
    """Refuse a file that has no body of 25 joints in space at all, and say what it has."""
    joints = [one.get("keypoint") for one in annotations if isinstance(one, dict)]
    shapes = {one.shape[2:] for one in joints if isinstance(one, np.ndarray) and one.ndim == 4}
    if not shapes or (len(JOINTS), 3) in shapes:
        return
    count, axes = sorted(shapes)[0]
    coco = " (COCO-17 in pixels, as pose networks such as HRNet find it in videos)"
    raise InputError(
        f"{file.path}: expected bodies of {len(JOINTS)} joints in 3 coordinates (Kinect v2), "
        f"found {count} joints in {axes}{coco * (shapes == {(17, 2)})}; what would work is "
        f"the file of the same clips with 3D skeletons, such as ntu60_3danno.pkl, or raw files"
    )


def _name(annotation: Any) -> str:
    return str(annotation.get("frame_dir", "")) if isinstance(annotation, dict) else ""


def _fault(annotation: dict[str, Any]) -> str:
    joints = annotation.get("keypoint")
    shape = joints.shape if isinstance(joints, np.ndarray) else ()
    if len(shape) != 4 or shape[2:] != (len(JOINTS), 3):
        return "keypoint that is not bodies x frames x 25 joints x 3 coordinates"
    return ""
