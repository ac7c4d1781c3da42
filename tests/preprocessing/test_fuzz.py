"""Real files with random damage: read as the plain reader reads them, or refused with a line.

Any other outcome fails: another exception, another number, another message. The default run
takes 300 damaged files, ``pytest -m slow tests/preprocessing/test_fuzz.py`` takes 20,000.
"""

import dataclasses
import random
from collections import Counter

import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.errors import SkeletonFormatError
from smie_pipe.preprocessing.raw.ntu import read_skeleton, read_skeleton_reference
from smie_pipe.preprocessing.raw.pku import read_pku, read_pku_reference

READERS = {"ntu": (read_skeleton, read_skeleton_reference), "pku": (read_pku, read_pku_reference)}
TOKENS = [
    b"nan",
    b"-inf",
    b"1.#IND",
    b"1e999",
    b"-1e-400",
    b"0x10",
    b"1_0",
    b"25",
    b"24",
    b"2",
    b"",
]
TOKENS += [
    b"9" * 30,
    b"999999999999999999",
    b"-0",
    b".",
    b"-",
    b"1e",
    b"0.1234567890123456789",
    b"+1",
]
BYTES = [
    b"\x00",
    b"\xff",
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    b"\t",
    b"\x0b",
    b".",
    b"-",
    b"e",
    b"0",
    b":",
]


@pytest.fixture(scope="module")
def originals(shared):
    """Whole real files, and starts of them that hold a few whole frames."""
    found = []
    for file in sorted((shared / "data").glob("ntu_*/*")):
        data = file.read_bytes()
        found += [("ntu", data), ("ntu", first_frames(data, 3)), ("ntu", first_frames(data, 9))]
    lines = (shared / "data/pku_A10N08-L.txt").read_bytes().splitlines(keepends=True)
    found += [("pku", b"".join(lines[a:b])) for a, b in [(0, 4), (308, 316), (300, 360)]]
    return found


def first_frames(data, frames):
    """A skeleton file cut to its first frames, its frame count with it."""
    lines = data.splitlines(keepends=True)
    place = 1
    for _ in range(frames):
        place += 1 + 27 * int(lines[place])
    return b"".join([lines[0].replace(lines[0].strip(), b"%d" % frames), *lines[1:place]])


def damaged(data, rng):
    """The bytes after one to three random accidents."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        data = rng.choice(ACCIDENTS)(data, rng) or b"\n"
    return data


def cut(data, rng):
    return data[: rng.randrange(len(data))]


def flip_a_bit(data, rng):
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def put_a_byte(data, rng):
    place = rng.randrange(len(data))
    return data[:place] + rng.choice(BYTES) + data[place + rng.randrange(2) :]


def lose_a_stretch(data, rng):
    place = rng.randrange(len(data))
    return data[:place] + data[place + rng.choice([1, 2, 8, 100, 4096]) :]


def repeat_a_stretch(data, rng):
    place = rng.randrange(len(data))
    return data[: place + rng.choice([1, 2, 8, 100, 4096])] + data[place:]


def blank_a_stretch(data, rng):
    place, size = rng.randrange(len(data)), rng.choice([1, 8, 512])
    return data[:place] + rng.choice([b"\x00", b" ", b"0"]) * size + data[place + size :]


def change_a_field(data, rng):
    lines = data.split(b"\n")
    line = rng.choice([rng.randrange(len(lines)), rng.randrange(min(6, len(lines)))])
    fields = lines[line].split(b" ")
    fields[rng.randrange(len(fields))] = rng.choice(TOKENS)
    lines[line] = b" ".join(fields)
    return b"\n".join(lines)


def move_a_line(data, rng):
    lines = data.split(b"\n")
    line = lines.pop(rng.randrange(len(lines)))
    lines.insert(rng.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


def lose_or_repeat_a_line(data, rng):
    lines = data.split(b"\n")
    line = rng.randrange(len(lines))
    lines[line : line + 1] = [lines[line]] * rng.choice([0, 2])
    return b"\n".join(lines)


def write_anew(data, rng):
    text = data.decode("latin-1")
    changes = [
        lambda: text.encode("utf-16"),
        lambda: text.encode("utf-8-sig"),
        lambda: text.replace("\r", "").replace("\n", "\r\n").encode("latin-1"),
        lambda: text.replace("\n", "\r").encode("latin-1"),
        lambda: text.replace(" ", rng.choice(["  ", "\t", ",", ""])).encode("latin-1"),
        lambda: text.replace(".", ",").encode("latin-1"),
        lambda: text.replace("\n", rng.choice([" \n", "\n\n", "\n "])).encode("latin-1"),
    ]
    return rng.choice(changes)()


ACCIDENTS = [cut, flip_a_bit, put_a_byte, put_a_byte, lose_a_stretch, repeat_a_stretch]
ACCIDENTS += [blank_a_stretch, change_a_field, change_a_field, move_a_line]
ACCIDENTS += [lose_or_repeat_a_line, write_anew]


def outcome(read, data):
    """The columns a reader gives, as bytes, or its message."""
    try:
        raw = read(data, "clip")
    except SkeletonFormatError as error:
        assert str(error).startswith(f"clip:{error.line}: expected ")
        assert 1 <= error.line <= data.count(b"\n") + 2
        return str(error)
    columns = [getattr(raw, field.name) for field in dataclasses.fields(raw)]
    return [c if c is None or np.isscalar(c) else (c.dtype, c.shape, c.tobytes()) for c in columns]


def fuzz(originals, files, seed):
    """Damage that many files; return how many were read and how many refused."""
    rng = random.Random(seed)
    counts = Counter()
    for number in range(files):
        layout, data = rng.choice(originals)
        data = damaged(data, rng)
        found, expected = (outcome(read, data) for read in READERS[layout])
        assert found == expected, f"file {number} of seed {seed}"
        counts["refused" if isinstance(found, str) else "read"] += 1
    return counts


def test_300_damaged_files(originals):
    counts = fuzz(originals, 300, seed=0)
    assert counts["refused"] > 100 and counts["read"] > 20


@pytest.mark.slow
def test_20000_damaged_files(originals):
    counts = fuzz(originals, 20_000, seed=1)
    print(dict(counts))
    assert counts["refused"] > 8000 and counts["read"] > 1500
