"""Several texts a class: label, definition and motion sentence, built in or from a CSV.

A text set is one kind of text for every class. Methods read several of them joined
(``ClassTexts.sentence``) or kept apart (``ClassTexts.views``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.zeroshot.texts.sentences import (
    DATA,
    _empty_cells,
    _listed,
    _need_columns,
    _raise_all,
    _rows,
    _unknown_names,
    class_sentences,
)

TEXTS = DATA / "texts.csv"
SETS = ("label", "definition", "motion")
"""The text sets of the package's own list, and the columns of a CSV in its form."""
FORMS = (
    "labels, descriptions, text sets joined by + (label+definition+motion), FILE.csv, or "
    "FILE.csv:SET+SET for some of its columns"
)
_BUILT_IN = {"labels": "label", "names": "label", "descriptions": "description"}
_ONE_COLUMN = ("text", "description")
TextSets = dict[str, list[list[str]]]


def text_sets(class_names: Sequence[str], source: str = "labels") -> TextSets:
    """Return the texts of every class by text set: set -> one list of texts a class.

    Parameters
    ----------
    class_names
        Names by label, of the whole dataset.
    source
        ``labels``; ``descriptions``; text sets of the package joined by ``+``, of ``label``,
        ``definition``, ``motion`` and ``description`` (classes of NTU RGB+D and PKU-MMD);
        ``FILE.csv`` with the columns ``name,label,definition,motion`` (those that are there are
        its text sets; an empty ``label`` is the class name) or ``name,text``;
        ``FILE.csv:motion`` or ``FILE.csv:label+motion`` for some of its columns only.

    Raises
    ------
    InputError
        For an unknown source or text set, and, in one message, all classes that lack a text of
        a set, all rows of unknown classes and all empty cells.
    """
    own = re.fullmatch(r"(.+\.csv)(?::(.*))?", source, re.IGNORECASE)
    if own:
        return _of_file(Path(own[1]), own[2], class_names)
    asked = [_BUILT_IN.get(name, name) for name in source.split("+")]
    known = (*SETS, "description")
    unknown = [name for name in asked if name not in known]
    if unknown and len(asked) == 1:
        raise unknown_choice("text source", source, (*_BUILT_IN, *SETS, "FILE.csv"))
    if unknown:
        raise unknown_choice(f"text set in {source!r}", unknown[0], known)
    _once_each(source, asked)
    return {name: _of_package(name, class_names) for name in asked}


def several(source: str) -> bool:
    """Return whether a text source may hold more than one text set."""
    return "+" in source or source.lower().endswith(".csv")


def _once_each(source: str, asked: Sequence[str]) -> None:
    twice = sorted({name for name in asked if asked.count(name) > 1})
    if twice:
        raise InputError(f"text source {source!r} names {', '.join(twice)} twice")


def _of_package(name: str, class_names: Sequence[str]) -> list[list[str]]:
    if name in ("label", "description"):
        return class_sentences(class_names, "labels" if name == "label" else "descriptions")
    known = built_in_texts()
    missing = [of_class for of_class in class_names if of_class not in known]
    if missing:
        raise InputError(
            f"the package has no {name} of {_listed(missing)}. Write a template of all classes "
            "with `smie-pipe describe-classes --out texts.csv`, fill it in, and give it as text "
            "source."
        )
    return [[known[of_class][name]] for of_class in class_names]


@cache
def built_in_texts() -> dict[str, dict[str, str]]:
    """Return the package's own texts: class name -> text set -> text."""
    return {row["name"]: {name: row[name] for name in SETS} for row in _rows(TEXTS)}


def _of_file(path: Path, chosen: str | None, class_names: Sequence[str]) -> TextSets:
    if not path.is_file():
        raise InputError(f"{path}: no such file of class texts; text sources are {FORMS}")
    rows = _rows(path)
    _need_columns(path, rows, ("name",))
    columns = _columns(path, list(rows[0]), chosen)
    if columns == ["text"] or columns == ["description"]:
        return {columns[0]: class_sentences(class_names, str(path))}
    return _by_column(path, rows, columns, class_names)


def _columns(path: Path, present: list[str], chosen: str | None) -> list[str]:
    """Return the columns that are text sets: those chosen, or all of the known form."""
    if chosen is not None:
        asked = chosen.split("+")
        _once_each(f"{path}:{chosen}", asked)
        absent = [name for name in asked if name not in (*present, "label") or name == "name"]
        if absent:
            offered = [name for name in present if name not in ("id", "name")]
            raise unknown_choice(f"text set (column) of {path}", absent[0], offered)
        return asked
    found = [name for name in SETS if name in present]
    found = found or [name for name in _ONE_COLUMN if name in present][:1]
    if not found:
        raise InputError(
            f"{path}: expected columns name,{','.join(SETS)} (or some of these sets) or "
            f"name,text, found {','.join(present)}"
        )
    return found


def _by_column(
    path: Path, rows: list[dict[str, str]], columns: list[str], class_names: Sequence[str]
) -> TextSets:
    names = [row["name"] for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults = _unknown_names(rows, class_names)
    if twice:
        faults.append(f"more than one row for {_listed(twice)}")
    without = [name for name in class_names if name not in names]
    if without:
        faults.append(f"no row for {_listed(without)}")
    for column in columns:
        if column != "label":
            faults += _empty_cells(rows, column)
    _raise_all(path, faults)
    by_name = {row["name"]: row for row in rows}
    return {
        column: [[by_name[name].get(column) or name] for name in class_names] for column in columns
    }


def names_in(path: Path) -> list[str]:
    """Return the class names of a CSV with a column ``name``, in its order, each once.

    Raises
    ------
    InputError
        If there is no such column, or a name stands there twice or is empty.
    """
    rows = _rows(path)
    _need_columns(path, rows, ("name",))
    names = [row["name"] for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults = _empty_cells(rows, "name")
    if twice:
        faults.append(f"more than one row for {_listed(twice)}")
    _raise_all(path, faults)
    return names
