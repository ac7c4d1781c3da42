"""JSON lines: the form for programs that write while a body moves, one frame a line.

The first line says what follows, ``{"format": "azure-32", "unit": "mm", "axes": "-x,-y,z"}``;
``format`` is a set of joints of the table or is left out where ``"joints"`` names them; ``unit``
and ``axes`` may be left out. Each further line is a frame, ``{"t": 1.23, "bodies": [{"id": 7,
"joints": [[x, y, z], ...]}]}``, with ``t`` in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.trackers.joints.names import known_skeleton, named_skeleton
from smie_pipe.preprocessing.trackers.joints.orientation import UNKNOWN, axes_matrix, check_unit
from smie_pipe.preprocessing.trackers.joints.recording import (
    Collected,
    TrackedRecording,
    TrackerFormatError,
    triples,
)
from smie_pipe.preprocessing.trackers.joints.skeletons import Skeleton, skeleton
from smie_pipe.preprocessing.trackers.readers.json_text import field, load_json, number, whole

AXES = ("y-up", "y-down", "z-up")
SUFFIXES = (".jsonl", ".ndjson")
_KINDS = {"azure-32": ("mm", ("-x,-y,z",)), "mediapipe-33": ("m", ("-x,-y,z",))}
_HEADER_KEYS = ("format", "joints")


@dataclass(frozen=True)
class LineFormat:
    """What the first line says of all others."""

    skeleton: Skeleton
    unit: str
    axes: tuple[str, ...]


def recognises(name: str, head: bytes) -> bool:
    """Return whether the start of a file is of this kind."""
    first = head.lstrip(b"\xef\xbb\xbf").partition(b"\n")[0]
    return name.endswith(SUFFIXES) and (
        b'"bodies"' in first or b'"format"' in first or b'"joints"' in first
    )


def read(data: bytes, path: str) -> TrackedRecording:
    """Return the bodies in such a file; a last line that is cut short is left out, and said so.

    Raises
    ------
    TrackerFormatError
        If the first line says nothing that is known, or another line has another form.
    """
    lines = data.splitlines()
    if not lines:
        raise TrackerFormatError(path, "", "a first line with the format", "an empty file")
    shape = read_header(lines[0], path)
    found = Collected(len(shape.skeleton.joints))
    seconds: list[float] = []
    notes: list[str] = []
    numbered = [(n, line) for n, line in enumerate(lines[1:], 2) if line.strip()]
    for at, line in numbered:
        if at == len(lines) and data[-1:] not in b"\r\n" and not line.rstrip().endswith(b"}"):
            notes.append("the last line is cut short and left out")
            break
        time, bodies = read_frame(line, shape, path, f"line {at}")
        for body_id, xyz in bodies:
            found.add(len(seconds), body_id, xyz)
        seconds.append(time)
    frame, body_ids, xyz = found.columns()
    return TrackedRecording(
        path=path,
        source="jsonl",
        skeleton=shape.skeleton,
        frames=len(seconds),
        seconds=np.array(seconds, np.float64),
        frame=frame,
        body_id=body_ids,
        xyz=xyz,
        unit=shape.unit,
        axes=shape.axes,
        notes=tuple(notes),
    )


def read_header(line: bytes, path: str) -> LineFormat:
    """Return what the first line says.

    Raises
    ------
    InputError
        If it names no joints, or a set, unit or axes that are not known.
    """
    head = load_json(line, path, "line 1")
    if not isinstance(head, dict) or not any(key in head for key in _HEADER_KEYS):
        expected = 'a first line such as {"format": "azure-32", "unit": "mm"}'
        raise TrackerFormatError(path, "line 1", expected, line[:40].decode("latin-1"))
    known = _joints(head, path)
    unit, axes = _KINDS.get(known.name, (UNKNOWN, AXES))
    try:
        if "unit" in head:
            unit = check_unit(str(head["unit"]))
        if "axes" in head:
            axes = (str(head["axes"]),)
            axes_matrix(axes[0])
    except InputError as error:
        raise InputError(f"{path}: line 1: {error}") from None
    return LineFormat(known, unit, axes)


def read_frame(
    line: bytes, shape: LineFormat, path: str, where: str
) -> tuple[float, list[tuple[int, np.ndarray]]]:
    """Return (seconds, [(body id, joints (J, 3)), ...]) of one line.

    Raises
    ------
    TrackerFormatError
        If it has another form.
    """
    record = load_json(line, path, where)
    time = number(record.get("t") if isinstance(record, dict) else None, "'t'", path, where)
    bodies = []
    for body in field(record, "bodies", list, path, where):
        body_id = whole(field(body, "id", int, path, where), "id", path, where)
        joints = field(body, "joints", list, path, where)
        count = len(shape.skeleton.joints)
        bodies.append((body_id, triples(joints, (count,), path, where)))
    return time, bodies


def _joints(head: dict[str, Any], path: str) -> Skeleton:
    try:
        if "format" in head:
            return skeleton(str(head["format"]))
        names = head["joints"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise TrackerFormatError(path, "line 1", "'joints', a list of names", "another")
        known = known_skeleton(names)
        if known is not None and known[1] == list(range(len(names))):
            return known[0]
        return named_skeleton(names, path)
    except TrackerFormatError:
        raise
    except InputError as error:
        raise InputError(f"{path}: line 1: {error}") from None
