"""Whether a run can be trusted: what its record says against what lies in the folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from smie_pipe.report.compare import short_commit
from smie_pipe.report.contents import RunContents
from smie_pipe.report.sheets import accuracy_interval
from smie_pipe.zeroshot.tables.rows import name_and_options, rows_of

RAW = "raw files"


@dataclass(frozen=True)
class Check:
    """One thing looked at: ``good``, ``note`` or ``bad``, and a sentence."""

    state: str
    text: str


def checks(run: RunContents) -> list[Check]:
    """Return all checks of a run, the bad ones first."""
    found = [
        *(Check("bad", f"cannot be read: {text}") for text in run.damaged),
        *_outputs(run),
        *_inputs(run),
        *_versions(run),
        *_clips(run),
        *_results(run),
    ]
    order = ("bad", "note", "good")
    return sorted(dict.fromkeys(found), key=lambda check: order.index(check.state))


def _outputs(run: RunContents) -> Iterator[Check]:
    """Compare each output with the digest that its stage recorded."""
    same = 0
    for key, entry in run.stages.items():
        output = entry.get("output") or {}
        path = run.folder.path / str(output.get("path", ""))
        if not path.is_file():
            yield Check("bad", f"{output.get('path')}, made by {key}, is not there any more")
        elif run.folder.digest(path) != output.get("digest"):
            yield Check("bad", f"{output['path']} was changed since {key} made it")
        else:
            same += 1
    if same:
        yield Check("good", f"{same} of {len(run.stages)} outputs are, to the bit, those recorded")


def _inputs(run: RunContents) -> Iterator[Check]:
    """Look up every input's digest among the recorded outputs."""
    made = {entry.get("output", {}).get("digest") for entry in run.stages.values()}
    inputs = [
        (key, name, digest)
        for key, entry in run.stages.items()
        for name, digest in (entry.get("inputs") or {}).items()
        if name != RAW
    ]
    strange = [(key, name) for key, name, digest in inputs if digest not in made]
    for key, name in strange:
        yield Check("bad", f"{key} read another {name} than the one in this folder now")
    if inputs and not strange:
        yield Check("good", f"{len(inputs)} inputs are the outputs of the stages before them")


def _versions(run: RunContents) -> Iterator[Check]:
    differing = {
        name: values
        for name, values in _by_name(entry.get("versions") or {} for entry in run.stages.values())
        if len(values) > 1
    }
    if differing:
        said = "; ".join(f"{name} {' and '.join(values)}" for name, values in differing.items())
        yield Check("note", f"stages ran with different versions: {said}")
    commits = list(dict.fromkeys(str(e["commit"]) for e in run.stages.values() if e.get("commit")))
    if len(commits) > 1:
        said = ", ".join(map(short_commit, commits))
        yield Check("note", f"stages ran at different commits: {said}")
    if any(commit.endswith("+") for commit in commits):
        yield Check("note", "the source had changes that no commit holds")


def _by_name(entries: Any) -> Iterator[tuple[str, list[str]]]:
    values: dict[str, list[str]] = {}
    for entry in entries:
        for name, version in entry.items():
            own = values.setdefault(name, [])
            if str(version) not in own:
                own.append(str(version))
    yield from values.items()


def _clips(run: RunContents) -> Iterator[Check]:
    if run.clips is None:
        return
    damaged = sum(finding.severity == "damaged" for finding in run.clips.findings)
    if damaged:
        yield Check("note", f"{damaged} recordings or actions were left out as damaged, see Data")
    empty = [name for name, count in run.clips.classes.items() if not count]
    if empty:
        shown = ", ".join(empty[:5]) + (", ..." if len(empty) > 5 else "")
        yield Check("note", f"{len(empty)} classes have no clip: {shown}")


def _results(run: RunContents) -> Iterator[Check]:
    entries = run.results.entries
    if not entries:
        return
    if len({entry.seed for entry in entries}) == 1:
        yield Check("note", "one seed: how much a training varies is not known")
    if len({entry.split for entry in entries}) == 1:
        yield Check("note", "one split: another choice of unseen classes may give another order")
    if any(entry.optimistic for entry in entries):
        yield Check("note", "columns named optimistic took the best epoch on unseen test clips")
    for row in rows_of(run.results):
        if row.summary.saw_unseen:
            seen = row.summary.saw_unseen
            yield Check(
                "bad", f"not zero-shot: the backbone was trained on unseen classes ({seen})"
            )
        interval = accuracy_interval(run.results, row)
        if interval is not None and interval.low <= row.summary.chance:
            yield Check("note", f"{name_and_options(row)}: the interval reaches down to chance")
