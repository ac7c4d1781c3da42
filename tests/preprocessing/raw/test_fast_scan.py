"""The scanners against the plain readers: the same result or the same message, whatever comes."""

import dataclasses
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import caching

from smie_pipe.preprocessing.foundation.errors import SkeletonFormatError
from smie_pipe.preprocessing.raw import fast_scan as scan
from smie_pipe.preprocessing.raw.ntu import read_skeleton, read_skeleton_reference
from smie_pipe.preprocessing.raw.pku import read_pku, read_pku_reference


def outcome(read, data):
    """What a reader makes of the bytes, as a value to compare: columns, or the message."""
    try:
        raw = read(data, "file")
    except SkeletonFormatError as error:
        return str(error), error.line
    columns = [getattr(raw, field.name) for field in dataclasses.fields(raw)]
    return [c if c is None or np.isscalar(c) else (c.dtype, c.shape, c.tobytes()) for c in columns]


BODY = ["0", "1", "1", "1", "1", "0", "0.02", "0.05", "2"]
UNREAD = ["277.4", "191.8", "1036.2", "519.1", "0", "0", "0", "0"]
DIGITS = st.text("0123456789", min_size=1, max_size=20)
PLAIN_NUMBERS = st.floats(-9.9, 9.9).map(lambda number: f"{number:.7g}")
NUMBERS = st.one_of(
    PLAIN_NUMBERS,
    st.floats().map(repr),
    st.floats(width=32).map(repr),
    st.tuples(st.floats(), st.sampled_from(["%.6f", "%.17g", "%.3e", "%E", "%.30f"])).map(
        lambda pair: pair[1] % pair[0]
    ),
    st.builds("{}{}.{}{}".format, st.sampled_from(["", "-", "+"]), DIGITS, DIGITS, st.just("")),
    st.builds("{}{}e{}".format, st.sampled_from(["", "-"]), DIGITS, st.integers(-40, 40)),
)
ODDITIES = st.one_of(
    st.text("0123456789+-.eE#naif_,:/;x\x00\x0b\x7f ", max_size=12),
    st.sampled_from(
        ["", "nan", "-inf", "1.#QNAN", "9" * 400, "\t", "\r", "\n", "\n\n", "½", "0 0"]
    ),
)
BLANKS = st.sampled_from([" "] * 12 + ["  ", "\t", " \t ", "   "])
LINE_ENDS = st.sampled_from(["\n"] * 6 + ["\r\n"] * 3 + [" \n", "\r\r\n", " \r\n", "\n\n", "\r"])
FINISH = st.sampled_from(["", "\n", "\r\n", "\n\n", " ", "\n\r\n ", "x", "0", "\x00"])


@st.composite
def skeletons(draw):
    """A file of up to three frames, mostly sound, in any spelling of its numbers and blanks."""
    blank, end = draw(BLANKS), draw(LINE_ENDS)
    numbers = draw(st.lists(NUMBERS, min_size=3, max_size=9))
    counts = draw(st.lists(st.integers(0, 3), max_size=3))
    lines = [[str(len(counts))]]
    for count in counts:
        lines.append([str(count)])
        for body in range(count):
            lines.append([str(draw(st.integers(-3, 2**63))), *BODY])
            lines.append(["25"])
            for joint in range(25):
                xyz = [numbers[(body + 3 * joint + axis) % len(numbers)] for axis in range(3)]
                lines.append([*xyz, *UNREAD, str(joint % 3)])
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        _damage(draw, lines)
    text = end.join(blank.join(fields) for fields in lines) + draw(FINISH)
    return text.encode()


def _damage(draw, lines):
    """Change, drop or repeat a field or a line."""
    line = draw(st.integers(0, len(lines) - 1))
    kind = draw(st.sampled_from(["field", "field", "drop field", "drop line", "repeat line"]))
    if kind == "drop line" and len(lines) > 1:
        del lines[line]
    elif kind == "repeat line":
        lines.insert(line, list(lines[line]))
    elif lines[line]:
        place = draw(st.integers(0, len(lines[line]) - 1))
        lines[line][place : place + 1] = [] if kind == "drop field" else [draw(ODDITIES)]


@st.composite
def recordings(draw):
    """A PKU-MMD file of up to four frames, mostly sound; now and then a body is absent."""
    blank, end = draw(BLANKS), draw(LINE_ENDS)
    numbers = draw(st.lists(NUMBERS, min_size=1, max_size=9))
    lines = []
    for _ in range(draw(st.integers(0, 4))):
        bodies = draw(st.lists(st.sampled_from([None, *numbers]), min_size=2, max_size=2))
        places = [0, 75]
        fields = []
        for number, place in zip(bodies, places, strict=True):
            zero = draw(st.sampled_from(["0.000000", "0.000000", "0", "-0.0"]))
            body = [zero] * 75
            if number is not None:
                body = [numbers[(place + i) % len(numbers)] for i in range(75)]
                body[draw(st.integers(0, 74))] = number
            fields += body
        lines.append(fields)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2])) if lines else 0):
        _damage(draw, lines)
    text = end.join(blank.join(fields) for fields in lines) + draw(FINISH)
    return text.encode()


@settings(max_examples=300, deadline=None)
@given(skeletons())
def test_skeleton_scanner_and_plain_reader_agree(data):
    assert outcome(read_skeleton, data) == outcome(read_skeleton_reference, data)


@settings(max_examples=200, deadline=None)
@given(recordings())
def test_recording_scanner_and_plain_reader_agree(data):
    assert outcome(read_pku, data) == outcome(read_pku_reference, data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300) | st.text("0123456789 \n\r.-", max_size=300).map(str.encode))
def test_any_bytes_are_read_alike(data):
    assert outcome(read_skeleton, data) == outcome(read_skeleton_reference, data)
    assert outcome(read_pku, data) == outcome(read_pku_reference, data)


def numbers_file(numbers):
    """A file of one body with these 75 numbers."""
    rows = np.array(numbers).reshape(25, 3)
    joints = [" ".join(row) + " 1 2 3 4 0 0 0 1 2" for row in rows]
    return "\n".join(["1", "1", "7 0 1 1 1 1 0 0.02 0.05 2", "25", *joints]).encode()


@pytest.mark.parametrize("form", ["%.7g", "%.6f", "%.9g", "%.1f", "%.8f", "%.12f", "%.6e", "%d"])
def test_usual_spellings_are_scanned_bit_for_bit(form):
    rng = np.random.default_rng(0)
    for scale in (1e-5, 1e-3, 0.1, 1.0, 5.0, 300.0):
        numbers = [form % number for number in rng.normal(0, scale, 75)]
        sound, _, _, _, xyz, _, _ = scan.scan_skeleton(
            np.frombuffer(numbers_file(numbers), np.uint8)
        )
        assert sound
        assert xyz.tobytes() == np.array([float(number) for number in numbers]).tobytes()


def test_a_number_in_doubt_is_left_to_the_plain_reader():
    numbers = ["0.1"] * 74 + ["0.30000000000000004"]  # its digits go past 2^53
    data = numbers_file(numbers)
    assert not scan.scan_skeleton(np.frombuffer(data, np.uint8))[0]
    assert read_skeleton(data, "file").xyz[0, 24, 2] == 0.30000000000000004


def add_one(data):
    return data + 1


def test_scanners_run_without_a_folder_for_their_cache(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    assert scan._kept(add_one)(np.zeros(1, np.uint8))[0] == 1


def test_scanners_run_where_the_cache_has_no_room(monkeypatch):
    def full(self, key, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "save", full)
    monkeypatch.setattr(caching.IndexDataCacheFile, "load", lambda self, key: None)
    assert scan._kept(add_one)(np.zeros(1, np.uint8))[0] == 1


@pytest.mark.slow  # compiles anew
def test_scanners_run_where_the_named_cache_folder_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("no folder")
    code = (
        "from smie_pipe.preprocessing.raw.ntu import read_skeleton as r; "
        "print(r(b'2\\n0\\n0', '').frames)"
    )
    for folder in (tmp_path / "file" / "below", tmp_path / "new"):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
        command = [sys.executable, "-c", code]
        ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert ran.stdout == "2\n", ran.stderr


def test_threads_scan_at_once():
    """The scanners hold no lock and share nothing: the same answer from four threads."""
    data = numbers_file(["0.2181153", "-0.1725972", "3.785547"] * 25)
    expected = outcome(read_skeleton, data)
    results = []

    def work():
        results.extend(outcome(read_skeleton, data) == expected for _ in range(200))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 800
