"""``skeletons.h5``: all clips of a dataset, what is known of each, and what was rejected."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.findings import FINDING_GROUPS, Finding
from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.preprocessing.foundation.whole_files import damage_said, new_file, open_hdf5

if TYPE_CHECKING:
    import h5py

FORMAT = "smie-pipe skeletons"
VERSION = 1
EXPECTED = "a skeletons.h5 written by preprocess"
CHUNK_CLIPS = 16  # of 1, 4, 16, 64: reads everything fastest, random rows 7 % slower than 1

_GROUPED_BY = {"subjects": "subject", "cameras": "camera", "setups": "setup"}


def write_skeletons(
    path: Path,
    x: np.ndarray | Iterable[np.ndarray],
    columns: Mapping[str, Any],
    *,
    class_names: Sequence[str],
    class_ids: Sequence[int] | None = None,
    dataset: str = "custom",
    recipe: Mapping[str, Any] | None = None,
    protocols: Mapping[str, np.ndarray] | None = None,
    findings: Sequence[Finding] = (),
    place: np.ndarray | Iterable[np.ndarray] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> str:
    """Write a whole ``skeletons.h5`` and return the digest of its data.

    Parameters
    ----------
    path
        The file; it appears only when whole.
    x
        Clips (N, 3, T, 25, 2) in metres, as one array or as an iterable of batches of it.
    columns
        One entry per clip under each name. ``label`` (from 0) is required; ``name`` and
        ``frames``, ``frames_valid``, ``bodies`` are made up where missing. Numbers become int32,
        everything else text.
    class_names
        Name of each label.
    class_ids
        Number of each label in the raw files; 1, 2, ... where missing.
    protocols
        For each official protocol (N,) of 1 train, 0 test, -1 neither.
    place
        Where the bodies were before they were centred and turned, (N, T, M, 4), as one array or
        in batches; see ``SkeletonFile.place``.

    Returns
    -------
    str
        SHA-256 over clips, columns, classes and protocols: equal data, equal digest, whatever
        the HDF5 version or the time of writing.

    Raises
    ------
    ValueError
        If columns and clips differ in number, or a label has no class.
    """
    columns = _completed(columns, x)
    count = len(columns["label"])
    _check_columns(columns, count, len(class_names))
    ids = np.asarray(class_ids if class_ids is not None else np.arange(1, len(class_names) + 1))
    digest = hashlib.sha256()
    with new_file(path) as file:
        _write_batches(file, "x", [x] if isinstance(x, np.ndarray) else x, count, digest)
        if place is not None:
            places = [place] if isinstance(place, np.ndarray) else place
            _write_batches(file, "place", places, count, digest)
        for name, values in sorted(columns.items()):
            _write(file, name, values, digest)
        _write(file, "class_names", np.asarray(list(class_names), dtype=object), digest)
        _write(file, "class_ids", ids.astype(np.int32), digest)
        for name, parts in sorted((protocols or {}).items()):
            _write(file, f"protocols/{name}", np.asarray(parts, dtype=np.int8), digest)
        for group, severities in FINDING_GROUPS.items():
            chosen = [item for item in findings if item.severity in severities]
            _write_findings(file.create_group(group), chosen)
        file.attrs.update(
            {
                "format": FORMAT,
                "version": VERSION,
                "dataset": dataset,
                "recipe": json.dumps(dict(recipe or {}), sort_keys=True),
                "joint_names": json.dumps(JOINTS),
                "digest": digest.hexdigest(),
                **(attrs or {}),
            }
        )
    return digest.hexdigest()


class SkeletonFile:
    """A ``skeletons.h5`` open for reading; use it in a ``with`` statement.

    Raises
    ------
    InputError
        On opening, if the file is missing, is no HDF5 file, or is one of another kind.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self._file = _open(self.path)

    def __enter__(self) -> SkeletonFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; columns already read stay usable."""
        self._file.close()

    def __len__(self) -> int:
        return len(self.label)

    @property
    def x(self) -> h5py.Dataset:
        """All clips (N, 3, T, 25, 2), float32, metres, on disk; index it to read."""
        with damage_said(self.path, EXPECTED):
            return self._file["x"]

    def _array(self, name: str) -> np.ndarray:
        """Return numbers, or text as str, that are stored under a name."""
        with damage_said(self.path, EXPECTED):
            values = self._file[name]
            return values.asstr()[:] if values.dtype.kind == "O" else values[:]

    @property
    def has_place(self) -> bool:
        """Whether the file says where bodies were before they were centred and turned."""
        return "place" in self._file

    def place(self, rows: np.ndarray) -> np.ndarray | None:
        """Return where the bodies of clips were before they were centred and turned.

        Parameters
        ----------
        rows
            Of the clips, any order.

        Returns
        -------
        np.ndarray or None
            (n, T, M, 4) float32: x, y, z of spine_shoulder in metres and the angle about y in
            radians that each body was turned by; NaN in frames without the body. None where the
            file does not say, as with clips that were prepared elsewhere.
        """
        order = np.argsort(rows, kind="stable")
        with damage_said(self.path, EXPECTED):
            if not self.has_place:
                return None
            read = self._file["place"][np.asarray(rows)[order]]
        found = np.empty_like(read)
        found[order] = read
        return found

    @cached_property
    def label(self) -> np.ndarray:
        """Class of each clip, from 0, (N,) int64."""
        return self._array("label").astype(np.int64)

    @cached_property
    def class_names(self) -> list[str]:
        """Name of each label."""
        return self._array("class_names").tolist()

    @cached_property
    def class_ids(self) -> np.ndarray:
        """Number of each label in the raw files."""
        return self._array("class_ids")

    @cached_property
    def name(self) -> np.ndarray:
        """Unique name of each clip, (N,) of str."""
        return self.column("name")

    @cached_property
    def subject(self) -> np.ndarray:
        """Performer of each clip, as numbered in the files."""
        return self.column("subject")

    @cached_property
    def camera(self) -> np.ndarray:
        """Camera or view of each clip, as numbered in the files."""
        return self.column("camera")

    @cached_property
    def setup(self) -> np.ndarray:
        """Setup of each clip, as numbered in the files."""
        return self.column("setup")

    @cached_property
    def bodies(self) -> np.ndarray:
        """1 or 2, the bodies in each clip."""
        return self.column("bodies")

    @property
    def dataset(self) -> str:
        """Which dataset it is, as named on the command line."""
        return str(self.attrs["dataset"])

    @property
    def digest(self) -> str:
        """SHA-256 of the data, to tell whether another file was made from this one."""
        return str(self.attrs["digest"])

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The options it was made with."""
        with damage_said(self.path, EXPECTED):
            return json.loads(self.attrs["recipe"])

    @cached_property
    def attrs(self) -> dict[str, Any]:
        """All attributes of the file."""
        with damage_said(self.path, EXPECTED):
            return dict(self._file.attrs)

    @property
    def columns(self) -> list[str]:
        """Names of what is known of each clip."""
        import h5py

        others = ("x", "place", "class_names", "class_ids")
        with damage_said(self.path, EXPECTED):
            return [
                name
                for name, item in self._file.items()
                if isinstance(item, h5py.Dataset) and name not in others
            ]

    def column(self, name: str) -> np.ndarray:
        """Return what is stored under ``name`` for each clip, (N,) of numbers or str.

        Raises
        ------
        InputError
            If this dataset has no such column; the message names those it has.
        """
        if name not in self.columns:
            raise unknown_choice(f"column of {self.path}", name, self.columns)
        return self._array(name)

    @property
    def protocols(self) -> list[str]:
        """Names of the official protocols that apply to this dataset."""
        with damage_said(self.path, EXPECTED):
            return list(self._file.get("protocols", ()))

    def protocol(self, name: str) -> np.ndarray:
        """Return which clips train and which test.

        Parameters
        ----------
        name
            An official protocol (``xsub``, ``xview``, ``xset``), or a list of the training
            ``subjects:1,3,5``, ``cameras:2,3`` or ``setups:2,4``; all others test.

        Returns
        -------
        np.ndarray
            (N,) int8: 1 train, 0 test, -1 in neither.

        Raises
        ------
        InputError
            If the file has no such protocol, or the list matches nothing or everything.
        """
        if name in self.protocols:
            return self._array(f"protocols/{name}")
        kind, _, numbers = name.partition(":")
        if kind in self._groups() and numbers:
            return self._listed(name, kind, numbers)
        known = [*self.protocols, *(f"{kind}:..." for kind in self._groups())]
        raise unknown_choice(f"protocol of {self.path} ({self.dataset})", name, known)

    def findings(self) -> list[Finding]:
        """Return what is not in the file and why, then what was noticed in what is."""
        return [finding for group in FINDING_GROUPS for finding in self._findings(group)]

    def _findings(self, group: str) -> list[Finding]:
        lists = [self._array(f"{group}/{field.name}").tolist() for field in fields(Finding)]
        with damage_said(self.path, EXPECTED):
            return [Finding(*values) for values in zip(*lists, strict=True)]

    def _groups(self) -> list[str]:
        return [kind for kind, column in _GROUPED_BY.items() if column in self.columns]

    def _listed(self, name: str, kind: str, numbers: str) -> np.ndarray:
        try:
            wanted = [int(number) for number in numbers.split(",")]
        except ValueError:
            raise InputError(
                f"protocol {name!r}: expected numbers separated by commas after {kind}:"
            ) from None
        values = self.column(_GROUPED_BY[kind])
        absent = sorted(set(wanted) - set(values.tolist()))
        if absent:
            present = ", ".join(map(str, np.unique(values).tolist()))
            raise InputError(
                f"protocol {name!r}: no {kind} {absent} in {self.path}; it has {present}"
            )
        train = np.isin(values, wanted)
        if train.all():
            raise InputError(
                f"protocol {name!r}: all clips of {self.path} train, none is left to test"
            )
        return train.astype(np.int8)


def _open(path: Path) -> h5py.File:
    file = open_hdf5(path, EXPECTED)
    try:
        with damage_said(path, EXPECTED):
            found, version = file.attrs.get("format"), file.attrs.get("version")
            if found == FORMAT and version == VERSION:
                return file
        what = f"one of format {found!r}, version {version}" if found else "another"
        raise InputError(
            f"{path}: expected {FORMAT!r}, version {VERSION}, found {what}; make one with "
            f"preprocess"
        )
    except BaseException:
        file.close()
        raise


def _completed(columns: Mapping[str, Any], x: Any) -> dict[str, np.ndarray]:
    done = {name: _as_column(values) for name, values in columns.items()}
    count = len(done["label"])
    done.setdefault("name", np.asarray([f"clip{i:06d}" for i in range(count)], dtype=object))
    if isinstance(x, np.ndarray):
        second = (
            np.any(x[..., 1] != 0, axis=(1, 2, 3)) if x.shape[-1] == 2 else np.zeros(count, bool)
        )
        done.setdefault("bodies", (1 + second).astype(np.int32))
        done.setdefault("frames", np.full(count, x.shape[2], np.int32))
        done.setdefault("frames_valid", done["frames"])
    return done


def _as_column(values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind in "iub":
        return array.astype(np.int32)
    return np.asarray([str(value) for value in values], dtype=object)


def _check_columns(columns: Mapping[str, np.ndarray], count: int, classes: int) -> None:
    uneven = {name: len(values) for name, values in columns.items() if len(values) != count}
    if uneven:
        raise ValueError(f"expected {count} rows in every column, found {uneven}")
    label = columns["label"]
    if count and not (label.min() >= 0 and label.max() < classes):
        raise ValueError(
            f"expected labels 0 to {classes - 1}, found {label.min()} to {label.max()}"
        )
    if len(set(columns["name"].tolist())) != count:
        raise ValueError("expected a different name for every clip")


def _write_batches(
    file: h5py.File, name: str, batches: Iterable[np.ndarray], count: int, digest: Any
) -> None:
    data: h5py.Dataset | None = None
    done = 0
    for batch in batches:
        batch = np.ascontiguousarray(batch, dtype="<f4")
        if data is None:
            chunks = (min(CHUNK_CLIPS, count), *batch.shape[1:])
            data = file.create_dataset(name, (count, *batch.shape[1:]), "<f4", chunks=chunks)
        data[done : done + len(batch)] = batch
        digest.update(batch)
        done += len(batch)
    if done != count or data is None:
        raise ValueError(f"expected {count} clips for {count} labels, found {done}")


def _write(file: h5py.File, name: str, values: np.ndarray, digest: Any) -> None:
    import h5py

    if values.dtype.kind == "O":
        file.create_dataset(name, data=values, dtype=h5py.string_dtype())
        content = "\0".join(values.tolist()).encode()
    else:
        file.create_dataset(name, data=values)
        content = np.ascontiguousarray(values).tobytes()
    digest.update(f"\0{name}\0{len(content)}\0".encode())
    digest.update(content)


def _write_findings(group: h5py.Group, findings: Sequence[Finding]) -> None:
    import h5py

    for field in fields(Finding):
        values = [getattr(item, field.name) for item in findings]
        if field.name == "line":
            group.create_dataset(field.name, data=np.asarray(values, np.int64))
        else:
            data = np.asarray(values, dtype=object)
            group.create_dataset(field.name, data=data, dtype=h5py.string_dtype())
