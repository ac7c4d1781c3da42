"""Arrays of numbers in ``.npy`` files that others made: never a pickle, never half a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError


def read_npy(path: Path | str, *, in_place: bool = False) -> np.ndarray:
    """Return the array of numbers in a ``.npy`` file.

    Parameters
    ----------
    path
        The file.
    in_place
        Leave the array on the disk and read from there what is indexed.

    Raises
    ------
    InputError
        If it is another format, a pickle, cut short, or holds anything but numbers.
    OSError
        If it is missing or may not be read.
    """
    try:
        array = np.load(path, mmap_mode="r" if in_place else None, allow_pickle=False)
    except (ValueError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError):
        # numpy's own message advises to read pickles
        raise InputError(
            f"{path}: expected a .npy array of numbers, found another format, a pickle or a cut "
            "file; save it again with numpy.save"
        ) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        found = f"values of {array.dtype}" if isinstance(array, np.ndarray) else "an archive"
        raise InputError(f"{path}: expected a .npy array of numbers, found {found}")
    return array
