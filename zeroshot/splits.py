"""Which classes are never seen in training: published splits, random ones, explicit lists.

Labels count from 0. A ``Split`` knows nothing of clips; every stage that needs one gets it from
``resolve``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from smie_pipe.preprocessing.datasets import DATASETS
from smie_pipe.preprocessing.datasets import dataset as known_dataset
from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice

BUILT_IN = Path(__file__).parent / "data" / "splits.json"
FORMS = (
    "Give the name of a split or of a group of splits, random:K:SEED[:COUNT], "
    "unseen:throw,carry (names of classes), ids:4,13 (as files carry them: A004), labels:3,12 "
    "(from 0), or a JSON file [FILE.json[:NAME]]."
)
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LONGEST_LIST = 12
_ID = re.compile(r"[Aa]?\d+")
_CODE = re.compile(r"[Aa]\d+")
_FOLD = re.compile(r"(-seed\d+|(?<=[^\d-])-\d{1,2})$")


@dataclass(frozen=True)
class Split:
    """A division of a dataset's classes into seen and unseen ones.

    ``name`` is fit for a folder. ``group`` names the splits whose results are averaged (the
    paper's three folds); a split that stands alone is its own group.
    """

    name: str
    dataset: str
    unseen: tuple[int, ...]
    source: str = ""

    @property
    def group(self) -> str:
        """The name of the splits this one is averaged with; see ``group_of``."""
        return group_of(self.name)

    def seen(self, classes: int) -> tuple[int, ...]:
        """Return the labels below ``classes`` that are not unseen, in order."""
        return tuple(sorted(set(range(classes)) - set(self.unseen)))


def group_of(name: str) -> str:
    """Return the group of the split of that name: ``ntu60-smie`` of its fold ``ntu60-smie-2``.

    A trailing number after a word counts the folds, and so does a random split's seed
    (``random-5-seed3``); a list of labels (``unseen-1-4``) is its own group.
    """
    return name if name.startswith("unseen-") else _FOLD.sub("", name)


def resolve(
    spec: str,
    dataset: str,
    class_names: Sequence[str],
    class_ids: Sequence[int] | None = None,
) -> list[Split]:
    """Return the splits that ``spec`` stands for, checked against the dataset's classes.

    Parameters
    ----------
    spec
        ``ntu60-smie-1`` (one split), ``ntu60-smie`` (all splits of that group),
        ``random:K:SEED`` (K unseen classes), ``random:K:SEED:COUNT`` (seeds SEED, SEED+1, ...),
        ``unseen:throw,carry`` (names), ``ids:4,13`` (numbers as files carry them, ``A004`` too),
        ``labels:3,12`` (from 0; ``unseen:3,12`` is the same), or a JSON file in the form of
        ``zeroshot/data/splits.json``, of which ``FILE.json:NAME`` takes one split or group.
    dataset
        ``ntu60``, ``ntu120``, ``pku51`` or ``custom``, as in skeletons.h5.
    class_names
        Names by label.
    class_ids
        Numbers by label, for ``ids:``; those of a dataset that is known by its name are known.

    Raises
    ------
    InputError
        If the spec is not understood, belongs to another dataset, names a label that the dataset
        lacks or names one twice, leaves no unseen class or fewer than two seen ones.
    """
    file = re.fullmatch(r"(.+\.json)(?::(.*))?", spec.strip())
    kind, _, rest = spec.strip().partition(":")
    if file:
        splits = _from_file(Path(file[1]), file[2] or "", dataset)
    elif kind == "random":
        splits = _random(spec, rest, dataset, len(class_names))
    elif kind in ("unseen", "ids", "labels"):
        labels = labels_of(spec, dataset, class_names, class_ids)
        name = _list_name(sorted(labels))
        unseen = _sorted(labels, f"split {spec!r}")
        splits = [Split(name, dataset, unseen, "given as a list")]
    else:
        splits = _named(spec.strip(), dataset)
    for split in splits:
        _check(split, len(class_names))
    return splits


def split_names(dataset: str | None = None) -> list[str]:
    """Return the names of the built-in splits, of one dataset or of all."""
    return [s.name for s in built_in() if dataset in (None, s.dataset)]


@cache
def built_in() -> tuple[Split, ...]:
    """Return all splits that come with the package, in the order of their file."""
    return tuple(_read(BUILT_IN, None))


def _named(spec: str, dataset: str) -> list[Split]:
    found = _choose(built_in(), spec)
    if not found:
        known = {name for s in built_in() for name in (s.name, s.group) if s.dataset == dataset}
        raise InputError(f"{unknown_choice('split', spec, known or split_names())} {FORMS}")
    if found[0].dataset != dataset:
        raise InputError(
            f"split {spec!r} belongs to dataset {found[0].dataset}, but the data are {dataset}. "
            f"Its own splits: {', '.join(split_names(dataset)) or 'none by name'}. {FORMS}"
        )
    return found


def _choose(splits: Iterable[Split], name: str) -> list[Split]:
    """Return the split of that name, or all splits whose name begins with it and a dash."""
    splits = list(splits)
    exact = [s for s in splits if s.name == name]
    return exact or [s for s in splits if s.group == name or s.name.startswith(f"{name}-")]


def _random(spec: str, rest: str, dataset: str, classes: int) -> list[Split]:
    if not re.fullmatch(r"\d+:\d+(:\d+)?", rest):
        raise InputError(
            f"split {spec!r}: expected random:K:SEED or random:K:SEED:COUNT, in digits"
        )
    count, seed, times = (int(n) for n in (rest + ":1").split(":")[:3])
    if times < 1:
        raise InputError(f"split {spec!r}: COUNT must be at least 1")
    if not 1 <= count <= classes - 2:
        raise InputError(
            f"split {spec!r}: {count} unseen of {classes} classes; K must be from 1 to "
            f"{classes - 2}, so that two seen classes are left to learn from"
        )
    return [_draw(count, s, dataset, classes) for s in range(seed, seed + times)]


def _draw(count: int, seed: int, dataset: str, classes: int) -> Split:
    drawn = np.random.default_rng(seed).choice(classes, count, replace=False)
    return Split(
        name=f"random-{count}-seed{seed}",
        dataset=dataset,
        unseen=tuple(sorted(int(label) for label in drawn)),
        source=f"drawn at random, seed {seed}",
    )


def labels_of(
    spec: str, dataset: str, class_names: Sequence[str], class_ids: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Return the labels from 0 that a list of classes stands for, by name, number or label.

    Raises
    ------
    InputError
        If an item is no name, number or label; the nearest name is offered.
    """
    kind, _, rest = spec.strip().partition(":")
    items = [item.strip() for item in rest.split(",")]
    if kind == "labels" or (kind == "unseen" and all(item.isdecimal() for item in items)):
        if not all(item.isdecimal() for item in items):
            raise InputError(f"split {spec!r}: expected labels from 0, as in labels:3,5,12")
        return tuple(map(int, items))
    if kind == "ids" or all(_CODE.fullmatch(item) for item in items):
        return _by_id(spec, items, dataset, class_ids)
    return _by_name(spec, items, class_names)


def _by_id(
    spec: str, items: Sequence[str], dataset: str, class_ids: Sequence[int] | None
) -> tuple[int, ...]:
    if class_ids is None:
        if dataset not in DATASETS:
            raise InputError(
                f"split {spec!r}: which ids the classes have is not known here; "
                "give their names: unseen:NAME,NAME"
            )
        class_ids = known_dataset(dataset).class_ids
    labels = {int(number): label for label, number in enumerate(class_ids)}
    numbers = [int(item.lstrip("Aa")) if _ID.fullmatch(item) else None for item in items]
    wrong = [item for item, n in zip(items, numbers, strict=True) if n not in labels]
    if wrong:
        raise InputError(
            f"split {spec!r}: expected numbers of classes as files carry them ({min(labels)} to "
            f"{max(labels)}, or A{min(labels):03d}), found {', '.join(map(repr, wrong))}"
        )
    return tuple(labels[n] for n in numbers if n is not None)


def _by_name(spec: str, items: Sequence[str], class_names: Sequence[str]) -> tuple[int, ...]:
    """Find names among items cut at commas; a name may hold a comma itself."""
    known = {name.casefold(): label for label, name in enumerate(class_names)}
    found, at = [], 0
    while at < len(items):
        ends = range(len(items), at, -1)
        names = ((end, ", ".join(items[at:end]).casefold()) for end in ends)
        hit = next(((end, known[name]) for end, name in names if name in known), None)
        if hit is None:
            raise InputError(
                f"split {spec!r}: {unknown_choice('class', items[at], class_names)} Classes may "
                "also be given as ids:4,13 (as files carry them) or labels:3,12 (from 0)."
            )
        at = hit[0]
        found.append(hit[1])
    return tuple(found)


def _list_name(unseen: list[int]) -> str:
    """Return a folder name that differs for different lists, of bounded length."""
    listed = "-".join(str(label) for label in unseen)
    if len(unseen) > _LONGEST_LIST:
        listed = f"{len(unseen)}-{hashlib.sha256(listed.encode()).hexdigest()[:8]}"
    return f"unseen-{listed}"


def _from_file(path: Path, name: str, dataset: str) -> list[Split]:
    splits = _read(path, dataset)
    own = [s for s in splits if s.dataset == dataset]
    if not own:
        others = sorted({s.dataset for s in splits})
        raise InputError(
            f"{path}: expected splits of {dataset}, found {', '.join(others) or 'none'}"
        )
    found = _choose(own, name) if name else own
    if not found:
        raise unknown_choice(f"split in {path}", name, (s.name for s in own))
    return found


def _read(path: Path, default_dataset: str | None) -> list[Split]:
    """Read a JSON file of splits; one without ``dataset`` is for ``default_dataset``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, found: {error}") from None
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: expected an object of split names, found a {type(content).__name__}"
        )
    return [_entry(path, name, entry, default_dataset) for name, entry in content.items()]


def _entry(path: Path, name: str, entry: Any, default_dataset: str | None) -> Split:
    """Return one split of a file, its form and name checked."""
    where = f"{path}: split {name!r}"
    if not _SAFE_NAME.fullmatch(name):
        raise InputError(
            f"{where}: a name becomes a folder; use up to 100 letters, digits, dots and dashes, "
            "a letter or digit first"
        )
    if not isinstance(entry, dict) or "unseen" not in entry:
        raise InputError(f'{where}: expected an object with "unseen": [labels from 0]')
    unknown = set(entry) - {"dataset", "source", "unseen"}
    if unknown:
        raise InputError(f"{where}: unknown keys {', '.join(sorted(unknown))}")
    return Split(
        name=name,
        dataset=str(entry.get("dataset", default_dataset)),
        unseen=_labels(entry["unseen"], f"{where}, unseen"),
        source=str(entry.get("source", path.name)),
    )


def _labels(values: Any, where: str) -> tuple[int, ...]:
    whole = isinstance(values, list) and all(type(v) is int for v in values)
    if not whole:
        raise InputError(f"{where}: expected a list of whole numbers, found {values!r}")
    return _sorted(tuple(values), where)


def _sorted(labels: tuple[int, ...], where: str) -> tuple[int, ...]:
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise InputError(f"{where}: labels given twice: {', '.join(map(str, twice))}")
    return tuple(sorted(labels))


def _check(split: Split, classes: int) -> None:
    """Raise one error with everything that is wrong between a split and a class count."""
    faults = []
    outside = [n for n in split.unseen if not 0 <= n < classes]
    if outside:
        faults.append(
            f"labels {', '.join(map(str, outside))} are outside 0..{classes - 1} "
            f"({classes} classes; labels count from 0, so A001 is 0)"
        )
    if not split.unseen:
        faults.append("no class is unseen")
    seen = len(split.seen(classes))
    if seen < 2:
        faults.append(f"{seen} of {classes} classes would be seen; at least 2 are needed")
    if faults:
        raise InputError(f"split {split.name!r}: {'; '.join(faults)}")
