"""Reading pickles that others made, without running anything that is in them.

A pickle is a program: it names functions and has them called. The readers here know a handful of
names and answer them with functions of their own; any other name is refused. Containers, strings
and numbers need no names at all. Nothing here writes a pickle.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError

_FAULTS = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
)


def plain_pickle(path: Path) -> Any:
    """Return what a pickle of builtin containers, strings and numbers holds.

    Raises
    ------
    InputError
        If it names anything else, or is no whole pickle.
    """
    return _load(path, {})


def array_pickle(path: Path) -> Any:
    """Return what a pickle of containers, strings, numbers and arrays of numbers holds.

    NumPy's own functions are not called: arrays are rebuilt here from their bytes, of plain
    number types only.

    Raises
    ------
    InputError
        If it names anything else, or is no whole pickle.
    """
    return _finished(_load(path, _NUMPY))


class _Refusing(pickle.Unpickler):
    def __init__(self, file: IO[bytes], known: dict[str, Callable[..., Any]]):
        super().__init__(file)
        self._known = {**_BUILTIN, **known}

    def find_class(self, module: str, name: str) -> Any:
        """Return our own function for a known name."""
        known = self._known.get(f"{module.replace('numpy._core', 'numpy.core')}.{name}")
        if known is None:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return known

    def persistent_load(self, pid: Any) -> NoReturn:
        """Refuse a reference to something outside."""
        raise pickle.UnpicklingError("a reference to something outside the file")


def _load(path: Path, known: dict[str, Callable[..., Any]]) -> Any:
    what = "containers, strings and numbers" + (" and arrays of numbers" if known else "")
    try:
        with open(path, "rb") as file:
            return _Refusing(file, known).load()
    except _FAULTS as error:
        raise InputError(
            f"{path}: expected a pickle of {what} only, found {_short(error)}. It is not run, "
            f"since a pickle can hold any program; save such data as .npy or .json instead"
        ) from None


def _short(error: BaseException) -> str:
    return f"{str(error)[:80] or type(error).__name__}"


class _DataType:
    """Stands for ``numpy.dtype`` while a pickle is read; only plain numbers are accepted."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, align: Any = False, copy: Any = True):
        if not (isinstance(code, str) and re.fullmatch(r"[biuf][1248]", code)):
            raise pickle.UnpicklingError(f"an array of {str(code)[:20]!r}, not of plain numbers")
        self.code, self.order = code, "<"

    def __setstate__(self, state: Any) -> None:
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("an array of records, not of plain numbers")
        self.order = state[1]

    def real(self) -> np.dtype:
        return np.dtype(self.order.replace("|", "<") + self.code)


class _Array:
    """Stands for an array while a pickle is read; `_finished` puts the array in its place."""

    __slots__ = ("value",)

    def __init__(self, *ignored: Any):
        self.value = np.empty(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        self.value = _shaped(data, kind, shape, "F" if fortran else "C")


def _shaped(data: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:
    if not isinstance(kind, _DataType) or not isinstance(data, (bytes, bytearray)):
        raise pickle.UnpicklingError("an array that is not of plain numbers")
    if len(data) != math.prod(shape) * kind.real().itemsize:
        raise pickle.UnpicklingError("an array whose bytes do not fill its shape")
    return np.frombuffer(data, kind.real()).reshape(shape, order="F" if order == "F" else "C")


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any, axes: Any = None) -> _Array:
    array = _Array()
    array.value = _shaped(data, kind, shape, order)
    if order == "K" and axes is not None:
        array.value = array.value.transpose(axes)
    return array


def _scalar(kind: Any, data: Any = None) -> Any:
    return _shaped(data, kind, (1,), "C")[0].item()


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Bytes in the older protocols: a string and the name of its encoding."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in {str(encoding)[:20]!r}")
    return text.encode("latin1")


_BUILTIN: dict[str, Callable[..., Any]] = {
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "__builtin__.set": set,
    "__builtin__.frozenset": frozenset,
}
_NUMPY: dict[str, Callable[..., Any]] = {
    "_codecs.encode": _encode,
    "numpy.dtype": _DataType,
    "numpy.ndarray": _Array,
    "numpy.core.multiarray._reconstruct": _Array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
}


def _finished(value: Any) -> Any:
    """Put arrays where their stand-ins are, in lists, tuples and the values of dictionaries."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {key: _finished(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finished(item) for item in value]
    return value
