"""Arrays of numbers in ``.npy`` and ``.npz`` files of others: never a pickle, never half a one."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError

_DAMAGE = (ValueError, EOFError, SyntaxError, TypeError, OverflowError, MemoryError, KeyError)


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
    except _DAMAGE:
        # numpy's own message advises to read pickles
        raise InputError(
            f"{path}: expected a .npy array of numbers, found another format, a pickle or a cut "
            "file; save it again with numpy.save"
        ) from None
    if not isinstance(array, np.ndarray) or not _numbers(array):
        found = f"values of {array.dtype}" if isinstance(array, np.ndarray) else "an archive"
        raise InputError(f"{path}: expected a .npy array of numbers, found {found}")
    return array


def read_npz(path: Path | str, keys: Sequence[str]) -> list[np.ndarray]:
    """Return arrays of numbers of an ``.npz`` file, by their keys.

    Raises
    ------
    InputError
        If it is no such archive, lacks a key, or an array is damaged or no array of numbers.
    OSError
        If it is missing or may not be read.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in keys if key not in archive.files]
            if missing:
                raise InputError(
                    f"{path}: expected the arrays {', '.join(keys)}, found "
                    f"{', '.join(archive.files) or 'none'}"
                )
            arrays = [archive[key] for key in keys]
    except InputError:
        raise
    except (*_DAMAGE, zipfile.BadZipFile, zlib.error, NotImplementedError, AttributeError):
        raise InputError(
            f"{path}: expected a .npz of arrays of numbers, found another format, pickles or a "
            "damaged file; save it again with numpy.savez"
        ) from None
    wrong = [f"{key}: {a.dtype}" for key, a in zip(keys, arrays, strict=True) if not _numbers(a)]
    if wrong:
        raise InputError(f"{path}: expected arrays of numbers, found {', '.join(wrong)}")
    return arrays


def _numbers(array: np.ndarray) -> bool:
    return array.dtype.kind in "fiub"
