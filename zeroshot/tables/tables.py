"""The paper's tables from our results, as text for a terminal and as Markdown. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from smie_pipe.zeroshot.tables.published import (
    TABLE_4_BEST,
    published_accuracy,
    published_difference,
    published_without_masks,
)
from smie_pipe.zeroshot.tables.table import (
    NOTHING,
    Row,
    Table,
    against,
    grouped,
    hits_by_split,
    how_many,
    in_order,
    mean_cell,
    method_name,
    name_and_options,
    names_for,
    not_defaults,
    number,
    percent,
    plainest,
    setting_title,
)
from smie_pipe.zeroshot.tables.text_table import text_table
from smie_pipe.zeroshot.trials.results import Results, gzsl_figures, summarise

OPTIMISTIC = "optimistic: best epoch on unseen"
PAPER = "paper"
PAPER_NOTE = (
    "paper: as printed there; its public code takes the best epoch on the unseen test clips."
)


def tables(results: Results) -> list[Table]:
    """Return every table that the results fill.

    Per split set, backbone, text and way of choosing: methods (the paper's tables 2 and 3),
    SMIE's ablation (table 3), beta (table 4), generalised zero-shot; per split set: text sources
    (tables 5 and 6).
    """
    rows = [Row(summarise(group), group) for group in results.groups().values()]
    found: list[Table] = []
    for _, group in grouped(rows, _setting):
        found += filter(
            None,
            [
                methods_table(results, group),
                ablation_table(results, group),
                beta_table(results, group),
                gzsl_table(group),
            ],
        )
    for _, group in grouped(rows, _setting_but_text):
        found += filter(None, [text_table(results, group)])
    return found


def _setting(row: Row) -> tuple:
    s = row.summary
    return s.dataset, s.split_set, s.backbone, s.text_model, s.text, s.select


def _setting_but_text(row: Row) -> tuple:
    s = row.summary
    return s.dataset, s.split_set, s.backbone, s.select


def methods_table(results: Results, rows: Sequence[Row]) -> Table:
    """Return methods against each other in one setting.

    A method with several sets of options stands with those least unlike its defaults; the
    others are in the ablation and beta tables.
    """
    rows = plainest(rows)
    smie = [row for name in ("smie", "smie-wo-l2") for row in rows if row.summary.method == name]
    base = smie[0] if smie else None
    versus = "SMIE" if base is None else method_name(base)
    table = _comparison("Methods", results, rows, base, names_for(rows), versus)
    return replace(table, notes=[*table.notes, *not_defaults(rows), *_paper_smie(rows)])


def _paper_smie(rows: Sequence[Row]) -> list[str]:
    known = {published_without_masks(row.summary) for row in rows} - {None}
    return [
        f"The paper has {value:.2f} for SMIE with its temporal constraint on these splits and "
        "features; ready-made features hold no masked clips, so here it runs without: another "
        "setting."
        for value in known
    ]


def ablation_table(results: Results, rows: Sequence[Row]) -> Table | None:
    """Return SMIE with one thing changed at a time, beta kept; None where nothing else is."""
    rows = [row for row in rows if row.summary.method in ("smie", "smie-wo-l2")]
    if not rows:
        return None
    base = plainest(rows)[0]
    beta = base.summary.changed.get("beta")
    rows = [
        row
        for row in rows
        if row.summary.method != "smie" or row.summary.changed.get("beta") == beta
    ]
    if len(rows) < 2:
        return None
    rows = sorted(rows, key=lambda row: (row is not base, len(row.summary.changed)))
    versus = method_name(base)
    return _comparison("Ablation of SMIE", results, rows, base, name_and_options, versus)


def beta_table(results: Results, rows: Sequence[Row]) -> Table | None:
    """Return SMIE's accuracy over beta; None for a single beta."""
    rows = beta_rows(rows)
    if len(rows) < 2:
        return None
    base = next((row for row in rows if "beta" not in row.summary.changed), None)
    versus = "SMIE" if base is None else f"beta {beta_of(base):g}"
    table = _comparison("SMIE over beta", results, rows, base, _beta_name, versus)
    best = TABLE_4_BEST.get(rows[0].summary.split_set)
    notes = [*table.notes, *not_defaults([base] if base else []), *_inert(results, rows)]
    if best is not None:
        notes.append(f"In the paper beta = {best:g} is best on this set of splits (table 4).")
    return Table(table.title, ["beta", *table.header[1:]], table.rows, notes)


def _beta_name(row: Row) -> str:
    return f"{beta_of(row):g}"


def _inert(results: Results, rows: Sequence[Row]) -> list[str]:
    """Say so where beta changes nothing: its hinge (eq. 10) has one gradient while it is open."""
    first, *others = (hits_by_split(results, row.entries) for row in rows)
    same = all(
        set(first) == set(other) and all(np.array_equal(first[s], other[s]) for s in first)
        for other in others
    )
    if not same:
        return []
    return [
        "Every beta names every clip alike. The constraint's gradient does not depend on beta "
        "while m - m_hat (history.csv) stays below it, and is none once it is above."
    ]


def beta_rows(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of SMIE that differ in beta only, in rising order."""
    smie = [row for row in rows if row.summary.method == "smie"]
    others = [{k: v for k, v in row.summary.changed.items() if k != "beta"} for row in smie]
    fewest = min(others, key=len, default={})
    return sorted((r for r, o in zip(smie, others, strict=True) if o == fewest), key=beta_of)


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
    versus: str = "SMIE",
) -> Table:
    """Return rows of accuracy with what is known beside it, less the columns without a cell."""
    columns: dict[str, list[str]] = {
        "accuracy %": [mean_cell(row.summary) for row in rows],
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
    notes = [how_many(rows)]
    if any(key.startswith(PAPER) for key in columns):
        notes.append(PAPER_NOTE)
    if f"less {versus} [95 %]" in columns:
        notes.append(
            f"less {versus}: paired bootstrap over the {_clips(rows)} unseen test clips of a "
            "split, in points; it does not know what another backbone or split would give."
        )
    return Table(f"{what}, {setting_title(rows[0].summary)}", ["", *columns], body, notes)


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
