"""PKU-MMD text: skeletons, labels, split lists and names, whole and damaged."""

import dataclasses
import math
import re

import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.errors import InputError, SkeletonFormatError
from smie_pipe.preprocessing.raw.fast_scan import scan_pku
from smie_pipe.preprocessing.raw.pku import (
    PkuAction,
    PkuName,
    ends_with_a_line,
    parse_recording,
    read_labels,
    read_pku,
    read_pku_reference,
    read_split_list,
)

ABSENT = ["0.000000"] * 75


def body(seed):
    """75 numbers as the files have them."""
    return [f"{number:.6f}" for number in np.random.default_rng(seed).normal(0, 1, 75)]


FRAMES = [body(0) + ABSENT, body(1) + body(2), ABSENT + ABSENT, ABSENT + body(3), body(4) + ABSENT]


def text_of(frames):
    return "".join(" ".join(fields) + "\n" for fields in frames).encode()


WHOLE = text_of(FRAMES)


def with_field(line, column, field):
    """WHOLE with one field of one line (both from 1) replaced; none at None."""
    frames = [list(fields) for fields in FRAMES]
    frames[line - 1][column - 1 : column] = [] if field is None else [field]
    return text_of(frames)


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
    return scan_pku(np.frombuffer(data, np.uint8))[0]


def test_bodies_that_are_there_are_read():
    raw = read_pku(WHOLE, "recording")
    assert (raw.path, raw.frames) == ("recording", 5)
    assert raw.frame.tolist() == [0, 1, 1, 3, 4]
    assert raw.body_id.tolist() == [0, 0, 1, 1, 0]
    assert (raw.state == 2).all() and raw.state.shape == (5, 25)
    assert raw.body_state.tolist() == [2] * 5
    for record, seed in enumerate([0, 1, 2, 3, 4]):
        assert raw.xyz[record].ravel().tolist() == [float(number) for number in body(seed)]


def test_the_real_file_is_scanned_and_equals_the_plain_reader(shared):
    data = (shared / "data/pku_A10N08-L.txt").read_bytes()
    raw = read_pku(data, "recording")
    assert scanned(data) and same(raw, read_pku_reference(data, "recording"))
    assert raw.frames == 1040
    assert raw.frame[raw.body_id == 1][0] + 1 == 313


ACCEPTED = {
    "CRLF": (WHOLE.replace(b"\n", b"\r\n"), True),
    "LF and CRLF mixed": (WHOLE.replace(b"\n", b"\r\n", 2), True),
    "empty lines at the end": (WHOLE + b"\n \r\n", True),
    "a blank at each line's end": (WHOLE.replace(b"\n", b" \n"), True),
    "blanks before numbers": (WHOLE.replace(b" ", b"   "), True),
    "tabs": (WHOLE.replace(b" ", b"\t"), True),
    "UTF-8 byte order mark": (b"\xef\xbb\xbf" + WHOLE, False),
    "zeros written shortly": (WHOLE.replace(b"0.000000", b"0"), True),
    "zeros with a sign": (WHOLE.replace(b"0.000000", b"-0.0"), True),
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_accepted(kind):
    data, by_scanner = ACCEPTED[kind]
    raw = read_pku(data, "recording")
    assert same(raw, read_pku(WHOLE, "recording"))
    assert same(raw, read_pku_reference(data, "recording"))
    assert scanned(data) == by_scanner


@pytest.mark.parametrize("column", [1, 75, 76, 150])
def test_one_number_other_than_zero_makes_a_body(column):
    for field in ("0.000001", "-5e-7", "nan", "0.0000001"):
        raw = read_pku(with_field(3, column, field), "recording")
        (record,) = np.flatnonzero(raw.frame == 2)
        assert raw.body_id[record] == (column > 75)
        np.testing.assert_equal(raw.xyz[record].ravel()[(column - 1) % 75], float(field))


@pytest.mark.parametrize(
    "field", ["nan", "-inf", "1.#QNAN", "-1.#INF", "1e-7", "0.123456789012345678"]
)
def test_unusual_numbers_are_values(field):
    raw = read_pku(with_field(2, 80, field), "recording")
    usual = {"1.#QNAN": math.nan, "-1.#INF": -math.inf}
    np.testing.assert_equal(raw.xyz[2, 1, 1], usual.get(field) or float(field))


FAULTS = {
    "empty file": (b"", 1, "150 numbers of frame 1, found the end of the file"),
    "empty lines only": (b"\n\n", 1, "150 numbers of frame 1, found the end of the file"),
    "149 numbers": (with_field(2, 9, None), 2, "150 numbers of frame 2, found 149"),
    "151 numbers": (with_field(2, 9, "0.1 0.2"), 2, "150 numbers of frame 2, found 151"),
    "one body": (text_of([fields[:75] for fields in FRAMES]), 1, "150 numbers.*, found 75"),
    "a number torn in two": (with_field(4, 9, "0. 5"), 4, "found 151"),
    "two numbers run together": (with_field(5, 9, "0.5-0.25"), 5, "joint 3 of body 1 in column 9"),
    "two lines run together": (WHOLE.replace(b"\n", b" ", 1), 1, "150 numbers.*, found 300"),
    "a line torn in two": (WHOLE.replace(b" ", b"\n", 1), 1, "found 1$"),
    "empty line inside": (WHOLE.replace(b"\n", b"\n\n", 1), 2, "frame 2, found an empty line"),
    "empty first line": (b"\n" + WHOLE, 1, "frame 1, found an empty line"),
    "a heading": (b"x y z\n" + WHOLE, 1, "150 numbers of frame 1, found 3"),
    "cut in a line": (WHOLE[:-20], 5, "150 numbers of frame 5, found 14"),
    "cut before the last number": (WHOLE[: WHOLE.rindex(b" ")], 5, "150 numbers of.*, found 149"),
    "text in x": (with_field(1, 1, "abc"), 1, "x of joint 1 of body 1 in column 1.*'abc'"),
    "text in y": (with_field(2, 77, "-"), 2, "y of joint 1 of body 2 in column 77, a number"),
    "text in z": (with_field(4, 150, "..5"), 4, "z of joint 25 of body 2 in column 150"),
    "decimal comma": (with_field(2, 9, "0,5"), 2, "column 9, a number, found '0,5'"),
    "colon for a digit": (with_field(2, 9, "0.:70000"), 2, "column 9.*'0.:70000'"),
    "zero that goes on": (with_field(3, 75, "0.000000x"), 3, "column 75.*'0.000000x'"),
    "commas for blanks": (WHOLE.replace(b" ", b","), 1, "found 1$"),
    "NUL byte": (WHOLE.replace(b"0.000000", b"0.00\x0000", 1), 1, "byte 0x00"),
    "UTF-16": (WHOLE.decode().encode("utf-16"), 1, "UTF-16"),
    "not ASCII": (with_field(5, 9, "½"), 5, "byte 0xc2"),
    "line ends of old Macs": (WHOLE.replace(b"\n", b"\r"), 1, "found 750"),
    "an NTU file": (b"1\n0\n", 1, "150 numbers of frame 1, found 1"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_damage_meets_a_located_message(kind):
    data, line, words = FAULTS[kind]
    with pytest.raises(SkeletonFormatError) as caught:
        read_pku(data, "0002-L.txt")
    message = str(caught.value)
    assert caught.value.line == line, message
    assert message.startswith(f"0002-L.txt:{line}: expected ")
    assert re.search(words, message), message


def test_a_file_cut_at_any_byte_is_refused_or_has_150_numbers_in_each_line():
    data = text_of(FRAMES[:3])
    for size in range(1, len(data)):
        lines = data[:size].rstrip(b"\n").split(b"\n")
        if all(len(line.split()) == 150 for line in lines) and not data[:size].endswith(b"-"):
            raw = read_pku(data[:size], "recording")
            assert same(raw, read_pku_reference(data[:size], "recording"))
            assert ends_with_a_line(data[:size]) == data[:size].endswith(b"\n")
        else:
            with pytest.raises(SkeletonFormatError):
                read_pku(data[:size], "recording")


def test_labels():
    data = b"10,233,301,2\r\n3, 400 ,450, 1\n51,460,455,0.5\n\n"
    assert read_labels(data, "label") == [
        PkuAction(10, 233, 301, 2.0),
        PkuAction(3, 400, 450, 1.0),
        PkuAction(51, 460, 455, 0.5),
    ]


LABEL_FAULTS = {
    "empty": (b"", 1, "action_id,start_frame,end_frame,confidence, found the end of the file"),
    "three fields": (b"1,2,3,1\n1,2,3\n", 2, "found 3 fields"),
    "five fields": (b"1,2,3,1,0\n", 1, "found 5 fields"),
    "empty line": (b"1,2,3,1\n\n1,2,3,1\n", 2, "found an empty line"),
    "empty field": (b"1,2,3,\n", 1, "confidence in column 4, a number, found ''"),
    "blanks for commas": (b"1 2 3 1\n", 1, "found 1 fields"),
    "negative frame": (b"1,2,-3,1\n", 1, "end_frame, a whole number, found '-3'"),
    "frame with a point": (b"1,2.5,3,1\n", 1, "start_frame.*found '2.5'"),
    "number of 5000 digits": (b"1,2," + b"9" * 5000 + b",1\n", 1, "end_frame"),
    "text": (b"1,2,3,high\n", 1, "confidence in column 4, a number, found 'high'"),
    "heading": (b"action_id,start,end,confidence\n1,2,3,1\n", 1, "action_id, a whole number"),
    "NUL": (b"1,2,3,1\n1,2\x00,3,1\n", 2, "byte 0x00"),
    "UTF-16": ("1,2,3,1\n".encode("utf-16"), 1, "UTF-16"),
}


@pytest.mark.parametrize("kind", LABEL_FAULTS)
def test_damaged_labels(kind):
    data, line, words = LABEL_FAULTS[kind]
    with pytest.raises(SkeletonFormatError, match=words) as caught:
        read_labels(data, "label.txt")
    assert caught.value.line == line


LISTS = b"Training videos:\n0002-L, 0002-M,0003-L, \nValidataion videos: \nA01N02-R\n"


def test_split_lists():
    assert read_split_list(LISTS, "list") == (["0002-L", "0002-M", "0003-L"], ["A01N02-R"])
    crlf = LISTS.replace(b"\n", b"\r\n").replace(b"-L", b"-L.txt")
    assert read_split_list(crlf + b"\r\n", "list") == read_split_list(LISTS, "list")


SPLIT_FAULTS = {
    "empty": (b"", 1, "a heading of the training recordings, found the end"),
    "no heading": (LISTS.split(b"\n", 1)[1], 1, "a heading of the training recordings"),
    "testing first": (LISTS.replace(b"Training", b"Test"), 1, "a heading of the training"),
    "training twice": (LISTS.replace(b"Validataion", b"Training"), 3, "heading of the testing"),
    "cut after the training part": (
        LISTS[: LISTS.index(b"Val")],
        3,
        "a heading of the testing recordings",
    ),
    "no testing names": (
        LISTS.replace(b"A01N02-R", b" , "),
        4,
        "names of the testing.*found none",
    ),
    "cut in a name": (LISTS[:-2], 4, "such as 0002-L or A10N08-L, found 'A01N02-'"),
    "other names": (LISTS.replace(b"0002-M", b"0002-X"), 2, "found '0002-X'"),
    "in both parts": (LISTS.replace(b"A01N02-R", b"0002-M"), 4, "0002-M in both"),
    "more lines": (LISTS + b"0004-L\n", 5, "end of the file.*found more lines"),
    "NUL": (LISTS + b"\x00", 5, "byte 0x00"),
}


@pytest.mark.parametrize("kind", SPLIT_FAULTS)
def test_damaged_split_lists(kind):
    data, line, words = SPLIT_FAULTS[kind]
    with pytest.raises(SkeletonFormatError, match=words) as caught:
        read_split_list(data, "cross-subject.txt")
    assert caught.value.line == line


def test_names():
    assert parse_recording("0002-L") == PkuName(1, "0002", "L")
    assert parse_recording("A10N08-M") == PkuName(2, "A10N08", "M")
    assert [parse_recording(f"0364-{view}").camera for view in "LMR"] == [1, 2, 3]


@pytest.mark.parametrize("stem", ["", "0002", "0002-X", "2-L", "0002-L.txt", "A10-L", "٠٠٠٢-L"])
def test_other_names_are_refused(stem):
    with pytest.raises(InputError, match=re.escape(repr(stem)) + ".*0002-L.*A10N08-L"):
        parse_recording(stem)
