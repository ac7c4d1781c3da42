"""``movement``: netCDF files of its poses datasets, read as the HDF5 they are."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.trackers.joints.names import Markers, in_joints
from smie_pipe.preprocessing.trackers.joints.orientation import UNKNOWN
from smie_pipe.preprocessing.trackers.joints.recording import (
    LIFT_FIRST,
    TrackedRecording,
    TrackerFormatError,
    possible,
)

AXES = ("y-up", "z-up", "y-down")
DIMENSIONS = ("time", "space", "keypoints", "individuals")
SUFFIXES = (".nc", ".h5", ".hdf5")
MOST_NUMBERS = 200_000_000
_HDF5 = b"\x89HDF\r\n\x1a\n"


def recognises(name: str, head: bytes) -> bool:
    """Return whether the start of a file is of this kind."""
    return name.endswith(".nc") and head.startswith(_HDF5)


def read(data: bytes, path: str, markers: Markers | None = None) -> TrackedRecording:
    """Return the bodies in such a file; individuals are numbered from 0 in their order.

    Raises
    ------
    TrackerFormatError
        If it is no HDF5, or has no 3D ``position`` over time, space, keypoints, individuals.
    """
    import h5py

    expected = "a netCDF4 file of movement with the variable 'position'"
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            return _read(file, path, expected, markers)
    except TrackerFormatError:
        raise
    except (  # HDF5 raises nearly anything on a damaged file
        OSError, LookupError, RuntimeError, ValueError, TypeError, MemoryError, AttributeError,
        ArithmeticError, SystemError,
    ) as error:  # fmt: skip
        found = str(error).splitlines()[0][:80] if str(error) else "a broken file"
        raise TrackerFormatError(path, "", expected, found) from None


def _read(file: object, path: str, expected: str, markers: Markers | None) -> TrackedRecording:
    import h5py

    assert isinstance(file, h5py.File)
    variable = file.get("position")
    if not isinstance(variable, h5py.Dataset) or variable.dtype.kind != "f":
        found = ", ".join(map(str, file)) or "nothing"
        raise TrackerFormatError(path, "", expected, found[:80])
    if variable.ndim != len(DIMENSIONS) or variable.size > MOST_NUMBERS:
        wanted = f"{expected} over {', '.join(DIMENSIONS)}"
        raise TrackerFormatError(path, "position", wanted, f"shape {variable.shape}")
    order = [_dimensions(variable).index(name) for name in DIMENSIONS]
    position = np.asarray(variable[()], np.float64).transpose(order)
    if position.shape[1] != 3:
        found = f"{position.shape[1]} axes of space. {LIFT_FIRST}"
        raise TrackerFormatError(path, "position", "joints in 3D", found)
    names = _names(file, "keypoints", position.shape[2])
    points = possible(position.transpose(0, 3, 2, 1))  # (T, M, J, 3)
    joints, xyz = in_joints(names, points, path, markers)
    frame, body = np.nonzero(~np.isnan(xyz).all(axis=(2, 3)))
    return TrackedRecording(
        path=path,
        source="movement",
        skeleton=joints,
        frames=len(xyz),
        seconds=_seconds(file, len(xyz)),
        frame=frame.astype(np.int32),
        body_id=body.astype(np.int64),
        xyz=xyz[frame, body],
        unit=UNKNOWN,
        axes=AXES,
        fps=_fps(file),
    )


def _dimensions(variable: object) -> list[str]:
    """Return the names of the dimensions in their order; the usual ones where none are linked."""
    names = []
    for number, dimension in enumerate(variable.dims):  # type: ignore[attr-defined]
        scale = (dimension[0].name or "") if len(dimension) else ""
        names.append(scale.rpartition("/")[2] or DIMENSIONS[number])
    return names if sorted(names) == sorted(DIMENSIONS) else list(DIMENSIONS)


def _names(file: object, key: str, count: int) -> list[str]:
    values = np.asarray(file[key][()]).reshape(-1)  # type: ignore[index]
    names = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
    if len(names) != count:
        raise ValueError(f"{len(names)} names of {count} {key}")
    return names


def _seconds(file: object, frames: int) -> NDArray[np.float64] | None:
    """Return the times, which movement keeps in seconds where it knows a rate."""
    unit = file.attrs.get("time_unit", "")  # type: ignore[attr-defined]
    unit = unit.decode() if isinstance(unit, bytes) else str(unit)
    time = file.get("time")  # type: ignore[attr-defined]
    if unit != "seconds" or time is None or time.shape != (frames,):
        return None
    return np.asarray(time[()], np.float64)


def _fps(file: object) -> float | None:
    value = np.asarray(file.attrs.get("fps", np.nan)).reshape(-1)  # type: ignore[attr-defined]
    if len(value) != 1 or value.dtype.kind not in "fiu":
        return None
    fps = float(value[0])
    return fps if 0 < fps <= 1000 else None
