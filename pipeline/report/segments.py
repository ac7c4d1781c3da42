"""Labelled stretches of recordings: the JSON that `predict` writes, and PKU-MMD label lines.

The JSON is an object, or a list of objects: ``recording``, the name or path of the recording;
``segments``, a list of objects with ``label``, ``start_s``, ``end_s`` in seconds from the first
frame, and ``score`` (any number, may be missing). Other keys are ignored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smie_pipe.preprocessing.datasets import dataset, read_classes
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.raw.pku import PkuAction, read_labels
from smie_pipe.report.motion import SENSOR_FPS, Segment

_FORM = '{"recording": PATH, "segments": [{"label", "start_s", "end_s", "score"}]}'


def is_label_file(path: Path) -> bool:
    """Return whether a ``.txt`` holds PKU-MMD label lines: those have commas, recordings none."""
    with open(path, "rb") as file:
        return path.suffix.lower() == ".txt" and b"," in file.read(512)


@dataclass(frozen=True)
class Labelled:
    """The segments of one recording, in order of their start; its name or path where known."""

    recording: str | None
    segments: list[Segment]

    def is_of(self, name: str) -> bool:
        """Return whether they are of the recording of this name."""
        known = self.recording
        return known is None or name in (known, Path(known).name, Path(known).stem)


def is_segment_file(path: Path) -> bool:
    """Return whether a ``.json`` holds segments; body trackers write JSON too."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return False
    entries = content if isinstance(content, list) else [content]
    return bool(entries) and all(isinstance(e, Mapping) and "segments" in e for e in entries)


def read_segments(path: Path) -> list[Labelled]:
    """Return what a file of segments holds, recording by recording.

    Parameters
    ----------
    path
        ``.json`` as at the top of this module, or a PKU-MMD label file of one recording.

    Raises
    ------
    InputError
        If the file has another form; the message says where.
    """
    if path.suffix.lower() != ".json":
        return [Labelled(None, _in_order(_from_labels(path)))]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON {_FORM}, found {error}") from error
    entries = content if isinstance(content, list) else [content]
    if not entries:
        raise InputError(f"{path}: holds the segments of no recording")
    return [_labelled_recording(entry, path) for entry in entries]


def _labelled_recording(entry: Any, path: Path) -> Labelled:
    listed = entry.get("segments") if isinstance(entry, Mapping) else None
    if not isinstance(listed, list):
        found = ", ".join(map(repr, entry))[:80] if isinstance(entry, Mapping) else "no object"
        raise InputError(f"{path}: expected JSON {_FORM}, found {found or 'an empty object'}")
    named = entry.get("recording")
    if named is not None and (not isinstance(named, str) or not named):
        raise InputError(f"{path}: expected a name or path under 'recording', found {named!r}")
    segments = [_segment(part, f"{path}: segment {i}") for i, part in enumerate(listed, 1)]
    return Labelled(named, _in_order(segments))


def _in_order(segments: list[Segment]) -> list[Segment]:
    return sorted(segments, key=lambda segment: (segment.start_s, segment.end_s))


def _segment(entry: Any, where: str) -> Segment:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("label"), str):
        raise InputError(f"{where}: expected an object with a text under 'label'")
    start, end = _number(entry, "start_s", where), _number(entry, "end_s", where)
    if not 0 <= start <= end:
        raise InputError(
            f"{where}: expected 0 <= start_s <= end_s, found {start:g} and {end:g} seconds"
        )
    score = None if entry.get("score") is None else _number(entry, "score", where)
    return Segment(entry["label"], start, end, score)


def _number(entry: Mapping[str, Any], name: str, where: str) -> float:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        found = "nothing" if value is None else repr(value)[:40]
        raise InputError(f"{where}: expected a number under {name!r}, found {found}")
    return float(value)


def _from_labels(path: Path) -> list[Segment]:
    names = _class_names(path)
    actions = read_labels(path.read_bytes(), str(path))
    return [_labelled(action, names) for action in actions]


def _labelled(action: PkuAction, names: Mapping[int, str]) -> Segment:
    label = names.get(action.action, f"action {action.action}")
    # Frames count from 1 with both ends included.
    start, end = max(action.start - 1, 0) / SENSOR_FPS, action.end / SENSOR_FPS
    score = action.confidence if math.isfinite(action.confidence) else None
    return Segment(label, min(start, end), end, score)


def _class_names(path: Path) -> dict[int, str]:
    """Return what the action numbers mean: by a classes.csv beside or above, else PKU-MMD's."""
    for folder in (path.parent, path.parent.parent):
        own = folder / "classes.csv"
        if own.is_file():
            return dict(zip(*read_classes(own.read_bytes(), str(own)), strict=True))
    known = dataset("pku51")
    return dict(zip(known.class_ids, known.class_names, strict=True))
