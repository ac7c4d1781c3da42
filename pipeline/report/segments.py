"""Labelled stretches of a recording: the JSON that `predict` writes, and PKU-MMD label lines.

The JSON is an object: ``recording``, the path of the recording; ``segments``, a list of objects
with ``label``, ``start_s``, ``end_s`` in seconds from the first frame, and ``score`` (any number,
may be missing). Other keys are ignored.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
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


def read_segments(path: Path) -> tuple[Path | None, list[Segment]]:
    """Return the recording that a file of segments names, if it does, and the segments.

    Parameters
    ----------
    path
        ``.json`` as at the top of this module, or a PKU-MMD label file.

    Returns
    -------
    tuple
        The recording's path, relative ones from the file's folder or the working folder; None
        for label lines. Segments in order of their start.

    Raises
    ------
    InputError
        If the file has another form; the message says where.
    """
    if path.suffix.lower() == ".json":
        recording, segments = _from_json(path)
    else:
        recording, segments = None, _from_labels(path)
    return recording, sorted(segments, key=lambda segment: (segment.start_s, segment.end_s))


def _from_json(path: Path) -> tuple[Path | None, list[Segment]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON {_FORM}, found {error}") from error
    listed = content.get("segments") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        found = ", ".join(map(repr, content))[:80] if isinstance(content, dict) else "no object"
        raise InputError(f"{path}: expected JSON {_FORM}, found {found or 'an empty object'}")
    segments = [_segment(entry, f"{path}: segment {i}") for i, entry in enumerate(listed, 1)]
    named = content.get("recording")
    if named is None:
        return None, segments
    if not isinstance(named, str) or not named:
        raise InputError(f"{path}: expected a path under 'recording', found {named!r}")
    beside = path.parent / named
    return (beside if beside.exists() else Path(named)), segments


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
