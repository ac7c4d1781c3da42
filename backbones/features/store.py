"""The features file: what the backbone makes of whole and masked clips. No torch here.

``features.h5`` holds, for the rows of one protocol and class split, ``v`` and ``v_masked``
(N, 256) float32, ``label``, ``row`` (into skeletons.h5) and ``part``; the class names, the
seen and unseen labels; and as attributes what they were made by (dataset, backbone, split,
protocol, P, digests).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from smie_pipe.backbones.subsets import PARTS
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import damage_said, new_file, open_hdf5

FORMAT = "smie-pipe features"
VERSION = 1
Read = TypeVar("Read")
EXPECTED = "a features file as `extract` writes it"
Attribute = str | int | float | bool


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """Features of the clips of one protocol and class split.

    Attributes
    ----------
    v, v_masked
        Of the whole clip and of the clip without its key frames, shape (N, D), float32, as the
        backbone gives them (not normalised).
    label
        From 0, index into ``class_names``, shape (N,), int64.
    row
        Row of the clip in ``skeletons.h5``, shape (N,), int64.
    part
        Index into ``PARTS``, shape (N,), int8. Training clips of unseen classes are not here.
    class_names
        Of the whole dataset.
    seen, unseen
        Labels the backbone was, and was not, trained on, in rising order.
    attrs
        What they were made by: ``dataset``, ``backbone``, ``split``, ``protocol``, ``P``, and
        ``source``: ``backbone``, ``kinematic`` or ``both`` ...
    made
        Arrays by which the same features of another clip are made, for
        ``features.joined.ClipFeatures.restore``; of a backbone's alone its text head, if it has
        one, as ``text_head.weight``, ``.bias``, ``.texts`` and ``.centre``.

    Raises
    ------
    InputError
        Where the arrays do not fit each other; the message names every fault.
    """

    v: np.ndarray
    v_masked: np.ndarray
    label: np.ndarray
    row: np.ndarray
    part: np.ndarray
    class_names: list[str]
    seen: list[int]
    unseen: list[int]
    attrs: dict[str, Attribute] = field(default_factory=dict)
    made: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the arrays fit each other."""
        faults = _faults(self)
        if faults:
            raise InputError("the features do not fit together: " + "; ".join(faults))

    def __len__(self) -> int:
        """Return the number of clips."""
        return len(self.label)

    def take(self, part: str) -> FeatureSet:
        """Return the clips of one part, in the order of the file."""
        chosen = self.part == PARTS.index(part)
        arrays = {name: getattr(self, name)[chosen] for name in _COLUMNS}
        return dataclasses.replace(self, **arrays)

    def counts(self) -> dict[str, int]:
        """Return the number of clips in each part."""
        return {name: int((self.part == i).sum()) for i, name in enumerate(PARTS)}


_COLUMNS = {"v": "f4", "v_masked": "f4", "label": "i8", "row": "i8", "part": "i1"}


def describe_features(features: FeatureSet) -> str:
    """Return in words what a features file holds: parts, classes, and what made it."""
    counts = ", ".join(f"{count} {part}" for part, count in features.counts().items())
    lines = [
        f"features of {len(features)} clips ({counts}), {features.v.shape[1]} numbers each",
        f"{len(features.seen)} seen classes; {len(features.unseen)} unseen: "
        + ", ".join(features.class_names[label] for label in features.unseen),
        *(f"  {name}: {value}" for name, value in sorted(features.attrs.items())),
    ]
    for label in [*features.seen, *features.unseen]:
        here = np.bincount(features.part[features.label == label], minlength=len(PARTS))
        split = " / ".join(map(str, here))
        lines.append(f"  class {label}, {features.class_names[label]}: {split}")
    return "\n".join([*lines, f"  (clips of a class: {' / '.join(PARTS)})"])


def write_features(path: Path, features: FeatureSet) -> None:
    """Write the features as HDF5; the file appears under ``path`` when it is whole."""
    with new_file(path) as file:
        file.attrs.update({"format": FORMAT, "version": VERSION})
        file.attrs.update(features.attrs)
        for name, kind in _COLUMNS.items():
            file[name] = np.asarray(getattr(features, name), kind)
        for name, array in features.made.items():
            file[f"made/{name}"] = array
        file["seen"] = np.asarray(features.seen, "i8")
        file["unseen"] = np.asarray(features.unseen, "i8")
        file.create_dataset("class_names", data=features.class_names, dtype=h5py.string_dtype())


def read_features(path: Path) -> FeatureSet:
    """Read a features file into memory.

    Raises
    ------
    InputError
        If ``path`` is no features file of this version, or its arrays do not fit together.
    FileNotFoundError
        If there is no such file.
    """
    return _open(Path(path), _from_file)


def _open(path: Path, read: Callable[[h5py.File], Read]) -> Read:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such features file; make it with `extract`")
    with open_hdf5(path, EXPECTED) as file, damage_said(path, EXPECTED):
        try:
            return read(file)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


@dataclass(frozen=True)
class Facts:
    """What a features file says of itself, without its arrays.

    Attributes
    ----------
    attrs
        What the features were made by.
    class_names, seen, unseen
        As in ``FeatureSet``.
    """

    attrs: dict[str, Attribute]
    class_names: list[str]
    seen: list[int]
    unseen: list[int]

    @property
    def dataset(self) -> str:
        """The data set's name; ``custom`` where the file has none."""
        return str(self.attrs.get("dataset", "custom"))


class FeatureFile:
    """A features file: its facts at once, its arrays when asked, one digest.

    It is sent to another process as a path; the arrays of one file at a time stay in memory.

    Parameters
    ----------
    path
        Of a file that `extract` or `import-features` wrote.
    """

    def __init__(self, path: Path):
        self.path = Path(path)

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        """Send the path alone to another process."""
        return type(self), (self.path,)

    @cached_property
    def facts(self) -> Facts:
        """What it says of itself.

        Raises
        ------
        InputError, FileNotFoundError
            As for ``read_features``.
        """
        return _open(self.path, _facts)

    @property
    def arrays(self) -> FeatureSet:
        """All of it; read once while the file is unchanged.

        Raises
        ------
        InputError, FileNotFoundError
            As for ``read_features``.
        """
        if not self.path.is_file():
            return read_features(self.path)  # which says so
        stat = self.path.stat()
        return _arrays_of(self.path, (stat.st_size, stat.st_mtime_ns))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that a training reads: clips, labels, parts and classes."""
        found = self.arrays
        whole = hashlib.sha256(json.dumps([found.seen, found.unseen, found.class_names]).encode())
        for name in ("v", "v_masked", "label", "part"):
            whole.update(np.ascontiguousarray(getattr(found, name)).tobytes())
        return whole.hexdigest()


@lru_cache(maxsize=1)
def _arrays_of(path: Path, stamp: tuple[int, int]) -> FeatureSet:
    return read_features(path)


def _facts(file: h5py.File) -> Facts:
    attrs = {name: _plain(value) for name, value in file.attrs.items()}
    form, version = attrs.pop("format", None), attrs.pop("version", None)
    if form != FORMAT:
        raise InputError(f"expected a file of format {FORMAT!r}, found {form!r}; run `extract`")
    if version != VERSION:
        raise InputError(
            f"expected version {VERSION} of the format, found {version}; run `extract`"
        )
    names = [str(name) for name in file["class_names"].asstr()[:]]
    return Facts(attrs, names, file["seen"][:].tolist(), file["unseen"][:].tolist())


def _from_file(file: h5py.File) -> FeatureSet:
    facts = vars(_facts(file))
    return FeatureSet(
        **{name: file[name][:].astype(kind) for name, kind in _COLUMNS.items()},
        **facts,
        made={name: array[:] for name, array in file.get("made", {}).items()},
    )


def _plain(value: Any) -> Any:
    """Turn numpy's scalar into Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _faults(features: FeatureSet) -> list[str]:
    """Say all that is wrong with the arrays, in words."""
    rows, classes = len(features.label), len(features.class_names)
    faults = [
        f"{name} has {len(getattr(features, name))} rows, label has {rows}"
        for name in _COLUMNS
        if len(getattr(features, name)) != rows
    ]
    if features.v.ndim != 2 or features.v.shape != features.v_masked.shape:
        shapes = f"{features.v.shape} and {features.v_masked.shape}"
        faults.append(f"v and v_masked must both be (N, D), their shapes are {shapes}")
    both = sorted(set(features.seen) & set(features.unseen))
    if both:
        faults.append(f"classes {both} are called seen and unseen")
    wrong = sorted({i for i in [*features.seen, *features.unseen] if not 0 <= i < classes})
    if wrong:
        faults.append(f"labels {wrong} are outside the {classes} classes")
    return faults or _misplaced(features)


def _misplaced(features: FeatureSet) -> list[str]:
    """Name clips whose part and class contradict each other."""
    if not np.isin(features.part, range(len(PARTS))).all():
        return [f"part must be 0..{len(PARTS) - 1}, found {sorted(set(features.part.tolist()))}"]
    faults = []
    for part, allowed in enumerate((features.seen, features.seen, features.unseen)):
        here = features.part == part
        strangers = np.setdiff1d(features.label[here], allowed).tolist()
        if strangers:
            faults.append(f"labels {strangers} stand in {PARTS[part]} but do not belong there")
    finite = np.isfinite(features.v).all(1) & np.isfinite(features.v_masked).all(1)
    if not finite.all():
        faults.append(f"{(~finite).sum()} rows hold values that are not finite")
    return faults
