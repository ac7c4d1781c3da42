"""PKU-MMD: skeleton files, label files, split lists, and what a recording's name says.

A skeleton file has one line a frame: 150 numbers, two bodies of 25 joints of x, y, z in metres.
A body that is not there is all zeros. A label file has one action a line:
``action_id,start_frame,end_frame,confidence``. A split list has four lines: a heading, the
training recordings separated by commas, a heading, the testing recordings.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.body import BODIES
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.raw.records import (
    JOINT_COUNT,
    TRACKED,
    Lines,
    RawBodies,
    compiled_pays,
    shown,
    to_float,
)

BODY_NUMBERS = JOINT_COUNT * 3
FRAME_NUMBERS = BODIES * BODY_NUMBERS
VIEWS = ("L", "M", "R")  # left, middle, right camera
_NAME = re.compile(r"([0-9]{4,9}|A[0-9]{2,9}N[0-9]{2,9})-([LMR])")
_LABEL_FIELDS = ("action_id", "start_frame", "end_frame", "confidence")
_WHOLE = re.compile(rb"[0-9]{1,18}")


class PkuName(NamedTuple):
    """What the name of a recording says.

    ``part`` is 1 for ``0002-L`` and 2 for ``A10N08-L``; ``recording`` is the name without its
    view, shared by the recordings of the three cameras; ``view`` is L, M or R.
    """

    part: int
    recording: str
    view: str

    @property
    def camera(self) -> int:
        """The view as a number: 1 left, 2 middle, 3 right."""
        return VIEWS.index(self.view) + 1


class PkuAction(NamedTuple):
    """One line of a label file, in the file's own numbers: all from 1, both ends included."""

    action: int
    start: int
    end: int
    confidence: float


def parse_recording(stem: str) -> PkuName:
    """Return what a name such as ``0002-L`` (Part I) or ``A10N08-L`` (Part II) says.

    Raises
    ------
    InputError
        If the name has another form.
    """
    match = _NAME.fullmatch(stem)
    if match is None:
        raise InputError(
            f"{stem!r} is no PKU-MMD recording name: expected a name as '0002-L' (Part I) or "
            f"'A10N08-L' (Part II), ending with the view L, M or R. Rename the file or leave it "
            f"out."
        )
    return PkuName(2 if match[1].startswith("A") else 1, match[1], match[2])


def read_pku(data: bytes, path: str) -> RawBodies:
    """Return the bodies in the bytes of a PKU-MMD skeleton file.

    Parameters
    ----------
    data
        The whole file.
    path
        Its name, for messages.

    Returns
    -------
    RawBodies
        Ids are 0 and 1 by place in the line, all states 2 (tracked): the file tells no more. A
        body that is all zeros in a frame has no record there.

    Raises
    ------
    SkeletonFormatError
        With the line, where the file breaks the format, or has no frame at all.

    Notes
    -----
    The file declares no lengths, so one cut inside its very last number still has 150 numbers in
    every line. Only the line end after them shows that the last number is whole, see
    `ends_with_a_line`.
    """
    if data and compiled_pays(len(data)):
        from smie_pipe.preprocessing.raw.fast_scan import scan_pku

        sound, frames, frame, place, xyz = scan_pku(np.frombuffer(data, np.uint8))
        if sound:
            return _all_tracked(path, frames, frame, place, xyz)
    return read_pku_reference(data, path)


def ends_with_a_line(data: bytes) -> bool:
    """Return whether a line end follows the last number, so that this one is surely whole."""
    return b"\n" in data[len(data.rstrip()) :]


def read_pku_reference(data: bytes, path: str) -> RawBodies:
    """Return the same as `read_pku`, line by line: slow, and the measure of what is right."""
    lines = Lines(data, path)
    rows = [_take_frame(lines)]
    while lines.left():
        rows.append(_take_frame(lines))
    return _pack(np.array(rows, np.float64), path)


def _pack(numbers: NDArray[np.float64], path: str) -> RawBodies:
    """Return the records of frames (T, 150): bodies that are not all zeros."""
    bodies = numbers.reshape(-1, BODIES, JOINT_COUNT, 3)
    frame, place = np.nonzero((bodies != 0).any(axis=(2, 3)))
    xyz = bodies[frame, place]
    return _all_tracked(path, len(bodies), frame.astype(np.int32), place.astype(np.int64), xyz)


def _all_tracked(
    path: str,
    frames: int,
    frame: NDArray[np.int32],
    place: NDArray[np.int64],
    xyz: NDArray[np.float64],
) -> RawBodies:
    state = np.full((len(frame), JOINT_COUNT), TRACKED, np.uint8)
    return RawBodies(path, frames, frame, place, xyz, state, state[:, 0].copy())


def _take_frame(lines: Lines) -> list[float]:
    what = f"the {FRAME_NUMBERS} numbers of frame {lines.number + 1}"
    fields = lines.take(what)
    if len(fields) != FRAME_NUMBERS:
        lines.fail(what, f"{len(fields)}" if fields else "an empty line")
    return [_coordinate(lines, field, column) for column, field in enumerate(fields)]


def _coordinate(lines: Lines, field: bytes, column: int) -> float:
    number = to_float(field)
    if number is None:
        body, rest = divmod(column, BODY_NUMBERS)
        joint, axis = divmod(rest, 3)
        what = f"{'xyz'[axis]} of joint {joint + 1} of body {body + 1} in column {column + 1}"
        lines.fail(f"{what}, a number", shown(field))
    return number


def read_labels(data: bytes, path: str) -> list[PkuAction]:
    """Return the actions of a label file, in file order.

    Only the form is checked: whether an action starts at frame 0, ends before it starts, overlaps
    another or goes past its recording is for the reader of both files to say, action by action.

    Raises
    ------
    SkeletonFormatError
        With the line, where a line is not four numbers, and for a file without any action: twenty
        lost actions must not pass for none.
    """
    lines = Lines(data, path)
    actions = [_take_action(lines)]
    while lines.left():
        actions.append(_take_action(lines))
    return actions


def _take_action(lines: Lines) -> PkuAction:
    what = ",".join(_LABEL_FIELDS)
    fields = [field.strip() for field in b" ".join(lines.take(what)).split(b",")]
    if len(fields) != len(_LABEL_FIELDS):
        lines.fail(what, f"{len(fields)} fields" if any(fields) else "an empty line")
    for name, field in zip(_LABEL_FIELDS, fields[:3], strict=False):
        if not _WHOLE.fullmatch(field):
            lines.fail(f"{name}, a whole number", shown(field))
    confidence = to_float(fields[3])
    if confidence is None:
        lines.fail("confidence in column 4, a number", shown(fields[3]))
    return PkuAction(int(fields[0]), int(fields[1]), int(fields[2]), confidence)


def read_split_list(data: bytes, path: str) -> tuple[list[str], list[str]]:
    """Return the names of the training and of the testing recordings of a split list.

    The second heading's words are free, since the dataset's own lists say "Validation" for the
    testing part; the first must speak of training.

    Raises
    ------
    SkeletonFormatError
        With the line, if the four lines are not there, a name is no recording's, or a recording
        stands in both lists.
    """
    lines = Lines(data, path)
    _take_heading(lines, "training")
    train = _take_names(lines, "training")
    _take_heading(lines, "testing")
    test = _take_names(lines, "testing")
    both = sorted(set(train) & set(test))
    if both:
        lines.fail("testing recordings that are not training recordings", f"{both[0]} in both")
    if lines.left():
        lines.take("")
        lines.fail("the end of the file after the testing recordings", "more lines")
    return train, test


def _take_heading(lines: Lines, part: str) -> None:
    what = f"a heading of the {part} recordings"
    heading = b" ".join(lines.take(what))
    if (b"train" in heading.lower()) != (part == "training"):
        lines.fail(what, shown(heading))


def _take_names(lines: Lines, part: str) -> list[str]:
    what = f"the names of the {part} recordings, separated by commas"
    listed = b" ".join(lines.take(what)).decode("ascii")
    names = [name.strip().removesuffix(".txt") for name in listed.split(",") if name.strip()]
    if not names:
        lines.fail(what, "none")
    for name in names:
        if _NAME.fullmatch(name) is None:
            lines.fail(f"{what}, such as 0002-L or A10N08-L", shown(name.encode()))
    return names
