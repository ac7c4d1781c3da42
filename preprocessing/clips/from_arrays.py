"""The field's own files: ready-made arrays and pickles in, arrays for other people's code out.

Arrays: ``train_position.npy`` and ``val_position.npy``, (N, 3, T, 25, 2) float32, finished clips,
with ``train_label.pkl`` and ``val_label.pkl`` = (names, labels). Pickles of annotations: raw
joints that go through the recipe, ``{"split": {"xsub_train": [names], ...}, "annotations":
[{"frame_dir": name, "label": ..., "keypoint": (M, T, V, C)}, ...]}``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.clips.from_raw import CONTENT, Batch, finished_clip
from smie_pipe.preprocessing.clips.recipe import BODIES
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.raw.ntu import parse_name
from smie_pipe.preprocessing.raw.pickles import array_pickle, plain_pickle
from smie_pipe.preprocessing.raw.records import TRACKED, RawBodies
from smie_pipe.preprocessing.sources.files import RawFile
from smie_pipe.preprocessing.sources.find import Source

PARTS = {"train": 1, "val": 0}
GIVEN = "given"
"""Protocol of arrays: the division that their maker chose."""
BATCH_CLIPS = 256
_SUFFIXES = {"_train": 1, "_val": 0, "_test": 0}


def imported(found: Source, config: PreprocessConfig, done: int) -> Iterator[Batch]:
    """Yield the clips of arrays or pickles, after the first ``done`` of them.

    ``found.splits`` is filled with the divisions that the files give.

    Raises
    ------
    InputError
        If a file is not what its name says.
    """
    packed = [file.path for file in found.files if file.offset >= 0]
    if packed:
        raise InputError(f"{packed[0]}: {found.layout} are not read from archives; unpack it")
    read = _arrays if found.layout == "arrays" else _annotations
    for batch in read(found, config):
        if done >= batch.recordings:
            done -= batch.recordings
        else:
            yield batch


# --- arrays ------------------------------------------------------------------------------------


def _arrays(found: Source, config: PreprocessConfig) -> Iterator[Batch]:
    positions = [file for file in found.files if file.name.lower().endswith(".npy")]
    seen: set[str] = set()
    for file in sorted(positions, key=lambda file: list(PARTS).index(_part(file))):
        clips = _open_array(file, config.frames)
        names, labels = _read_labels(file, len(clips))
        found.splits.setdefault(GIVEN, {}).update(dict.fromkeys(names, PARTS[_part(file)]))
        for first in range(0, len(clips), BATCH_CLIPS):
            part = slice(first, first + BATCH_CLIPS)
            clip_part = np.array(clips[part], np.float32)
            yield _array_batch(file, found.dataset, clip_part, names[part], labels[part], seen)


def _part(file: RawFile) -> str:
    return file.name.lower().partition("_")[0]


def _open_array(file: RawFile, frames: int) -> np.ndarray:
    expected = f"an array (N, 3, {frames}, {len(JOINTS)}, {BODIES})"
    try:
        clips = np.load(file.path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(
            f"{file.path}: expected {expected}, found no .npy file ({error})"
        ) from None
    if clips.shape[1:] == (3, clips.shape[2], len(JOINTS), BODIES) and clips.shape[2] != frames:
        raise InputError(
            f"{file.path}: expected {expected}, found {clips.shape[2]} frames; these clips are "
            f"finished, so give --frames {clips.shape[2]}"
        )
    if clips.shape[1:] != (3, frames, len(JOINTS), BODIES) or clips.dtype.kind != "f":
        raise InputError(f"{file.path}: expected {expected}, found {clips.shape} {clips.dtype}")
    return clips


def _read_labels(positions: RawFile, count: int) -> tuple[list[str], list[int]]:
    """Return names and labels of an array: from .pkl, or from the .json that `export` writes."""
    stem = Path(positions.folder) / positions.inner.replace("position.npy", "label")
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


def _array_batch(
    file: RawFile,
    known: Dataset,
    x: np.ndarray,
    names: Sequence[str],
    labels: Sequence[int],
    seen: set[str],
) -> Batch:
    batch = Batch(len(x), x)
    kept = []
    for i, (clip, name, label) in enumerate(zip(x, names, labels, strict=True)):
        fault = _clip_fault(clip, name, label, known, seen)
        seen.add(name)
        if fault:
            severity = "excluded" if fault == "no body" else "damaged"
            detail = f"{file.path}: {name}: {fault}"
            batch.findings.append(Finding(name, file.path, 0, fault, detail, severity))
        else:
            kept.append(i)
            batch.rows.append({**_name_row(name, label), **_finished_row(clip)})
    batch.x = x[kept]
    return batch


def _clip_fault(clip: np.ndarray, name: str, label: int, known: Dataset, seen: set[str]) -> str:
    if not 0 <= label < len(known.class_names):
        return f"label outside 0 to {len(known.class_names) - 1} of {known.title}"
    if name in seen:
        return "name that comes twice"
    if not np.isfinite(clip).all():
        return "coordinates that are no numbers"
    return "" if clip.any() else "no body"


def _finished_row(clip: np.ndarray) -> dict[str, Any]:
    frames = clip.shape[1]
    return {
        "frames": frames,
        "frames_valid": frames,
        "bodies": 1 + bool(clip[..., 1].any()),
        "treatment": "",
        CONTENT: hashlib.blake2b(np.ascontiguousarray(clip).tobytes(), digest_size=8).hexdigest(),
    }


def _name_row(name: str, label: int) -> dict[str, Any]:
    """Return the row that a name gives: performer, camera and setup where it is NTU's."""
    row: dict[str, Any] = {"name": name, "label": label}
    try:
        ntu = parse_name(name)
    except InputError:
        return {**row, "subject": 0, "camera": 0, "setup": 0, "replication": 0}
    return {
        **row,
        "subject": ntu.performer,
        "camera": ntu.camera,
        "setup": ntu.setup,
        "replication": ntu.replication,
    }


# --- pickles of annotations --------------------------------------------------------------------


def _annotations(found: Source, config: PreprocessConfig) -> Iterator[Batch]:
    shape = (0, 3, config.frames, len(JOINTS), BODIES)
    seen: set[str] = set()
    for file in found.files:
        content = array_pickle(Path(file.path))
        splits, annotations = _checked(content, file.path)
        for protocol, parts in splits.items():
            found.splits.setdefault(protocol, {}).update(parts)
        for first in range(0, len(annotations), BATCH_CLIPS):
            part = annotations[first : first + BATCH_CLIPS]
            batch = Batch(len(part), np.empty(shape, np.float32))
            clips = [
                _annotated_clip(one, file, found.dataset, config, batch, seen) for one in part
            ]
            whole = [clip for clip in clips if clip is not None]
            batch.x = np.stack(whole) if whole else batch.x
            yield batch


def _checked(content: Any, path: str) -> tuple[dict[str, dict[str, int]], list[Any]]:
    annotations = content.get("annotations") if isinstance(content, dict) else None
    if not isinstance(annotations, list):
        raise InputError(
            f"{path}: expected {{'split': {{...}}, 'annotations': [...]}}, found "
            f"{sorted(content) if isinstance(content, dict) else type(content).__name__}"
        )
    splits: dict[str, dict[str, int]] = {}
    for key, names in (content.get("split") or {}).items():
        for suffix, part in _SUFFIXES.items():
            if key.endswith(suffix):
                parts = splits.setdefault(key.removesuffix(suffix), {})
                parts.update(dict.fromkeys(map(str, names), part))
    return splits, annotations


def _annotated_clip(
    annotation: Any,
    file: RawFile,
    known: Dataset,
    config: PreprocessConfig,
    batch: Batch,
    seen: set[str],
) -> np.ndarray | None:
    """Return the clip of one annotation and add its row; None, and a finding, if it has none."""
    name = str(annotation.get("frame_dir", "")) if isinstance(annotation, dict) else ""
    fault = _annotation_fault(annotation, name, known) or "name that comes twice" * (name in seen)
    seen.add(name)
    if fault:
        detail = f"{file.path}: annotation {name!r}: {fault}"
        batch.findings.append(Finding(name, file.path, 0, fault, detail))
        return None
    row = _name_row(name, int(annotation["label"]))
    raw = raw_bodies(annotation["keypoint"], f"{file.path}: {name}")
    clip = finished_clip(raw, row, row["label"] in known.two_persons, config, batch.findings)
    if clip is not None:
        batch.rows.append(row)
    return clip


def _annotation_fault(annotation: Any, name: str, known: Dataset) -> str:
    if not name:
        return "annotation without frame_dir"
    label, joints = annotation.get("label"), annotation.get("keypoint")
    if not isinstance(label, int) or not 0 <= label < len(known.class_names):
        return f"label outside 0 to {len(known.class_names) - 1} of {known.title}"
    shape = joints.shape if isinstance(joints, np.ndarray) else ()
    if len(shape) != 4 or shape[2:] != (len(JOINTS), 3):
        return "keypoint that is not bodies x frames x 25 joints x 3 coordinates"
    return ""


def raw_bodies(keypoint: np.ndarray, path: str) -> RawBodies:
    """Return an array (M, T, V, 3) as body records; a body of zeros is absent from the frame."""
    joints = np.asarray(keypoint, np.float64)
    frame, body = np.nonzero(joints.any(axis=(2, 3)).T)
    return RawBodies(
        path=path,
        frames=joints.shape[1],
        frame=frame.astype(np.int32),
        body_id=body.astype(np.int64),
        xyz=joints[body, frame],
        state=np.full((len(frame), len(JOINTS)), TRACKED, np.uint8),
        body_state=np.full(len(frame), TRACKED, np.uint8),
    )


# --- export ------------------------------------------------------------------------------------
