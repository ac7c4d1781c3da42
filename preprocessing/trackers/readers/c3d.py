"""C3D: markers of optical motion capture, by the package ezc3d (extra ``mocap``)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.trackers.joints.names import Markers, in_joints
from smie_pipe.preprocessing.trackers.joints.orientation import UNKNOWN
from smie_pipe.preprocessing.trackers.joints.recording import (
    TrackedRecording,
    TrackerFormatError,
    possible,
)

AXES = ("z-up", "y-up")
UNITS = ("m", "cm", "mm")


def recognises(name: str, head: bytes) -> bool:
    """Return whether a file is of this kind."""
    return name.endswith(".c3d")


def read(data: bytes, path: str, markers: Markers | None = None) -> TrackedRecording:
    """Return the body in a C3D file whose points are named as joints.

    Raises
    ------
    TrackerFormatError
        If it is no C3D file.
    InputError
        If ezc3d is not installed, or no hips or shoulders are among its points.
    """
    points, labels, rate, unit = _points(data, path)
    xyz = points[:3].transpose(2, 1, 0)  # (4, J, T) -> (T, J, 3)
    joints, xyz = in_joints(labels, possible(xyz), path, markers)
    there = ~np.isnan(xyz).all(axis=(1, 2))
    return TrackedRecording(
        path=path,
        source="c3d",
        skeleton=joints,
        frames=len(xyz),
        seconds=None,
        frame=np.flatnonzero(there).astype(np.int32),
        body_id=np.zeros(np.count_nonzero(there), np.int64),
        xyz=xyz[there],
        unit=unit if unit in UNITS else UNKNOWN,
        axes=AXES,
        fps=rate if 0 < rate <= 1000 else None,
    )


def _points(data: bytes, path: str) -> tuple[np.ndarray, list[str], float, str]:
    """Return (points (4, J, T), their names, rate, unit) from the bytes of a file."""
    try:
        import ezc3d
    except ImportError:
        raise InputError(
            f"{path}: C3D needs the package ezc3d: pip install 'smie-pipe[mocap]'; or export "
            f"TRC or BVH, which need nothing"
        ) from None
    with tempfile.TemporaryDirectory() as folder:  # the package reads files by name alone
        copy = Path(folder) / "copy.c3d"
        copy.write_bytes(data)
        try:
            content = ezc3d.c3d(os.fspath(copy))
            parameters = content["parameters"]["POINT"]
            labels = [str(label) for label in parameters["LABELS"]["value"]]
            rate = float(parameters["RATE"]["value"][0])
            unit = str((parameters["UNITS"]["value"] or ["?"])[0]).strip().lower()
            points = np.asarray(content["data"]["points"], np.float64)
        except (OSError, RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
            found = str(error).splitlines()[0][:80] if str(error) else "a broken file"
            raise TrackerFormatError(path, "", "a C3D file of points", found) from None
    return points, labels[: points.shape[1]], rate, unit
