"""Axes and units: how they are named, how they are guessed, and the evidence a body gives.

A recipe that follows here takes metres, y up, a right-handed frame, and left as the person's
left. Where the person stands and which way it faces do not matter; tilt and mirroring do.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.preprocessing.trackers.joints.kinds import axes_fault, parse_axes
from smie_pipe.preprocessing.trackers.joints.rebuild import weighted_sum
from smie_pipe.preprocessing.trackers.joints.recording import TrackedRecording
from smie_pipe.preprocessing.trackers.joints.skeletons import SIDES, Skeleton

UNITS: dict[str, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "inch": 0.0254}
"""Metres in each unit."""
BODY = "body"
"""The unit of files whose sizes mean nothing: scaled to an average body."""
UNKNOWN = "?"
TORSO_M = 0.43
"""Middle of the hips to middle of the shoulders, median of 2,209 bodies of a Kinect v2."""
TORSO_RANGE_M = (0.30, 0.65)
MIRRORED = -0.2
"""Below this the front by the feet or the face contradicts the front by the shoulders; right
bodies have +0.89 to +1.00."""
UPRIGHT = np.cos(np.pi / 4)

Array = NDArray[np.float64]


def axes_matrix(text: str) -> Array:
    """Return the matrix (3, 3) that an ``--axes`` stands for.

    ``text`` is one of `kinds.NAMED_AXES`, or says from which of the file's axes x, y (up) and z
    come: ``x,z,-y`` takes y from the file's z, and z from its y, turned round.

    Raises
    ------
    InputError
        If it is neither, or names an axis twice.
    """
    axes = parse_axes(text)
    if axes is None:
        raise InputError(axes_fault(text))
    matrix = np.zeros((3, 3))
    for row, (sign, letter) in enumerate(axes):
        matrix[row, "xyz".index(letter)] = sign
    return matrix


def axes_text(matrix: Array) -> str:
    """Return what `axes_matrix` reads as that matrix."""
    return ",".join(
        ("-" if row[np.abs(row).argmax()] < 0 else "") + "xyz"[int(np.abs(row).argmax())]
        for row in matrix
    )


def check_unit(unit: str) -> str:
    """Return a unit that is known.

    Raises
    ------
    InputError
        If it is not.
    """
    if unit not in (*UNITS, BODY):
        raise unknown_choice("unit", unit, (*UNITS, BODY))
    return unit


def choose_axes(recording: TrackedRecording) -> str:
    """Return the first of the axes such a file may come in under which the body stands.

    Unmirrored if one can be had; the first of all where none makes it stand. The self-check
    then says what is wrong.
    """
    standing = [
        (text, xyz)
        for text in recording.axes
        for xyz in [recording.xyz @ axes_matrix(text).T]
        if upward_axis(xyz, recording.skeleton)[0] == "y"
    ]
    for text, xyz in standing:
        facing = facing_share(xyz, recording.skeleton)
        if facing is None or facing >= MIRRORED:
            return text
    return standing[0][0] if standing else recording.axes[0]


def choose_scale(recording: TrackedRecording, unit: str | None) -> tuple[float, str, list[str]]:
    """Return the factor to metres, the unit's name, and what was assumed.

    A file that does not tell its unit gets the one under which its body has a body's size.
    """
    unit = unit or recording.unit
    if unit in UNITS:
        return UNITS[unit], unit, []
    size = torso_length(recording.xyz, recording.skeleton)
    if not size:
        return 1.0, "m", []
    if unit == UNKNOWN:
        for name, factor in UNITS.items():
            if TORSO_RANGE_M[0] <= size * factor <= TORSO_RANGE_M[1]:
                assumed = f"the file tells no unit; {name} taken (hips to shoulders {size:.3g})"
                return factor, name, [] if name == "m" else [assumed]
    scaled = f"scaled to a body of {TORSO_M} m from hips to shoulders: the file's sizes tell none"
    return TORSO_M / size, BODY, [scaled]


def torso_length(xyz: Array, skeleton: Skeleton) -> float:
    """Return the median way from mid-hip to mid-shoulder over the records, 0 if there is none."""
    _, way = _trunk(xyz, skeleton)
    return _median(np.linalg.norm(way, axis=-1))


def upward_axis(xyz: Array, skeleton: Skeleton) -> tuple[str, float]:
    """Return the axis along which the head is above the feet in most records, and in how many.

    ``y`` with the share 0.97 is a body that stands; ``-y`` one that hangs. Without feet the
    trunk tells. ``("y", 1.0)`` where nothing is to be seen.
    """
    way = _upward(xyz, skeleton)
    way = way[~np.isnan(way).any(axis=1)]
    if not len(way):
        return "y", 1.0
    axis = np.abs(way).argmax(axis=1)
    signed = axis + 3 * (np.take_along_axis(way, axis[:, None], 1)[:, 0] < 0)
    counts = np.bincount(signed, minlength=6)
    best = int(counts.argmax())
    return ("-" if best >= 3 else "") + "xyz"[best % 3], float(counts[best] / len(way))


def facing_share(xyz: Array, skeleton: Skeleton) -> float | None:
    """Return how far the front by feet or face agrees with that by the shoulders, -1 to 1.

    None where the tracker shows neither feet nor face.
    """
    if skeleton.front is None:
        return None
    tips, backs = skeleton.front
    front = xyz[:, tips].mean(axis=1) - xyz[:, backs].mean(axis=1)
    line = _point(xyz, skeleton, "shoulder_left") - _point(xyz, skeleton, "shoulder_right")
    across = np.cross(line, [0.0, 1.0, 0.0])
    front = front * (1, 0, 1)  # the front is level, whichever way the toes point down
    norm = np.linalg.norm(front, axis=-1) * np.linalg.norm(across, axis=-1)
    known = norm > 1e-12
    if not known.any():
        return None
    return float(np.mean((front * across).sum(axis=-1)[known] / norm[known]))


def lean(xyz: Array, skeleton: Skeleton) -> Array | None:
    """Return the mean direction from feet to head of upright records, a unit vector (3,)."""
    way = _upward(xyz, skeleton)
    norm = np.linalg.norm(way, axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        way = way / np.maximum(norm, 1e-12)
        upright = way[way[:, 1] > UPRIGHT]
    if not len(upright):
        return None
    mean: Array = upright.mean(axis=0)
    return mean / np.linalg.norm(mean)


def levelled(xyz: Array, skeleton: Skeleton) -> Array:
    """Return the joints turned so that the mean lean of upright records is straight up."""
    up = lean(xyz, skeleton)
    if up is None:
        return xyz
    axis, cosine = np.cross(up, [0.0, 1.0, 0.0]), up[1]
    cross = np.array(
        [[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]], np.float64
    )
    turn = np.eye(3) + cross + cross @ cross / (1.0 + cosine)
    return xyz @ turn.T


def _upward(xyz: Array, skeleton: Skeleton) -> Array:
    """Return the way from the ankles to the head, or along the trunk, of each record (B, 3)."""
    hips, way = _trunk(xyz, skeleton)
    top = _point(xyz, skeleton, "head")
    top = np.where(np.isnan(top), hips + way, top)
    feet = _mean([_point(xyz, skeleton, f"ankle_{side}") for side in SIDES])
    return top - np.where(np.isnan(feet), hips, feet)


def _trunk(xyz: Array, skeleton: Skeleton) -> tuple[Array, Array]:
    hips = _mean([_point(xyz, skeleton, f"hip_{side}") for side in SIDES])
    shoulders = _mean([_point(xyz, skeleton, f"shoulder_{side}") for side in SIDES])
    return hips, shoulders - hips


def _point(xyz: Array, skeleton: Skeleton, name: str) -> Array:
    if name not in skeleton.points:
        return np.full((len(xyz), 3), np.nan)
    return weighted_sum(xyz, skeleton.points[name])


def _mean(points: Sequence[Array]) -> Array:
    return np.mean(points, axis=0)


def _median(values: NDArray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing at all the median is NaN
        median = float(np.nanmedian(values)) if len(values) else 0.0
    return median if np.isfinite(median) else 0.0
