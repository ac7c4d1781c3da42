import contextlib
import resource

import h5py
import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.whole_files import new_file


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
