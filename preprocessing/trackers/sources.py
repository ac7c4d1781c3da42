"""Which trackers' files can be read: one entry each, and how a file is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from smie_pipe.preprocessing.foundation.errors import InputError
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
from smie_pipe.preprocessing.trackers.recording import TrackedRecording

HEAD_BYTES = 65_536
"""From the start of a JSON file, which is enough to tell whose it is."""
SUFFIXES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".trc", ".bvh", ".npy", ".npz", ".nc",
            ".c3d", ".txt")  # fmt: skip

Read = Callable[[bytes, str], TrackedRecording]


@dataclass(frozen=True)
class Source:
    """A kind of file: what it is called, and who reads it."""

    title: str
    read: Read


def _array_or_table(data: bytes, path: str) -> TrackedRecording:
    """Read a source that comes as an array or as a table of named joints."""
    if path.lower().endswith((".csv", ".tsv")):
        return tables.read_csv(data, path)
    return arrays.read(data, path)


SOURCES: dict[str, Source] = {
    "azure": Source("Azure Kinect, Orbbec Femto: k4abt JSON", azure.read),
    "zed": Source("ZED SDK body tracking JSON, 18, 34 or 38 joints", zed.read),
    "mediapipe": Source("MediaPipe world landmarks: CSV or array", _array_or_table),
    "csv": Source("any table of named joints", tables.read_csv),
    "trc": Source("OpenSim, Pose2Sim, OpenCap: TRC", tables.read_trc),
    "bvh": Source("motion capture: BVH", bvh.read),
    "mmpose": Source("MMPose 3D predictions: JSON, 17 joints", lifted.read),
    "h36m": Source("17 joints of Human3.6M, MotionBERT: array", arrays.read),
    "smpl": Source("22 joints of SMPL, HumanML3D: array", arrays.read),
    "kinect-v1": Source("Kinect v1, 20 joints: CSV, array or text", _array_or_table),
    "movement": Source("movement: netCDF", movement.read),
    "array": Source("joints of a Kinect v2 or another tracker: array", arrays.read),
    "jsonl": Source("JSON lines, a frame a line", lines.read),
    "c3d": Source("motion capture: C3D (needs smie-pipe[mocap])", c3d.read),
}


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
