"""Rows and cells that the tables share: a table of strings, its rows, names and figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from smie_pipe.zeroshot.evaluate import Difference, paired_difference
from smie_pipe.zeroshot.trials.results import Result, Results, Summary, hits

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
    "prototypes": "prototypes (ours)",
}
"""Methods as the paper writes them."""
NOTHING = "–"


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


def against(results: Results, row: Row, base: Row) -> str:
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
    a, b = hits_by_split(results, ours), hits_by_split(results, theirs)
    if set(a) != set(b) or any(a[split].shape != b[split].shape for split in a):
        return None
    return paired_difference([a[split] for split in sorted(a)], [b[split] for split in sorted(b)])


def hits_by_split(results: Results, entries: Sequence[Result]) -> dict[str, np.ndarray]:
    """Return for each split how often each clip was right, averaged over the seeds."""
    found: dict[str, list[np.ndarray]] = {}
    for entry in entries:
        found.setdefault(entry.split, []).append(hits(results.run_dir, entry))
    return {split: np.mean(of_seeds, axis=0) for split, of_seeds in found.items()}


def plainest(rows: Iterable[Row]) -> list[Row]:
    """Return, of each method's rows, those with the fewest options changed, in NAMES' order."""
    by_method: dict[str, list[Row]] = {}
    for row in rows:
        by_method.setdefault(row.summary.method, []).append(row)
    kept = []
    for own in by_method.values():
        fewest = min(len(row.summary.changed) for row in own)
        kept += [row for row in own if len(row.summary.changed) == fewest]
    return in_order(kept)


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return the rows by method in NAMES' order, others last; of a method the plainest first."""
    order = {method: place for place, method in enumerate(NAMES)}
    return sorted(
        rows, key=lambda row: (order.get(row.summary.method, 99), len(row.summary.changed))
    )


def method_name(row: Row) -> str:
    """Return the method as the paper writes it, or by its own name."""
    return NAMES.get(row.summary.method, row.summary.method)


def name_and_options(row: Row) -> str:
    """Return the method and what is unlike its defaults."""
    return method_name(row) + (f", {options_of(row)}" if row.summary.changed else "")


def options_of(row: Row) -> str:
    """Return the options that are unlike the defaults, as text; empty where none are."""
    return ", ".join(f"{key} {_said(value)}" for key, value in row.summary.changed.items())


def once(words: Iterable[str]) -> list[str]:
    """Return the words without repetition, in their order."""
    return list(dict.fromkeys(words))


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def setting_title(s: Summary) -> str:
    """Return what all rows of a table share."""
    text = s.text_model if is_ready_made(s.text_model) else f"{s.text} by {s.text_model}"
    return f"{s.dataset}, {s.split_set}, {s.backbone}, texts: {text}, select {s.select}"


def is_ready_made(text_model: str) -> bool:
    """Return whether the vectors come from a file, of which nobody says what text they are of."""
    return text_model.endswith(".npy")


def how_many(rows: Sequence[Row]) -> str:
    """Say what means and deviations are over; a row with other splits or seeds is named."""
    counts = {(len(row.summary.splits), len(row.summary.seeds)) for row in rows}
    splits, seeds = max(counts)
    said = f"Mean ± standard deviation over {splits} split(s) x {seeds} seed(s)."
    if len(counts) == 1:
        return said
    odd = [
        f"{name_and_options(row)}: {len(row.summary.splits)} x {len(row.summary.seeds)}"
        for row in rows
        if (len(row.summary.splits), len(row.summary.seeds)) != (splits, seeds)
    ]
    return f"{said} Fewer: {'; '.join(odd)}."


def mean_cell(s: Summary) -> str:
    """Return the mean accuracy in percent, with its deviation where there is one."""
    return f"{100 * s.mean:.2f}" + ("" if s.std is None else f" ± {100 * s.std:.2f}")


def percent(value: float | None) -> str:
    """Return a share in percent, or a dash."""
    return NOTHING if value is None else f"{100 * value:.2f}"


def number(value: float | None) -> str:
    """Return a number with two decimals, or a dash."""
    return NOTHING if value is None else f"{value:.2f}"


def names_for(rows: Sequence[Row]) -> Callable[[Row], str]:
    """Return what names rows: the method, or with its options where a method has several."""
    count = Counter(row.summary.method for row in rows)
    return lambda row: (method_name if count[row.summary.method] == 1 else name_and_options)(row)


def not_defaults(rows: Sequence[Row]) -> list[str]:
    """Say which options differ from the defaults, where the rows' names do not."""
    changed: dict[str, list[str]] = {}
    for row in rows:
        if row.summary.changed:
            changed.setdefault(options_of(row), []).append(method_name(row))
    if not changed:
        return []
    said = (f"{options} ({', '.join(once(names))})" for options, names in changed.items())
    return [f"Unlike the defaults: {'; '.join(said)}."]


def grouped(rows: Iterable[Row], key: Callable[[Row], tuple]) -> Iterable[tuple[tuple, list[Row]]]:
    """Yield the rows that have the same key, key by key."""
    return ((k, list(group)) for k, group in groupby(sorted(rows, key=key), key))
