"""Plain arrays: ``.npy``, ``.npz``, and rows of numbers in ``.txt``; the joints tell by number.

``(T, V, 3)``, ``(T, M, V, 3)``, ``(M, T, V, 3)``, one clip of ``(N, 3, T, V, M)``, and rows of
3 V or, for 25 joints, 150 numbers. A body of zeros is absent.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.raw.records import to_float
from smie_pipe.preprocessing.trackers.joints.orientation import BODY, UNKNOWN
from smie_pipe.preprocessing.trackers.joints.recording import (
    LIFT_FIRST,
    TrackedRecording,
    TrackerFormatError,
    possible,
)
from smie_pipe.preprocessing.trackers.joints.skeletons import skeleton

BY_JOINTS = {
    17: ("h36m", "h36m-17", UNKNOWN, ("-x,-y,z", "y-up", "z-up")),
    18: ("array", "zed-18", UNKNOWN, ("y-up", "y-down", "z-up")),
    20: ("kinect-v1", "kinect-v1-20", UNKNOWN, ("y-up",)),
    22: ("smpl", "smpl-22", UNKNOWN, ("y-up", "z-up")),
    25: ("array", "kinect-v2-25", UNKNOWN, ("y-up",)),
    32: ("array", "azure-32", UNKNOWN, ("-x,-y,z", "y-up", "z-up")),
    33: ("mediapipe", "mediapipe-33", UNKNOWN, ("-x,-y,z",)),
    34: ("array", "zed-34", UNKNOWN, ("y-up", "y-down", "z-up")),
    38: ("array", "zed-38", UNKNOWN, ("y-up", "y-down", "z-up")),
}
"""For each number of joints who has so many, which they are, in what unit and axes."""
SUFFIXES = (".npy", ".npz")
MOST_BODIES = 10
MOST_BYTES = 2**31
_KEYS = ("joints", "poses", "keypoints", "keypoint", "positions", "position", "xyz", "data", "x")
_FPS_KEYS = ("fps", "frame_rate", "framerate", "mocap_framerate", "mocap_frame_rate")
_TIME_KEYS = ("time", "times", "seconds", "timestamps", "timestamp")
_BLANKS = re.compile(rb"[,;\s]+")
_HUMANML = 263  # numbers a frame of HumanML3D's own features, which are no joints

Array = NDArray[np.float64]


def recognised(name: str, data: bytes) -> str | None:
    """Return which tracker's joints an array holds, None where it is no such array."""
    try:
        return read(data, name).source
    except TrackerFormatError:
        return None


def read(data: bytes, path: str) -> TrackedRecording:
    """Return the bodies in an array.

    Raises
    ------
    TrackerFormatError
        If it is no array, or of a shape that is no recording.
    """
    arrays = _arrays(data, path)
    key = _chosen(arrays, path)
    joints = _bodies(arrays[key], path)  # (T, M, V, 3)
    source, name, unit, axes = BY_JOINTS[joints.shape[2]]
    if name == "h36m-17" and np.nanmax(np.abs(joints), initial=0.0) <= 1.0:
        unit = BODY  # MotionBERT's X3D.npy fits the picture into -1 to 1
    xyz = possible(joints)
    frame, body = np.nonzero(~np.isnan(xyz).all(axis=(2, 3)) & (joints != 0).any(axis=(2, 3)))
    return TrackedRecording(
        path=path,
        source=source,
        skeleton=skeleton(name),
        frames=len(joints),
        seconds=_times(arrays, len(joints), path),
        frame=frame.astype(np.int32),
        body_id=body.astype(np.int64),
        xyz=xyz[frame, body],
        unit=unit,
        axes=axes,
        fps=_fps(arrays),
    )


def _arrays(data: bytes, path: str) -> dict[str, NDArray]:
    """Return the arrays in a file by name; a lone one is called ''."""
    if path.lower().endswith(".txt"):
        return {"": _rows(data, path)}
    expected = "an array of numbers in NumPy's .npy or .npz form"
    try:
        _check_size(data, path)
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {key: loaded[key] for key in loaded.files}
    except TrackerFormatError:
        raise
    except (
        ValueError, EOFError, OSError, SyntaxError, MemoryError, OverflowError, TypeError,
        KeyError, UnicodeError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        found = str(error).splitlines()[0][:80] if str(error) else "an empty or broken file"
        raise TrackerFormatError(path, "", expected, found) from None


def _check_size(data: bytes, path: str) -> None:
    """Refuse an archive that unpacks to more than any recording."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MOST_BYTES:
        raise TrackerFormatError(
            path, "", f"at most {MOST_BYTES >> 20} MB of numbers", f"{size >> 20} MB"
        )


def _rows(data: bytes, path: str) -> NDArray:
    """Return rows of numbers, all of one length."""
    rows: list[list[float]] = []
    for at, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        fields = [part for part in _BLANKS.split(line) if part]
        numbers = [to_float(part) for part in fields]
        if None in numbers:
            raise TrackerFormatError(path, f"line {at}", "rows of numbers", "something else")
        if rows and numbers and len(numbers) != len(rows[0]):
            expected = f"{len(rows[0])} numbers as in the line before"
            raise TrackerFormatError(path, f"line {at}", expected, f"{len(numbers)}")
        if numbers:
            rows.append([float(n) for n in numbers if n is not None])
    table = np.array(rows, np.float64)
    if table.ndim == 2 and table.shape[1] in (3, 4) and len(table) % 20 == 0:
        return table[:, :3].reshape(-1, 20, 3)  # MSR-Action3D: a joint a line, Kinect v1
    return table


def _chosen(arrays: Mapping[str, NDArray], path: str) -> str:
    """Return the name of the array with the joints."""
    if "" in arrays:
        return ""
    named = [key for key in _KEYS if key in arrays]
    large = [key for key, array in arrays.items() if array.ndim >= 2]
    if named or len(large) == 1:
        return (named or large)[0]
    expected = f"one array of joints, named {', '.join(_KEYS[:4])} or alone"
    raise TrackerFormatError(path, "", expected, ", ".join(map(str, arrays)) or "none")


def _bodies(array: NDArray, path: str) -> Array:
    """Return any of the shapes as (T, M, V, 3)."""
    shape = array.shape
    if array.dtype.kind not in "fiu":
        raise TrackerFormatError(path, "", "an array of numbers", f"one of {array.dtype}")
    _refuse_flat(array, path)
    out = None
    if len(shape) == 5 and shape[0] == 1:
        array, shape = array[0], shape[1:]
    if len(shape) == 4 and shape[3] == 3 and shape[2] in BY_JOINTS:
        bodies_first = shape[0] < shape[1] and shape[1] > MOST_BODIES
        out = array.swapaxes(0, 1) if bodies_first else array
    elif len(shape) == 4 and shape[0] == 3 and shape[2] in BY_JOINTS and shape[3] <= MOST_BODIES:
        out = array.transpose(1, 3, 2, 0)  # (C, T, V, M) -> (T, M, V, C)
    elif len(shape) == 3 and shape[2] == 3 and shape[1] in BY_JOINTS:
        out = array[:, None]
    elif len(shape) == 2 and shape[1] == 150:
        out = array.reshape(-1, 2, 25, 3)
    elif len(shape) == 2 and shape[1] % 3 == 0 and shape[1] // 3 in BY_JOINTS:
        out = array.reshape(-1, 1, shape[1] // 3, 3)
    if out is None or out.shape[1] > MOST_BODIES or not out.size:
        raise TrackerFormatError(path, "", _EXPECTED, _found(shape))
    with np.errstate(over="ignore", invalid="ignore"):
        return np.array(out, np.float64)


_EXPECTED = (
    "joints of one recording as (T, V, 3), (T, M, V, 3), (1, 3, T, V, M) or rows of 3 V numbers, "
    f"V one of {', '.join(map(str, BY_JOINTS))}"
)


def _found(shape: tuple[int, ...]) -> str:
    text = f"an array of shape {shape}"
    if len(shape) == 5 and shape[1] == 3 and shape[0] > 1:
        return f"{text}: {shape[0]} clips; name the file train_position.npy with its labels"
    if len(shape) == 2 and shape[1] == _HUMANML:
        return f"{text}: HumanML3D's features, no joints; give the file of new_joints"
    return text


def _refuse_flat(array: NDArray, path: str) -> None:
    """Refuse joints of two numbers, and of two and a confidence."""
    shape = array.shape
    channels_first = len(shape) in (4, 5) and shape[-4] == 3  # (C, T, V, M) with two bodies
    if len(shape) >= 3 and shape[-1] == 2 and shape[-2] >= 11 and not channels_first:
        raise TrackerFormatError(path, "", "joints in 3D", f"flat ones {shape}. {LIFT_FIRST}")
    if len(shape) in (3, 4) and shape[-1] == 3 and shape[-2] in (17, 18, 25) and array.size:
        with np.errstate(invalid="ignore"):
            third, others = array[..., 2], array[..., :2]
            score = (third >= 0) & (third <= 1)
            pixels = np.nanmax(np.abs(others), initial=0.0) > 50
        if score.all() and pixels:
            found = f"pixels and a confidence {shape}. {LIFT_FIRST}"
            raise TrackerFormatError(path, "", "joints in 3D", found)


def _fps(arrays: Mapping[str, NDArray]) -> float | None:
    for key in _FPS_KEYS:
        value = arrays.get(key)
        if value is not None and value.size == 1 and value.dtype.kind in "fiu":
            fps = float(value.reshape(-1)[0])
            return fps if 0 < fps <= 1000 else None
    return None


def _times(arrays: Mapping[str, NDArray], frames: int, path: str) -> Array | None:
    for key in _TIME_KEYS:
        value = arrays.get(key)
        if value is not None and value.dtype.kind in "fiu" and value.ndim == 1:
            if len(value) == frames:
                return in_seconds(value)
            raise TrackerFormatError(path, key, f"{frames} times", f"{len(value)}")
    return None


def in_seconds(stamps: NDArray) -> Array:
    """Return time stamps as seconds from the first, whatever they count.

    Between two frames lie some hundredths of a second: 0.03 are seconds, 33 milliseconds, 33,000
    microseconds and 33 million nanoseconds.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        out = np.asarray(stamps, np.float64) - np.float64(stamps[0] if len(stamps) else 0)
        steps = np.diff(out)
        steps = steps[steps > 0]
        usual = float(np.median(steps)) if len(steps) else 0.0
    for least, per_second in ((1e6, 1e9), (1e3, 1e6), (2.0, 1e3)):
        if usual >= least:
            return out / per_second
    return out
