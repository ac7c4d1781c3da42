"""NTU RGB+D: the text of a ``.skeleton`` file, and what its name says.

::

    frame count
    for each frame:  body count
      for each body: bodyID clippedEdges handLeftConfidence handLeftState handRightConfidence
                     handRightState isRestricted leanX leanY trackingState
                     joint count (25)
                     25 lines: x y z depthX depthY colorX colorY
                               orientationW orientationX orientationY orientationZ trackingState

Of these, the body's id and tracking state and each joint's x, y, z and tracking state are read.
The other columns are counted and their bytes must be text, but they are not read as numbers:
what stands there cannot reach a result.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.raw.records import (
    JOINT_COUNT,
    Lines,
    RawBodies,
    compiled_pays,
    shown,
    to_float,
)

NTU_SUFFIX = ".skeleton"
BODY_FIELDS = 10
JOINT_FIELDS = 12
_NAME = re.compile(r"S([0-9]{3,9})C([0-9]{3,9})P([0-9]{3,9})(?:R([0-9]{3,9}))?A([0-9]{3,9})")
_BODY_ID = re.compile(rb"-?[0-9]{1,19}")
_STATES = {b"0": 0, b"1": 1, b"2": 2}


class NtuName(NamedTuple):
    """What the name of a recording says, numbers as in the name, 0 for one that it lacks."""

    setup: int
    camera: int
    performer: int
    replication: int
    action: int


def parse_name(stem: str) -> NtuName:
    """Return the five numbers of a name such as ``S001C002P003R002A013``.

    Raises
    ------
    InputError
        If the name has another form.

    Notes
    -----
    The data sets count from 1. Other recorders count from 0 or leave the replication out, and
    neither harms: a performer, camera or setup 0 is in neither part of an official protocol, an
    action 0 is one that ``classes.csv`` must list.
    """
    match = _NAME.fullmatch(stem)
    if match is None:
        raise InputError(
            f"{stem!r} is no NTU recording name: expected SsssCcccPpppRrrrAaaa, as in "
            f"'S001C002P003R002A013', numbers of three digits or more (Rrrr may be missing)"
        )
    return NtuName(*(int(number or 0) for number in match.groups()))


def read_skeleton(data: bytes, path: str) -> RawBodies:
    """Return the bodies in the bytes of a ``.skeleton`` file.

    Parameters
    ----------
    data
        The whole file.
    path
        Its name, for messages.

    Returns
    -------
    RawBodies
        Records in file order. A file of 0 frames, or of frames without bodies, is well formed
        and gives no records: whether it is of use is decided later, with a reason.

    Raises
    ------
    SkeletonFormatError
        With the line, where the file breaks the format.
    """
    if data and compiled_pays(len(data)):
        from smie_pipe.preprocessing.raw.fast_scan import scan_skeleton

        sound, *found = scan_skeleton(np.frombuffer(data, np.uint8))
        if sound:
            return RawBodies(path, *found)
    return read_skeleton_reference(data, path)


def read_skeleton_reference(data: bytes, path: str) -> RawBodies:
    """Return the same as `read_skeleton`, line by line: slow, and the measure of what is right.

    It holds the rules and the messages; the fast scanner hands it every file that it doubts.
    Memory grows with the file, never with a count that the file declares.
    """
    lines = Lines(data, path)
    found = _Records()
    frames = lines.take_whole("the frame count")
    for frame in range(frames):
        bodies = lines.take_whole(f"the body count of frame {frame + 1} of {frames}")
        for body in range(bodies):
            found.frame.append(frame)
            _take_body(lines, found, f"body {body + 1} of frame {frame + 1}")
    if lines.left():
        lines.take("")
        lines.fail(f"the end of the file after {frames} frames", "more lines")
    return found.packed(path, frames)


class _Records:
    """Lists that grow record by record."""

    def __init__(self) -> None:
        self.frame: list[int] = []
        self.body_id: list[int] = []
        self.body_state: list[int] = []
        self.xyz: list[list[float]] = []
        self.state: list[int] = []

    def packed(self, path: str, frames: int) -> RawBodies:
        return RawBodies(
            path=path,
            frames=frames,
            frame=np.array(self.frame, np.int32),
            body_id=np.array(self.body_id, np.int64),
            xyz=np.array(self.xyz, np.float64).reshape(-1, JOINT_COUNT, 3),
            state=np.array(self.state, np.uint8).reshape(-1, JOINT_COUNT),
            body_state=np.array(self.body_state, np.uint8),
        )


def _take_body(lines: Lines, found: _Records, where: str) -> None:
    fields = _take_fields(lines, BODY_FIELDS, f"the fields of {where}")
    found.body_id.append(_body_id(lines, fields[0], where))
    found.body_state.append(_state(lines, fields[-1], where))
    joints = lines.take_whole(f"the joint count of {where}")
    if joints != JOINT_COUNT:
        lines.fail(f"{JOINT_COUNT} joints for {where} (Kinect v2)", f"{joints}")
    for joint in range(JOINT_COUNT):
        what = f"joint {joint + 1} of {where}"
        fields = _take_fields(lines, JOINT_FIELDS, f"the fields of {what}")
        found.xyz.append([_coordinate(lines, fields[i], "xyz"[i], what) for i in range(3)])
        found.state.append(_state(lines, fields[-1], what))


def _take_fields(lines: Lines, count: int, what: str) -> list[bytes]:
    fields = lines.take(f"{what}, {count} in number")
    if len(fields) != count:
        lines.fail(f"{what}, {count} in number", f"{len(fields)}" if fields else "an empty line")
    return fields


def _body_id(lines: Lines, field: bytes, where: str) -> int:
    number = int(field) if _BODY_ID.fullmatch(field) else None
    if number is None or not -(2**63) <= number < 2**63:
        lines.fail(f"the id of {where} in column 1, a whole number of 64 bits", shown(field))
    return number


def _state(lines: Lines, field: bytes, where: str) -> int:
    if field not in _STATES:
        lines.fail(f"the tracking state of {where} in the last column, 0, 1 or 2", shown(field))
    return _STATES[field]


def _coordinate(lines: Lines, field: bytes, axis: str, where: str) -> float:
    number = to_float(field)
    if number is None:
        column = "xyz".index(axis) + 1
        lines.fail(f"{axis} of {where} in column {column}, a number", shown(field))
    return number
