"""Transductive accuracies, in a table apart from the inductive ones. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smie_pipe.zeroshot.tables.rows import (
    Row,
    in_order,
    name_and_options,
    percent,
    setting_title,
    spread_notes,
)
from smie_pipe.zeroshot.tables.table import NOTHING, Table


def transductive_table(rows: Sequence[Row]) -> Table | None:
    """Return a column for each way to use the test clips together; None where none was asked."""
    rows = in_order(row for row in rows if any(entry.transductive for entry in row.entries))
    if not rows:
        return None
    ways = [w for w in ("prototypes", "cache") if any(_mean(row, w) is not None for row in rows)]
    body = [[name_and_options(row), *(_cell(row, way) for way in ways)] for row in rows]
    body.append(["chance", percent(rows[0].summary.chance), *[""] * (len(ways) - 1)])
    notes = [
        *spread_notes(rows)[:1],
        "Transductive: the answer to a clip depends on all unseen test clips of its split "
        "together. No figure here is comparable with one of the tables above.",
    ]
    title = f"Transductive, {setting_title(rows[0].summary)}"
    return Table(title, ["", *(f"{way} %" for way in ways)], body, notes)


def _cell(row: Row, way: str) -> str:
    value = _mean(row, way)
    return NOTHING if value is None else percent(value)


def _mean(row: Row, way: str) -> float | None:
    """Return the mean accuracy over a row's trainings; None unless all of them have one."""
    found = [(entry.transductive or {}).get(way) for entry in row.entries]
    if not all(found):
        return None
    return float(np.mean([figures["accuracy"] for figures in found if figures]))
