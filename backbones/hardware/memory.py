"""How much memory is free, how much training needs, and what to say when it runs out."""

from __future__ import annotations

import copy
import ctypes
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor, nn

from smie_pipe.preprocessing.foundation.errors import InputError

logger = logging.getLogger(__name__)

CGROUP = Path("/sys/fs/cgroup")
SMALLEST_CLAIM = 64 * 2**20  # below this, allocators' slack outweighs what is computed here


def gib(count: float) -> str:
    """Return bytes as text, in GiB."""
    return f"{count / 2**30:.2f} GiB"


def available_bytes(device: torch.device) -> int | None:
    """Return the free memory of a device in bytes, or None where it cannot be told.

    On the host the smaller of what the kernel calls available and what the container's limit
    leaves; on a GPU what its driver calls free, and what torch holds without using it.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + held
    known = [free for free in (_host_bytes(), _container_bytes()) if free is not None]
    return min(known) if known else None


def _host_bytes() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":") for line in lines if ":" in line)
    return int(fields["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in fields else None


def _container_bytes() -> int | None:
    """Return what a cgroup (version 2) limit leaves; file pages can be given up, so count."""
    try:
        limit = int((CGROUP / "memory.max").read_text())
        used = int((CGROUP / "memory.current").read_text())
        stat = (CGROUP / "memory.stat").read_text().splitlines()
        return limit - used + int(dict(line.split() for line in stat).get("file", 0))
    except (OSError, ValueError):
        return None


def training_bytes(model: nn.Module, clip: Tensor, batch: int) -> int:
    """Return how much a training step holds at its peak, clips and weights apart.

    Extrapolated from what autograd keeps for the backward pass of two and of three clips like
    ``clip`` (C, T, V, M); one layer's gradients and temporaries come on top, hence the quarter
    more.
    """
    trial = copy.deepcopy(model).train()
    clips = torch.ones_like(clip).repeat(3, 1, 1, 1, 1)
    two, three = _kept_bytes(trial, clips[:2].clone()), _kept_bytes(trial, clips)
    return int(1.25 * (two + (three - two) * (batch - 2)))


def _kept_bytes(model: nn.Module, x: Tensor) -> int:
    """Return the size of what autograd keeps after a forward pass, weights apart."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with (
        torch.random.fork_rng(),
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
    ):
        loss = model(x).sum()
    del loss
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    return sum(size for place, size in kept.items() if place not in weights)


def check_training_fits(model: nn.Module, clip: Tensor, batch: int) -> None:
    """Raise ``InputError`` if a step of ``batch`` clips needs more memory than is free.

    The message says how much is needed and which batch would fit. On a CPU freed memory is kept
    for speed where there is room for that.
    """
    trim_freed_memory()
    free = available_bytes(clip.device)
    needed = training_bytes(model, clip, batch)
    if free is not None and clip.device.type == "cpu":
        free //= int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # torchrun's, on this machine
    if free is None or needed <= free or needed < SMALLEST_CLAIM:
        if clip.device.type == "cpu":
            _use_heap(batch, needed, free)
        return
    fits = max(1, int(batch * free / needed))
    raise InputError(
        f"a training step of {batch} clips needs about {gib(needed)} of memory on {clip.device}, "
        f"free are {gib(free)}; use --batch {fits} or less, or --precision bf16 on a GPU, "
        "or --resident no if clips take the memory"
    )


def _use_heap(batch: int, needed: int, free: int | None) -> None:
    """Keep freed memory for speed, or give it back at once where it would not fit."""
    if free is None or needed * KEPT_SHARE <= free or needed < SMALLEST_CLAIM:
        keep_freed_memory()
    elif return_freed_memory():
        logger.info(
            "free are %s: freed memory is given back at once, so that a step of %d clips takes "
            "%s instead of %s; a smaller --batch trains faster",
            gib(free), batch, gib(needed), gib(needed * KEPT_SHARE),
        )  # fmt: skip


@contextmanager
def memory_explained(what: str, remedy: str) -> Iterator[None]:
    """Turn torch's out-of-memory errors within the block into an ``InputError`` with a remedy."""
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one; the CPU's is a bare one
        if not _is_out_of_memory(error):
            raise
        first = str(error).splitlines()[0]
        raise InputError(f"too little memory for {what}: {first} {remedy}") from error


def _is_out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


LARGEST_KEPT_BYTES = 1 << 30


SMALLEST_RETURNED_BYTES = 1 << 20


# What a training step takes with blocks kept, as a multiple of what it needs: glibc leaves holes
# where aligned blocks lay, into which one of the same size does not fit (measured: 1.4 to 1.7).
KEPT_SHARE = 1.7


def keep_freed_memory() -> bool:
    """Ask the C library to reuse freed blocks of up to 1 GiB; return whether it listens.

    By default glibc maps every block over 32 MB freshly and gives it back when it is freed, and
    the activations of a training batch are such blocks: filling pages with zeros again and
    again takes a sixth of a step on a CPU (measured). For the life of the process, therefore to
    be called by a stage that trains or extracts on a CPU and not at import. Elsewhere than on
    Linux with glibc it does nothing.
    """
    return _set(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES) and _set(M_TRIM_THRESHOLD, 2**31 - 1)


def return_freed_memory() -> bool:
    """Ask the C library to map each block of over 1 MiB by itself and to return it when freed.

    Training then needs hardly more than what is in use, and takes about twice the time
    (measured). Returns whether the library listens.
    """
    return _set(M_MMAP_THRESHOLD, SMALLEST_RETURNED_BYTES)


def trim_freed_memory() -> None:
    """Give back at once what ``keep_freed_memory`` has kept, and go on keeping.

    For a new training in the same process: what the one before left is free for it.
    """
    if sys.platform.startswith("linux"):
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def _set(parameter: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL("libc.so.6").mallopt(parameter, value))
    except (OSError, AttributeError):
        return False
