"""The page of a run, or of two side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from smie_pipe.preprocessing.findings import SEVERITIES, Finding
from smie_pipe.report.charts import Chart, chart
from smie_pipe.report.checks import Check, checks
from smie_pipe.report.chosen import chosen_clips
from smie_pipe.report.compare import comparison, shown
from smie_pipe.report.contents import ClipFacts, Curves, RunContents, read_run
from smie_pipe.report.matrices import Matrix, by_method, class_sheets, matrices, named
from smie_pipe.report.motion import body_plan
from smie_pipe.report.page import render_page
from smie_pipe.report.sheets import Sheet, result_sheets
from smie_pipe.zeroshot.tables.table import Table

CLIPS = 40
"""Clips with a skeleton in a page: about 0.4 MB."""
STYLES = ("page.css", "report.css")
SCRIPTS = ("player.js", "gallery.js", "report.js")
CURVES = {
    "loss": "Loss",
    "train_accuracy": "Accuracy on training clips",
    "seen_test_accuracy": "Accuracy on seen test clips",
    "lr": "Learning rate",
}
_NOT_CURVES = ("epoch", "seconds", "clips_per_s")
EXAMPLES = 3


@dataclass(frozen=True)
class RunPage:
    """One run as the template shows it."""

    label: str
    """``A`` or ``B``; empty for a single run."""
    run: RunContents
    tiles: list[tuple[str, str]]
    checks: list[Check]
    results: list[Sheet]
    matrices: list[Matrix]
    classes: list[Sheet]
    data: list[Sheet]
    stages: list[dict[str, Any]]


def report_page(paths: Sequence[Path], clips: int = CLIPS) -> str:
    """Return the page of one run folder, or of two.

    Parameters
    ----------
    paths
        One or two run folders.
    clips
        How many clips stand there with their skeletons and scores; 0 for none.

    Raises
    ------
    InputError
        If a folder holds no part of a run. A part that is missing or damaged is named on the
        page instead.
    """
    labels = ["A", "B"] if len(paths) > 1 else [""]
    contents = [read_run(path) for path in paths]
    pages = [_run_page(label, run) for label, run in zip(labels, contents, strict=True)]
    if len(contents) == 2 and _same_clips(*contents):
        pages[1] = replace(pages[1], data=[])
    chosen = chosen_clips([(page.label, page.run) for page in pages], clips)
    compared = comparison(*contents) if len(contents) == 2 else []
    return render_page(
        "report.html.j2",
        styles=STYLES,
        scripts=SCRIPTS,
        title=" and ".join(run.name for run in contents),
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        runs=pages,
        compared=compared,
        curves=_curves(pages),
        clips=len(chosen),
        players=any(clip["motion"] for clip in chosen),
        data={"plan": body_plan(), "clips": chosen, "copies": _copies(pages, compared)},
    )


def _same_clips(a: RunContents, b: RunContents) -> bool:
    return a.clips is not None and b.clips is not None and a.clips.digest == b.clips.digest


def _run_page(label: str, run: RunContents) -> RunPage:
    prefix = label.lower() or "r"
    found = matrices(run.results, prefix)
    return RunPage(
        label=label,
        run=run,
        tiles=_tiles(run),
        checks=checks(run),
        results=result_sheets(run.results, prefix) if run.results.entries else [],
        matrices=found,
        classes=class_sheets(found, prefix),
        data=_data(run.clips, prefix) if run.clips else [],
        stages=[_stage(key, entry) for key, entry in run.stages.items()],
    )


def _tiles(run: RunContents) -> list[tuple[str, str]]:
    """Return what the run is about in a few figures: (figure, what it is)."""
    tiles = []
    if run.clips:
        tiles.append((f"{run.clips.clips:,}", f"clips of {run.clips.dataset}"))
        tiles.append((str(len(run.clips.classes)), "classes"))
    entries = run.results.entries
    if entries:
        unseen = sorted({len(entry.classes) for entry in entries})
        splits = len({entry.split for entry in entries})
        tiles.append((_range(unseen), "of them unseen"))
        tiles.append((str(splits), "split" if splits == 1 else "splits"))
        best = max(run.results.summary(), key=lambda summary: summary.mean)
        name = next(named(entry) for entry in entries if entry.variant == best.variant)
        what = f"by {name}; chance {100 * best.chance:.0f} %"
        tiles.append((f"{100 * best.mean:.1f} %", what))
    return tiles


def _data(clips: ClipFacts, prefix: str) -> list[Sheet]:
    """Return counts by class and by group, and what was left out or noticed, by reason."""
    rows = [[name, str(count)] for name, count in clips.classes.items()]
    sheets = [Sheet(f"{prefix}-classes", Table("Clips by class", ["class", "clips"], rows))]
    groups = [
        [group, str(len(counts)), _range(list(counts.values()))]
        for group, counts in clips.groups.items()
    ]
    header = ["clips by", "different", "clips each"]
    sheets.append(
        Sheet(f"{prefix}-groups", Table("Clips by performer, camera, bodies", header, groups))
    )
    if clips.protocols:
        parts = [[name, *map(str, counts)] for name, counts in clips.protocols.items()]
        header = ["protocol", "train", "test", "neither"]
        sheets.append(Sheet(f"{prefix}-protocols", Table("Protocols", header, parts)))
    if clips.findings:
        sheets.append(Sheet(f"{prefix}-findings", _findings(clips.findings)))
    return sheets


def _range(counts: Sequence[int]) -> str:
    low, high = min(counts, default=0), max(counts, default=0)
    return str(low) if low == high else f"{low} to {high}"


def _findings(findings: Sequence[Finding]) -> Table:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.reason), []).append(finding)
    counts = Counter({key: len(group) for key, group in groups.items()})
    rows = []
    for key, count in counts.most_common():
        severity, reason = key
        examples = [finding.detail or finding.name for finding in groups[key][:EXAMPLES]]
        rows.append([reason, SEVERITIES.get(severity, severity), str(count), "; ".join(examples)])
    header = ["reason", "what was done", "times", "for example"]
    return Table("Rejected and noticed", header, rows)


def _curves(pages: Sequence[RunPage]) -> list[tuple[str, list[Chart]]]:
    """Return the charts of pretraining, then those of the methods' own trainings."""
    pretraining: dict[str, dict[str, list[float | None]]] = {}
    training: dict[str, dict[str, list[float | None]]] = {}
    for page in pages:
        lead = f"{page.label}: " if page.label else ""
        for split, curves in page.run.pretraining.items():
            for name, values in curves.items():
                if name not in _NOT_CURVES:
                    title = CURVES.get(name, name)
                    pretraining.setdefault(title, {})[f"{lead}{split}"] = values
        for name, curves in _histories(page.run).items():
            for figure, values in curves.items():
                training.setdefault(figure, {})[f"{lead}{name}"] = values
    made = [
        ("Pretraining of the backbone", pretraining),
        ("Training of the methods, first seed", {"Loss": training.get("loss", {})}),
    ]
    drawn = [
        (what, [c for t, own in group.items() if (c := chart(t, own))]) for what, group in made
    ]
    return [(what, charts) for what, charts in drawn if charts]


def _histories(run: RunContents) -> dict[str, Curves]:
    """Return the losses of the first seed of each method on each split, where it has epochs."""
    found: dict[str, Curves] = {}
    for first, *_ in by_method(run.results.entries):
        if first.folder in run.training:
            found[f"{named(first)}, {first.split}"] = run.training[first.folder]
    return found


def _stage(key: str, entry: dict[str, Any]) -> dict[str, Any]:
    output = entry.get("output") or {}
    options = {name: shown(value) for name, value in (entry.get("options") or {}).items()}
    return {
        "key": key,
        "started": str(entry.get("started", "")),
        "seconds": entry.get("seconds"),
        "output": str(output.get("path", "")),
        "digest": str(output.get("digest", "")),
        "options": options | ({"seed": shown(entry["seed"])} if "seed" in entry else {}),
        "how": {name: shown(value) for name, value in (entry.get("how") or {}).items()},
        "inputs": {name: str(value) for name, value in (entry.get("inputs") or {}).items()},
        "versions": {name: str(value) for name, value in (entry.get("versions") or {}).items()},
        "facts": {
            name: shown(entry[name]) for name in ("source", "device", "commit") if entry.get(name)
        },
    }


def _copies(pages: Sequence[RunPage], compared: Sequence[Sheet]) -> dict[str, dict[str, str]]:
    sheets = list(compared)
    for page in pages:
        sheets += [*page.results, *page.classes, *page.data]
        for matrix in page.matrices:
            sheets += [matrix.sheet(), matrix.hardest()]
    return {sheet.id: sheet.copies() for sheet in sheets}
