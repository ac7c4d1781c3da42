"""The table of generalised zero-shot results: seen, unseen, harmonic mean, area."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from smie_pipe.zeroshot.tables.table import (
    NOTHING,
    Row,
    Table,
    how_many,
    in_order,
    name_and_options,
    setting_title,
)
from smie_pipe.zeroshot.trials.results import gzsl_figures

FIGURES = ("S", "U", "H")


def gzsl_table(rows: Sequence[Row]) -> Table | None:
    """Return seen, unseen and harmonic accuracy with every class allowed; None without any."""
    rows = in_order(row for row in rows if row.summary.gzsl)
    if not rows:
        return None
    ways = ("plain", "stacking", "gate")
    there = [w for w in ways if any(f"{w}_H" in (r.summary.gzsl or {}) for r in rows)]
    header = ["", *(f"{w} {n}" for w in there for n in FIGURES), "area"]
    keys = [*(f"{w}_{n}" for w in there for n in FIGURES), "ausuc"]
    body = [[name_and_options(row), *(_gzsl_cell(row, key) for key in keys)] for row in rows]
    notes = [
        how_many(rows) + " Of H and the area; of S and U the mean.",
        "S, U: accuracy % on seen and unseen test clips, all classes allowed; H = 2SU/(S+U).",
        "area: under the S-U curve. Stacking's gamma and SynSE's gate are fitted on classes held "
        "out of the seen ones.",
    ]
    return Table(f"Generalised zero-shot, {setting_title(rows[0].summary)}", header, body, notes)


def _gzsl_cell(row: Row, key: str) -> str:
    """Return a figure of all trainings in percent, with its deviation for H and the area."""
    if key not in (row.summary.gzsl or {}):
        return NOTHING
    values = [100 * gzsl_figures(entry.gzsl)[key] for entry in row.entries if entry.gzsl]
    if len(values) < 2 or not key.endswith(("_H", "ausuc")):
        return f"{np.mean(values):.2f}"
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"
