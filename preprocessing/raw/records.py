"""What a raw recording holds, and the rules of text that both raw formats share.

A line ends with LF; space, tab and CR are blanks between fields (so CRLF, and both kinds mixed,
are one case). A UTF-8 byte order mark is skipped and empty lines at the end are ignored. Every
other byte must be printable ASCII.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.foundation.errors import SkeletonFormatError

JOINT_COUNT = len(JOINTS)
TRACKED = 2  # tracking states of the sensor: 0 not tracked, 1 inferred, 2 tracked

UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_FOREIGN = re.compile(rb"[^\t\n\r\x20-\x7e]")
_WHOLE = re.compile(rb"[0-9]{1,18}")
# Digits can match in one way only: else 300,000 of them in a row would take minutes to refuse.
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# The sensor runs on Windows, whose C library has its own spellings: 1.#QNAN, -1.#IND, -nan(ind).
_NAN = re.compile(rb"[+-]?(?:nan(?:\(\w*\))?|1\.#(?:ind|qnan|snan)0*)", re.IGNORECASE)
_INFINITY = re.compile(rb"([+-]?)(?:inf|infinity|1\.#inf0*)", re.IGNORECASE)
_FAST = "smie_pipe.preprocessing.raw.fast_scan"
_FEW_BYTES = 2_000_000
"""Read line by line in 0.2 s; numba, which reads 50 times as fast, takes 0.5 s to import."""
_few = {"read": 0}
_SHOWN = 40  # characters of a wrong field quoted in a message


@dataclass(frozen=True, eq=False)
class RawBodies:
    """The body records of one recording, as the file has them: nothing chosen, nothing mended.

    Attributes
    ----------
    path
        Where it came from, for messages.
    frames
        Number of frames of the recording, those without a body included.
    frame
        int32 (B,), frame of each record, from 0, never falling.
    body_id
        int64 (B,), the sensor's id of the body; 0 and 1 by place in PKU-MMD files.
    xyz
        float64 (B, 25, 3), metres in the camera's frame; NaN and infinity are kept as written.
    state
        uint8 (B, 25), tracking state of each joint: 0 not tracked, 1 inferred, 2 tracked.
    body_state
        uint8 (B,), tracking state of the whole body, same values.
    time_s
        float64 (frames,), when each frame was taken, rising; None where the file does not say:
        then frames are evenly spaced, a Kinect's at 30 a second.
    """

    path: str
    frames: int
    frame: NDArray[np.int32]
    body_id: NDArray[np.int64]
    xyz: NDArray[np.float64]
    state: NDArray[np.uint8]
    body_state: NDArray[np.uint8]
    time_s: NDArray[np.float64] | None = None


def bodies_of_array(joints: NDArray[np.floating], path: str) -> RawBodies:
    """Return an array (M, T, V, 3) as body records; a body of zeros is absent from the frame.

    The body's place in the array is its id, and all joints are taken for tracked.
    """
    xyz = np.asarray(joints, np.float64)
    frame, body = np.nonzero(xyz.any(axis=(2, 3)).T)
    return RawBodies(
        path=path,
        frames=xyz.shape[1],
        frame=frame.astype(np.int32),
        body_id=body.astype(np.int64),
        xyz=xyz[body, frame],
        state=np.full((len(frame), xyz.shape[2]), TRACKED, np.uint8),
        body_state=np.full(len(frame), TRACKED, np.uint8),
    )


def cut(raw: RawBodies, start: int, end: int) -> RawBodies:
    """Return frames ``start`` to ``end`` (from 0, ``end`` excluded) as a recording of its own."""
    first, last = np.searchsorted(raw.frame, [start, end])
    part = slice(int(first), int(last))
    return RawBodies(
        path=raw.path,
        frames=min(end, raw.frames) - start,
        frame=raw.frame[part] - np.int32(start),
        body_id=raw.body_id[part],
        xyz=raw.xyz[part],
        state=raw.state[part],
        body_state=raw.body_state[part],
        time_s=None if raw.time_s is None else raw.time_s[start:end],
    )


def compiled_pays(size: int) -> bool:
    """Return whether the compiled reader is to read so many bytes more.

    Not for the first 2 MB of a process, unless it is loaded already: one short recording is read
    line by line in less time than its import takes. Both return the same.
    """
    if _FAST in sys.modules:
        return True
    _few["read"] += size
    return _few["read"] > _FEW_BYTES


def shown(field: bytes) -> str:
    """Return a field as a message quotes it: shortened, and with odd bytes escaped."""
    short = field if len(field) <= _SHOWN else field[:_SHOWN] + b"..."
    return repr(short.decode("latin-1"))


def to_float(field: bytes) -> float | None:
    """Return the number in ``field``, or None where it is none.

    Decimal numbers are what ``float`` makes of them. NaN and infinity are values here, in the
    spellings of Unix and of Windows. ``float``'s further liberties (1_000, other scripts' digits)
    are not numbers in a recording.
    """
    if _NUMBER.fullmatch(field):
        return float(field)
    if _NAN.fullmatch(field):
        return float("nan")
    infinity = _INFINITY.fullmatch(field)
    return float(infinity[1] + b"inf") if infinity else None


class Lines:
    """The lines of a raw file in order, each cut into fields, with errors that name the line.

    Raises
    ------
    SkeletonFormatError
        On making one, where the bytes are not text (see the top of the module).
    """

    def __init__(self, data: bytes, path: str):
        self.path = path
        self.number = 0  # of the line taken last, from 1
        _refuse_foreign_bytes(data, path)
        self._lines = data.removeprefix(UTF8_MARK).split(b"\n")
        while self._lines and not self._lines[-1].split():
            self._lines.pop()

    def left(self) -> bool:
        """Whether there is a line still to take."""
        return self.number < len(self._lines)

    def take(self, what: str) -> list[bytes]:
        """Return the fields of the next line; ``what`` it should hold is for the message."""
        self.number += 1
        if self.number > len(self._lines):
            self.fail(what, "the end of the file (it is cut short: copy or unpack it again)")
        return self._lines[self.number - 1].split()

    def take_whole(self, what: str) -> int:
        """Return the one whole number, 0 or more, that the next line must hold."""
        fields = self.take(what)
        if not fields:
            self.fail(what, "an empty line")
        if len(fields) > 1:
            self.fail(f"{what}, one number alone on its line", f"{len(fields)} fields")
        if not _WHOLE.fullmatch(fields[0]):
            self.fail(f"{what}, a whole number", shown(fields[0]))
        return int(fields[0])

    def fail(self, expected: str, found: str) -> NoReturn:
        """Raise the error for the line taken last."""
        raise SkeletonFormatError(self.path, self.number, expected, found)


def _refuse_foreign_bytes(data: bytes, path: str) -> None:
    if data.startswith(_UTF16_MARKS):
        found = "UTF-16 text (write it again as ASCII or UTF-8)"
        raise SkeletonFormatError(path, 1, "plain ASCII text", found)
    skip = len(UTF8_MARK) if data.startswith(UTF8_MARK) else 0
    foreign = _FOREIGN.search(data, skip)
    if foreign:
        line = data.count(b"\n", 0, foreign.start()) + 1
        column = foreign.start() - data.rfind(b"\n", 0, foreign.start())
        found = f"byte 0x{foreign[0][0]:02x} at character {column} (damaged, or no text file)"
        raise SkeletonFormatError(path, line, "plain ASCII text", found)
