"""Clips come out in the order asked for, resident or read ahead, and memory is counted."""

import threading

import h5py
import numpy as np
import pytest
import torch

from smie_pipe.backbones import clips as data
from smie_pipe.backbones.clips import ClipReader, in_batches, open_clips, shuffled_batches
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.skeletons.store import write_skeletons

CPU = torch.device("cpu")


@pytest.fixture
def clips() -> np.ndarray:
    """Return forty clips of four frames, more than two of the file's chunks."""
    return np.random.default_rng(0).normal(size=(40, 3, 4, 25, 2)).astype("f4")


@pytest.fixture
def path(tmp_path, clips):
    """Return a skeletons.h5 that holds those clips."""
    path = tmp_path / "skeletons.h5"
    write_skeletons(path, clips, {"label": [0] * 40}, class_names=["wave"])
    return path


def compressed(path, clips):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=clips, chunks=(16, *clips.shape[1:]), compression="gzip")
    return path


def odd_chunks(path, clips):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=clips, chunks=(16, 1, 4, 25, 2))
    return path


def contiguous_double(path, clips):
    with h5py.File(path, "w") as file:
        file["x"] = clips.astype("f8")
    return path


def test_rows_are_read_in_the_order_asked_for(path, clips):
    rows = np.array([39, 0, 17, 16, 0])
    reader = ClipReader(path)
    assert reader._starts is not None
    np.testing.assert_array_equal(reader.read(rows), clips[rows])


@pytest.mark.parametrize("write", [compressed, odd_chunks, contiguous_double])
def test_oddly_stored_rows_are_read_too(tmp_path, clips, write):
    rows = np.array([39, 0, 17, 16])
    read = ClipReader(write(tmp_path / "odd.h5", clips)).read(rows)
    np.testing.assert_array_equal(read, clips[rows])
    assert read.dtype == np.float32


@pytest.mark.parametrize("resident", ["yes", "no", "auto"])
def test_both_sources_give_the_same_batches(path, clips, resident):
    rows = np.arange(39, -1, -3)
    order = shuffled_batches(len(rows), 5, seed=1, epoch=2)
    batches = list(open_clips(path, rows, CPU, resident).batches(order))
    assert len(batches) == len(order)
    for batch, positions in zip(batches, order, strict=True):
        np.testing.assert_array_equal(batch.numpy(), clips[rows[positions]])


def test_reading_stops_when_nobody_listens(path):
    before = threading.active_count()
    source = open_clips(path, np.arange(40), CPU, "no")
    batches = source.batches(in_batches(40, 2))
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_a_failure_while_reading_ahead_is_raised(path, monkeypatch):
    source = open_clips(path, np.arange(40), CPU, "no")

    def broken(rows):
        raise OSError("the disk is gone")

    monkeypatch.setattr(source.reader, "read", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        list(source.batches(in_batches(40, 8)))


def test_too_little_memory_says_how_much_and_what_helps(path, monkeypatch):
    monkeypatch.setattr(data, "available_bytes", lambda device: 50_000)
    with pytest.raises(InputError, match=r"40 clips .* needs .* GiB, free are .*--resident no"):
        open_clips(path, np.arange(40), CPU, "yes")
    assert isinstance(open_clips(path, np.arange(40), CPU, "auto"), data.StreamedClips)


@pytest.mark.parametrize("count, batch", [(281, 128), (128, 128), (129, 128), (1, 4), (10, 3)])
def test_shuffled_batches_hold_every_clip_once_and_are_even(count, batch):
    order = shuffled_batches(count, batch, seed=0, epoch=0)
    sizes = [len(part) for part in order]
    assert len(order) == -(-count // batch)
    assert max(sizes) <= batch
    assert max(sizes) - min(sizes) <= 1
    assert sorted(np.concatenate(order)) == list(range(count))


def test_order_depends_on_seed_and_epoch_only():
    def order(seed, epoch):
        return np.concatenate(shuffled_batches(50, 8, seed, epoch)).tolist()

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)
