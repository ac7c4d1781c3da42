"""What a raw layout is: which files are its own, which recordings they hold, what is in each.

A *recording* is what is read at one time, a *raw clip* one action in it: bodies over frames with
what is known of them. An NTU file is a recording of one raw clip, a PKU-MMD file one of twenty.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar

import numpy as np

from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.raw.records import RawBodies
from smie_pipe.preprocessing.sources.files import RawFile
from smie_pipe.preprocessing.sources.label_list import Labelled, LabelList

Splits = Mapping[str, Mapping[str, int]]
"""For each protocol the names listed, 1 train and 0 test."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording to read; small, so that 100,000 are no burden.

    Attributes
    ----------
    name
        Without the ending; no other recording of the source has it.
    file
        Where its bodies are.
    labels
        The file that says which actions it has, in layouts that have one.
    listed
        Its label and performer, where a ``labels.csv`` says them.
    rows
        First and last (excluded) of the clips in ``file`` that are read at one time, in layouts
        that keep many in one file.
    """

    name: str
    file: RawFile
    labels: RawFile | None = None
    listed: Labelled | None = None
    rows: tuple[int, int] | None = None

    @property
    def count(self) -> int:
        """How many recordings it counts for in reports."""
        return self.rows[1] - self.rows[0] if self.rows else 1


@dataclass(frozen=True, eq=False)
class RawClip:
    """One action as the raw files have it, or a whole recording where nothing says its actions.

    Attributes
    ----------
    name
        No other clip of the source has it.
    bodies
        The body records; in layouts of ready-made arrays the finished clip (3, T, V, 2).
    label
        Class, from 0, in the dataset that was given; None where none was given.
    action
        Number of the action as the raw files count it; None where they name none.
    facts
        What else is known, the columns of ``skeletons.h5``: subject, camera, ...; numbers or
        texts. Where one clip lacks what others have, it gets 0 or no text.
    """

    name: str
    bodies: RawBodies | np.ndarray
    label: int | None = None
    action: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Files:
    """The files under a source, as its layout is given them."""

    own: Sequence[RawFile]
    """Those that the layout recognises."""
    others: Sequence[RawFile] = ()
    """Those that no layout does: lists and notes."""
    labels: LabelList = field(default_factory=LabelList)
    """The entries of ``labels.csv``."""


@dataclass(frozen=True)
class Listing:
    """The recordings under a source."""

    recordings: Sequence[Recording]
    """Sorted by name, or in the order in which a file has them."""
    findings: Sequence[Finding] = ()
    """What is wrong or left out, as far as that shows before any recording is read."""
    splits: Splits = field(default_factory=dict)
    """What lists say, for protocols that no rule gives."""


class Layout(ABC):
    """A raw format. To add one: a subclass in a file of its own, and a line in `registry`.

    Layouts have no state, since worker processes get a copy.

    Attributes
    ----------
    name
        As ``--layout`` takes it.
    expects
        Its files in a few words, for the message that says what could have been given.
    patterns
        Names (in small letters, ``*`` for anything) that its files have; they alone decide
        whether a change of a file makes the output stale.
    in_workers
        Whether worker processes read it; not where opening a file is most of the work.
    """

    name: ClassVar[str]
    expects: ClassVar[str]
    patterns: ClassVar[tuple[str, ...]]
    in_workers: ClassVar[bool] = True

    def may_read(self, name: str) -> bool:
        """Return whether a file of that name can be of this layout."""
        return any(fnmatchcase(name.lower(), pattern) for pattern in self.patterns)

    def recognises(self, file: RawFile) -> bool:
        """Return whether a file holds recordings of this layout, by its name or its first bytes.

        Layouts are asked in the order of the registry, and the first that says yes has the file.
        """
        return self.may_read(file.name)

    def dataset(self, files: Sequence[RawFile]) -> str | None:
        """Return which known dataset such files are of where nobody says; None for any."""
        return None

    @abstractmethod
    def recordings(self, files: Files, known: Dataset | None, config: PreprocessConfig) -> Listing:
        """Return the recordings in the files.

        Parameters
        ----------
        files
            What was found.
        known
            Whose classes the labels are. None: no label is wanted, and recordings without one
            are as good as any (`predict`).
        config
            Options, such as where further files lie.

        Raises
        ------
        InputError
            If lists cannot be read or contradict each other.
        """

    @abstractmethod
    def clips(
        self, recording: Recording, known: Dataset | None, config: PreprocessConfig
    ) -> tuple[list[RawClip], list[Finding]]:
        """Return what a recording holds, and what is wrong with parts of it.

        It runs in a worker process.

        Raises
        ------
        InputError, OSError
            If the recording cannot be read at all.
        """

    def listed_names(self, columns: Mapping[str, np.ndarray]) -> list[str]:
        """Return under which names the lists of `Listing.splits` have the clips."""
        return columns["name"].tolist()


def wrong_class(name: str, path: str, line: int, action: int, known: Dataset) -> Finding:
    """Return the finding for an action number that is no class of the dataset."""
    where = f"{path}:{line}" if line else path
    ids = known.class_ids
    detail = (
        f"{where}: expected an action of {known.title}, {len(ids)} numbers from {min(ids)} to "
        f"{max(ids)}, found {action}; choose another --dataset, or list it in classes.csv"
    )
    return Finding(name, path, line, "class number that the dataset does not have", detail)


def without_label(name: str, path: str, why: str) -> Finding:
    """Return the finding for a recording whose action nothing says."""
    detail = (
        f"{path}: {why}; to train or test on it, list it in a labels.csv beside it "
        f"(file,label[,subject]). To name its action, nothing is needed: smie-pipe predict"
    )
    return Finding(name, path, 0, "no label", detail, "excluded")


RUN = 256
"""Clips of a file of many that are read at one time."""


def runs(rows: Sequence[int], most: int = RUN) -> list[tuple[int, int]]:
    """Cut rising row numbers into runs without a gap, (first, end excluded).

    >>> runs([0, 1, 2, 5, 6], most=2)
    [(0, 2), (2, 3), (5, 7)]
    """
    found: list[tuple[int, int]] = []
    for row in rows:
        first, end = found[-1] if found else (row, -1)
        if row == end and end - first < most:
            found[-1] = (first, row + 1)
        else:
            found.append((row, row + 1))
    return found


def good_entries(
    file: RawFile,
    names: Sequence[str],
    labels: Sequence[Any],
    known: Dataset | None,
    seen: Collection[str],
) -> tuple[list[int], list[Finding]]:
    """Return which clips of a file of many have a name and label of use, and what the others lack.

    ``seen`` are the names that other files have; labels count from 0, and matter only where a
    dataset is ``known``.
    """
    good, findings = [], []
    taken = set(seen)
    for row, (name, label) in enumerate(zip(names, labels, strict=True)):
        fault = "" if name else "clip without a name"
        if known is not None and not fault:
            classes = len(known.class_names)
            if type(label) is not int or not 0 <= label < classes:
                fault = f"label outside 0 to {classes - 1} of {known.title}"
        fault = fault or "name that comes twice" * (name in taken)
        taken.add(name)
        if fault:
            detail = f"{file.path}: clip {row} {name!r}: {fault}"
            findings.append(Finding(name or file.stem, file.path, 0, fault, detail))
        else:
            good.append(row)
    return good, findings


def not_packed(layout: Layout, files: Sequence[RawFile]) -> None:
    """Refuse files in archives, for layouts that do not read those.

    Raises
    ------
    InputError
        If there is one.
    """
    packed = [file.path for file in files if file.offset >= 0]
    if packed:
        raise InputError(f"{packed[0]}: {layout.name} are not read from archives; unpack it")
