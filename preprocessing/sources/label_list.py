"""``labels.csv``: the labels of recordings whose names do not say them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from smie_pipe.preprocessing.datasets import Dataset, own_dataset
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.sources.files import RawFile

LABEL_LIST = "labels.csv"
MOST_BYTES = 64 * 2**20
_HEADINGS = (["file", "label"], ["file", "label", "subject"])


class Labelled(NamedTuple):
    """What a list says of one recording."""

    label: int
    """Class, from 0."""
    subject: int
    """Number of the performer; 0 where it is not said."""


class _Entry(NamedTuple):
    where: str
    label: str
    subject: int


@dataclass(frozen=True)
class LabelList:
    """The entries of a source's label lists."""

    entries: Mapping[str, Labelled] = field(default_factory=dict)
    """By file name, with or without ending."""
    names_classes: bool = False
    """Whether the classes are those that the list names, so that numbers in file names say
    nothing."""

    def of(self, file: RawFile) -> Labelled | None:
        """Return what the list says of a file; None where it does not have it."""
        return self.entries.get(file.name) or self.entries.get(file.stem)


def read_label_lists(
    files: Iterable[RawFile], known: Dataset | None
) -> tuple[LabelList, Dataset | None]:
    """Return the labels in ``labels.csv`` files, and the dataset whose classes they are.

    Parameters
    ----------
    files
        CSV files with the heading ``file,label`` or ``file,label,subject``. A file is named with
        or without folder and ending; a label is the name of a class or its number in
        ``classes.csv``; a subject is a whole number.
    known
        The dataset given. Where none is, and the labels are names, these are the classes, in
        order of name.

    Raises
    ------
    InputError
        With all faulty lines at once.
    """
    entries: dict[str, _Entry] = {}
    for file in files:
        _read(file, entries)
    names = sorted({entry.label for entry in entries.values()})
    own = known is None and bool(names) and not any(name.isdecimal() for name in names)
    if own:
        known = own_dataset(range(1, len(names) + 1), names)
    if known is None:
        return LabelList(), None
    labels = {name: _label(entry.label, known) for name, entry in entries.items()}
    faults = [
        f"{entries[name].where}: no class {entries[name].label!r} in {known.title}"
        for name, label in labels.items()
        if label is None
    ]
    if faults:
        listed = ", ".join(known.class_names[:8])
        more = ", ..." * (len(known.class_names) > 8)
        raise InputError("\n".join([*faults[:20], f"Its classes: {listed}{more}"]))
    done = {
        name: Labelled(label, entries[name].subject)
        for name, label in labels.items()
        if label is not None
    }
    return LabelList(done, own), known


def _label(text: str, known: Dataset) -> int | None:
    if text in known.class_names:
        return known.class_names.index(text)
    return known.label(int(text)) if text.isdecimal() and len(text) < 10 else None


def _read(file: RawFile, entries: dict[str, _Entry]) -> None:
    try:
        text = file.read(MOST_BYTES).decode("utf-8-sig")
        rows = list(csv.reader(text.splitlines()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{file.path}: expected CSV in UTF-8, found other text ({error})"
        ) from None
    if not rows or [cell.strip().lower() for cell in rows[0]] not in _HEADINGS:
        found = ",".join(rows[0])[:80] if rows else "an empty file"
        raise InputError(
            f"{file.path}:1: expected the heading file,label or file,label,subject, "
            f"found {found!r}"
        )
    faults = []
    for number, row in enumerate(rows[1:], 2):
        cells = [cell.strip() for cell in row]
        where = f"{file.path}:{number}"
        fault = _fault(cells, len(rows[0])) if any(cells) else None
        if fault:
            faults.append(f"{where}: {fault}")
        elif any(cells):
            name = cells[0].replace("\\", "/").rpartition("/")[2]
            if name in entries:
                faults.append(f"{where}: {name!r} comes twice (also {entries[name].where})")
            subject = int(cells[2]) if cells[2:] and cells[2] else 0
            entries[name] = _Entry(where, cells[1], subject)
    if faults:
        raise InputError("\n".join(faults[:20]))


def _fault(cells: list[str], columns: int) -> str:
    if len(cells) != columns or not cells[0] or not cells[1]:
        return f"expected {columns} fields, file and label not empty, found {','.join(cells)!r}"
    if cells[2:] and cells[2] and not (cells[2].isdecimal() and len(cells[2]) < 10):
        return f"expected a whole number as subject, found {cells[2]!r}"
    return ""
