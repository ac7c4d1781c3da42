"""Files with random damage: read, or refused in one sentence; never anything else.

The default run damages 20 files of each kind, ``pytest -m slow`` a thousand.
"""

import random
import warnings

import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.trackers.read import TrackerOptions, read_tracker_bytes
from smie_pipe.preprocessing.trackers.writers.formats import FORMATS, written

TOKENS = [b"NaN", b"null", b"-1e999", b"1e308", b"9" * 400, b"[]", b"{}", b'"', b"]", b"}", b""]
TOKENS += [b"-0", b"25", b"0", b"true", b"\xff\xfe", b"\x00", b"\n", b",", b"[[", b"1e-400"]


def cut(data, rng):
    return data[: rng.randrange(len(data))]


def flip_a_bit(data, rng):
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def put_a_token(data, rng):
    at = rng.choice([rng.randrange(len(data)), rng.randrange(min(400, len(data)))])
    return data[:at] + rng.choice(TOKENS) + data[at + rng.randrange(12) :]


def lose_a_stretch(data, rng):
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice([1, 8, 100, 3000]) :]


def repeat_a_stretch(data, rng):
    at = rng.randrange(len(data))
    return data[: at + rng.choice([1, 8, 100, 3000])] + data[at:]


def another_number(data, rng):
    """Replace every n-th digit, so that counts, times and coordinates change but parse."""
    out, step = bytearray(data), rng.choice([7, 131, 1009])
    for at in range(rng.randrange(step), len(out), step):
        if 48 <= out[at] <= 57:
            out[at] = rng.choice(b"0123456789")
    return bytes(out)


def foreign(data, rng):
    return rng.choice([b"", b"\n", b"PK\x03\x04", b"\x93NUMPY", b"{}", b"[]", b"hello\n" * 9])


ACCIDENTS = [cut, flip_a_bit, put_a_token, put_a_token, lose_a_stretch, repeat_a_stretch]
ACCIDENTS += [another_number, foreign]


def outcome(data, name):
    """Return True where it was read, False where it was refused in one sentence."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read = read_tracker_bytes(data, name, TrackerOptions(fps=30))
            str(read)
    except InputError as error:
        assert name in str(error)
        return False
    raw = read.raw
    assert len(raw.frame) == len(raw.xyz) == len(raw.state) == len(raw.body_id)
    assert (raw.frame[1:] >= raw.frame[:-1]).all() and (raw.frame < max(raw.frames, 1)).all()
    return True


def fuzz(data, name, files, seed):
    rng = random.Random(seed)
    counts = {True: 0, False: 0}
    for _ in range(files):
        damaged = data
        for _ in range(rng.choice([1, 1, 2])):
            damaged = rng.choice(ACCIDENTS)(damaged, rng) or b"\n"
        counts[outcome(damaged, name)] += 1
    return counts


@pytest.mark.parametrize("kind", FORMATS)
def test_damaged_files(kind, make_bodies):
    data = written(make_bodies(8, 2), kind)
    counts = fuzz(data, "clip" + FORMATS[kind].suffix, 20, seed=sum(kind.encode()))
    assert counts[False] > 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_a_thousand_damaged_files(kind, make_bodies):
    data = written(make_bodies(8, 2), kind)
    counts = fuzz(data, "clip" + FORMATS[kind].suffix, 1000, seed=1)
    assert counts[False] > 100 and counts[True] > 20
