"""Tables of named joints: CSV with three columns a joint, and OpenSim's TRC.

CSV: ``NAME_x, NAME_y, NAME_z`` (also ``NAME.x``, ``NAME x``, ``X:NAME``-less), perhaps with
``NAME_score``, a column of times (``time``, ``timestamp``, ``t``, in any unit) and one of bodies
(``id``, ``person``, ``track_id``). An empty cell is missing, and so is a joint of score 0.
TRC: rate and unit on line 3, marker names on line 4, gaps are empty cells.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.raw.records import to_float
from smie_pipe.preprocessing.trackers.joints.names import Markers, in_joints, known_skeleton
from smie_pipe.preprocessing.trackers.joints.orientation import UNKNOWN
from smie_pipe.preprocessing.trackers.joints.recording import (
    LIFT_FIRST,
    TrackedRecording,
    TrackerFormatError,
    possible,
)
from smie_pipe.preprocessing.trackers.joints.skeletons import Skeleton
from smie_pipe.preprocessing.trackers.readers.arrays import in_seconds

AXES = ("y-up", "z-up", "y-down")
DOWN = ("y-down", "y-up", "z-up")
KINDS = {
    "mediapipe-33": ("mediapipe", DOWN),
    "azure-32": ("csv", DOWN),
    "kinect-v1-20": ("kinect-v1", AXES),
}
"""For sets of joints that one tracker alone has: its name, and its axes."""
MOST_COLUMNS = 2000
_AXIS = re.compile(r"(.+?)[\s_.:\-\[(]*([xyz])[\])]?", re.IGNORECASE)
_SCORE = re.compile(r"(.+?)[\s_.:-]+(score|confidence|conf|likelihood)", re.IGNORECASE)
_TIMES = ("time", "times", "timestamp", "timestamps", "t", "seconds", "second", "sec")
_TIME_UNITS = ("s", "ms", "us", "usec", "ns", "sec", "msec")
_BODIES = ("id", "bodyid", "body", "person", "personid", "trackid", "player", "individual")
_HEADER_LINES = 20


def recognised_csv(name: str, data: bytes) -> str | None:
    """Return ``csv``, ``mediapipe`` or ``kinect-v1`` by the heading, None where it has no joints.

    A table of flat joints counts as ``csv``: reading it says what is missing.
    """
    try:
        header = _header(_lines(data, name), name)[1]
    except TrackerFormatError:
        return None
    joints, _ = _joint_columns(header)
    if len(joints) < 6:
        return None
    known = known_skeleton(list(joints))
    return KINDS[known[0].name][0] if known and known[0].name in KINDS else "csv"


def read_csv(data: bytes, path: str, markers: Markers | None = None) -> TrackedRecording:
    """Return the bodies in a table of named joints.

    Raises
    ------
    TrackerFormatError
        If it has no columns of joints, only flat ones, rows of another length, or cells that are
        no numbers.
    InputError
        If no hips or shoulders are among the names.
    """
    lines = _lines(data, path)
    at, header = _header(lines, path)
    joints, flat = _joint_columns(header)
    if not joints:
        raise TrackerFormatError(path, f"line {at + 1}", *_no_joints(header, flat))
    table = _table(lines[at + 1 :], header, path, at + 2)
    names = list(joints)
    xyz = table[:, [column for name in names for column in joints[name]]]
    xyz = xyz.reshape(len(table), len(names), 3)
    for number, name in enumerate(names):
        for column in _score_columns(header, name):
            xyz[table[:, column] <= 0, number] = np.nan
    known, xyz = in_joints(names, possible(xyz), path, markers)
    return _recording(path, "csv", known, xyz, *_rows_to_frames(header, table, path))


def read_trc(data: bytes, path: str, markers: Markers | None = None) -> TrackedRecording:
    """Return the body in a TRC file.

    Raises
    ------
    TrackerFormatError
        If its heading or a row has another form.
    InputError
        If no hips or shoulders are among the markers.
    """
    lines = _text(data, path).splitlines()
    if len(lines) < 6 or not lines[0].startswith("PathFileType"):
        found = f"{len(lines)} lines" if len(lines) < 6 else repr(lines[0][:30])
        raise TrackerFormatError(path, "line 1", "PathFileType and five lines of heading", found)
    keys = [key.strip().lower() for key in lines[1].split("\t")]
    facts = dict(zip(keys, (value.strip() for value in lines[2].split("\t")), strict=False))
    names = [name.strip() for name in lines[3].rstrip().split("\t")[2::3] if name.strip()]
    if not names or 3 * len(names) > MOST_COLUMNS:
        raise TrackerFormatError(path, "line 4", "marker names in every third column", "none")
    rows, width = [], 2 + 3 * len(names)
    for at, line in enumerate(lines[5:], 6):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) > width and any(cell.strip() for cell in cells[width:]):
            raise TrackerFormatError(path, f"line {at}", f"{width} cells", f"{len(cells)}")
        if len(cells) < 2:
            raise TrackerFormatError(path, f"line {at}", f"{width} cells", f"{len(cells)}")
        cells = cells[:width] + [""] * (width - len(cells))
        rows.append([_cell(cell, path, at, column) for column, cell in enumerate(cells, 1)])
    table = np.array(rows, np.float64).reshape(-1, width)
    xyz = table[:, 2:].reshape(len(table), len(names), 3)
    frame, body = np.arange(len(table)), np.zeros(len(table), np.int64)
    fps = to_float(facts.get("datarate", "").encode("latin-1", "replace"))
    seconds = table[:, 1] if not np.isnan(table[:, 1]).any() else None
    unit = facts.get("units", "").lower()
    known, xyz = in_joints(names, possible(xyz), path, markers)
    recording = _recording(path, "trc", known, xyz, frame, body, seconds, len(table))
    return replace(
        recording,
        unit=unit if unit in ("m", "mm", "cm") else UNKNOWN,
        fps=fps if fps and 0 < fps <= 1000 else None,
    )


def _recording(
    path: str,
    source: str,
    known: Skeleton,
    xyz: NDArray,
    frame: NDArray,
    body_id: NDArray,
    seconds: NDArray | None,
    frames: int,
) -> TrackedRecording:
    kind, axes = KINDS.get(known.name, (source, AXES))
    there = ~np.isnan(xyz).all(axis=(1, 2))
    return TrackedRecording(
        path=path,
        source=source if source == "trc" else kind,
        skeleton=known,
        frames=frames,
        seconds=seconds,
        frame=frame[there].astype(np.int32),
        body_id=body_id[there].astype(np.int64),
        xyz=xyz[there],
        unit=UNKNOWN,
        axes=axes,
    )


def _text(data: bytes, path: str) -> str:
    if b"\x00" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TrackerFormatError(path, "line 1", "a table of text", "bytes that are no text")
    coding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return data.decode(coding)
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _lines(data: bytes, path: str) -> list[list[str]]:
    """Return the cells of each line; commas, semicolons (with decimal commas) or tabs between."""
    text = _text(data, path)
    start = text[:20_000]
    mark = max(",;\t", key=start.count)
    try:
        lines = list(csv.reader(text.splitlines(), delimiter=mark))
    except csv.Error as error:
        raise TrackerFormatError(path, "", "a table of text", str(error)) from None
    if mark == ";":
        lines = [[cell.replace(",", ".") for cell in line] for line in lines]
    return lines


def _header(lines: Sequence[Sequence[str]], path: str) -> tuple[int, list[str]]:
    """Return the number of the line with the column names, and those."""
    for at, line in enumerate(lines[:_HEADER_LINES]):
        cells = [cell.strip() for cell in line]
        if sum(bool(_AXIS.fullmatch(cell)) for cell in cells) >= 6:
            if len(cells) > MOST_COLUMNS:
                raise TrackerFormatError(
                    path, f"line {at + 1}", f"at most {MOST_COLUMNS} columns", f"{len(cells)}"
                )
            return at, cells
    expected = "a heading with three columns a joint: NAME_x, NAME_y, NAME_z"
    found = ", ".join(lines[0][:6])[:80] if lines else "an empty file"
    raise TrackerFormatError(path, "line 1", expected, found)


def _joint_columns(header: Sequence[str]) -> tuple[dict[str, list[int]], list[str]]:
    """Return the columns of x, y, z of each joint, and the joints that have x and y alone."""
    columns: dict[str, dict[str, int]] = {}
    for column, name in enumerate(header):
        match = _AXIS.fullmatch(name)
        if match:
            columns.setdefault(match[1], {}).setdefault(match[2].lower(), column)
    whole = {n: [c[a] for a in "xyz"] for n, c in columns.items() if len(c) == 3}
    return whole, [name for name, c in columns.items() if set(c) == {"x", "y"}]


def _no_joints(header: Sequence[str], flat: Sequence[str]) -> tuple[str, str]:
    if flat:
        return "joints in 3D", f"x and y alone of {', '.join(flat[:5])}. {LIFT_FIRST}"
    return "three columns a joint: NAME_x, NAME_y, NAME_z", ", ".join(header[:6])[:80]


def _table(
    lines: Sequence[Sequence[str]], header: Sequence[str], path: str, first: int
) -> NDArray[np.float64]:
    """Return the cells below the heading as numbers, NaN where empty."""
    rows = []
    for at, cells in enumerate(lines, first):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            expected = f"{len(header)} cells as the heading has"
            raise TrackerFormatError(path, f"line {at}", expected, f"{len(cells)}")
        rows.append([_loose(cell, header[i], path, at, i + 1) for i, cell in enumerate(cells)])
    return np.array(rows, np.float64).reshape(-1, len(header))


def _loose(cell: str, name: str, path: str, at: int, column: int) -> float:
    """Return a number; words are allowed in columns that are no joint's and no clock's."""
    if _AXIS.fullmatch(name) or _SCORE.fullmatch(name) or _is_time(name) or _is_body(name):
        return _cell(cell, path, at, column)
    return to_float(cell.strip().encode("latin-1", "replace")) or np.nan


def _cell(cell: str, path: str, at: int, column: int) -> float:
    text = cell.strip()
    if not text or text.lower() in ("na", "none", "null"):
        return np.nan
    number = to_float(text.encode("latin-1", "replace"))
    if number is None:
        where = f"line {at}, column {column}"
        raise TrackerFormatError(path, where, "a number or an empty cell", repr(text[:40]))
    return number


def _score_columns(header: Sequence[str], name: str) -> list[int]:
    matches = (_SCORE.fullmatch(cell) for cell in header)
    return [column for column, match in enumerate(matches) if match and match[1] == name]


def _simple(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _is_time(name: str) -> bool:
    simple = _simple(name)
    units = [unit for unit in _TIME_UNITS if simple.endswith(unit)]
    return simple in _TIMES or any(simple[: -len(unit)] in _TIMES for unit in units)


def _is_body(name: str) -> bool:
    return _simple(name) in _BODIES


def _rows_to_frames(
    header: Sequence[str], table: NDArray, path: str
) -> tuple[NDArray, NDArray, NDArray | None, int]:
    """Return (frame of each row, body of each row, times of frames or None, frames).

    Rows of one time are one frame. Without times, a body's n-th row is in frame n.
    """
    bodies = [column for column, name in enumerate(header) if _is_body(name)]
    body = table[:, bodies[0]] if bodies else np.zeros(len(table))
    if not np.isfinite(body).all() or (np.abs(body) > 2**53).any():
        raise TrackerFormatError(path, "", "a whole number for each body", "another")
    body_id = body.astype(np.int64)
    clocks = [column for column, name in enumerate(header) if _is_time(name)]
    if not clocks or not len(table):
        frame = _nth_of_body(body_id)
        return frame, body_id, None, int(frame.max(initial=-1)) + 1
    time = table[:, clocks[0]]
    if np.isnan(time).any():
        where = f"column {clocks[0] + 1} ({header[clocks[0]]})"
        raise TrackerFormatError(path, where, "a time in each row", "an empty cell")
    if len(np.unique(body_id)) == 1:
        return np.arange(len(table)), body_id, in_seconds(time), len(table)
    stamps, frame = np.unique(time, return_inverse=True)
    order = np.argsort(frame, kind="stable")
    if (order != np.arange(len(frame))).any():
        raise InputError(f"{path}: expected rows in the order of their time; sort the table")
    return frame, body_id, in_seconds(stamps), len(stamps)


def _nth_of_body(body: NDArray[np.int64]) -> NDArray[np.int64]:
    frame = np.zeros(len(body), np.int64)
    for number in np.unique(body):
        own = body == number
        frame[own] = np.arange(np.count_nonzero(own))
    return frame
