"""What the C library does with freed memory: keep it, which is fast, or give it back."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

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
