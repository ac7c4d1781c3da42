"""The paper's tables from our results. No torch.

What was asked for stands in the tables, every variant in a row of its own, named by what it
changes; what else lies in the run folder stands in one table apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from smie_pipe.backbones.pretrainings import split_and_number
from smie_pipe.zeroshot.methods.registry import family
from smie_pipe.zeroshot.tables.published import (
    TABLE_4_BEST,
    published_accuracy,
    published_difference,
    published_later,
    published_without_masks,
)
from smie_pipe.zeroshot.tables.rows import (
    Row,
    against,
    counts,
    grouped,
    hits_by_split,
    in_order,
    is_baseline,
    marked,
    mean_cell,
    name_and_options,
    number,
    percent,
    reference,
    rows_of,
    setting_title,
    spread_columns,
    spread_notes,
)
from smie_pipe.zeroshot.tables.table import NOTHING, Table
from smie_pipe.zeroshot.tables.text_table import text_table
from smie_pipe.zeroshot.tables.transductive_table import transductive_table
from smie_pipe.zeroshot.trials.results import Results
from smie_pipe.zeroshot.trials.summaries import gzsl_figures

OPTIMISTIC = "optimistic: best epoch on unseen"
PAPER = "paper"
PAPER_NOTE = (
    "paper: as printed there; its public code takes the best epoch on the unseen test clips."
)


def tables(results: Results, *, only: bool = False, per_split: bool = False) -> list[Table]:
    """Return every table that the results fill.

    Per split set, backbone, text and way of choosing: methods (the paper's tables 2 and 3),
    SMIE's ablation (table 3), beta (table 4), generalised zero-shot, transductive; per split
    set: text sources (tables 5 and 6). At the end, what lies in the folder without having been
    asked for.

    Parameters
    ----------
    results
        With ``asked`` set, tables are of these results; without, of all.
    only
        Leave out what was not asked for.
    per_split
        A column for every split.
    """
    rows = rows_of(results.of_interest())
    found: list[Table] = []
    for _, group in grouped(rows, _setting):
        found += [marked(table, group) for table in _of_setting(results, group, per_split)]
    for _, group in grouped(rows, _setting_but_text):
        table = text_table(results, group)
        found += [] if table is None else [marked(table, group)]
    others = [] if only else rows_of(results.others())
    return [*found, marked(others_table(others), others)] if others else found


def _setting(row: Row) -> tuple:
    s = row.summary
    return s.dataset, s.split_set, s.backbone, s.text_model, s.text, s.text_digest, s.select


def _setting_but_text(row: Row) -> tuple:
    s = row.summary
    return s.dataset, s.split_set, s.backbone, s.select


def _of_setting(results: Results, rows: Sequence[Row], per_split: bool) -> list[Table]:
    sweeps = beta_sweeps(rows)
    found = [beta_table(results, sweep, per_split) for sweep in sweeps]
    others = (gzsl_table(rows), transductive_table(rows))
    for more in (ablation_table(results, rows, per_split), *others):
        found += [] if more is None else [more]
    if any(len(sweep) == len(rows) for sweep in sweeps):
        return found  # the sweep says all that the table of methods would
    return [methods_table(results, rows, per_split), *found]


def methods_table(results: Results, rows: Sequence[Row], per_split: bool = False) -> Table:
    """Return methods against each other in one setting, each with each set of options."""
    rows = in_order(rows)
    base = reference(rows)
    table = _comparison("Methods", results, rows, base, name_and_options, per_split)
    later = dict.fromkeys(filter(None, (published_later(row.summary) for row in rows)))
    notes = [*table.notes, *_paper_smie(rows), *later]
    return Table(table.title, table.header, table.rows, notes)


def _paper_smie(rows: Sequence[Row]) -> list[str]:
    known = {published_without_masks(row.summary) for row in rows} - {None}
    return [
        f"The paper has {value:.2f} for SMIE with its temporal constraint on these splits and "
        "features; ready-made features hold no masked clips, so here it runs without: another "
        "setting."
        for value in known
    ]


def ablation_table(results: Results, rows: Sequence[Row], per_split: bool = False) -> Table | None:
    """Return SMIE with one thing changed at a time, beta kept; None where nothing else is."""
    rows = [row for row in rows if row.summary.method in family()]
    base = reference(rows)
    if base is None:
        return None
    beta = base.summary.changed.get("beta")
    rows = [row for row in rows if not is_baseline(row) or row.summary.changed.get("beta") == beta]
    if len(rows) < 2:
        return None
    rows = sorted(rows, key=lambda row: (row is not base, len(row.summary.changed)))
    return _comparison("Ablation of SMIE", results, rows, base, name_and_options, per_split)


def beta_sweeps(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows of SMIE that differ in beta only, in rising order; a list per sweep."""
    sweeps: dict[str, list[Row]] = {}
    for row in in_order(rows):
        if is_baseline(row):
            sweeps.setdefault(str(_but_beta(row)), []).append(row)
    return [sorted(sweep, key=beta_of) for sweep in sweeps.values() if len(sweep) > 1]


def _but_beta(row: Row) -> dict[str, object]:
    return {key: value for key, value in row.summary.changed.items() if key != "beta"}


def beta_table(results: Results, rows: Sequence[Row], per_split: bool = False) -> Table:
    """Return SMIE's accuracy over beta, for the rows of one of ``beta_sweeps``."""
    base = next((row for row in rows if "beta" not in row.summary.changed), rows[0])
    table = _comparison("SMIE over beta", results, rows, base, _beta_name, per_split)
    notes = [*_unlike_defaults(rows[0]), *table.notes, *_inert(results, rows)]
    best = TABLE_4_BEST.get(rows[0].summary.split_set)
    if best is not None:
        notes.append(f"In the paper beta = {best:g} is best on this set of splits (table 4).")
    return Table(table.title, ["beta", *table.header[1:]], table.rows, notes)


def _unlike_defaults(row: Row) -> list[str]:
    changed = ", ".join(f"{key} {value}" for key, value in _but_beta(row).items())
    return [f"Every row with {changed}."] if changed else []


def _beta_name(row: Row) -> str:
    return f"{beta_of(row):g}"


def _inert(results: Results, rows: Sequence[Row]) -> list[str]:
    """Say so where beta changes nothing: its hinge (eq. 10) has one gradient while it is open."""
    first, *others = (hits_by_split(results, row.entries) for row in rows)
    same = first and all(
        set(first) == set(other) and all(np.array_equal(first[s], other[s]) for s in first)
        for other in others
    )
    if not same:
        return []
    return [
        "Every beta names every clip alike. The constraint's gradient does not depend on beta "
        "while m - m_hat (history.csv) stays below it, and is none once it is above."
    ]


def beta_of(row: Row) -> float:
    """Return the beta that a row of SMIE was trained with."""
    return float(row.entries[0].options.get("beta", 0.0))


def _clips(rows: Sequence[Row]) -> str:
    counts = sorted({entry.clips for row in rows for entry in row.entries})
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _comparison(
    what: str,
    results: Results,
    rows: Sequence[Row],
    base: Row | None,
    name: Callable[[Row], str],
    per_split: bool,
) -> Table:
    """Return rows of accuracy with what is known beside it, less the columns without a cell."""
    versus = "SMIE" if base is None else name(base)
    if what == "SMIE over beta":
        versus = f"beta {versus}"
    columns: dict[str, list[str]] = {
        "accuracy %": [mean_cell(row.summary) for row in rows],
        **spread_columns(rows),
        **(_by_split(rows) if per_split else {}),
        "class mean %": [percent(row.summary.class_mean) for row in rows],
    }
    if base is not None and len(rows) > 1:
        columns[f"less {versus} [95 %]"] = [against(results, row, base) for row in rows]
    columns[PAPER] = [number(published_accuracy(row.summary)) for row in rows]
    columns[f"{PAPER}, less SMIE"] = [published_difference(r.summary) or NOTHING for r in rows]
    columns[OPTIMISTIC] = [percent(row.summary.optimistic) for row in rows]
    columns = {key: cells for key, cells in columns.items() if set(cells) != {NOTHING}}
    body = [[name(row), *(cells[i] for cells in columns.values())] for i, row in enumerate(rows)]
    body.append(["chance", percent(rows[0].summary.chance), *[""] * (len(columns) - 1)])
    notes = spread_notes(rows)
    if any(key.startswith(PAPER) for key in columns):
        notes.append(PAPER_NOTE)
    if f"less {versus} [95 %]" in columns:
        notes.append(
            f"less {versus}: paired bootstrap over the {_clips(rows)} unseen test clips of a "
            "split, in points; it does not know what another backbone or split would give."
        )
    return Table(f"{what}, {setting_title(rows[0].summary)}", ["", *columns], body, notes)


def _by_split(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return a column per split: the mean over its backbones and seeds, in percent."""
    splits = sorted({split for row in rows for split in row.summary.splits})
    return {split: [_in_split(row, split) for row in rows] for split in splits}


def _in_split(row: Row, split: str) -> str:
    found = [e.accuracy for e in row.entries if split_and_number(e.split)[0] == split]
    return percent(float(np.mean(found))) if found else NOTHING


def others_table(rows: Sequence[Row]) -> Table:
    """Return what lies in the run folder beside what was asked for, a row each."""
    body = [
        [
            name_and_options(row),
            row.summary.split_set,
            row.summary.text,
            row.summary.text_model,
            row.summary.select,
            counts(row.summary),
            mean_cell(row.summary),
        ]
        for row in in_order(rows)
    ]
    header = ["", "splits", "texts", "text model", "select"]
    notes = ["Not asked for by this command, and in no mean above. --only leaves this table out."]
    return Table(
        "Also in this folder", [*header, "splits x backbones x seeds", "accuracy %"], body, notes
    )


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
        *spread_notes(rows)[:1],
        "± of H and the area: standard deviation over all trainings of the row.",
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
