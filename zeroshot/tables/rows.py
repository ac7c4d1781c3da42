"""The rows that tables share: which trainings stand in one, its name, its figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from smie_pipe.backbones.pretrainings import split_and_number
from smie_pipe.zeroshot.evaluate import Difference, paired_difference
from smie_pipe.zeroshot.methods.registry import BASELINE, METHODS, family, title
from smie_pipe.zeroshot.tables.table import NOTHING, Table
from smie_pipe.zeroshot.trials.results import Result, Results, hits
from smie_pipe.zeroshot.trials.summaries import Summary, summarise

MARK = "NOT ZERO-SHOT: "
"""Begins the title of every table with a backbone that was trained on unseen classes."""


@dataclass(frozen=True)
class Row:
    """The trainings that are averaged in a row, and their summary."""

    summary: Summary
    entries: list[Result]


def rows_of(results: Results) -> list[Row]:
    """Return a row for all trainings that differ in split, backbone and seed only."""
    return [Row(summarise(group), group) for group in results.groups().values()]


def against(results: Results, row: Row, base: Row) -> str:
    """Return the difference to ``base`` with its interval; nothing where they are not paired."""
    if row is base:
        return NOTHING
    found = difference(hits_by_split(results, row.entries), hits_by_split(results, base.entries))
    return NOTHING if found is None else points(found)


def points(found: Difference) -> str:
    """Return a difference with its interval, in points."""
    return f"{100 * found.mean:+.2f} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"


Hits = Mapping[str, np.ndarray]


def difference(ours: Hits, theirs: Hits) -> Difference | None:
    """Return how much more accurate ``ours`` are, paired by clip; None where that cannot be.

    It cannot where the two were not tested on the same splits, or not on the same clips.
    """
    if not ours or set(ours) != set(theirs):
        return None
    if any(ours[split].shape != theirs[split].shape for split in ours):
        return None
    splits = sorted(ours)
    return paired_difference([ours[s] for s in splits], [theirs[s] for s in splits])


def hits_by_split(results: Results, entries: Sequence[Result]) -> dict[str, np.ndarray]:
    """Return for each split how often each clip was right, averaged over backbones and seeds.

    Empty where a training's scores are gone, or are of other clips than another's.
    """
    found: dict[str, list[np.ndarray]] = {}
    for entry in entries:
        right = hits(results.run_dir, entry)
        if right is None:
            return {}
        found.setdefault(split_and_number(entry.split)[0], []).append(right)
    if any(len({right.shape for right in own}) > 1 for own in found.values()):
        return {}
    return {split: np.mean(own, axis=0) for split, own in found.items()}


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return the rows by method in the registry's order, others last, the plainest first."""
    order = {method: place for place, method in enumerate(METHODS)}
    return sorted(
        rows,
        key=lambda row: (
            order.get(row.summary.method, len(order)),
            len(row.summary.changed),
            [(key, str(value)) for key, value in row.summary.changed.items()],
        ),
    )


def reference(rows: Iterable[Row]) -> Row | None:
    """Return the row that others are compared with: the plainest of SMIE, else of SMIE w/o L2."""
    ordered = in_order(rows)
    own = (row for method in family() for row in ordered if row.summary.method == method)
    return next(own, None)


def is_baseline(row: Row) -> bool:
    """Return whether a row is of the method that ``--beta`` and the ablation are about."""
    return row.summary.method == BASELINE


def method_title(row: Row) -> str:
    """Return the method as the paper writes it, or by its own name."""
    return title(row.summary.method)


def name_and_options(row: Row) -> str:
    """Return the method and what is unlike its defaults."""
    return described(row.summary.method, row.summary.changed)


def described(method: str, changed: Mapping[str, Any]) -> str:
    """Return a method's title and its options unlike the defaults: ``SMIE, beta 0.5``."""
    return ", ".join([title(method), *(f"{key} {_said(v)}" for key, v in changed.items())])


def once(words: Iterable[str]) -> list[str]:
    """Return the words without repetition, in their order."""
    return list(dict.fromkeys(words))


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def setting_title(s: Summary) -> str:
    """Return what all rows of a table share."""
    text = s.text_model if is_ready_made(s.text_model) else f"{s.text} by {s.text_model}"
    digest = f" ({s.text_digest})" if s.text_digest else ""
    return f"{s.dataset}, {s.split_set}, {s.backbone}, texts: {text}{digest}, select {s.select}"


def is_ready_made(text_model: str) -> bool:
    """Return whether the vectors come from a file, of which nobody says what text they are of."""
    return text_model.endswith(".npy")


def counts(s: Summary) -> str:
    """Return what a mean is over, splits x backbones of each x seeds, as in ``3 x 1 x 5``."""
    return f"{len(s.splits)} x {s.pretrainings} x {len(s.seeds)}"


def spread_columns(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the deviations by where they come from, and counts where rows differ in them."""
    columns = {
        "± splits": [percent(row.summary.std_splits) for row in rows],
        "± backbones": [percent(row.summary.std_pretrainings) for row in rows],
        "± seeds": [percent(row.summary.std_seeds) for row in rows],
    }
    if len({counts(row.summary) for row in rows}) > 1:
        columns["splits x backbones x seeds"] = [counts(row.summary) for row in rows]
    return columns


def spread_notes(rows: Sequence[Row]) -> list[str]:
    """Say what means and deviations are over."""
    alike = {counts(row.summary) for row in rows}
    s = rows[0].summary
    said = (
        f"Mean over {len(s.splits)} split(s), {s.pretrainings} backbone(s) of each and "
        f"{len(s.seeds)} seed(s)."
        if len(alike) == 1
        else "Rows are means over different trainings, as their last count says."
    )
    told = any(
        value is not None
        for row in rows
        for value in (row.summary.std_splits, row.summary.std_pretrainings, row.summary.std_seeds)
    )
    if told:
        said += (
            " ±: standard deviation in points, over splits (of their means), over backbones "
            "within a split and over seeds within a backbone; none where a method draws nothing."
        )
    return [said]


def mean_cell(s: Summary) -> str:
    """Return the mean accuracy in percent."""
    return percent(s.mean)


def percent(value: float | None) -> str:
    """Return a share in percent, or a dash."""
    return NOTHING if value is None else f"{100 * value:.2f}"


def number(value: float | None) -> str:
    """Return a number with two decimals, or a dash."""
    return NOTHING if value is None else f"{value:.2f}"


def grouped(rows: Iterable[Row], key: Callable[[Row], tuple]) -> Iterable[tuple[tuple, list[Row]]]:
    """Yield the rows that have the same key, key by key."""
    return ((k, list(group)) for k, group in groupby(sorted(rows, key=key), key))


def marked(table: Table, rows: Iterable[Row]) -> Table:
    """Mark a table in which a backbone was trained on classes that count as unseen."""
    seen = once(row.summary.saw_unseen for row in rows if row.summary.saw_unseen)
    if not seen:
        return table
    note = f"The backbone was trained on unseen classes: {', '.join(seen)}."
    return Table(MARK + table.title, table.header, table.rows, [note, *table.notes])
