"""Arrays with their rate as ``.npz``, and the netCDF of ``movement``."""

from __future__ import annotations

import io

import h5py
import numpy as np

from smie_pipe.preprocessing.trackers.joints.orientation import axes_matrix
from smie_pipe.preprocessing.trackers.joints.recording import TrackedRecording


def write_array(recording: TrackedRecording, axes: str = "y-up") -> bytes:
    """Return ``joints`` (T, M, V, 3) in metres and ``time`` (T,) in seconds, NaN where absent."""
    there = _all_bodies(recording) @ np.linalg.inv(axes_matrix(axes)).T
    assert recording.seconds is not None
    buffer = io.BytesIO()
    np.savez_compressed(buffer, joints=there.astype(np.float32), time=recording.seconds)
    return buffer.getvalue()


def write_h36m(recording: TrackedRecording) -> bytes:
    """Return the same in a camera's axes, y down, as pose lifters give it."""
    return write_array(recording, "-x,-y,z")


def write_movement(recording: TrackedRecording) -> bytes:
    """Return a poses dataset of ``movement`` as the netCDF4 that xarray makes of it."""
    there = _all_bodies(recording)  # (T, M, V, 3)
    assert recording.seconds is not None
    scales = {
        "time": np.asarray(recording.seconds, np.float64),
        "space": np.array(["x", "y", "z"], object),
        "keypoints": np.array(recording.skeleton.joints, object),
        "individuals": np.array([f"id_{n}" for n in range(there.shape[1])], object),
    }
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, values in scales.items():
            kind = None if values.dtype.kind == "f" else h5py.string_dtype()
            file.create_dataset(name, data=values, dtype=kind).make_scale(name)
        position = there.transpose(0, 3, 2, 1)  # (T, M, V, 3) -> (time, space, keypoints, ind.)
        variable = file.create_dataset("position", data=position)
        for number, name in enumerate(scales):
            variable.dims[number].attach_scale(file[name])
        file.attrs["time_unit"] = "seconds"
        file.attrs["ds_type"] = "poses"
    return buffer.getvalue()


def _all_bodies(recording: TrackedRecording) -> np.ndarray:
    """Return all bodies (T, M, V, 3), NaN where one is absent; at least one."""
    ids, place = np.unique(recording.body_id, return_inverse=True)
    shape = (recording.frames, max(1, len(ids)), len(recording.skeleton.joints), 3)
    out = np.full(shape, np.nan)
    out[recording.frame, place] = recording.xyz
    return out
