"""Clips for training and extraction: all on the device, or read ahead from HDF5.

Both sources answer the same question, ``batches(order)``: given which clips belong together,
yield them as tensors on the device, in that order. Neither does any Python work per clip.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from smie_pipe.backbones.hardware.memory import available_bytes, gib
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.progress import progress
from smie_pipe.preprocessing.foundation.whole_files import damage_said, open_hdf5
from smie_pipe.preprocessing.skeletons.store import EXPECTED

logger = logging.getLogger(__name__)
READ_AT_ONCE = 512
AHEAD = 3  # batches that wait, read, while one is being worked on
Order = Sequence[np.ndarray]


class ClipReader:
    """Rows of ``x`` in a skeletons.h5, as fast as the page cache gives them.

    HDF5 takes about 0.6 ms to pick one clip out of a list; as the file stores clips as they
    are, this reads them past HDF5, from where its chunk table says that they lie (0.005 ms).
    A compressed file, or one laid out oddly, is read through HDF5 all the same.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        with open_hdf5(self.path, EXPECTED) as file, damage_said(self.path, EXPECTED):
            self.shape: tuple[int, ...] = file["x"].shape[1:]
            self._starts = _float_offsets(file["x"])
        if self._starts is not None:
            floats = self.path.stat().st_size // 4
            flat = np.memmap(self.path, "<f4", "r", shape=(floats,))
            size = int(np.prod(self.shape))
            self._windows = np.lib.stride_tricks.sliding_window_view(flat, size)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Return the clips at ``rows``, any order, shape (len(rows), C, T, V, M), float32."""
        if self._starts is not None:
            return self._windows[self._starts[rows]].reshape(-1, *self.shape)
        with h5py.File(self.path, "r", rdcc_nbytes=0) as file:
            data = file["x"]
            return np.stack([data[int(row)] for row in rows]).astype(np.float32)


def _float_offsets(data: h5py.Dataset) -> np.ndarray | None:
    """Return where each row begins, in float32 steps from the file's start; None if unknown."""
    plain = data.dtype == "<f4" and data.id.get_create_plist().get_nfilters() == 0
    listable = hasattr(data.id, "chunk_iter")  # h5py built on HDF5 before 1.12.3 has none
    if (
        not plain
        or not listable
        or not data.chunks
        or data.chunks[1:] != data.shape[1:]
        or not data.size
    ):
        return None
    clips = data.chunks[0]
    chunk_starts = np.full(-(-len(data) // clips), -1, np.int64)

    def note(chunk: Any) -> None:
        chunk_starts[chunk.chunk_offset[0] // clips] = chunk.byte_offset

    data.id.chunk_iter(note)
    if (chunk_starts < 0).any() or (chunk_starts % 4).any():
        return None
    row = np.arange(len(data))
    return chunk_starts[row // clips] // 4 + row % clips * int(np.prod(data.shape[1:]))


class ResidentClips:
    """All chosen clips in the device's memory; a batch is one gather."""

    def __init__(self, path: Path, rows: np.ndarray, device: torch.device):
        reader = ClipReader(path)
        self.x = torch.empty((len(rows), *reader.shape), device=device)
        starts = range(0, len(rows), READ_AT_ONCE)
        for start in progress(starts, what="load clips", unit=f"x {READ_AT_ONCE} clips"):
            clips = torch.from_numpy(reader.read(rows[start : start + READ_AT_ONCE]))
            self.x[start : start + READ_AT_ONCE] = clips.to(device)

    def batches(self, order: Order) -> Iterator[Tensor]:
        """Yield the clips at each array of ``order`` (positions in ``rows``)."""
        for positions in on_device(order, self.x.device):
            yield self.x[positions]


class StreamedClips:
    """Chosen clips read by a thread while the device works on the batch before."""

    def __init__(self, path: Path, rows: np.ndarray, device: torch.device):
        self.reader, self.rows, self.device = ClipReader(path), np.asarray(rows), device

    def batches(self, order: Order) -> Iterator[Tensor]:
        """Yield the clips at each array of ``order`` (positions in ``rows``)."""
        ready: queue.Queue[Tensor | Exception] = queue.Queue(maxsize=AHEAD)
        stop = threading.Event()
        thread = threading.Thread(target=self._read_ahead, args=(order, ready, stop), daemon=True)
        thread.start()
        try:
            for _ in order:
                clips = ready.get()
                if isinstance(clips, Exception):
                    raise clips
                yield clips.to(self.device, non_blocking=True)
        finally:
            stop.set()
            thread.join()

    def _read_ahead(
        self, order: Order, ready: queue.Queue[Tensor | Exception], stop: threading.Event
    ) -> None:
        """Fill the queue; what goes wrong is handed on to be raised where clips are asked for."""
        try:
            for positions in order:
                clips = torch.from_numpy(self.reader.read(self.rows[positions]))
                if self.device.type == "cuda":
                    clips = clips.pin_memory()
                if not _put(ready, clips, stop):
                    return
        except Exception as error:
            _put(ready, error, stop)


def _put(
    ready: queue.Queue[Tensor | Exception], item: Tensor | Exception, stop: threading.Event
) -> bool:
    """Wait for a free place, but not for a consumer that has gone; False if it has."""
    while not stop.is_set():
        try:
            ready.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


Clips = ResidentClips | StreamedClips


def open_clips(
    path: Path, rows: np.ndarray, device: torch.device, resident: str = "auto"
) -> Clips:
    """Return a source of the clips at ``rows`` of a skeletons.h5.

    Parameters
    ----------
    resident
        ``yes`` keeps all of them in the device's memory, ``no`` reads them as they are needed,
        ``auto`` keeps them when they take less than half of the memory that is free.

    Raises
    ------
    InputError
        If they are to be kept and there is too little memory for them.
    """
    needed = bytes_of(path, len(rows))
    free = available_bytes(device)
    if resident == "yes" and free is not None and needed > free:
        raise InputError(
            f"{path}: keeping {len(rows)} clips in the memory of {device} needs {gib(needed)}, "
            f"free are {gib(free)}; use --resident no to read them as they are needed"
        )
    fits = free is None or needed <= free / 2
    if resident == "yes" or (resident == "auto" and fits):
        return ResidentClips(path, rows, device)
    if resident == "auto":
        logger.info("reading %d clips (%s) as they are needed", len(rows), gib(needed))
    return StreamedClips(path, rows, device)


def bytes_of(path: Path, clips: int) -> int:
    """Return how much memory so many clips of a skeletons.h5 take as float32."""
    with open_hdf5(path, EXPECTED) as file, damage_said(path, EXPECTED):
        return clips * int(np.prod(file["x"].shape[1:])) * 4


def on_device(order: Order, device: torch.device) -> Sequence[Tensor]:
    """Return arrays as tensors on the device, brought there in one go."""
    sizes = [len(positions) for positions in order]
    return torch.from_numpy(np.concatenate(order)).to(device).split(sizes) if sizes else []


def in_batches(count: int, batch: int) -> list[np.ndarray]:
    """Return 0..count-1 cut into runs of at most ``batch``."""
    return [np.arange(start, min(start + batch, count)) for start in range(0, count, batch)]


def shuffled_batches(count: int, batch: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Return a new order of 0..count-1 for each epoch, in batches of nearly equal size.

    Notes
    -----
    As many batches as usual, ceil(count / batch), but the remainder is spread over all of them
    instead of being left to the last: no step then hangs on a few clips (or on one, of which
    batch normalisation could make little). The order depends on seed and epoch alone, so a
    resumed epoch needs only the number of its next step.
    """
    order = np.random.default_rng([seed, epoch]).permutation(count)
    return np.array_split(order, -(-count // batch))
