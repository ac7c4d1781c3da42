"""Two runs side by side: what differs in how they were made, and in what they reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smie_pipe.report.contents import RunContents
from smie_pipe.report.sheets import Sheet
from smie_pipe.zeroshot.tables.rows import (
    Row,
    difference,
    hits_by_split,
    mean_cell,
    name_and_options,
    points,
    rows_of,
    setting_title,
)
from smie_pipe.zeroshot.tables.table import NOTHING, Table
from smie_pipe.zeroshot.trials.results import Results

UNSET = "not there"


def comparison(a: RunContents, b: RunContents) -> list[Sheet]:
    """Return accuracies side by side, and all that differs in the two runs' records."""
    return [_accuracies(a.results, b.results), _differences(a, b)]


def _accuracies(a: Results, b: Results) -> Sheet:
    ours, theirs = _by_name(a), _by_name(b)
    body = []
    for key in dict.fromkeys([*ours, *theirs]):
        one, other = ours.get(key), theirs.get(key)
        cells = [mean_cell(row.summary) if row else NOTHING for row in (one, other)]
        body.append([*key, *cells, _less(a, one, b, other)])
    header = ["method", "setting", "A %", "B %", "B less A [95 %]"]
    notes = [
        "B less A: paired bootstrap over the test clips, in points; only where both runs tested "
        "the same splits with the same classes and as many clips."
    ]
    return Sheet("compare-accuracy", Table("Accuracy, A and B", header, body, notes))


def _by_name(results: Results) -> dict[tuple[str, str], Row]:
    return {(name_and_options(row), setting_title(row.summary)): row for row in rows_of(results)}


def _less(a: Results, one: Row | None, b: Results, other: Row | None) -> str:
    """Return B's accuracy less A's with its interval; a dash where they cannot be paired."""
    if one is None or other is None:
        return NOTHING
    classes = [{(e.split, tuple(e.classes)) for e in row.entries} for row in (one, other)]
    if classes[0] != classes[1]:
        return NOTHING
    found = difference(hits_by_split(b, other.entries), hits_by_split(a, one.entries))
    return NOTHING if found is None else points(found)


def _differences(a: RunContents, b: RunContents) -> Sheet:
    body = []
    for stage in dict.fromkeys([*a.stages, *b.stages]):
        ours, theirs = _flat(a.stages.get(stage)), _flat(b.stages.get(stage))
        for name in dict.fromkeys([*ours, *theirs]):
            one, other = ours.get(name, UNSET), theirs.get(name, UNSET)
            if one != other:
                body.append([stage, name, one, other])
    notes = [] if body else ["Nothing: both were made in the same way from the same files."]
    return Sheet("compare-made", Table("What differs", ["stage", "of it", "A", "B"], body, notes))


def _flat(entry: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what decides a stage's output, as text."""
    if entry is None:
        return {}
    found = {name: shown(value) for name, value in (entry.get("options") or {}).items()}
    found |= {f"input {name}": str(d)[:16] for name, d in (entry.get("inputs") or {}).items()}
    found |= {f"version of {name}": str(v) for name, v in (entry.get("versions") or {}).items()}
    return found | {"seed": shown(entry.get("seed")), "commit": short_commit(entry.get("commit"))}


def short_commit(commit: str | None) -> str:
    """Return a commit's first digits, with the ``+`` that says that files were changed since."""
    return "unknown" if not commit else commit[:9] + "+" * commit.endswith("+")


def shown(value: Any) -> str:
    """Return an option's value as one reads it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(shown, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
