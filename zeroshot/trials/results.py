"""What was measured: one entry per training, gathered from the folder of each. No torch.

The truth is ``result.json`` in the folder of every training: a training that is there counts, one
that was deleted does not, and trainings of several processes side by side lose nothing.
``results.json`` and ``results.csv`` in the run folder are made from them, for other programs.
``results.json``: ``format``, ``version``; ``results``, a list with the fields of ``Result``;
``summary``, a list with the fields of ``Summary``. ``results.csv`` has a row per training.
Accuracies are shares (0.4018 is 40.18 %).
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.zeroshot.trials.summaries import (
    GROUP_BY,
    Summary,
    gzsl_figures,
    split_set,
    summarise,
)

logger = logging.getLogger(__name__)
FORMAT = "smie-pipe zero-shot results"
VERSION = 1
PLACES = ("*/*/seed-*/result.json", "*/pretraining-*/*/seed-*/result.json")
"""Where the trainings of a run folder leave what they found."""


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
    text_digest
        Of the files that texts or embeddings were read from, so that two files of one name are
        two sources; empty for texts and models that go by their name alone.
    transductive
        ``accuracy`` and ``class_mean`` of each way to use all test clips together, where asked
        for; comparable with no other figure here.
    saw_unseen
        Names of unseen classes that the backbone was trained on, with commas between; empty
        where it saw none, as it should be.
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
    text_digest: str = ""
    saw_unseen: str = ""
    transductive: dict[str, dict[str, float]] | None = None

    @property
    def key(self) -> tuple[str, int]:
        """What a later training of the same thing replaces."""
        return self.folder, self.seed

    @property
    def split_set(self) -> str:
        """The splits this one is averaged with."""
        return split_set(self.split)


@dataclass
class Results:
    """Results of a run folder; ``asked`` are the folders of those that were asked for.

    ``asked`` None means all of them.
    """

    run_dir: Path
    entries: list[Result] = field(default_factory=list)
    asked: Collection[str] | None = None

    def merge(self, new: Iterable[Result]) -> Results:
        """Return these and the new ones; a new one replaces an old one of the same key."""
        kept = {entry.key: entry for entry in [*self.entries, *new]}
        order = sorted(kept.values(), key=lambda r: (r.split, r.folder, r.seed))
        return replace(self, entries=order)

    def of_interest(self) -> Results:
        """Return the results that were asked for."""
        if self.asked is None:
            return self
        return replace(self, entries=[e for e in self.entries if e.folder in self.asked])

    def others(self) -> Results:
        """Return what else lies in the folder."""
        asked = self.asked
        left = [] if asked is None else [e for e in self.entries if e.folder not in asked]
        return replace(self, entries=left, asked=None)

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
    """Gather the results of a run folder from the folders of its trainings.

    A result that cannot be read is left out with a warning, so that it is trained again when it
    is asked for; see ``PLACES`` for where they lie.
    """
    found = [_read(path, run_dir) for place in PLACES for path in sorted(run_dir.glob(place))]
    return Results(run_dir).merge(entry for entry in found if entry is not None)


def _read(path: Path, run_dir: Path) -> Result | None:
    """Return one training's result with the folder it lies in now; None where it is damaged."""
    try:
        entry = result_from(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None  # another process trains it again at this moment
    except (ValueError, TypeError, OSError) as error:
        logger.warning("%s cannot be read and is left out: %s", path, error)
        return None
    return replace(entry, folder=path.parent.relative_to(run_dir).as_posix())


def write_gathered(run_dir: Path) -> Results:
    """Gather what is on disk, write results.json and results.csv, and return it.

    Of several processes that do so at once the last one to write has seen every result: each
    looks again after writing, and writes again if more has come in the meantime.

    Raises
    ------
    InputError
        If results.json is a file of another program.
    """
    check_own(run_dir)
    while True:
        found = read_results(run_dir)
        found.write()
        if read_results(run_dir).entries == found.entries:
            return found


def check_own(run_dir: Path) -> None:
    """Refuse to go on where results.json of the run folder is not one of ours.

    Raises
    ------
    InputError
        If it would be overwritten though another program wrote it.
    """
    path = run_dir / "results.json"
    if not path.is_file():
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = (content["format"], content["version"])
    except (ValueError, KeyError, TypeError):
        found = None
    if found != (FORMAT, VERSION):
        raise InputError(
            f"{path}: expected {FORMAT!r} version {VERSION}, found {found or 'something else'}; "
            "move the file away"
        )


def result_from(entry: Mapping[str, Any]) -> Result:
    """Return the ``Result`` with these fields; unknown or missing ones raise ``TypeError``.

    Fields that came later, and so have a default, may be missing.
    """
    if not isinstance(entry, Mapping):
        raise TypeError(f"expected the fields of a result, found a {type(entry).__name__}")
    names = {f.name for f in fields(Result)}
    needed = {f.name for f in fields(Result) if f.default is MISSING}
    odd = sorted((set(entry) - names) | (needed - set(entry)))
    if odd:
        raise TypeError(f"fields missing or unknown: {', '.join(odd)}")
    return Result(**entry)


_CSV = (
    *("dataset", "split", "split_set", "backbone", "protocol", "mask"),
    *("method", "variant", "text", "text_model", "select", "seed"),
    *("clips", "accuracy", "class_mean", "chance", "saw_unseen"),
)


def _flat(entry: Result) -> dict[str, Any]:
    """Return one row of results.csv."""
    row = {name: getattr(entry, name) for name in _CSV}
    row["optimistic_accuracy"] = entry.optimistic["accuracy"] if entry.optimistic else ""
    row["epochs"] = entry.epochs
    row["seconds"] = round(sum(entry.seconds.values()), 3)
    row["options"] = " ".join(f"{key}={value}" for key, value in entry.options.items())
    return row | ({} if entry.gzsl is None else gzsl_figures(entry.gzsl))


def hits(run_dir: Path, entry: Result) -> np.ndarray | None:
    """Return for each unseen test clip whether the training got it right, shape (N,).

    Read from the training's ``scores.safetensors``; None where that is gone or damaged.
    """
    path = run_dir / entry.folder / "scores.safetensors"
    try:
        found = load_file(path)
        return found["scores"].argmax(1) == found["truth"]
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        logger.warning("%s cannot be read, so its clips are not compared: %s", path, error)
        return None
