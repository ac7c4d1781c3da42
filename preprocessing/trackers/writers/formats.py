"""Which files can be written, each from the body of a Kinect v2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from smie_pipe.preprocessing.foundation.errors import unknown_choice
from smie_pipe.preprocessing.raw.records import RawBodies
from smie_pipe.preprocessing.trackers.clock import FPS
from smie_pipe.preprocessing.trackers.joints.names import named_skeleton
from smie_pipe.preprocessing.trackers.joints.recording import TrackedRecording
from smie_pipe.preprocessing.trackers.joints.reduce import as_seen_by
from smie_pipe.preprocessing.trackers.joints.skeletons import KINECT_V2, Skeleton, skeleton
from smie_pipe.preprocessing.trackers.writers import arrays, bvh, json_files, tables

MOCAP_NAMES = [
    f"{side}{joint}"
    for side in ("R", "L")
    for joint in ("Hip", "Knee", "Ankle", "BigToe", "Heel", "Shoulder", "Elbow", "Wrist")
] + ["Hip", "Neck", "Head", "Nose"]  # fmt: skip
"""The markers of Pose2Sim and OpenCap, for TRC and plain CSV."""


@dataclass(frozen=True)
class Format:
    """One kind of file: its ending, the joints it has, and who writes it."""

    suffix: str
    joints: str | Callable[[], Skeleton]
    write: Callable[[TrackedRecording], bytes]

    @property
    def skeleton(self) -> Skeleton:
        """The joints that the file has."""
        return skeleton(self.joints) if isinstance(self.joints, str) else self.joints()


def _mixamo() -> Skeleton:
    return named_skeleton(bvh.names(), "bvh")


def _mocap() -> Skeleton:
    return named_skeleton(MOCAP_NAMES, "trc")


FORMATS: dict[str, Format] = {
    "azure": Format(".json", "azure-32", json_files.write_azure),
    "zed-18": Format(".json", "zed-18", json_files.write_zed),
    "zed-34": Format(".json", "zed-34", json_files.write_zed),
    "zed-38": Format(".json", "zed-38", json_files.write_zed),
    "mediapipe": Format(".csv", "mediapipe-33", tables.write_mediapipe),
    "csv": Format(".csv", _mocap, tables.write_csv),
    "trc": Format(".trc", _mocap, tables.write_trc),
    "bvh": Format(".bvh", _mixamo, bvh.write_bvh),
    "mmpose": Format(".json", "h36m-17", json_files.write_mmpose),
    "h36m": Format(".npz", "h36m-17", arrays.write_h36m),
    "smpl": Format(".npz", "smpl-22", arrays.write_array),
    "kinect-v1": Format(".csv", "kinect-v1-20", tables.write_csv),
    "movement": Format(".nc", "kinect-v2-25", arrays.write_movement),
    "array": Format(".npz", KINECT_V2, arrays.write_array),
    "jsonl": Format(".jsonl", "azure-32", json_files.write_lines),
}
ONE_BODY = ("trc", "bvh")
"""Kinds of files that hold one body: of two persons the one that is there longer is written."""


def written(raw: RawBodies, name: str, fps: float = FPS) -> bytes:
    """Return a recording as another tracker's file.

    Parameters
    ----------
    raw
        Bodies of a Kinect v2, metres, y up.
    name
        One of `FORMATS`.
    fps
        Frames a second of ``raw``.

    Raises
    ------
    InputError
        If no such kind of file is known.
    """
    if name not in FORMATS:
        raise unknown_choice("tracker", name, FORMATS)
    kind = FORMATS[name]
    _, small = np.unique(raw.body_id, return_inverse=True)
    recording = TrackedRecording(
        path=raw.path,
        source=name,
        skeleton=kind.skeleton,
        frames=raw.frames,
        seconds=np.arange(raw.frames) / fps,
        frame=raw.frame,
        body_id=small.astype(np.int64),
        xyz=as_seen_by(raw.xyz, kind.skeleton),
        unit="m",
        axes=("y-up",),
    )
    return kind.write(recording)
