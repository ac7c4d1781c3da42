"""Compiled scanners of raw text: they take what is plainly right and doubt everything else.

A scanner answers with arrays, or says by its first result that it is in doubt. Then the plain
reader decides: it holds the rules and the messages. So a scanner may doubt a good file (and only
lose time), but must never take a bad one or another number than ``float`` would give.

How it is fast: most bytes of a raw file are never looked at one by one. One pass marks, 64 bytes
at a time, the blanks that end a field (`_index`). Three quarters of a joint's line are columns
nobody wants: they are counted by counting marks. A wanted number is read eight digits at once.
Inner functions get addresses, not arrays: numba counts references to an array at each call.

All in one file, since numba's cache notices a change only in the file of the compiled function.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from smie_pipe.preprocessing.raw.records import JOINT_COUNT

Bytes = NDArray[np.uint8]
BLOCK = 64
BLANK, LINE_END, RETURN, TAB = 32, 10, 13, 9
MINUS, PLUS, POINT, ZERO = 45, 43, 46, 48
BODY_FIELDS, JOINT_FIELDS, BODY_LINES = 10, 12, JOINT_COUNT + 2
BODY_NUMBERS = 3 * JOINT_COUNT
FRAME_NUMBERS = 2 * BODY_NUMBERS
EXACT_INTEGER = 2**53  # up to here a float64 holds every integer
EXACT_POWER = 22  # up to here it holds every power of ten
MOST_DIGITS = 18  # what an int64 takes without a check
POWERS = 10.0 ** np.arange(EXACT_POWER + 1)
SIGN = np.array([1.0, -1.0])
ABSENT = b" ".join([b"0.000000"] * BODY_NUMBERS)  # how PKU-MMD writes a body that is not there
ABSENT_WORDS = np.frombuffer(ABSENT[: len(ABSENT) // 8 * 8], np.uint64)
ABSENT_LAST = np.frombuffer(ABSENT[-8:], np.uint64)[0]
ABSENT_SIZE = len(ABSENT)


def _kept(function: Callable[[Bytes], Any]) -> Callable[[Bytes], Any]:
    """Compile for the processor at hand, and keep the result on disk where that can be done."""
    try:
        kernel = njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # numba found no folder for its cache
        kernel = njit(nogil=True, error_model="numpy")(function)

    @wraps(function)
    def scanner(data: Bytes) -> Any:
        try:
            return kernel(data)
        except OSError:  # compiled, but there was no room to keep it
            return kernel(data)

    return scanner


_compiled: Any = njit(nogil=True, error_model="numpy")  # kept as a part of the scanners
# For small helpers: a call would cost more than their work.
_inlined: Any = njit(nogil=True, error_model="numpy", forceinline=True)
_intrinsic: Any = intrinsic  # its own type says that a call takes the typing context too


@_intrinsic
def _masks(typing: Any, address: Any) -> Any:
    """Return three bit masks of 64 bytes: blanks, line ends, and bytes that are no text."""
    result = types.UniTuple(types.uint64, 3)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.IntType(8), BLOCK)

        def all_of(value: int) -> Any:
            return ir.Constant(vector, [value] * BLOCK)

        block = _load(builder, vector, arguments[0])
        line_end = builder.icmp_unsigned("==", block, all_of(LINE_END))
        blank = line_end
        for kind in (BLANK, RETURN, TAB):
            blank = builder.or_(blank, builder.icmp_unsigned("==", block, all_of(kind)))
        control = builder.icmp_unsigned("<=", block, all_of(BLANK))
        beyond = builder.icmp_unsigned(">=", block, all_of(127))
        foreign = builder.or_(builder.xor(control, blank), beyond)
        masks = [builder.bitcast(mask, ir.IntType(BLOCK)) for mask in (blank, line_end, foreign)]
        return context.make_tuple(builder, signature.return_type, masks)

    return result(types.intp), build


@_intrinsic
def _word(typing: Any, address: Any) -> Any:
    """Return the 8 bytes at an address as one integer, the first byte lowest."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _load(builder, ir.IntType(64), arguments[0])

    return types.uint64(types.intp), build


@_intrinsic
def _byte(typing: Any, address: Any) -> Any:
    """Return the byte at an address."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(_load(builder, ir.IntType(8), arguments[0]), ir.IntType(64))

    return types.int64(types.intp), build


def _load(builder: Any, kind: Any, address: Any) -> Any:
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)


@_intrinsic
def _ones(typing: Any, mask: Any) -> Any:
    """Return how many bits of a mask are set."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


@_intrinsic
def _first(typing: Any, mask: Any) -> Any:
    """Return the place of the lowest bit set, 64 for none."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), build


@_compiled
def _classify(data: Bytes) -> Any:
    """Return bit masks of the blanks and of the line ends of all bytes, and whether all are text.

    A line end is put after the last byte, and blanks from there to the end of the masks.
    """
    blocks = data.size // BLOCK
    tail = np.full(BLOCK, BLANK, np.uint8)
    for i in range(data.size - blocks * BLOCK):
        tail[i] = data[blocks * BLOCK + i]
    tail[data.size - blocks * BLOCK] = LINE_END
    blanks = np.empty(blocks + 1, np.uint64)
    line_ends = np.empty(blocks + 1, np.uint64)
    text, foreign = data.ctypes.data, np.uint64(0)
    for i in range(blocks):
        blanks[i], line_ends[i], odd = _masks(text + i * BLOCK)
        foreign |= odd
    blanks[blocks], line_ends[blocks], odd = _masks(tail.ctypes.data)
    tail[0] = BLANK  # a use after the look by address, or numba may free it before
    return blanks, line_ends, foreign | odd == np.uint64(0)


@_compiled
def _index(data: Bytes) -> Any:
    """Return where fields and lines end.

    Returns ``sound``; ``ends``, a bit for each byte, set on the first blank after a field (the
    end of the data counts as a line end); ``before``, how many fields end before each word of
    ``ends``; ``fields``, how many in all; ``line_end``, the place of each line end; ``lines``.
    """
    blanks, line_ends, sound = _classify(data)
    ends = np.zeros(len(blanks) + 1, np.uint64)  # one word more, for a look across the border
    before = np.empty(len(blanks), np.int64)
    most_lines = data.size // 2 + 2  # more than that, and some are empty
    line_end = np.empty(most_lines + BLOCK, np.int64)
    lines, fields = 0, 0
    carry = np.uint64(1)
    for i in range(len(blanks)):
        blank, line_ends_here = blanks[i], line_ends[i]
        ends[i] = blank & ~((blank << np.uint64(1)) | carry)
        carry = blank >> np.uint64(63)
        before[i] = fields
        fields += _ones(ends[i])
        # Mostly a block holds one line end or none: written without a branch to foretell.
        line_end[lines] = i * BLOCK + _first(line_ends_here)
        lines += line_ends_here != np.uint64(0)
        line_ends_here &= line_ends_here - np.uint64(1)
        while line_ends_here != np.uint64(0):
            line_end[lines] = i * BLOCK + _first(line_ends_here)
            lines += 1
            line_ends_here &= line_ends_here - np.uint64(1)
        if lines > most_lines:
            return False, ends, before, fields, line_end, lines
    return sound, ends, before, fields, line_end, lines


@_inlined
def _fields_to(ends: int, before: int, place: int) -> int:
    """Return how many fields end at or before ``place``; the arrays by their addresses."""
    word = 8 * (place >> 6)
    kept = _word(ends + word) << np.uint64(63 - (place & 63))
    return np.int64(_word(before + word)) + _ones(kept)


@_inlined
def _window(ends: int, place: int) -> Any:
    """Return the 64 bits of ``ends`` from ``place`` on."""
    word = ends + 8 * (place >> 6)
    low = np.uint64(place & 63)
    high = (_word(word + 8) << np.uint64(1)) << (np.uint64(63) - low)
    return (_word(word) >> low) | high


@_compiled
def _whole(start: int, stop: int) -> int:
    """Return the digits between two addresses as an integer, -1 in doubt."""
    if not 0 < stop - start <= MOST_DIGITS:
        return -1
    number = 0
    for place in range(start, stop):
        digit = _byte(place) - ZERO
        if digit < 0 or digit > 9:
            return -1
        number = 10 * number + digit
    return number


@_inlined
def _three_ends(ends: int, start: int) -> Any:
    """Return where the next three fields from ``start`` on end; the last is -1 in doubt."""
    after_x = _window(ends, start)
    after_y = after_x & (after_x - np.uint64(1))
    after_z = after_y & (after_y - np.uint64(1))
    found = after_z != np.uint64(0)  # else they are wider than a window
    return (
        start + _first(after_x),
        start + _first(after_y),
        start + _first(after_z) if found else -1,
    )


@_inlined
def _parts(start: int, stop: int, limit: int) -> Any:
    """Return whether a field is a number that is read exactly, and its parts.

    The number is (head + eight digits) / power; `_join` computes many at once. The usual form, a
    digit, the point and up to eight digits, is taken in one go; nothing from ``limit`` on is
    touched.
    """
    negative = _byte(start) == MINUS
    first = start + negative
    decimals = stop - first - 2
    if decimals < 1 or decimals > 8 or first + 10 > limit:
        return _unusual_parts(start, stop)
    digits = _word(first + 2) ^ np.uint64(0x3030303030303030)
    digits <<= np.uint64(64 - 8 * decimals)  # zeros come in before the digits
    above_nine = (digits + np.uint64(0x7676767676767676)) | digits
    whole = np.uint64(_byte(first) - ZERO)
    if (
        whole > np.uint64(9)
        or _byte(first + 1) != POINT
        or above_nine & np.uint64(0x8080808080808080) != np.uint64(0)
    ):
        return _unusual_parts(start, stop)
    power = POWERS[decimals]
    return True, digits, np.float64(whole) * power, power * SIGN[np.int64(negative)]


@_compiled
def _unusual_parts(start: int, stop: int) -> Any:
    """Return the same as `_parts` for any decimal number, by way of its value."""
    sound, number = _unusual_number(start, stop)
    return sound, np.uint64(0), abs(number), np.copysign(1.0, number)


@_compiled
def _join(
    digits: NDArray[np.uint64],
    head: NDArray[np.float64],
    power: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Put the numbers together from their parts, several at a time.

    Both sides of the quotient are integers that float64 holds exactly, so it is rounded once, as
    ``float`` rounds.
    """
    for i in range(len(digits)):
        word = (digits[i] * np.uint64(2561)) >> np.uint64(8)  # pairs of digits, then fours
        word = ((word & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
        word = ((word & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(
            32
        )
        out[i] = (head[i] + np.float64(np.int64(word))) / power[i]


@_compiled
def _unusual_number(start: int, stop: int) -> Any:
    """Return whether any decimal number is read exactly, and the number, byte by byte."""
    place = start
    while place < stop and _byte(place) == BLANK:  # more than one blank between fields
        place += 1
    negative = place < stop and _byte(place) == MINUS
    if place < stop and (negative or _byte(place) == PLUS):
        place += 1
    mantissa, digits, power, points = 0, 0, 0, 0
    while place < stop:
        byte = _byte(place)
        if ZERO <= byte <= ZERO + 9 and digits < MOST_DIGITS:
            mantissa = 10 * mantissa + byte - ZERO
            digits += 1
            power -= points
        elif byte == POINT and points == 0:
            points = 1
        else:
            break
        place += 1
    if place < stop:
        sound, exponent = _exponent(place, stop)
        if not sound:
            return False, 0.0
        power += exponent
    if digits == 0 or mantissa > EXACT_INTEGER or abs(power) > EXACT_POWER:
        return False, 0.0
    number = np.float64(mantissa)
    number = number / POWERS[-power] if power < 0 else number * POWERS[power]
    return True, -number if negative else number


@_compiled
def _exponent(start: int, stop: int) -> Any:
    """Return whether the rest of a number is an exponent such as e-05, and its value."""
    if _byte(start) != 101 and _byte(start) != 69:  # e, E
        return False, 0
    place = start + 1
    negative = place < stop and _byte(place) == MINUS
    if place < stop and (negative or _byte(place) == PLUS):
        place += 1
    size = _whole(place, stop)
    return size >= 0, -size if negative else size


@_inlined
def _last_state(stop: int) -> int:
    """Return the state 0, 1 or 2 at the end of the line that ends at ``stop``, 3 in doubt.

    The line must hold two fields or more.
    """
    while _byte(stop - 1) <= BLANK:  # CR
        stop -= 1
    state = _byte(stop - 1) - ZERO
    if state < 0 or state > 2 or _byte(stop - 2) > BLANK:
        return 3
    return state


@_kept
def scan_skeleton(data: Bytes) -> Any:
    """Return the contents of a ``.skeleton`` file.

    Parameters
    ----------
    data
        The bytes of the file, contiguous.

    Returns
    -------
    tuple
        ``sound``, and only if that is True of any meaning: frames, frame of each record int32
        (B,), body id int64 (B,), xyz float64 (B, 25, 3), joint state uint8 (B, 25), body state
        uint8 (B,): the fields of `RawBodies` in order.
    """
    sound, ends, before, fields, line_end, lines = _index(data)
    frames, frame, first_line = 0, np.empty(0, np.int32), np.empty(0, np.int64)
    if sound:
        sound, frames, frame, first_line = _layout(data, ends, before, fields, line_end, lines)
    body_id, body_state = np.empty(len(frame), np.int64), np.empty(len(frame), np.uint8)
    xyz = np.empty((len(frame), JOINT_COUNT, 3), np.float64)
    state = np.empty((len(frame), JOINT_COUNT), np.uint8)
    sound = (
        sound
        and _read_bodies(data, ends, line_end, first_line, body_id, body_state)
        and _read_joints(data, ends, line_end, first_line, xyz, state)
    )
    return sound, frames, frame, body_id, xyz, state, body_state


@_compiled
def _layout(
    data: Bytes,
    ends: NDArray[np.uint64],
    before: NDArray[np.int64],
    fields: int,
    line_end: NDArray[np.int64],
    lines: int,
) -> Any:
    """Check the number of fields of every line against the counts the file declares.

    Returns ``sound``, the frame count, and for each body its frame and the line it starts on.
    """
    text, marks, counts = data.ctypes.data, ends.ctypes.data, before.ctypes.data
    frame = np.empty(lines // BODY_LINES, np.int32)
    first_line = np.empty(lines // BODY_LINES, np.int64)
    bodies = 0
    frames = _whole(text, text + _first(_window(marks, 0)))
    sound = frames >= 0 and _fields_to(marks, counts, line_end[0]) == 1
    line, seen, number = 1, 1, 0
    while sound and number < frames and line < lines:
        start = line_end[line - 1] + 1
        here = _whole(text + start, text + start + _first(_window(marks, start)))
        seen += 1
        sound = here >= 0 and _fields_to(marks, counts, line_end[line]) == seen
        line += 1
        while sound and here > 0:
            if line + BODY_LINES > lines:
                return False, frames, frame, first_line
            frame[bodies], first_line[bodies] = number, line
            bodies += 1
            here -= 1
            wrong = 0
            for i in range(BODY_LINES):
                seen += BODY_FIELDS if i == 0 else 1 if i == 1 else JOINT_FIELDS
                wrong |= _fields_to(marks, counts, line_end[line + i]) ^ seen
            line += BODY_LINES
            sound = wrong == 0
        number += 1
    sound = sound and number == frames and seen == fields
    return sound, frames, frame[:bodies], first_line[:bodies]


@_compiled
def _read_bodies(
    data: Bytes,
    ends: NDArray[np.uint64],
    line_end: NDArray[np.int64],
    first_line: NDArray[np.int64],
    body_id: NDArray[np.int64],
    body_state: NDArray[np.uint8],
) -> bool:
    """Read the first line of each body; return whether all are sound, and of 25 joints."""
    text, marks = data.ctypes.data, ends.ctypes.data
    for i in range(len(first_line)):
        start, stop = line_end[first_line[i] - 1] + 1, line_end[first_line[i]]
        body_id[i] = _whole(text + start, text + start + _first(_window(marks, start)))
        body_state[i] = _last_state(text + stop)
        start = stop + 1
        joints = _whole(text + start, text + start + _first(_window(marks, start)))
        if body_id[i] < 0 or body_state[i] > 2 or joints != JOINT_COUNT:
            return False
    return True


@_compiled
def _read_joints(
    data: Bytes,
    ends: NDArray[np.uint64],
    line_end: NDArray[np.int64],
    first_line: NDArray[np.int64],
    xyz: NDArray[np.float64],
    state: NDArray[np.uint8],
) -> bool:
    """Read x, y, z and the state of each joint of each body; return whether all are sound."""
    text, marks = data.ctypes.data, ends.ctypes.data
    digits = np.empty(BODY_NUMBERS, np.uint64)
    head, power = np.empty(BODY_NUMBERS), np.empty(BODY_NUMBERS)
    numbers = xyz.reshape((len(first_line), BODY_NUMBERS))
    for i in range(len(first_line)):
        for joint in range(JOINT_COUNT):
            line = first_line[i] + 2 + joint
            start = line_end[line - 1] + 1
            stops = _three_ends(marks, start)
            if stops[2] < 0:
                return False
            for axis in range(3):
                k = 3 * joint + axis
                sound, digits[k], head[k], power[k] = _parts(
                    text + start, text + stops[axis], text + data.size
                )
                if not sound:
                    return False
                start = stops[axis] + 1
            state[i, joint] = _last_state(text + line_end[line])
            if state[i, joint] > 2:
                return False
        _join(digits, head, power, numbers[i])
    return True


@_kept
def scan_pku(data: Bytes) -> Any:
    """Return the contents of a PKU-MMD skeleton file.

    Parameters
    ----------
    data
        The bytes of the file, contiguous.

    Returns
    -------
    tuple
        ``sound``, and only if that is True of any meaning: frames, frame of each record int32
        (B,), place in its line int64 (B,), xyz float64 (B, 25, 3). Bodies that are all zeros
        have no record.
    """
    sound, ends, before, fields, line_end, lines = _index(data)
    frames = fields // FRAME_NUMBERS
    sound = (
        sound
        and _all_of_150(ends, before, fields, line_end, lines)
        and line_end[frames - 1] < data.size  # a line end of the file, not ours
    )
    most = 2 * frames if sound else 0
    frame, body = np.empty(most, np.int32), np.empty(most, np.int64)
    xyz = np.empty((most, BODY_NUMBERS), np.float64)
    records = _read_frames(data, ends, line_end, frame, body, xyz) if sound else 0
    sound = sound and records >= 0
    xyz = xyz.reshape((most, JOINT_COUNT, 3))
    return sound, frames, frame[:records], body[:records], xyz[:records]


@_compiled
def _all_of_150(
    ends: NDArray[np.uint64],
    before: NDArray[np.int64],
    fields: int,
    line_end: NDArray[np.int64],
    lines: int,
) -> bool:
    """Return whether there are lines, all of 150 fields but for empty ones at the end."""
    frames = fields // FRAME_NUMBERS
    if frames == 0 or fields % FRAME_NUMBERS or lines < frames:
        return False
    wrong = 0
    for i in range(frames):
        seen = _fields_to(ends.ctypes.data, before.ctypes.data, line_end[i])
        wrong |= seen ^ (FRAME_NUMBERS * (i + 1))
    return wrong == 0


@_compiled
def _read_frames(
    data: Bytes,
    ends: NDArray[np.uint64],
    line_end: NDArray[np.int64],
    frame: NDArray[np.int32],
    body: NDArray[np.int64],
    xyz: NDArray[np.float64],
) -> int:
    """Read the bodies of every line; return how many are there, -1 in doubt."""
    text, marks = data.ctypes.data, ends.ctypes.data
    digits = np.empty(BODY_NUMBERS, np.uint64)
    head, power = np.empty(BODY_NUMBERS), np.empty(BODY_NUMBERS)
    records = 0
    for number in range(len(frame) // 2):
        start = line_end[number - 1] + 1 if number else 0
        for place in range(2):
            if _is_absent(text + start, text + data.size):
                start += ABSENT_SIZE + 1
                continue
            for joint in range(JOINT_COUNT):
                stops = _three_ends(marks, start)
                if stops[2] < 0:
                    return -1
                for axis in range(3):
                    k = 3 * joint + axis
                    sound, digits[k], head[k], power[k] = _parts(
                        text + start, text + stops[axis], text + data.size
                    )
                    if not sound:
                        return -1
                    start = stops[axis] + 1
            frame[records], body[records] = number, place
            _join(digits, head, power, xyz[records])
            if np.any(xyz[records] != 0.0):
                records += 1
    return records


@_inlined
def _is_absent(start: int, limit: int) -> bool:
    """Return whether 75 times ``0.000000``, and no more of a number, stands at an address."""
    if start + ABSENT_SIZE >= limit or _word(start) != ABSENT_LAST:
        return False
    other = _word(start + ABSENT_SIZE - 8) ^ ABSENT_LAST
    for i in range(len(ABSENT_WORDS)):
        other |= _word(start + 8 * i) ^ ABSENT_WORDS[i]
    return other == np.uint64(0) and _byte(start + ABSENT_SIZE) <= BLANK
