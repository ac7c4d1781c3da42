"""NTU RGB+D's layout: one ``.skeleton`` text file a clip, whose name says what it shows.

Files with names of their own are read as well: without a label, or with one from ``labels.csv``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.layouts.base import (
    Files,
    Layout,
    Listing,
    RawClip,
    Recording,
    without_label,
    wrong_class,
)
from smie_pipe.preprocessing.raw.ntu import NTU_SUFFIX, NtuName, parse_name, read_skeleton
from smie_pipe.preprocessing.sources.files import RawFile, without_duplicates
from smie_pipe.preprocessing.sources.label_list import LabelList

HEADER_LINES = 3  # of the official list of missing skeletons


class Ntu(Layout):
    """``SsssCcccPpppRrrrAaaa.skeleton``."""

    name = "ntu"
    expects = f"NTU files (SsssCcccPpppRrrrAaaa{NTU_SUFFIX})"
    patterns: ClassVar[tuple[str, ...]] = (f"*{NTU_SUFFIX}",)

    def dataset(self, files: Sequence[RawFile]) -> str | None:
        """Return NTU RGB+D 120 where any action is above 60, else 60."""
        return "ntu120" if any(_action(file) > 60 for file in files) else "ntu60"

    def recordings(self, files: Files, known: Dataset | None, config: PreprocessConfig) -> Listing:
        """Return the files whose name, or ``labels.csv``, gives a class of the dataset."""
        missing = read_missing_list(Path(config.missing_list)) if config.missing_list else set()
        unique, findings = without_duplicates(files.own)
        recordings = []
        for file in unique:
            finding = _fault(file, files.labels, known, missing)
            if finding is None:
                recordings.append(Recording(file.stem, file, listed=files.labels.of(file)))
            else:
                findings.append(finding)
        return Listing(recordings, findings)

    def clips(
        self, recording: Recording, known: Dataset | None, config: PreprocessConfig
    ) -> tuple[list[RawClip], list[Finding]]:
        """Return the one clip of a file."""
        file = recording.file
        raw = read_skeleton(file.read(), file.path)
        name = _said(recording.name)
        label = known.label(name.action) if known else None
        facts = facts_of_name(recording.name)
        if recording.listed:
            label = recording.listed.label
            facts["subject"] = recording.listed.subject
        return [RawClip(recording.name, raw, label, name.action or None, facts)], []


def facts_of_name(stem: str) -> dict[str, int]:
    """Return the columns that a name gives, zeros where it has another form."""
    name = _said(stem)
    return {
        "subject": name.performer,
        "camera": name.camera,
        "setup": name.setup,
        "replication": name.replication,
    }


def _said(stem: str) -> NtuName:
    """Return what a name says, zeros for a name of another form."""
    try:
        return parse_name(stem)
    except InputError:
        return NtuName(0, 0, 0, 0, 0)


def _action(file: RawFile) -> int:
    match = re.search(r"A([0-9]{3,9})$", file.stem)
    return int(match[1]) if match else 0


def _fault(
    file: RawFile, labels: LabelList, known: Dataset | None, missing: set[str]
) -> Finding | None:
    """Return why a recording is not read, judged by its name."""
    if file.stem in missing:
        reason = "in the official list of missing skeletons"
        return Finding(file.stem, file.path, 0, reason, severity="excluded")
    if known is None or labels.of(file):
        return None
    if labels.names_classes:
        return without_label(file.stem, file.path, "not in labels.csv")
    try:
        name = parse_name(file.stem)
    except InputError as error:
        return without_label(file.stem, file.path, str(error))
    if known.setups is not None and name.setup > known.setups:
        reason = f"setup above {known.setups}, not of {known.name}"
        return Finding(file.stem, file.path, 0, reason, severity="excluded")
    if known.label(name.action) is None:
        return wrong_class(file.stem, file.path, 0, name.action, known)
    return None


def read_missing_list(path: Path) -> set[str]:
    """Return the names in an official list of missing skeletons.

    Raises
    ------
    InputError
        If there is no list, or a line after the three of its heading is no recording's name.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the official list of missing skeletons")
    names = set()
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines[HEADER_LINES:], HEADER_LINES + 1):
        stem = line.strip().removesuffix(NTU_SUFFIX)
        if not stem:
            continue
        try:
            parse_name(stem)
        except InputError:
            raise InputError(
                f"{path}:{number}: expected the name of a recording (after {HEADER_LINES} lines "
                f"of heading), found {line.strip()[:40]!r}"
            ) from None
        names.add(stem)
    if not names:
        raise InputError(
            f"{path}: expected {HEADER_LINES} lines of heading, then a name a line, found none"
        )
    return names
