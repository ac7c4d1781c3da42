"""Tables of the page: sorted and filtered by its reader, copied as Markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from smie_pipe.zeroshot.evaluate import Difference, paired_difference
from smie_pipe.zeroshot.tables.published import published_accuracy
from smie_pipe.zeroshot.tables.rows import (
    Row,
    hits_by_split,
    marked,
    mean_cell,
    name_and_options,
    number,
    percent,
    rows_of,
    setting_title,
    spread_columns,
    spread_notes,
)
from smie_pipe.zeroshot.tables.table import NOTHING, Table
from smie_pipe.zeroshot.tables.tables import tables
from smie_pipe.zeroshot.trials.results import Results

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
        return {form: getattr(self.table, name)() for form, name in COPIES.items()}


def result_sheets(results: Results, prefix: str) -> list[Sheet]:
    """Return the accuracy of every group of trainings, then the paper's tables."""
    found = [accuracy_sheet(results, f"{prefix}-accuracy")]
    found += [Sheet(f"{prefix}-t{i}", table) for i, table in enumerate(tables(results))]
    return found


def accuracy_sheet(results: Results, name: str) -> Sheet:
    """Return each group's accuracy with a 95 % interval over the test clips."""
    rows = sorted(
        rows_of(results), key=lambda row: (setting_title(row.summary), -row.summary.mean)
    )
    intervals = [accuracy_interval(results, row) for row in rows]
    papers = [published_accuracy(row.summary) for row in rows]
    columns = {
        "setting": [setting_title(row.summary) for row in rows],
        "accuracy %": [mean_cell(row.summary) for row in rows],
        "95 %": [_interval(interval) for interval in intervals],
        **spread_columns(rows),
        "chance %": [percent(row.summary.chance) for row in rows],
        "paper %": [number(value) for value in papers],
    }
    several = len(set(columns["setting"])) > 1
    title = "Accuracy" if several or not rows else f"Accuracy, {columns['setting'][0]}"
    columns = {
        head: cells
        for head, cells in columns.items()
        if set(cells) != {NOTHING} and (several or head != "setting")
    }
    body = [
        [name_and_options(row), *(cells[i] for cells in columns.values())]
        for i, row in enumerate(rows)
    ]
    notes = [
        "95 %: bootstrap over the unseen test clips of each split, of the mean over backbones, "
        "seeds and splits; it does not know what another split or backbone would give.",
        *spread_notes(rows),
    ]
    table = marked(Table(title, ["method", *columns], body, notes), rows)
    return Sheet(
        name, table, [_bar(*facts) for facts in zip(rows, intervals, papers, strict=True)]
    )


def accuracy_interval(results: Results, row: Row) -> Difference | None:
    """Return the accuracy of a group of trainings with its interval, as shares.

    None where the scores of one are not there.
    """
    hits = list(hits_by_split(results, row.entries).values())
    return paired_difference(hits, [np.zeros(len(own)) for own in hits]) if hits else None


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
