"""Where methods fail: confusion matrices, accuracy by class, the pairs most often mixed up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from smie_pipe.report.sheets import Sheet, heat_level
from smie_pipe.zeroshot.config import LABELS
from smie_pipe.zeroshot.methods.registry import METHODS
from smie_pipe.zeroshot.tables.rows import described
from smie_pipe.zeroshot.tables.table import NOTHING, Table
from smie_pipe.zeroshot.trials.results import Result, Results

HARDEST = 8


@dataclass(frozen=True)
class Matrix:
    """The confusions of one method on one split, of all seeds together."""

    id: str
    method: str
    split: str
    classes: list[str]
    counts: np.ndarray
    """(K, K), row = true class, column = predicted class."""
    seeds: int

    @property
    def title(self) -> str:
        """What it is of."""
        return f"{self.method}, {self.split}"

    @property
    def accuracy(self) -> float:
        """Share of the clips on the diagonal."""
        return float(np.trace(self.counts) / max(self.counts.sum(), 1))

    @property
    def shares(self) -> np.ndarray:
        """Each row divided by its sum."""
        return self.counts / np.maximum(self.counts.sum(1, keepdims=True), 1)

    def sheet(self) -> Sheet:
        """Return it as a table of counts."""
        rows = [
            [name, *(str(count) if count else "" for count in own)]
            for name, own in zip(self.classes, self.counts.tolist(), strict=True)
        ]
        seeds = f" of {self.seeds} seeds" if self.seeds > 1 else ""
        notes = [f"Counts of clips{seeds}: true class in the row, predicted class in the column."]
        heat = [[heat_level(share) for share in own] for own in self.shares.tolist()]
        table = Table(
            f"Confusions, {self.title}", ["true \\ predicted", *self.classes], rows, notes
        )
        return Sheet(self.id, table, heat=heat)

    def hardest(self) -> Sheet:
        """Return the pairs of classes that were mixed up most often, both ways together."""
        both = np.triu(self.counts + self.counts.T, 1)
        order = np.argsort(-both, axis=None, kind="stable")[:HARDEST]
        rows = []
        for flat in order.tolist():
            i, j = divmod(flat, len(self.classes))
            if both[i, j]:
                rows.append(
                    self._pair(*((i, j) if self.counts[i, j] >= self.counts[j, i] else (j, i)))
                )
        header = ["true class", "taken for", "clips", "% of the class", "other way"]
        return Sheet(f"{self.id}-pairs", Table(f"Hardest pairs, {self.title}", header, rows))

    def _pair(self, true: int, predicted: int) -> list[str]:
        count, share = int(self.counts[true, predicted]), self.shares[true, predicted]
        back = int(self.counts[predicted, true])
        return [
            self.classes[true],
            self.classes[predicted],
            str(count),
            f"{100 * share:.1f}",
            str(back),
        ]


def matrices(results: Results, prefix: str) -> list[Matrix]:
    """Return a matrix for each method with its options on each split."""
    found = []
    for i, entries in enumerate(by_method(results.entries)):
        first = entries[0]
        counts = np.sum([np.asarray(entry.confusion) for entry in entries], axis=0)
        found.append(
            Matrix(
                f"{prefix}-m{i}", named(first), first.split, first.classes, counts, len(entries)
            )
        )
    return found


def by_method(entries: Iterable[Result]) -> list[list[Result]]:
    """Return the seeds of each method on each split, by split, methods in the registry's order."""
    groups: dict[Path, list[Result]] = {}
    for entry in entries:
        groups.setdefault(Path(entry.folder).parent, []).append(entry)
    order = {method: place for place, method in enumerate(METHODS)}
    return sorted(
        groups.values(),
        key=lambda own: (own[0].split, order.get(own[0].method, len(order)), own[0].folder),
    )


def named(entry: Result) -> str:
    """Return a method with its options unlike the defaults, and its texts unless labels."""
    text = "" if entry.text == LABELS else f", {entry.text.removesuffix('.csv')}"
    return described(entry.method, entry.changed) + text


def class_sheets(found: Sequence[Matrix], prefix: str) -> list[Sheet]:
    """Return for each split a table of classes by methods: accuracy within the class."""
    sheets = []
    for i, (split, group) in enumerate(groupby(found, key=lambda matrix: matrix.split)):
        own = list(group)
        # Methods of a split are compared class by class only where they were tested on the same.
        own = [matrix for matrix in own if matrix.classes == own[0].classes]
        clips = own[0].counts.sum(1) // max(own[0].seeds, 1)
        right = [np.diag(matrix.shares) for matrix in own]
        rows, heat = [], []
        for k, name in enumerate(own[0].classes):
            cells = [f"{100 * shares[k]:.1f}" if clips[k] else NOTHING for shares in right]
            rows.append([name, str(clips[k]), *cells])
            heat.append([None, *(heat_level(float(shares[k])) for shares in right)])
        header = ["unseen class", "clips", *(f"{matrix.method} %" for matrix in own)]
        sheets.append(
            Sheet(f"{prefix}-c{i}", Table(f"Accuracy by class, {split}", header, rows), heat=heat)
        )
    return sheets
