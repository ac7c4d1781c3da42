"""Tables of one run folder or of several together, and two of them compared; nothing is trained.

What counts is what the folders of the trainings hold, so shards of one study, or the seeds of a
Slurm array, give the same tables together as one run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.zeroshot.tables.rows import (
    Row,
    counts,
    difference,
    hits_by_split,
    in_order,
    marked,
    name_and_options,
    once,
    percent,
    points,
    rows_of,
    setting_title,
)
from smie_pipe.zeroshot.tables.table import NOTHING, Table
from smie_pipe.zeroshot.tables.tables import tables
from smie_pipe.zeroshot.trials.results import Result, Results, read_results
from smie_pipe.zeroshot.trials.stale import current


def gather(run_dirs: Sequence[Path]) -> Results:
    """Return the results of several run folders as those of one.

    A training that lies in two folders counts once.

    Raises
    ------
    InputError
        If a folder holds no result, or two hold the same training with other features, texts
        or options, whose mean would be of neither.
    """
    found: dict[tuple[str, str], tuple[Path, Result]] = {}
    for run_dir in once_each(run_dirs):
        for entry in _of_folder(run_dir).entries:
            key = entry.folder, entry.backbone
            other, known = found.setdefault(key, (run_dir, entry))
            if known.digest != entry.digest:
                raise InputError(
                    f"{other / entry.folder} and {run_dir / entry.folder} are the same training "
                    "with other features, texts or options; `compare` takes the two folders apart"
                )
    entries = [replace(e, folder=(place / e.folder).as_posix()) for place, e in found.values()]
    first = Path(run_dirs[0])
    if len(run_dirs) == 1:
        entries = [entry for _, entry in found.values()]
    return Results(first).merge(entries)


def once_each(run_dirs: Sequence[Path]) -> list[Path]:
    """Return the folders, absolute, each once."""
    if not run_dirs:
        raise InputError("no run folder is given")
    return list(dict.fromkeys(Path(run_dir).resolve() for run_dir in run_dirs))


def _of_folder(run_dir: Path) -> Results:
    if not run_dir.is_dir():
        raise InputError(f"{run_dir}: no such run folder")
    found = current(read_results(run_dir))
    if not found.entries:
        raise InputError(
            f"{run_dir}: no results; they lie in SPLIT/METHOD/seed-K/ once `zeroshot` has run"
        )
    return found


def tables_of(
    run_dirs: Sequence[Path], *, methods: Sequence[str] = (), per_split: bool = False
) -> list[Table]:
    """Return every table that the results of these run folders fill together.

    Parameters
    ----------
    run_dirs
        Run folders, shards of one study or different seeds of it.
    methods
        Only these methods, by name; by default all.
    per_split
        A column for every split.

    Raises
    ------
    InputError
        As for ``gather``, and for a method that is not there.
    """
    results = gather(run_dirs)
    known = once(entry.method for entry in results.entries)
    for method in methods:
        if method not in known:
            raise unknown_choice("method in these run folders", method, known)
    if methods:
        chosen = [entry for entry in results.entries if entry.method in methods]
        results = replace(results, entries=chosen)
    return tables(results, per_split=per_split)


def compare(run_a: Path, run_b: Path) -> list[Table]:
    """Return how much better each method is in ``run_b`` than in ``run_a``.

    Methods are matched by name and options, settings by data set, set of splits, backbone, texts
    and way of choosing; where a setting is in one folder only but the rest of it matches, rows
    are matched by what both name. The interval is a paired bootstrap over the unseen test clips,
    where both were tested on the same splits and clips.

    Raises
    ------
    InputError
        If a folder holds no result, or the two have no method in common.
    """
    one, other = (_of_folder(run_dir) for run_dir in (Path(run_a), Path(run_b)))
    pairs = _pairs(rows_of(one), rows_of(other))
    if not pairs:
        raise InputError(
            f"{run_a} and {run_b} have no method on the same set of splits in common: "
            f"{_said(one)} and {_said(other)}"
        )
    by_setting: dict[tuple[str, str], list[tuple[Row, Row]]] = {}
    for a, b in pairs:
        key = setting_title(a.summary), setting_title(b.summary)
        by_setting.setdefault(key, []).append((a, b))
    return [_compared(one, other, key, found) for key, found in by_setting.items()]


def _pairs(ours: Sequence[Row], theirs: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Match rows by what is compared, preferring those that agree in backbone, text and choice."""
    found = []
    for row in in_order(ours):
        alike = [other for other in theirs if _what(row) == _what(other)]
        if alike:
            found.append((row, max(alike, key=lambda other: _agreement(row, other))))
    return found


def _what(row: Row) -> tuple[object, ...]:
    s = row.summary
    return s.dataset, s.split_set, s.variant


def _agreement(row: Row, other: Row) -> int:
    names = ("backbone", "text", "text_model", "text_digest", "select", "mask", "protocol")
    return sum(getattr(row.summary, n) == getattr(other.summary, n) for n in names)


def _said(results: Results) -> str:
    return ", ".join(once(f"{e.method} on {e.split_set}" for e in results.entries))


def _compared(
    one: Results, other: Results, settings: tuple[str, str], pairs: Sequence[tuple[Row, Row]]
) -> Table:
    body = []
    for a, b in pairs:
        found = difference(hits_by_split(other, b.entries), hits_by_split(one, a.entries))
        body.append(
            [
                name_and_options(a),
                percent(a.summary.mean),
                counts(a.summary),
                percent(b.summary.mean),
                counts(b.summary),
                NOTHING if found is None else points(found),
            ]
        )
    header = ["", "A %", "trainings A", "B %", "trainings B", "B less A [95 %]"]
    notes = [
        f"A: {one.run_dir}" + ("" if settings[0] == settings[1] else f", {settings[0]}"),
        f"B: {other.run_dir}" + ("" if settings[0] == settings[1] else f", {settings[1]}"),
        "trainings: splits x backbones x seeds. B less A: paired bootstrap over the unseen test "
        "clips, in points; none where splits or clips differ.",
    ]
    title = f"Two run folders, {settings[0]}"
    return marked(Table(title, header, body, notes), [row for pair in pairs for row in pair])
