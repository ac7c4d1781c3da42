"""What a tracker's file holds, whoever wrote it: the one form that every reader returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.trackers.joints.skeletons import Skeleton

FARTHEST = 1e6
"""A coordinate beyond this is no place in any unit (1 km in mm): it is taken as missing."""


class TrackerFormatError(InputError):
    """A tracker's file breaks its format."""

    def __init__(self, path: str, where: str, expected: str, found: str):
        place = f"{path}: {where}" if where else path
        super().__init__(f"{place}: expected {expected}, found {found}")
        self.path, self.where, self.expected, self.found = path, where, expected, found

    def __reduce__(self) -> tuple[type, tuple[str, str, str, str]]:
        """Rebuild from the four arguments, so that worker processes can send it."""
        return type(self), (self.path, self.where, self.expected, self.found)


@dataclass(frozen=True, eq=False)
class TrackedRecording:
    """The bodies of a file in its own joints, unit and axes: nothing rebuilt, nothing mended.

    Attributes
    ----------
    path
        Where it came from, for messages.
    source
        Which reader read it: ``azure``, ``zed``, ``csv``, ...
    skeleton
        The joints it has, and what of a Kinect v2's body can be had from them.
    frames
        Number of frames, those without a body included.
    seconds
        float64 (T,), time of each frame; None where the file tells none.
    fps
        Frames a second, where the file tells that and no times.
    frame
        int32 (B,), frame of each body record, never falling.
    body_id
        int64 (B,), the tracker's number of the body.
    xyz
        float64 (B, J, 3), joints in the order of ``skeleton.joints``; NaN is missing.
    unit
        ``m``, ``mm``, ...; ``?`` where the file does not tell; ``body`` where sizes are unknown.
    axes
        The axes that such files come in, the likeliest first, each as `axes_matrix` takes it.
    notes
        What the reader has to say of the file, a sentence each.
    """

    path: str
    source: str
    skeleton: Skeleton
    frames: int
    seconds: NDArray[np.float64] | None
    frame: NDArray[np.int32]
    body_id: NDArray[np.int64]
    xyz: NDArray[np.float64]
    unit: str
    axes: tuple[str, ...]
    fps: float | None = None
    notes: tuple[str, ...] = ()


@dataclass
class Collected:
    """Body records gathered frame by frame while a file is read."""

    joints: int
    frame: list[int] = field(default_factory=list)
    body_id: list[int] = field(default_factory=list)
    xyz: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, frame: int, body_id: int, xyz: NDArray[np.float64]) -> None:
        """Keep one body of one frame; a body without any joint is left out."""
        if not np.isnan(xyz).all():
            self.frame.append(frame)
            self.body_id.append(body_id)
            self.xyz.append(xyz)

    def columns(
        self,
    ) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64]]:
        """Return (frame, body_id, xyz) as `TrackedRecording` has them."""
        xyz = np.array(self.xyz, np.float64).reshape(-1, self.joints, 3)
        return np.array(self.frame, np.int32), np.array(self.body_id, np.int64), xyz


def possible(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return joints (..., J, 3) with those that are at no possible place set to NaN, whole."""
    out = np.array(xyz, np.float64)
    with np.errstate(invalid="ignore"):
        lost = ~(np.abs(out) <= FARTHEST).all(axis=-1)
    out[lost] = np.nan
    return out


def triples(value: object, joints: Sequence[int], path: str, where: str) -> NDArray[np.float64]:
    """Return a list of ``[x, y, z]`` from a foreign file as (J, 3); null and NaN are missing.

    Parameters
    ----------
    value
        What stands in the file.
    joints
        The numbers of joints that are allowed; empty allows any.
    path, where
        For messages.

    Raises
    ------
    TrackerFormatError
        If it is no such list, or has another number of joints.
    """
    expected = "joints as lists of three numbers"
    if joints:
        expected = f"{' or '.join(map(str, joints))} {expected}"
    if not isinstance(value, list):
        raise TrackerFormatError(path, where, expected, type(value).__name__)
    if joints and len(value) not in joints:
        raise TrackerFormatError(path, where, expected, f"{len(value)} joints")
    rows = [[None] * 3 if row is None else row for row in value]
    if any(not isinstance(row, list) or any(_no_number(cell) for cell in row) for row in rows):
        raise TrackerFormatError(path, where, expected, "something else in the list")
    if any(len(row) == 2 for row in rows):
        raise TrackerFormatError(path, where, expected, f"two numbers a joint. {LIFT_FIRST}")
    if any(len(row) != 3 for row in rows):
        raise TrackerFormatError(path, where, expected, "a joint with another number of them")
    try:
        return possible(np.array(rows, np.float64).reshape(-1, 3))
    except OverflowError:
        raise TrackerFormatError(path, where, expected, "a number beyond any size") from None


LIFT_FIRST = (
    "Flat joints (COCO-17, BODY_25, YOLO) say nothing of depth: lift them to 3D first, for "
    "example with MMPose's human3d models or MotionBERT, and give that file"
)


def _no_number(cell: object) -> bool:
    return cell is not None and (isinstance(cell, bool) or not isinstance(cell, (int, float)))
