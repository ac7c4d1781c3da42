"""What is known of each dataset: its classes, its protocols, how many recordings it has."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice

DATA = Path(__file__).parent / "data"

_XSUB60 = (1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38)
_XSUB120 = (
    *_XSUB60,
    *(45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89),
    *(*range(91, 96), 97, 98, 100, 103),
)


@dataclass(frozen=True)
class Dataset:
    """A dataset by name, with what its authors fixed."""

    name: str
    title: str
    class_names: tuple[str, ...]
    """Name of each label, which counts from 0."""
    class_ids: tuple[int, ...]
    """Number of each label in file names or label files."""
    train: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    """For each protocol the column it divides by and the values that train."""
    two_persons: frozenset[int] = frozenset()
    """Labels of actions of two persons."""
    setups: int | None = None
    """Highest setup number that belongs to it; None where any does."""
    recordings: int | None = None
    """How many raw files it has, those without skeletons included."""
    missing: int | None = None
    """How many of them have no or an incomplete skeleton."""

    def label(self, number: int) -> int | None:
        """Return the label of an action as numbered in the files, None where it is none."""
        return _labels(self.class_ids).get(number)

    def protocols(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the official protocols as (N,) int8, 1 train and 0 test, from clip columns.

        A clip whose name told no number (0) is in neither part (-1); a protocol for which no
        clip tells a number is left out.
        """
        protocols = {}
        for name, (column, values) in self.train.items():
            numbers = columns.get(column, np.zeros(0, np.int32))
            if numbers.any():
                train = np.isin(numbers, values).astype(np.int8)
                protocols[name] = np.where(numbers > 0, train, np.int8(-1))
        return protocols


@cache
def _labels(class_ids: tuple[int, ...]) -> dict[int, int]:
    return {number: label for label, number in enumerate(class_ids)}


def read_classes(data: bytes, path: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the ids and names in the bytes of a ``classes.csv`` (``id,name``), sorted by id.

    ``path`` is its name, for messages.

    Raises
    ------
    InputError
        With all faulty lines at once: no number, no name, an id or a name that comes twice.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected UTF-8 text, found byte {error.start} of none"
        ) from None
    try:
        rows = list(csv.reader(text.splitlines()))
    except csv.Error as error:
        raise InputError(f"{path}: expected CSV with id and name, found {error}") from None
    if not rows or [cell.strip().lower() for cell in rows[0]] != ["id", "name"]:
        found = ",".join(rows[0]) if rows else "an empty file"
        raise InputError(f"{path}:1: expected the heading id,name, found {found!r}")
    names: dict[int, str] = {}
    faults = [
        f"{path}:{line}: {fault}"
        for line, row in enumerate(rows[1:], 2)
        if row and (fault := _add_class(names, row))
    ]
    if not faults and not names:
        faults = [f"{path}:2: expected at least one class, found none"]
    if faults:
        raise InputError("\n".join(faults))
    return tuple(sorted(names)), tuple(names[number] for number in sorted(names))


def _add_class(names: dict[int, str], row: list[str]) -> str:
    cells = [cell.strip() for cell in row]
    if len(cells) != 2 or not cells[0].isdecimal() or not cells[1]:
        return f"expected a whole number and a name, found {','.join(row)!r}"
    if int(cells[0]) in names:
        return f"id {int(cells[0])} comes twice"
    if cells[1] in names.values():
        return f"name {cells[1]!r} comes twice"
    names[int(cells[0])] = cells[1]
    return ""


def _own(name: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the ids and names of a list that comes with the program."""
    return read_classes((DATA / name).read_bytes(), name)


def _ntu60() -> Dataset:
    ids, names = _own("ntu120_classes.csv")
    return Dataset(
        name="ntu60",
        title="NTU RGB+D 60",
        class_names=names[:60],
        class_ids=ids[:60],
        train={"xsub": ("subject", _XSUB60), "xview": ("camera", (2, 3))},
        two_persons=frozenset(range(49, 60)),
        setups=17,
        recordings=56_880,
        missing=302,
    )


def _ntu120() -> Dataset:
    ids, names = _own("ntu120_classes.csv")
    return Dataset(
        name="ntu120",
        title="NTU RGB+D 120",
        class_names=names,
        class_ids=ids,
        train={"xsub": ("subject", _XSUB120), "xset": ("setup", tuple(range(2, 33, 2)))},
        two_persons=frozenset((*range(49, 60), *range(105, 120))),
        setups=32,
        recordings=114_480,
        missing=535,
    )


def _pku51() -> Dataset:
    ids, names = _own("pku51_classes.csv")
    return Dataset(
        name="pku51",
        title="PKU-MMD",
        class_names=names,
        class_ids=ids,
        two_persons=frozenset(number - 1 for number in (12, 14, 16, 18, 21, 24, 26, 27)),
    )


_KNOWN = {"ntu60": _ntu60, "ntu120": _ntu120, "pku51": _pku51}
DATASETS = tuple(_KNOWN)


def dataset(name: str) -> Dataset:
    """Return what is known of ``ntu60``, ``ntu120`` or ``pku51``.

    Raises
    ------
    InputError
        If the name is another; the message lists these.
    """
    if name not in _KNOWN:
        raise unknown_choice("dataset", name, _KNOWN)
    return _KNOWN[name]()


def custom(data: bytes, path: str) -> Dataset:
    """Return the dataset of a user's own recordings, with the classes of ``classes.csv``.

    Raises
    ------
    InputError
        If the file is faulty.
    """
    return own_dataset(*read_classes(data, path))


def own_dataset(ids: Iterable[int], names: Sequence[str]) -> Dataset:
    """Return the dataset of a user's own recordings, with these classes."""
    pairs = _names_of_two()
    return Dataset(
        name="custom",
        title="own recordings",
        class_names=tuple(names),
        class_ids=tuple(ids),
        two_persons=frozenset(label for label, name in enumerate(names) if name in pairs),
    )


def _names_of_two() -> set[str]:
    """Return the names of all known actions of two persons; own classes may bear them too."""
    known = [dataset(name) for name in DATASETS]
    return {one.class_names[label] for one in known for label in one.two_persons}
