"""Tables of the page: sorted and filtered by its reader, copied as Markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smie_pipe.zeroshot.evaluate import Difference, paired_difference
from smie_pipe.zeroshot.tables.published import published_accuracy
from smie_pipe.zeroshot.tables.table import (
    NOTHING,
    Row,
    Table,
    hits_by_split,
    mean_cell,
    name_and_options,
    number,
    setting_title,
)
from smie_pipe.zeroshot.tables.tables import tables
from smie_pipe.zeroshot.trials.results import Results, summarise

HEAT_LEVELS = 10
COPIES = {"Markdown": "markdown", "LaTeX": "latex"}
"""Name of each form a table is copied in, and the method of `Table` that gives it."""


@dataclass(frozen=True)
class Bar:
    """An accuracy in percent with its interval, chance, and the paper's figure, to be drawn."""

    at: float
    low: float
    high: float
    chance: float
    paper: float | None


@dataclass(frozen=True)
class Sheet:
    """A table of the page; ``bars`` and ``heat``, where given, belong to its rows."""

    id: str
    table: Table
    bars: Sequence[Bar | None] = ()
    heat: Sequence[Sequence[int | None]] = ()
    """Level of each cell from 0 to `HEAT_LEVELS`; None for a plain cell."""

    def copies(self) -> dict[str, str]:
        """Return the table in each form of `COPIES`."""
        methods = {form: getattr(self.table, name, None) for form, name in COPIES.items()}
        return {form: method() for form, method in methods.items() if method}


def result_sheets(results: Results, prefix: str, scored: bool = True) -> list[Sheet]:
    """Return the accuracy of every group of trainings, then the paper's tables.

    The tables, and the intervals, are there only where the trainings' scores are (``scored``).
    """
    found = [accuracy_sheet(results, f"{prefix}-accuracy", scored)]
    if not scored:
        return found
    found += [Sheet(f"{prefix}-t{i}", table) for i, table in enumerate(tables(results))]
    return found


def accuracy_sheet(results: Results, name: str, scored: bool = True) -> Sheet:
    """Return each group's accuracy with a 95 % interval over the test clips."""
    rows = [Row(summarise(group), group) for group in results.groups().values()]
    rows.sort(key=lambda row: (setting_title(row.summary), -row.summary.mean))
    found = [(row, accuracy_interval(results, row) if scored else None) for row in rows]
    several = len({setting_title(row.summary) for row in rows}) > 1
    header = ["method", *(["setting"] if several else []), "accuracy %", "95 %", "chance %"]
    body = []
    for row, interval in found:
        setting = [setting_title(row.summary)] if several else []
        cells = [mean_cell(row.summary), _interval(interval), f"{100 * row.summary.chance:.2f}"]
        body.append([name_and_options(row), *setting, *cells])
    paper = [published_accuracy(row.summary) for row in rows]
    if any(value is not None for value in paper):
        header.append("paper %")
        body = [[*cells, number(value)] for cells, value in zip(body, paper, strict=True)]
    bars = [
        _bar(row, interval, value) for (row, interval), value in zip(found, paper, strict=True)
    ]
    title = "Accuracy" if several or not rows else f"Accuracy, {setting_title(rows[0].summary)}"
    notes = [
        "95 %: bootstrap over the unseen test clips of each split, averaged over splits and seeds "
        "first; it does not know what another split or backbone would give."
    ]
    return Sheet(name, Table(title, header, body, notes), bars)


def accuracy_interval(results: Results, row: Row) -> Difference:
    """Return the accuracy of a group of trainings with its interval, as shares."""
    hits = list(hits_by_split(results, row.entries).values())
    return paired_difference(hits, [np.zeros(len(own)) for own in hits])


def _interval(found: Difference | None) -> str:
    return NOTHING if found is None else f"[{100 * found.low:.2f}, {100 * found.high:.2f}]"


def _bar(row: Row, found: Difference | None, paper: float | None) -> Bar:
    mean, chance = 100 * row.summary.mean, 100 * row.summary.chance
    if found is None:
        return Bar(mean, mean, mean, chance, paper)
    return Bar(mean, 100 * found.low, 100 * found.high, chance, paper)


def heat_level(share: float) -> int:
    """Return the level of a share from 0 to 1; what is not quite nothing is at least 1."""
    return 0 if share <= 0 else max(1, round(HEAT_LEVELS * min(share, 1.0)))
