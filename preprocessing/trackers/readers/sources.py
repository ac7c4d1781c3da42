"""Who reads which tracker's files, and how a file is told."""

from __future__ import annotations

from collections.abc import Callable

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.trackers.joints.recording import TrackedRecording
from smie_pipe.preprocessing.trackers.readers import (
    arrays,
    azure,
    bvh,
    c3d,
    flat,
    lifted,
    lines,
    movement,
    tables,
    zed,
)

HEAD_BYTES = 65_536
"""From the start of a JSON file, which is enough to tell whose it is."""
SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".trc", ".bvh", ".npy", ".npz", ".nc",
            ".c3d", ".txt")  # fmt: skip

Read = Callable[..., TrackedRecording]
"""From a file's bytes and its path; those of `NAMED` also take ``markers``."""


def _array_or_table(data: bytes, path: str) -> TrackedRecording:
    """Read a source that comes as an array or as a table of named joints."""
    if path.lower().endswith((".csv", ".tsv")):
        return tables.read_csv(data, path)
    return arrays.read(data, path)


SOURCES: dict[str, Read] = {
    "azure": azure.read,
    "zed": zed.read,
    "mediapipe": _array_or_table,
    "csv": tables.read_csv,
    "trc": tables.read_trc,
    "bvh": bvh.read,
    "mmpose": lifted.read,
    "h36m": arrays.read,
    "smpl": arrays.read,
    "kinect-v1": _array_or_table,
    "movement": movement.read,
    "array": arrays.read,
    "jsonl": lines.read,
    "c3d": c3d.read,
}
"""Who reads each kind of file; `kinds.TITLES` says what they are."""


NAMED = ("csv", "trc", "bvh", "movement", "c3d")
"""Kinds of files whose points have names, which may be markers."""

LIKELY = {
    ".npy": "array",
    ".npz": "array",
    ".txt": "array",
    ".csv": "csv",
    ".tsv": "csv",
    ".nc": "movement",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""Whose reader says what is wrong with a file of that ending that nobody recognises."""


def recognise_bytes(path: str, data: bytes) -> str | None:
    """Return the source of a file by its name and content, None where it is no known one's.

    Raises
    ------
    InputError
        If it holds flat (2D) poses: the message says what to do first.
    """
    name, head = path.lower(), data[:HEAD_BYTES]
    if not name.endswith(SUFFIXES):
        return None
    kind = flat.flat_kind(name, head)
    if kind is not None:
        raise InputError(f"{path}: {flat.why_not(kind)}")
    for source, module in (("azure", azure), ("zed", zed), ("mmpose", lifted), ("jsonl", lines),
                           ("bvh", bvh), ("movement", movement), ("c3d", c3d)):  # fmt: skip
        if module.recognises(name, head):
            return source
    if name.endswith(".trc"):
        return "trc"
    if name.endswith((".csv", ".tsv")):
        return tables.recognised_csv(path, data)
    if name.endswith((".npy", ".npz", ".txt")):
        return arrays.recognised(path, data)
    return None
