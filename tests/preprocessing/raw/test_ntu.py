"""NTU text: what is read, what is accepted, and every kind of damage with its message and line."""

import dataclasses
import math
import re
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.errors import InputError, SkeletonFormatError
from smie_pipe.preprocessing.raw.fast_scan import scan_skeleton
from smie_pipe.preprocessing.raw.ntu import (
    NtuName,
    parse_name,
    read_skeleton,
    read_skeleton_reference,
)

FIRST_ID = 72057594037931101  # a real one: more than float64 can hold
JOINT = "0.2181153 -0.1725972 3.785547 277.419 191.8218 1036.233 519.1677 -0.2 0.05 0.9 -0.1 2"


def lines_of(bodies=(1, 2, 0)):
    """The lines of a file whose frames have that many bodies.

    With the default: line 1 the frame count; frame 1 on lines 2-29 (body 1: fields on 3, joint
    count on 4, joints on 5-29); frame 2 on 30-84 (body 1: 31-57, body 2: 58-84); frame 3 on 85.
    """
    lines = [str(len(bodies))]
    for count in bodies:
        lines.append(str(count))
        for body in range(count):
            lines += [f"{FIRST_ID + body} 0 1 1 1 1 0 0.02 0.05 2", "25"] + [JOINT] * 25
    return lines


def text_of(lines):
    return "".join(line + "\n" for line in lines).encode()


WHOLE = text_of(lines_of())


def with_line(number, change):
    """WHOLE with a line (from 1) put through ``change``, or replaced by it, or gone at None."""
    lines = lines_of()
    lines[number - 1] = change(lines[number - 1]) if callable(change) else change
    return text_of(line for line in lines if line is not None)


def with_field(number, column, field):
    """WHOLE with one field (columns from 1) of one line replaced."""

    def change(line):
        fields = line.split()
        fields[column - 1] = field
        return " ".join(fields)

    return with_line(number, change)


def same(one, other):
    """Whether two RawBodies are equal, type and bit for bit."""
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype and a.shape == b.shape, field.name
            assert a.tobytes() == b.tobytes(), field.name
        else:
            assert a == b, field.name
    return True


def scanned(data):
    """Whether the scanner takes the file by itself."""
    return scan_skeleton(np.frombuffer(data, np.uint8))[0]


def test_everything_wanted_is_read():
    raw = read_skeleton(WHOLE, "clip")
    assert (raw.path, raw.frames) == ("clip", 3)
    assert raw.frame.tolist() == [0, 1, 1]
    assert raw.body_id.tolist() == [FIRST_ID, FIRST_ID, FIRST_ID + 1]
    assert raw.xyz.shape == (3, 25, 3)
    assert raw.xyz[2, 24].tolist() == [0.2181153, -0.1725972, 3.785547]
    assert raw.state.tolist() == [[2] * 25] * 3
    assert raw.body_state.tolist() == [2] * 3


def test_each_column_comes_from_its_place():
    data = with_field(31 + 2 + 7, 2, "-1.25")
    data = data.replace(b" -0.1 2\n", b" -0.1 1\n", 1)
    raw = read_skeleton(data, "clip")
    assert raw.xyz[1, 7].tolist() == [0.2181153, -1.25, 3.785547]
    assert np.argwhere(raw.state == 1).tolist() == [[0, 0]]


def test_real_files_are_scanned_and_equal_the_plain_reader(shared):
    files = sorted((shared / "data/ntu_samples").iterdir())
    assert len(files) == 6
    for file in files:
        data = file.read_bytes()
        assert scanned(data)
        assert same(read_skeleton(data, file.name), read_skeleton_reference(data, file.name))


def test_the_real_malformed_file_is_refused_at_its_line_6(shared):
    (file,) = (shared / "data").glob("ntu_malformed_*")
    with pytest.raises(SkeletonFormatError, match=r":6: expected the fields of joint 2 of body 1"):
        read_skeleton(file.read_bytes(), str(file))


# Files that are read, each with: the bytes, whether the scanner takes them, and how many records.
ACCEPTED = {
    "LF": (WHOLE, True, 3),
    "CRLF": (WHOLE.replace(b"\n", b"\r\n"), True, 3),
    "LF and CRLF mixed": (WHOLE.replace(b"2\n", b"2\r\n"), True, 3),
    "CR doubled by a text mode": (WHOLE.replace(b"\n", b"\r\r\n"), True, 3),
    "no line end after the last line": (WHOLE[:-1], True, 3),
    "ends in the last joint": (text_of(lines_of((1, 1)))[:-1], True, 2),
    "empty lines at the end": (WHOLE + b"\r\n \n\n", True, 3),
    "a blank at each line's end": (WHOLE.replace(b"\n", b" \n"), True, 3),
    "two blanks between fields": (WHOLE.replace(b" ", b"  "), True, 3),
    "tabs between fields": (WHOLE.replace(b" ", b"\t"), True, 3),
    "blanks before fields": (WHOLE.replace(b"\n0.2", b"\n   0.2"), True, 3),
    "blanks before counts": (WHOLE.replace(b"\n25\n", b"\n 25\n"), False, 3),
    "UTF-8 byte order mark": (b"\xef\xbb\xbf" + WHOLE, False, 3),
    "leading zeros": (WHOLE.replace(b"\n25\n", b"\n0025\n"), True, 3),
    "0 frames": (b"0\n", True, 0),
    "frames without a body": (b"2\n0\n0\n", True, 0),
    "three bodies": (text_of(lines_of((3, 3))), True, 6),
    "six bodies": (text_of(lines_of((6,))), True, 6),
    "a negative id": (WHOLE.replace(b"7205759", b"-205759"), False, 3),
    "the largest id": (with_field(3, 1, str(2**63 - 1)), False, 3),
    "text in a column nobody reads": (with_field(9, 5, "abc"), True, 3),
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_accepted(kind):
    data, by_scanner, records = ACCEPTED[kind]
    raw = read_skeleton(data, "clip")
    assert len(raw.frame) == records
    assert same(raw, read_skeleton_reference(data, "clip"))
    assert scanned(data) == by_scanner
    if records == 3 and "id" not in kind:
        assert same(raw, read_skeleton(WHOLE, "clip"))


NUMBERS = (
    "0 -0 +0 0.0 -0.0 5 -7 12 5. .5 -.5 +.25 0.1 00.1 123.456 0.30000000000000004 1e0 1E5 1e+05 "
    "7.766344E-05 -1.960929e-05 0.0003003457 0.00012345678 9007199254740992 9007199254740993 "
    "9007199254740993e-3 0.12345678 0.123456789 12345678.9 1e22 1e23 1e-22 1e-23 123456e-27 "
    "179769313486231570e291 1e308 1e309 -1e400 5e-324 1e-320 1e-400 2.2250738585072011e-308 "
    "0.1234567890123456789012345678901234567890 1e00000000000000000000001 3.14159265358979323846"
)


@pytest.mark.parametrize("number", NUMBERS.split())
@pytest.mark.parametrize("column", [1, 2, 3])
def test_numbers_are_those_of_float(number, column):
    raw = read_skeleton(with_field(20, column, number), "clip")
    found, expected = raw.xyz[0, 15, column - 1], float(number)
    assert found == expected and math.copysign(1, found) == math.copysign(1, expected)


NOT_FINITE = {
    **dict.fromkeys(["nan", "NaN", "-nan", "nan(ind)", "-nan(ind)"], math.nan),
    **dict.fromkeys(["1.#QNAN", "-1.#IND", "1.#QNAN0", "-1.#IND00"], math.nan),
    **dict.fromkeys(["inf", "+Infinity", "1.#INF", "1.#INF00"], math.inf),
    **dict.fromkeys(["-inf", "-INF", "-1.#INF"], -math.inf),
}


@pytest.mark.parametrize("field", NOT_FINITE)
def test_not_finite_numbers_are_values(field):
    raw = read_skeleton(with_field(20, 2, field), "clip")
    np.testing.assert_equal(raw.xyz[0, 15, 1], NOT_FINITE[field])
    assert np.isfinite(raw.xyz).sum() == raw.xyz.size - 1


# Damage, each with: the bytes, the line named, and words of the message.
FAULTS = {
    # Cut short
    "empty file": (b"", 1, "the frame count, found the end of the file"),
    "empty lines only": (b"\n\r\n  \n", 1, "the frame count, found the end of the file"),
    "a mark only": (b"\xef\xbb\xbf", 1, "the frame count, found the end of the file"),
    "cut after the frame count": (b"3\n", 2, "body count of frame 1 of 3, found the end"),
    "cut after a body count": (text_of(lines_of()[:2]), 3, "fields of body 1 of frame 1"),
    "cut in a body's fields": (text_of(lines_of()[:3])[:-8], 3, "10 in number, found 8"),
    "cut before a joint count": (text_of(lines_of()[:3]), 4, "joint count of body 1 of frame 1"),
    "cut in a joint count": (text_of(lines_of()[:4])[:-2], 4, "25 joints .*, found 2"),
    "cut between joints": (text_of(lines_of()[:40]), 41, "joint 9 of body 1 of frame 2"),
    "cut in a joint's x": (text_of(lines_of()[:40]) + b"0.2", 41, "12 in number, found 1"),
    "cut before a state": (text_of(lines_of()[:41])[:-3], 41, "12 in number, found 11"),
    "cut before the second body": (text_of(lines_of()[:57]), 58, "body 2 of frame 2"),
    "cut before the last frame": (text_of(lines_of()[:84]), 85, "body count of frame 3 of 3"),
    # Frame count
    "frame count too large": (with_line(1, "4"), 86, "body count of frame 4 of 4, found the end"),
    "frame count too small": (with_line(1, "2"), 85, "end of the file after 2 frames"),
    "frame count 0 before frames": (with_line(1, "0"), 2, "end of the file after 0 frames"),
    "huge frame count": (with_line(1, "9" * 18), 86, "body count of frame 4 of 9{18}"),
    "frame count of 5000 digits": (
        with_line(1, "9" * 5000),
        1,
        r"a whole number, found '9{40}\.\.",
    ),
    "negative frame count": (with_line(1, "-3"), 1, "the frame count, a whole number, found '-3'"),
    "frame count with a point": (with_line(1, "3.0"), 1, "a whole number, found '3.0'"),
    "frame count in words": (with_line(1, "three"), 1, "a whole number, found 'three'"),
    "two frame counts": (with_line(1, "3 3"), 1, "one number alone on its line, found 2 fields"),
    "no frame count": (with_line(1, None), 2, "body count of frame 1 of 1.*found 10 fields"),
    "empty first line": (b"\n" + WHOLE, 1, "the frame count, found an empty line"),
    # Body count
    "body count too large": (with_line(2, "2"), 30, "fields of body 2 of frame 1.*found 1"),
    "body count too small": (
        with_line(30, "1"),
        58,
        "body count of frame 3 of 3.*found 10 fields",
    ),
    "body count 0 before a body": (with_line(2, "0"), 3, "body count of frame 2 of 3.*10 fields"),
    "huge body count": (with_line(85, "9" * 18), 86, "fields of body 1 of frame 3"),
    "negative body count": (with_line(2, "-1"), 2, "body count of frame 1 of 3, a whole number"),
    "body count in words": (with_line(2, "one"), 2, "a whole number, found 'one'"),
    "empty line for a body count": (with_line(30, ""), 30, "found an empty line"),
    # Body fields
    "9 body fields": (with_line(3, lambda s: s[:-2]), 3, "10 in number, found 9"),
    "11 body fields": (with_line(3, lambda s: s + " 2"), 3, "10 in number, found 11"),
    "empty line for a body": (with_line(3, ""), 3, "10 in number, found an empty line"),
    "id in words": (with_field(3, 1, "me"), 3, "id of body 1 of frame 1 in column 1.*'me'"),
    "id with a point": (with_field(31, 1, "7.2e16"), 31, "a whole number of 64 bits, found '7.2e"),
    "id past 64 bits": (with_field(58, 1, str(2**63)), 58, "64 bits, found '9223372036854775808'"),
    "body state 3": (with_field(3, 10, "3"), 3, "state of body 1 of frame 1 in the last column"),
    "body state in words": (with_field(3, 10, "yes"), 3, "0, 1 or 2, found 'yes'"),
    # Joint count
    "24 joints": (
        with_line(4, "24"),
        4,
        r"25 joints for body 1 of frame 1 \(Kinect v2\), found 24",
    ),
    "20 joints of a Kinect v1": (with_line(59, "20"), 59, "25 joints for body 2 of frame 2"),
    "26 joints": (with_line(4, "26"), 4, "found 26"),
    "huge joint count": (with_line(4, "9" * 18), 4, "25 joints.*, found 9{18}"),
    "joint count in words": (with_line(4, "all"), 4, "joint count of body 1.*found 'all'"),
    "no joint count": (with_line(4, None), 4, "one number alone on its line, found 12 fields"),
    "a joint's line lost": (with_line(10, None), 29, "joint 25 of body 1 of frame 1.*, found 1"),
    "a joint's line doubled": (with_line(10, f"{JOINT}\n{JOINT}"), 30, "frame 2.*12 fields"),
    # Joint fields
    "13 columns": (
        with_line(6, lambda s: s + " 2"),
        6,
        "joint 2 of body 1.*12 in number, found 13",
    ),
    "11 columns": (with_line(6, lambda s: s[:-2]), 6, "12 in number, found 11"),
    "two numbers run together": (with_line(6, JOINT.replace(" -0.2", "-0.2")), 6, "found 11"),
    "a number torn in two": (with_line(6, JOINT.replace("1036", "10 36")), 6, "found 13"),
    "two lines run together": (with_line(6, f"{JOINT} {JOINT}"), 6, "12 in number, found 24"),
    "a line torn in two": (with_line(6, JOINT.replace(" 1036", "\n1036")), 6, "found 5"),
    "empty line among joints": (with_line(6, ""), 6, "12 in number, found an empty line"),
    "text in x": (with_field(6, 1, "abc"), 6, "x of joint 2 of body 1.* in column 1.*'abc'"),
    "text in y": (with_field(41, 2, "-"), 41, "y of joint 9 of body 1 of frame 2 in column 2"),
    "text in z": (with_field(84, 3, "o.5"), 84, "z of joint 25 of body 2 of frame 2 in column 3"),
    "decimal comma": (with_field(6, 1, "0,5"), 6, "a number, found '0,5'"),
    "two points": (with_field(6, 2, "0.1.2"), 6, "a number, found '0.1.2'"),
    "two signs": (with_field(6, 2, "--0.1"), 6, "a number, found '--0.1'"),
    "a sign inside": (with_field(6, 2, "0.1-2"), 6, "a number, found '0.1-2'"),
    "no digit": (with_field(6, 2, "-."), 6, "a number, found '-.'"),
    "no exponent": (with_field(6, 2, "1e"), 6, "a number, found '1e'"),
    "two exponents": (with_field(6, 2, "1e5e5"), 6, "a number, found '1e5e5'"),
    "underscore": (with_field(6, 2, "1_0.5"), 6, "a number, found '1_0.5'"),
    "hexadecimal": (with_field(6, 2, "0x1p3"), 6, "a number, found '0x1p3'"),
    "colon for a digit": (with_field(6, 2, "0.:7"), 6, "a number, found '0.:7'"),
    "colon for the first digit": (with_field(6, 1, ":.2181153"), 6, "found ':.2181153'"),
    "slash for a digit": (with_field(6, 2, "0./7"), 6, "a number, found '0./7'"),
    "a letter in the decimals": (with_field(6, 1, "0.218l153"), 6, "found '0.218l153'"),
    "joint state 3": (with_field(6, 12, "3"), 6, "state of joint 2 .* 0, 1 or 2, found '3'"),
    "joint state with a point": (with_field(6, 12, "2.0"), 6, "found '2.0'"),
    "joint state 12": (with_field(6, 12, "12"), 6, "found '12'"),
    # Not this text at all
    "a whole file twice": (WHOLE + WHOLE, 86, "end of the file after 3 frames, found more lines"),
    "more after the end": (WHOLE + b"# end\n", 86, "found more lines"),
    "NUL byte": (WHOLE.replace(b"3.785547", b"3.78\x00547", 1), 5, "byte 0x00 at character 26"),
    "a block of NUL bytes": (WHOLE[:2000] + bytes(512), 27, "byte 0x00"),
    "NUL bytes only": (bytes(4096), 1, "plain ASCII text, found byte 0x00 at character 1"),
    "UTF-16": (WHOLE.decode().encode("utf-16"), 1, "UTF-16 text .write it again"),
    "UTF-16 big endian": (b"\xfe\xff" + WHOLE.decode().encode("utf-16-be"), 1, "UTF-16 text"),
    "UTF-16 without a mark": (WHOLE.decode().encode("utf-16-le"), 1, "byte 0x00 at character 2"),
    "a digit of another script": (with_field(6, 1, "٣"), 6, "byte 0xd9 at character 1"),
    "Latin-1": (WHOLE.replace(b"25\n", b"25\xa0\n", 1), 4, "byte 0xa0 at character 3"),
    "a foreign byte in an unread column": (with_field(6, 7, "5\x7f"), 6, "byte 0x7f"),
    "vertical tab": (WHOLE.replace(b" ", b"\x0b", 1), 3, "byte 0x0b"),
    "end mark of DOS": (WHOLE + b"\x1a", 86, "byte 0x1a at character 1"),
    "line ends of old Macs": (WHOLE.replace(b"\n", b"\r"), 1, "one number alone on its line"),
    "a zip archive": (b"PK\x03\x04" + bytes(range(256)), 1, "byte 0x03"),
    "a line of 300,000 digits": (with_field(6, 1, "9" * 300_000 + "x"), 6, r"found '9{40}\.\."),
    "comma-separated": (WHOLE.replace(b" ", b","), 3, "10 in number, found 1"),
    "a web page": (b"<!DOCTYPE html>\n<html>", 1, "one number alone on its line, found 2 fields"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_damage_meets_a_located_message(kind):
    data, line, words = FAULTS[kind]
    with pytest.raises(SkeletonFormatError) as caught:
        read_skeleton(data, "some/clip.skeleton")
    message = str(caught.value)
    assert caught.value.line == line, message
    assert message.startswith(f"some/clip.skeleton:{line}: expected ")
    assert re.search(words, message), message
    assert len(message) < 300 and message.isprintable()


def test_the_fault_table_has_at_least_forty_kinds():
    assert len(FAULTS) >= 40
    assert len({data for data, _, _ in FAULTS.values()}) == len(FAULTS)


@pytest.mark.parametrize("data", [WHOLE, text_of(lines_of((1, 1))).replace(b"\n", b"\r\n")])
def test_a_file_cut_at_any_byte_is_refused_or_whole(data):
    whole = read_skeleton(data, "clip")
    for size in range(len(data)):
        cut = data[:size]
        if data[size:].strip() == b"":  # only the line end is gone
            assert same(read_skeleton(cut, "clip"), whole)
            continue
        with pytest.raises(SkeletonFormatError) as caught:
            read_skeleton(cut, "clip")
        lines = len(cut.splitlines())
        assert caught.value.line in (lines, lines + 1)


@pytest.mark.parametrize("data", [with_line(1, "9" * 18), with_line(85, "9" * 18)])
def test_memory_does_not_follow_a_declared_count(data):
    with pytest.raises(SkeletonFormatError):
        read_skeleton(data, "clip")
    tracemalloc.start()
    with pytest.raises(SkeletonFormatError):
        read_skeleton(data, "clip")
    assert tracemalloc.get_traced_memory()[1] < 100 * len(data)
    tracemalloc.stop()


def test_a_file_of_line_ends_costs_little():
    with pytest.raises(SkeletonFormatError, match=":1:.*found the end of the file"):
        read_skeleton(b"\n" * 1_000_000, "clip")
    with pytest.raises(SkeletonFormatError, match=":2:.*found an empty line"):
        read_skeleton(b"1" + b"\n" * 1_000_000 + b"1", "clip")


@pytest.mark.parametrize("size", [0, 1, 3, 4, 63, 64, 65, 127, 128, 129])
def test_files_that_end_around_the_border_of_a_block(size):
    data = b"2\n0\n0" + b"\n" * (size - 5) if size >= 5 else b"1\n0\n"[:size]
    try:
        expected = read_skeleton_reference(data, "clip")
    except SkeletonFormatError as error:
        with pytest.raises(SkeletonFormatError, match=re.escape(str(error))):
            read_skeleton(data, "clip")
    else:
        assert same(read_skeleton(data, "clip"), expected)


def test_names():
    assert parse_name("S018C003P042R002A120") == NtuName(18, 3, 42, 2, 120)
    assert parse_name("S1234C001P001R001A001").setup == 1234
    assert parse_name("S000C001P001R000A001") == NtuName(0, 1, 1, 0, 1)
    assert parse_name("S001C002P003A004") == NtuName(1, 2, 3, 0, 4)


@pytest.mark.parametrize(
    "stem",
    ["", "clip", "S001C001P001R001", "S001C001P001R001A001.skeleton", "s001c001p001r001a001"]
    + ["S01C01P01R01A01", "S٠٠١C001P001R001A001"],
)
def test_other_names_are_refused(stem):
    with pytest.raises(InputError, match=re.escape(repr(stem)) + ".*SsssCcccPpppRrrrAaaa"):
        parse_name(stem)


def test_names_are_read_without_the_compiler():
    code = (
        "import sys, smie_pipe.preprocessing.raw.ntu, smie_pipe.preprocessing.raw.pku; "
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
