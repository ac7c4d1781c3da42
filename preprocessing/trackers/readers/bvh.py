"""BVH: a hierarchy of joints and their turns in each frame, made positions by the chain.

Positions come from offsets and Euler angles down the hierarchy; the unit is whatever the maker
used, mostly centimetres. Ends of chains are joints of their own here, named ``<joint>_End``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.raw.records import to_float
from smie_pipe.preprocessing.trackers.joints.names import Markers, in_joints
from smie_pipe.preprocessing.trackers.joints.orientation import UNKNOWN
from smie_pipe.preprocessing.trackers.joints.recording import (
    TrackedRecording,
    TrackerFormatError,
    possible,
)

AXES = ("y-up", "z-up")
MOST_JOINTS = 1000
_CHANNELS = {f"{axis}{kind}" for axis in "xyz" for kind in ("position", "rotation")}

Array = NDArray[np.float64]


@dataclass
class Joint:
    """A joint of the hierarchy, its parent's number (-1: none), offset and channels."""

    name: str
    parent: int
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    channels: tuple[str, ...] = ()


@dataclass
class _Words:
    """The words of a file one by one, with the line each stands on."""

    path: str
    words: list[tuple[int, str]]
    at: int = field(default=0)

    def take(self, what: str) -> str:
        if self.at >= len(self.words):
            line = f"line {self.words[-1][0]}" if self.words else "line 1"
            raise TrackerFormatError(self.path, line, what, "the end of the file")
        self.at += 1
        return self.words[self.at - 1][1]

    def peek(self) -> str:
        return self.words[self.at][1] if self.at < len(self.words) else ""

    def fail(self, what: str) -> TrackerFormatError:
        line, word = self.words[max(self.at - 1, 0)]
        return TrackerFormatError(self.path, f"line {line}", what, repr(word[:40]))

    def number(self, what: str) -> float:
        value = to_float(self.take(what).encode("latin-1", "replace"))
        if value is None or not np.isfinite(value):
            raise self.fail(f"{what}, a number")
        return value

    def whole(self, what: str, most: int) -> int:
        value = self.number(what)
        if value != int(value) or not 0 <= value <= most:
            raise self.fail(f"{what}, a whole number up to {most}")
        return int(value)

    def exactly(self, word: str) -> None:
        if self.take(word).lower() != word.lower():
            raise self.fail(word)


def recognises(name: str, head: bytes) -> bool:
    """Return whether the start of a file is of this kind."""
    return name.endswith(".bvh") or head.lstrip().startswith(b"HIERARCHY")


def read(data: bytes, path: str, markers: Markers | None = None) -> TrackedRecording:
    """Return the body in a BVH file.

    Raises
    ------
    TrackerFormatError
        If it breaks the format, with the line.
    InputError
        If no hips or shoulders are among its joints.
    """
    lines = data.decode("latin-1").removeprefix("\xef\xbb\xbf").splitlines()
    start = next((n for n, line in enumerate(lines) if line.strip().upper() == "MOTION"), -1)
    if start < 0:
        raise TrackerFormatError(path, f"line {len(lines) or 1}", "MOTION", "the end of the file")
    words = [(n, word) for n, line in enumerate(lines[:start], 1) for word in line.split()]
    joints = read_hierarchy(_Words(path, words))
    motion, seconds = _motion(lines, start, sum(len(j.channels) for j in joints), path)
    told = [n for n, joint in enumerate(joints) if not _empty_end(joint)]
    xyz = possible(positions(joints, motion)[:, told])
    skeleton, xyz = in_joints([joints[number].name for number in told], xyz, path, markers)
    return TrackedRecording(
        path=path,
        source="bvh",
        skeleton=skeleton,
        frames=len(xyz),
        seconds=np.arange(len(xyz), dtype=np.float64) * seconds if seconds > 0 else None,
        frame=np.arange(len(xyz), dtype=np.int32),
        body_id=np.zeros(len(xyz), np.int64),
        xyz=xyz,
        unit=UNKNOWN,
        axes=AXES,
    )


def _empty_end(joint: Joint) -> bool:
    """Return whether it is the end of a chain at the last joint itself, which tells nothing."""
    return joint.name.endswith("_End") and not joint.channels and not any(joint.offset)


def read_hierarchy(words: _Words) -> list[Joint]:
    """Return the joints of the first hierarchy, each after its parent."""
    words.exactly("HIERARCHY")
    joints: list[Joint] = []
    open_joints: list[int] = []
    while True:
        word = words.take("ROOT, JOINT, End Site or }").lower()
        if word in ("root", "joint", "end"):
            if len(joints) >= MOST_JOINTS:
                raise words.fail(f"at most {MOST_JOINTS} joints")
            if (word == "root") == bool(open_joints):
                raise words.fail("one ROOT, and every JOINT inside it")
            parent = open_joints[-1] if open_joints else -1
            joints.append(_joint(words, word, joints, parent))
            open_joints.append(len(joints) - 1)
        elif word == "}" and open_joints:
            open_joints.pop()
            if not open_joints:
                return joints
        else:
            raise words.fail("ROOT, JOINT, End Site or }")


def _joint(words: _Words, kind: str, joints: Sequence[Joint], parent: int) -> Joint:
    name = words.take("a joint's name")
    while kind != "end" and words.peek() not in ("{", ""):
        name += f" {words.take('a joint name')}"  # names with blanks
    joint = Joint(f"{joints[parent].name}_End" if kind == "end" else name, parent)
    words.exactly("{")
    words.exactly("OFFSET")
    joint.offset = tuple(words.number(f"the offset of {joint.name}") for _ in range(3))
    if words.peek().lower() == "channels":
        words.take("CHANNELS")
        count = words.whole("the number of channels", 9)
        joint.channels = tuple(words.take("a channel").lower() for _ in range(count))
        if not set(joint.channels) <= _CHANNELS:
            raise words.fail("channels such as Xposition or Zrotation")
    return joint


def _motion(lines: Sequence[str], start: int, channels: int, path: str) -> tuple[Array, float]:
    """Return the channels of each frame (T, C) and the seconds between two."""
    heading = [(n, word) for n in (start + 1, start + 2) if n < len(lines)
               for word in ((n + 1, w) for w in lines[n].split())]  # fmt: skip
    words = _Words(path, [pair for _, pair in heading])
    words.exactly("Frames:")
    frames = words.whole("the number of frames", 10_000_000)
    words.exactly("Frame")
    words.exactly("Time:")
    seconds = words.number("the frame time")
    rows = []
    for at, line in enumerate(lines[start + 3 :], start + 4):
        cells = [to_float(cell.encode("latin-1")) for cell in line.split()]
        if not cells:
            continue
        if len(cells) != channels or None in cells:
            found = f"{len(cells)}" if None not in cells else "something else"
            raise TrackerFormatError(path, f"line {at}", f"{channels} numbers", found)
        rows.append(cells)
    if len(rows) != frames:
        found = f"{len(rows)} (it is cut short, or its count is wrong)"
        raise TrackerFormatError(path, f"line {len(lines)}", f"{frames} frames", found)
    return np.array(rows, np.float64).reshape(frames, channels), seconds


def positions(joints: Sequence[Joint], motion: Array) -> Array:
    """Return the place of every joint (T, J, 3) from the channels of each frame (T, C).

    A joint's turn is the product of its rotations in the order of its channels; its place is its
    parent's, plus its offset (and its position channels) turned as its parent is.
    """
    frames = len(motion)
    places = np.zeros((frames, len(joints), 3))
    turns = np.zeros((frames, len(joints), 3, 3))
    column = 0
    for number, joint in enumerate(joints):
        offset = np.tile(joint.offset, (frames, 1))
        turn = np.tile(np.eye(3), (frames, 1, 1))
        if any(channel.endswith("position") for channel in joint.channels):
            offset = np.zeros((frames, 3))  # absolute for the root, in place of the offset
        for channel in joint.channels:
            values, column = motion[:, column], column + 1
            axis = "xyz".index(channel[0])
            if channel.endswith("position"):
                offset[:, axis] = values
            else:
                turn = turn @ _rotation(axis, values)
        parent = joint.parent
        if parent < 0:
            places[:, number], turns[:, number] = offset, turn
        else:
            moved = np.einsum("tij,tj->ti", turns[:, parent], offset)
            places[:, number] = places[:, parent] + moved
            turns[:, number] = turns[:, parent] @ turn
    return places


def _rotation(axis: int, degrees: Array) -> Array:
    with np.errstate(invalid="ignore", over="ignore"):
        angle = np.radians(np.where(np.abs(degrees) < 1e9, degrees, np.nan))
        c, s = np.cos(angle), np.sin(angle)
    out = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[:, axis, axis] = 1.0
    out[:, i, i], out[:, j, j] = c, c
    out[:, i, j], out[:, j, i] = -s, s
    return out
