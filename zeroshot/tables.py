"""The paper's tables from our results, as text for a terminal and as Markdown. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from zeroshot.evaluate import Difference, paired_difference
from zeroshot.published import (
    TABLE_4_BEST,
    published_accuracy,
    published_difference,
)
from zeroshot.results import Result, Results, Summary, hits, summarise

NAMES = {
    "smie": "SMIE",
    "smie-wo-l2": "SMIE w/o L2",
    "devise": "DeViSE",
    "relationnet": "RelationNet",
    "revise": "ReViSE",
    "jpose": "JPoSE",
    "cada-vae": "CADA-VAE",
    "synse": "SynSE",
    "ridge": "ridge regression",
}
"""Methods as the paper writes them."""
OPTIMISTIC = "optimistic: best epoch on unseen"
PAPER = "paper"
PAPER_NOTE = (
    "paper: as printed there; its public code takes the best epoch on the unseen test clips."
)
NOTHING = "–"
FIGURES = ("S", "U", "H")


@dataclass(frozen=True)
class Table:
    """A table of strings: first column left-aligned, the others right-aligned."""

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the table for a terminal."""
        lines = [self.title, *self._aligned()]
        return "\n".join([*lines, *self.notes])

    def _aligned(self) -> list[str]:
        grid = [self.header, *self.rows]
        widths = [max(len(row[i]) for row in grid) for i in range(len(self.header))]
        lines = ["  ".join(_pad(row[i], w, i) for i, w in enumerate(widths)) for row in grid]
        return [lines[0].rstrip(), "-" * len(lines[0]), *(line.rstrip() for line in lines[1:])]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        lines = ["| " + " | ".join(cells) + " |" for cells in [self.header, rule, *self.rows]]
        notes = [f"\n{note}" for note in self.notes]
        return "\n".join([f"**{self.title}**\n", *lines, *notes])


def _pad(cell: str, width: int, column: int) -> str:
    return cell.ljust(width) if column == 0 else cell.rjust(width)


@dataclass(frozen=True)
class Row:
    """The trainings that are averaged in a row, and their summary."""

    summary: Summary
    entries: list[Result]


def tables(results: Results) -> list[Table]:
    """Return every table that the results fill.

    Per split set, backbone, text and way of choosing: methods (the paper's tables 2 and 3),
    SMIE's ablation (table 3), beta (table 4), generalised zero-shot; per split set: text sources
    (tables 5 and 6).
    """
    rows = [Row(summarise(group), group) for group in results.groups().values()]
    found: list[Table] = []
    for _, group in _grouped(rows, _setting):
        found += filter(
            None,
            [
                methods_table(results, group),
                ablation_table(results, group),
                beta_table(results, group),
                gzsl_table(group),
            ],
        )
    for _, group in _grouped(rows, _setting_but_text):
        found += filter(None, [text_table(group)])
    return found


def _setting(row: Row) -> tuple:
    s = row.summary
    return s.dataset, s.split_set, s.backbone, s.text_model, s.text, s.select


def _setting_but_text(row: Row) -> tuple:
    s = row.summary
    return s.dataset, s.split_set, s.backbone, s.select


def _grouped(
    rows: Iterable[Row], key: Callable[[Row], tuple]
) -> Iterable[tuple[tuple, list[Row]]]:
    return ((k, list(group)) for k, group in groupby(sorted(rows, key=key), key))


def methods_table(results: Results, rows: Sequence[Row]) -> Table:
    """Return methods against each other in one setting.

    A method with several sets of options stands with those least unlike its defaults; the
    others are in the ablation and beta tables.
    """
    rows = _plainest(rows)
    smie = [row for name in ("smie", "smie-wo-l2") for row in rows if row.summary.method == name]
    base = smie[0] if smie else None
    return _comparison("Methods", results, rows, base, _name)


def ablation_table(results: Results, rows: Sequence[Row]) -> Table | None:
    """Return SMIE with one thing changed at a time; None where nothing but beta is."""
    rows = [row for row in rows if row.summary.method in ("smie", "smie-wo-l2")]
    rows = [row for row in rows if not _differs_in(row, "beta")]
    base = next(iter(_plainest([row for row in rows if row.summary.method == "smie"])), None)
    if len(rows) < 2:
        return None
    rows = sorted(rows, key=lambda row: len(row.summary.changed))
    return _comparison("Ablation of SMIE", results, rows, base, _name_and_options)


def beta_table(results: Results, rows: Sequence[Row]) -> Table | None:
    """Return SMIE's accuracy over beta; None for a single beta."""
    rows = beta_rows(rows)
    if len(rows) < 2:
        return None
    table = _comparison("SMIE over beta", results, rows, None, lambda r: f"{beta_of(r):g}")
    best = TABLE_4_BEST.get(rows[0].summary.split_set)
    notes = list(table.notes)
    if best is not None:
        notes.append(f"In the paper beta = {best:g} is best on this set of splits (table 4).")
    return Table(table.title, ["beta", *table.header[1:]], table.rows, notes)


def beta_rows(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of SMIE that differ in beta only, in rising order."""
    smie = [row for row in rows if row.summary.method == "smie"]
    others = [{k: v for k, v in row.summary.changed.items() if k != "beta"} for row in smie]
    fewest = min(others, key=len, default={})
    return sorted((r for r, o in zip(smie, others, strict=True) if o == fewest), key=beta_of)


def beta_of(row: Row) -> float:
    """Return the beta that a row of SMIE was trained with."""
    return float(row.entries[0].options.get("beta", 0.0))


def gzsl_table(rows: Sequence[Row]) -> Table | None:
    """Return seen, unseen and harmonic accuracy with every class allowed; None without any."""
    rows = [row for row in rows if row.summary.gzsl]
    if not rows:
        return None
    ways = ("plain", "stacking", "gate")
    there = [w for w in ways if any(f"{w}_H" in (r.summary.gzsl or {}) for r in rows)]
    header = ["", *(f"{w} {n}" for w in there for n in FIGURES), "area"]
    keys = [*(f"{w}_{n}" for w in there for n in FIGURES), "ausuc"]
    body = [
        [_name_and_options(row), *(_percent((row.summary.gzsl or {}).get(key)) for key in keys)]
        for row in rows
    ]
    notes = [
        _how_many(rows),
        "S, U: accuracy % on seen and unseen test clips, all classes allowed; H = 2SU/(S+U).",
        "area: under the S-U curve. Stacking's gamma and SynSE's gate are fitted on classes held "
        "out of the seen ones.",
    ]
    return Table(f"Generalised zero-shot, {_title(rows[0].summary)}", header, body, notes)


def text_table(rows: Sequence[Row]) -> Table | None:
    """Return methods (rows) by class texts (columns); None where there is one text source."""
    sources = list(dict.fromkeys((r.summary.text_model, r.summary.text) for r in rows))
    if len(sources) < 2:
        return None
    cells = {(_name_and_options(r), r.summary.text_model, r.summary.text): r for r in rows}
    names = list(dict.fromkeys(name for name, *_ in cells))
    body = []
    for name in names:
        found = [cells.get((name, *source)) for source in sources]
        body.append([name, *(NOTHING if r is None else _mean(r.summary) for r in found)])
    s = rows[0].summary
    title = f"Class texts, {s.dataset}, {s.split_set}, {s.backbone}, select {s.select}"
    header = ["", *(f"{text} ({model})" for model, text in sources)]
    return Table(title, header, body, [_how_many(rows), *_paper_texts(rows)])


def _paper_texts(rows: Sequence[Row]) -> list[str]:
    known = [(row.summary, published_accuracy(row.summary)) for row in rows]
    return [
        f"Paper: {NAMES.get(s.method, s.method)} with {s.text} {value:.2f}."
        for s, value in known
        if value is not None
    ]


def _comparison(
    what: str,
    results: Results,
    rows: Sequence[Row],
    base: Row | None,
    name: Callable[[Row], str],
) -> Table:
    """Return rows of accuracy with what is known beside it, less the columns without a cell."""
    rows = sorted(rows, key=lambda row: row is not base)
    columns: dict[str, list[str]] = {
        "accuracy %": [_mean(row.summary) for row in rows],
        "class mean %": [_percent(row.summary.class_mean) for row in rows],
    }
    if base is not None and len(rows) > 1:
        columns["less SMIE [95 %]"] = [_against(results, row, base) for row in rows]
    columns[PAPER] = [_number(published_accuracy(row.summary)) for row in rows]
    columns[f"{PAPER}, less SMIE"] = [published_difference(r.summary) or NOTHING for r in rows]
    columns[OPTIMISTIC] = [_percent(row.summary.optimistic) for row in rows]
    columns = {key: cells for key, cells in columns.items() if set(cells) != {NOTHING}}
    body = [[name(row), *(cells[i] for cells in columns.values())] for i, row in enumerate(rows)]
    body.append(["chance", _percent(rows[0].summary.chance), *[""] * (len(columns) - 1)])
    notes = [_how_many(rows)]
    if any(key.startswith(PAPER) for key in columns):
        notes.append(PAPER_NOTE)
    if "less SMIE [95 %]" in columns:
        notes.append("less SMIE: paired bootstrap over the unseen test clips, in points.")
    return Table(f"{what}, {_title(rows[0].summary)}", ["", *columns], body, notes)


def _against(results: Results, row: Row, base: Row) -> str:
    """Return the difference to ``base`` with its interval; nothing where they are not paired."""
    if row is base:
        return NOTHING
    found = difference(results, row.entries, base.entries)
    if found is None:
        return NOTHING
    return f"{100 * found.mean:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"


def difference(
    results: Results, ours: Sequence[Result], theirs: Sequence[Result]
) -> Difference | None:
    """Return how much more accurate ``ours`` are, paired by clip; None where that cannot be.

    It cannot where the two were not tested on the same splits, or not on the same clips.
    """
    a, b = _hits_by_split(results, ours), _hits_by_split(results, theirs)
    if set(a) != set(b) or any(a[split].shape != b[split].shape for split in a):
        return None
    return paired_difference([a[split] for split in sorted(a)], [b[split] for split in sorted(b)])


def _hits_by_split(results: Results, entries: Sequence[Result]) -> dict[str, np.ndarray]:
    """Return for each split how often each clip was right, averaged over the seeds."""
    found: dict[str, list[np.ndarray]] = {}
    for entry in entries:
        found.setdefault(entry.split, []).append(hits(results.run_dir, entry))
    return {split: np.mean(of_seeds, axis=0) for split, of_seeds in found.items()}


def _plainest(rows: Iterable[Row]) -> list[Row]:
    """Return, of each method's rows, those with the fewest options changed, in NAMES' order."""
    by_method: dict[str, list[Row]] = {}
    for row in rows:
        by_method.setdefault(row.summary.method, []).append(row)
    order = list(NAMES)
    methods = sorted(by_method, key=lambda m: order.index(m) if m in order else len(order))
    kept = []
    for method in methods:
        fewest = min(len(row.summary.changed) for row in by_method[method])
        kept += [row for row in by_method[method] if len(row.summary.changed) == fewest]
    return kept


def _differs_in(row: Row, option: str) -> bool:
    return option in row.summary.changed


def _name(row: Row) -> str:
    return NAMES.get(row.summary.method, row.summary.method)


def _name_and_options(row: Row) -> str:
    changed = ", ".join(f"{key} {_said(value)}" for key, value in row.summary.changed.items())
    return _name(row) + (f", {changed}" if changed else "")


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def _title(s: Summary) -> str:
    text = s.text if s.text_model == "" else f"{s.text} by {s.text_model}"
    return f"{s.dataset}, {s.split_set}, {s.backbone}, texts: {text}, select {s.select}"


def _how_many(rows: Sequence[Row]) -> str:
    """Say what means and deviations are over; a row with other splits or seeds is named."""
    counts = {(len(row.summary.splits), len(row.summary.seeds)) for row in rows}
    splits, seeds = max(counts)
    said = f"Mean ± standard deviation over {splits} split(s) x {seeds} seed(s)."
    if len(counts) == 1:
        return said
    odd = [
        f"{_name_and_options(row)}: {len(row.summary.splits)} x {len(row.summary.seeds)}"
        for row in rows
        if (len(row.summary.splits), len(row.summary.seeds)) != (splits, seeds)
    ]
    return f"{said} Fewer: {'; '.join(odd)}."


def _mean(s: Summary) -> str:
    return f"{100 * s.mean:.2f}" + ("" if s.std is None else f" ± {100 * s.std:.2f}")


def _percent(value: float | None) -> str:
    return NOTHING if value is None else f"{100 * value:.2f}"


def _number(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"
