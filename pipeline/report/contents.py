"""What a run folder holds, read part by part: a part that is missing or damaged is said so."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.skeletons.store import SkeletonFile
from smie_pipe.run_folder import RunFolder
from smie_pipe.zeroshot.trials.results import Results, check_own, read_results

Part = TypeVar("Part")
Curves = dict[str, list[float | None]]
"""Name of a figure to its value at each epoch; None where it was not measured."""
METRICS = "pretrain_metrics.csv"


@dataclass(frozen=True)
class ClipFacts:
    """What `skeletons.h5` says of its clips, without the clips."""

    dataset: str
    digest: str
    clips: int
    classes: dict[str, int]
    """Name of each class and how many clips it has."""
    groups: dict[str, dict[str, int]]
    """For performers, cameras and so on, how many clips each has."""
    protocols: dict[str, tuple[int, int, int]]
    """For each protocol how many clips train, test, and do neither."""
    treated: int
    findings: list[Finding]


@dataclass(frozen=True)
class RunContents:
    """All of a run folder that a report is made of.

    ``missing`` says what was looked for and not found, ``damaged`` what could not be read.
    """

    folder: RunFolder
    name: str
    stages: dict[str, dict[str, Any]]
    clips: ClipFacts | None
    pretraining: dict[str, Curves]
    training: dict[str, Curves]
    """Folder of each training of a method that has epochs, and its losses."""
    results: Results
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def read_run(path: Path) -> RunContents:
    """Return what a run folder holds.

    Raises
    ------
    InputError
        If it is no folder, or nothing in it is a part of a run.
    """
    if not path.is_dir():
        what = "a file" if path.is_file() else "nothing"
        raise InputError(f"{path}: expected a run folder, found {what}")
    folder = RunFolder(path)
    damaged: list[str] = []

    def part(read: Callable[[], Part], otherwise: Part) -> Part:
        try:
            return read()
        except (InputError, OSError, ValueError, KeyError) as error:
            damaged.append(str(error))
            return otherwise

    results = part(lambda: read_results(path), Results(path))
    part(lambda: check_own(path), None)
    found = RunContents(
        folder=folder,
        name=path.resolve().name,
        stages=part(folder.records, {}),
        clips=part(lambda: _clip_facts(folder.skeletons), None),
        pretraining=part(lambda: _pretraining(path), {}),
        training=part(lambda: _histories(results), {}),
        results=results,
        damaged=damaged,
    )
    found.missing.extend(_missing(found))
    if not (found.stages or found.clips or found.pretraining or found.results.entries or damaged):
        raise InputError(
            f"{path}: expected a run folder, with run.json, skeletons.h5 or results.json, found "
            f"none of them; make one with smie-pipe --run {path} ..."
        )
    return found


def _missing(found: RunContents) -> list[str]:
    """Return what is not there and which stage makes it."""
    path = found.folder.path
    expected = {
        "run.json, the record of what ran": (path / "run.json").is_file(),
        "skeletons.h5, made by preprocess": found.folder.skeletons.is_file(),
        f"{METRICS}, made by pretrain-backbone": bool(_under(path, METRICS)),
        "backbone.safetensors, made by pretrain-backbone": bool(
            found.folder.pretrainings_with("backbone.safetensors")
        ),
        "features.h5, made by extract": bool(found.folder.pretrainings_with("features.h5")),
        "results, made by zeroshot": bool(found.results.entries),
    }
    scores = [
        f"{entry.folder}/scores.safetensors, which intervals and clips need"
        for entry in found.results.entries
        if not (path / entry.folder / "scores.safetensors").is_file()
    ]
    return [*(what for what, there in expected.items() if not there), *scores]


def _under(path: Path, filename: str) -> list[Path]:
    return sorted([*path.glob(f"*/{filename}"), *path.glob(f"*/*/{filename}")])


def _clip_facts(path: Path) -> ClipFacts | None:
    if not path.is_file():
        return None
    with SkeletonFile(path) as file:
        groups: dict[str, dict[str, int]] = {
            name: _counted(file.column(name))
            for name in ("subject", "camera", "setup", "bodies")
            if name in file.columns
        }
        named = _counted(file.label)
        classes = {name: named.get(str(i), 0) for i, name in enumerate(file.class_names)}
        has_treatment = "treatment" in file.columns
        return ClipFacts(
            dataset=file.dataset,
            digest=file.digest,
            clips=len(file),
            classes=classes,
            groups=groups,
            protocols={name: _parts(file.protocol(name)) for name in file.protocols},
            treated=sum(map(bool, file.column("treatment").tolist())) if has_treatment else 0,
            findings=file.findings(),
        )


def _counted(values: Any) -> dict[str, int]:
    import numpy as np

    found, counts = np.unique(values, return_counts=True)
    return {str(value): int(count) for value, count in zip(found, counts, strict=True)}


def _parts(values: Any) -> tuple[int, int, int]:
    return int((values == 1).sum()), int((values == 0).sum()), int((values == -1).sum())


def _pretraining(path: Path) -> dict[str, Curves]:
    return {
        found.parent.relative_to(path).as_posix(): read_curves(found)
        for found in _under(path, METRICS)
    }


def _histories(results: Results) -> dict[str, Curves]:
    paths = {
        entry.folder: results.run_dir / entry.folder / "history.csv"
        for entry in results.entries
        if entry.epochs > 1
    }
    return {folder: read_curves(path) for folder, path in paths.items() if path.is_file()}


def read_curves(path: Path) -> Curves:
    """Return each column of a CSV file of numbers by epoch; an empty cell is None.

    Raises
    ------
    InputError
        If a cell is no number; the message names the line.
    """
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        rows = list(csv.DictReader(file, restval=""))
    names = [name for name in (rows[0] if rows else ()) if name]
    return {name: [_cell(row[name], path, i) for i, row in enumerate(rows, 2)] for name in names}


def _cell(text: str, path: Path, line: int) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise InputError(f"{path}:{line}: expected a number, found {text[:40]!r}") from None
