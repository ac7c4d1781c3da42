"""What was measured: one entry per training, kept in results.json and results.csv. No torch.

``results.json``: ``format``, ``version``; ``results``, a list with the fields of ``Result``;
``summary``, a list with the fields of ``Summary``. ``results.csv`` has a row per training.
Accuracies are shares (0.4018 is 40.18 %).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from smie_pipe.backbones.pretrainings import split_and_number
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole

FORMAT = "smie-pipe zero-shot results"
VERSION = 1


@dataclass(frozen=True)
class Result:
    """What one training of one method on one split gave.

    Attributes
    ----------
    dataset, split, backbone, protocol, mask
        Whose features; ``mask`` says which frames the masked clips lack, ``none`` that there
        are no masked clips.
    method, variant, options, changed
        Name of the method; with what is changed in it; all options; those unlike the defaults.
    text, text_model, text_width
        Class texts, the model that embedded them, and the width of an embedding; of files and
        folders the name without the path, as what they held is part of ``digest``.
    select, chosen
        How epoch and options were chosen, and what was (None for ``last``).
    seed, folder
        Seed of the training; folder of its files, relative to the run folder.
    classes, clips
        Names of the unseen classes in the order of ``confusion``; unseen test clips.
    accuracy, class_mean, chance, top, confusion
        As in ``smie_pipe.zeroshot.evaluate.Measures``, on unseen test clips among unseen classes.
    epochs, losses, seconds
        Epochs trained, losses of the last one, seconds for choosing, training and scoring.
    optimistic
        ``accuracy`` and ``epoch`` of the best epoch on the unseen test clips, where asked for.
        Not an honest result.
    gzsl
        Seen, unseen and harmonic accuracy with every class allowed, where asked for.
    device, digest
        Kind of device; digests of the features and, after a dash, of texts and options, by which
        a rerun knows what is done.
    """

    dataset: str
    split: str
    backbone: str
    protocol: str
    mask: str
    method: str
    variant: str
    options: dict[str, Any]
    changed: dict[str, Any]
    text: str
    text_model: str
    text_width: int
    select: str
    chosen: dict[str, Any] | None
    seed: int
    folder: str
    classes: list[str]
    clips: int
    accuracy: float
    class_mean: float
    chance: float
    top: list[float]
    confusion: list[list[int]]
    epochs: int
    losses: dict[str, float]
    seconds: dict[str, float]
    optimistic: dict[str, Any] | None
    gzsl: dict[str, Any] | None
    device: str
    digest: str

    @property
    def key(self) -> tuple[str, int]:
        """What a later training of the same thing replaces."""
        return self.folder, self.seed

    @property
    def split_set(self) -> str:
        """The splits this one is averaged with."""
        return split_set(self.split)


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviation of a method's results over splits and seeds.

    ``std`` is over all trainings together, ``std_splits`` over the splits' means, ``std_seeds``
    the mean over splits of the deviation over seeds; None where there is only one.
    """

    dataset: str
    split_set: str
    backbone: str
    method: str
    variant: str
    changed: dict[str, Any]
    text: str
    text_model: str
    text_width: int
    mask: str
    protocol: str
    select: str
    splits: list[str]
    seeds: list[int]
    mean: float
    std: float | None
    std_splits: float | None
    std_seeds: float | None
    class_mean: float
    chance: float
    optimistic: float | None
    gzsl: dict[str, Any] | None


_ALIKE = ("method", "changed", "text_width", "mask", "protocol")
GROUP_BY = ("dataset", "split_set", "backbone", "variant", "text", "text_model", "select")


@dataclass
class Results:
    """All results of a run folder."""

    run_dir: Path
    entries: list[Result] = field(default_factory=list)

    def merge(self, new: Iterable[Result]) -> Results:
        """Return these and the new ones; a new one replaces an old one of the same key."""
        kept = {entry.key: entry for entry in [*self.entries, *new]}
        order = sorted(kept.values(), key=lambda r: (r.split, r.folder, r.seed))
        return Results(self.run_dir, order)

    def groups(self) -> dict[tuple, list[Result]]:
        """Return the results that are averaged together, in the order of first appearance."""
        groups: dict[tuple, list[Result]] = {}
        for entry in self.entries:
            groups.setdefault(tuple(getattr(entry, name) for name in GROUP_BY), []).append(entry)
        return groups

    def summary(self) -> list[Summary]:
        """Return mean and deviation of each group of ``groups``."""
        return [summarise(group) for group in self.groups().values()]

    def write(self) -> None:
        """Write results.json and results.csv into the run folder, whole or not at all."""
        with replace_when_whole(self.run_dir / "results.json") as path:
            path.write_text(self._json(), encoding="utf-8")
        with (
            replace_when_whole(self.run_dir / "results.csv") as path,
            open(path, "w", newline="", encoding="utf-8") as file,
        ):
            rows = [_flat(entry) for entry in self.entries]
            names = list(dict.fromkeys(name for row in rows for name in row))
            writer = csv.DictWriter(file, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def _json(self) -> str:
        """Return the file's text with one line per entry, so that versions can be compared."""
        lists = {
            "results": [asdict(entry) for entry in self.entries],
            "summary": [asdict(entry) for entry in self.summary()],
        }
        parts = [f' "format": {json.dumps(FORMAT)}', f' "version": {VERSION}']
        for name, entries in lists.items():
            lines = ",\n".join("  " + json.dumps(e, ensure_ascii=False) for e in entries)
            parts.append(f' "{name}": [\n{lines}\n ]')
        return "{\n" + ",\n".join(parts) + "\n}\n"


def read_results(run_dir: Path) -> Results:
    """Return what results.json of a run folder holds; nothing where there is none yet.

    Raises
    ------
    InputError
        If the file is not one of ours.
    """
    path = run_dir / "results.json"
    if not path.is_file():
        return Results(run_dir)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["version"] != VERSION:
            raise ValueError(f"format {content['format']!r}, version {content['version']}")
        return Results(run_dir, [result_from(entry) for entry in content["results"]])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: expected {FORMAT!r} version {VERSION}, found {error}; move the file away"
        ) from error


def result_from(entry: Mapping[str, Any]) -> Result:
    """Return the ``Result`` with these fields; unknown or missing ones raise ``TypeError``."""
    names = {f.name for f in fields(Result)}
    if set(entry) != names:
        odd = sorted(set(entry) ^ names)
        raise TypeError(f"fields missing or unknown: {', '.join(odd)}")
    return Result(**entry)


def split_set(split: str) -> str:
    """Return the name of the set a split is averaged with: ``ntu60-smie`` of its three folds.

    A trailing ``-1`` after a word counts the folds; a random split's seed does too; a list of
    labels stands alone.
    """
    split, _ = split_and_number(split)
    if split.startswith("unseen-"):
        return split
    return re.sub(r"(-seed\d+|(?<=[^\d-])-\d{1,2})$", "", split)


def summarise(group: Sequence[Result]) -> Summary:
    """Return mean and deviation of results that differ in split and seed only."""
    by_split: dict[str, list[float]] = {}
    for entry in group:
        by_split.setdefault(entry.split, []).append(entry.accuracy)
    deviations = [std for std in map(_std, by_split.values()) if std is not None]
    first = group[0]
    best = [entry.optimistic["accuracy"] for entry in group if entry.optimistic]
    return Summary(
        **{name: getattr(first, name) for name in (*GROUP_BY, *_ALIKE)},
        splits=list(by_split),
        seeds=sorted({entry.seed for entry in group}),
        mean=float(np.mean([entry.accuracy for entry in group])),
        std=_std([entry.accuracy for entry in group]),
        std_splits=_std([float(np.mean(values)) for values in by_split.values()]),
        std_seeds=float(np.mean(deviations)) if deviations else None,
        class_mean=float(np.mean([entry.class_mean for entry in group])),
        chance=float(np.mean([entry.chance for entry in group])),
        optimistic=float(np.mean(best)) if len(best) == len(group) else None,
        gzsl=_mean_gzsl([entry.gzsl for entry in group]),
    )


def _std(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _mean_gzsl(entries: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """Return the mean of every GZSL figure that all trainings of the group have."""
    found = [gzsl_figures(entry) for entry in entries if entry]
    if not found or len(found) < len(entries):
        return None
    names = [name for name in found[0] if all(name in figures for figures in found)]
    return {name: float(np.mean([figures[name] for figures in found])) for name in names}


def gzsl_figures(gzsl: Mapping[str, Any]) -> dict[str, float]:
    """Return S, U, H of each way of deciding and the area, under names such as ``gate_H``."""
    figures = {
        f"{way}_{name}": values[name]
        for way, values in gzsl.items()
        if way in ("plain", "stacking", "gate")
        for name in ("S", "U", "H")
    }
    return figures | {"ausuc": gzsl["ausuc"]}


_CSV = (
    *("dataset", "split", "split_set", "backbone", "protocol", "mask"),
    *("method", "variant", "text", "text_model", "select", "seed"),
    *("clips", "accuracy", "class_mean", "chance"),
)


def _flat(entry: Result) -> dict[str, Any]:
    """Return one row of results.csv."""
    row = {name: getattr(entry, name) for name in _CSV}
    row["optimistic_accuracy"] = entry.optimistic["accuracy"] if entry.optimistic else ""
    row["epochs"] = entry.epochs
    row["seconds"] = round(sum(entry.seconds.values()), 3)
    row["options"] = " ".join(f"{key}={value}" for key, value in entry.options.items())
    return row | ({} if entry.gzsl is None else gzsl_figures(entry.gzsl))


def hits(run_dir: Path, entry: Result) -> np.ndarray:
    """Return for each unseen test clip whether the training got it right, shape (N,).

    Read from the training's ``scores.safetensors``.
    """
    found = load_file(run_dir / entry.folder / "scores.safetensors")
    return found["scores"].argmax(1) == found["truth"]
