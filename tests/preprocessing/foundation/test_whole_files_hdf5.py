import contextlib
import random
import resource

import h5py
import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import (
    SEAL_BYTES,
    damage_said,
    new_file,
    open_hdf5,
)


@contextlib.contextmanager
def room_for(size):
    """Let no file grow beyond some bytes: what the system then says is a full disk's error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(path, rows=40):
    with new_file(path) as file:
        x = file.create_dataset("x", (rows, 1000), "f4", chunks=(4, 1000))
        for i in range(rows):
            x[i] = i
        file.create_dataset("name", data=["a"] * rows, dtype=h5py.string_dtype())


def test_what_is_written_is_there(tmp_path):
    fill(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["x"][:, 0], np.arange(40))
        assert file["name"].asstr()[39] == "a"


@pytest.mark.parametrize("size", [0, 100, 3000, 50_000, 160_000])
def test_a_full_disk_is_an_error_and_not_a_crash(tmp_path, size):
    fill(tmp_path / "a.h5", 4)
    before = (tmp_path / "a.h5").read_bytes()
    with room_for(size), pytest.raises(OSError, match="(?i)file too large"):
        fill(tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
    fill(tmp_path / "a.h5")  # HDF5 is still of use


def test_an_error_in_the_block_leaves_the_old_file(tmp_path):
    fill(tmp_path / "a.h5", 4)
    with pytest.raises(KeyError), new_file(tmp_path / "a.h5") as file:
        file["x"] = 1
        raise KeyError
    with h5py.File(tmp_path / "a.h5") as file:
        assert len(file["x"]) == 4


def mutants(data, count, seed):
    """The bytes after an accident: a bit flipped, a stretch lost, blanked or put in, a cut."""
    rng = random.Random(seed)
    for _ in range(count):
        place, size = rng.randrange(len(data)), rng.choice([1, 8, 512])
        bit = bytes([data[place] ^ 1 << rng.randrange(8)])
        yield rng.choice(
            [
                data[:place] + bit + data[place + 1 :],
                data[:place] + data[place + size :],
                data[:place] + bytes(size) + data[place + size :],
                data[:place] + rng.randbytes(size) + data[place:],
                data[:place],
            ]
        )


def test_a_damaged_file_is_refused_or_what_was_written(tmp_path):
    path = tmp_path / "a.h5"
    fill(path)
    whole, refused = path.read_bytes(), 0
    for data in mutants(whole, 300, 0):
        path.write_bytes(data)
        try:
            with open_hdf5(path, "a test") as file:
                np.testing.assert_array_equal(file["x"][:, 0], np.arange(40))
        except InputError as error:
            assert f"{path}: expected a test, found" in str(error)
            refused += 1
        else:  # only its seal was hit, or zeros were put where there were zeros
            assert data[: len(whole) - SEAL_BYTES] == whole[:-SEAL_BYTES] or data == whole
    assert refused > 250


def test_a_file_is_checked_again_when_it_has_changed(tmp_path):
    path = tmp_path / "a.h5"
    fill(path)
    open_hdf5(path, "a test").close()
    data = bytearray(path.read_bytes())
    data[-5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="changed or damaged since it was written"):
        open_hdf5(path, "a test")


def test_files_without_a_seal_are_read(tmp_path):
    """Such as versions before wrote, and such as their owner has changed with h5py."""
    path = tmp_path / "a.h5"
    fill(path)
    path.write_bytes(path.read_bytes()[:-SEAL_BYTES])
    with open_hdf5(path, "a test") as file:
        assert len(file["x"]) == 40
    fill(path)
    with h5py.File(path, "a") as file:
        file.attrs["mine"] = "a note " * 20
    with open_hdf5(path, "a test") as file:
        assert file.attrs["mine"].startswith("a note")


@pytest.mark.parametrize("error", [KeyError, RuntimeError, UnicodeError, OSError, IndexError])
def test_what_hdf5_says_of_damage_becomes_one_message(tmp_path, error):
    with (
        pytest.raises(InputError, match="a.h5: expected a test, found another HDF5 file"),
        damage_said(tmp_path / "a.h5", "a test"),
    ):
        raise error("bad heap")
