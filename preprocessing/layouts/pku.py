"""PKU-MMD's layout: a text file a recording, and beside it one with its labelled actions.

Recordings with names of their own, and such without label file, are read as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

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
    wrong_class,
)
from smie_pipe.preprocessing.layouts.pku_lists import is_named, pku_recordings
from smie_pipe.preprocessing.raw.pku import (
    FRAME_NUMBERS,
    PkuAction,
    ends_with_a_line,
    parse_recording,
    read_labels,
    read_pku,
)
from smie_pipe.preprocessing.raw.records import RawBodies, cut
from smie_pipe.preprocessing.sources.files import RawFile

HEAD_BYTES = 8192  # a frame of 150 numbers has 1,350 as the data set writes it


class Pku(Layout):
    """``0002-L.txt``, ``A10N08-L.txt``, or any text file of 150 numbers a line."""

    name = "pku"
    expects = "PKU-MMD files (0002-L.txt or A10N08-L.txt with labels)"
    patterns = ("*.txt",)

    def recognises(self, file: RawFile) -> bool:
        """Return whether a text file is named as a recording, or begins with a frame."""
        return self.may_read(file.name) and (is_named(file) or _begins_with_a_frame(file))

    def dataset(self, files: Sequence[RawFile]) -> str | None:
        """Return PKU-MMD."""
        return "pku51"

    def recordings(self, files: Files, known: Dataset | None, config: PreprocessConfig) -> Listing:
        """Return the recordings that have labels, and what the split lists say."""
        texts = [file for file in files.others if self.may_read(file.name)]
        return pku_recordings(files.own, texts, files.labels, known, config)

    def clips(
        self, recording: Recording, known: Dataset | None, config: PreprocessConfig
    ) -> tuple[list[RawClip], list[Finding]]:
        """Return the labelled actions of a recording, or all of it where none are labelled."""
        file, labels = recording.file, recording.labels
        actions = read_labels(labels.read(), labels.path) if labels else []
        data = file.read()
        raw = read_pku(data, file.path)
        notes = [] if ends_with_a_line(data) else [_no_line_end(recording, raw)]
        if labels is None:
            return [_whole(recording, raw)], notes
        clips, findings = _actions(recording, labels.path, raw, actions, known)
        return clips, [*notes, *findings]

    def listed_names(self, columns: Mapping[str, np.ndarray]) -> list[str]:
        """Return the names of the recordings, which is what the lists have."""
        pairs = zip(columns["recording"].tolist(), columns["view"].tolist(), strict=True)
        return [f"{recording}-{view}" if view else recording for recording, view in pairs]


def _begins_with_a_frame(file: RawFile) -> bool:
    try:
        line = file.head(HEAD_BYTES).split(b"\n", 1)[0]
    except (OSError, InputError):
        return False
    return b"," not in line and len(line.split()) == FRAME_NUMBERS


def _no_line_end(recording: Recording, raw: RawBodies) -> Finding:
    reason = "no line end after the last number, which may be cut short"
    detail = f"{recording.file.path}:{raw.frames}: {reason}; the frame is kept"
    return Finding(recording.name, recording.file.path, raw.frames, reason, detail, "noticed")


def _whole(recording: Recording, raw: RawBodies) -> RawClip:
    label = recording.listed.label if recording.listed else None
    facts = _facts(recording, 1, raw.frames)
    return RawClip(recording.name, raw, label, facts=facts)


def _facts(recording: Recording, start: int, end: int) -> dict[str, object]:
    """Return the columns of a clip; PKU-MMD's names say no performer, only labels.csv does."""
    stem = recording.name
    facts: dict[str, object] = {"recording": stem, "view": "", "camera": 0}
    try:
        name = parse_recording(stem)
        facts = {"recording": name.recording, "view": name.view, "camera": name.camera}
    except InputError:
        pass
    listed = {"subject": recording.listed.subject} if recording.listed else {}
    return {**facts, **listed, "start": start, "end": end}


def _actions(
    recording: Recording,
    path: str,
    raw: RawBodies,
    actions: list[PkuAction],
    known: Dataset | None,
) -> tuple[list[RawClip], list[Finding]]:
    """Cut a recording at its labels; what is wrong with a label becomes a finding."""
    clips, kept, findings = [], [], []
    for line, action in enumerate(actions, 1):
        finding = _label_fault(recording.name, raw, path, line, action, actions, known)
        if finding is not None:
            findings.append(finding)
        if finding is None or finding.severity == "noticed":
            end = min(action.end, raw.frames)
            part = cut(raw, action.start - 1, end)  # labels count from 1, both ends included
            label = known.label(action.action) if known else None
            name, facts = (
                _action_name(recording.name, action),
                _facts(recording, action.start, end),
            )
            clips.append(RawClip(name, part, label, action.action, facts))
            kept.append((line, action))
    return clips, [*findings, *_overlaps(recording.name, path, kept)]


def _action_name(stem: str, action: PkuAction) -> str:
    return f"{stem}A{action.action:03d}F{action.start:05d}-{action.end:05d}"


def _label_fault(
    stem: str,
    raw: RawBodies,
    path: str,
    line: int,
    action: PkuAction,
    actions: list[PkuAction],
    known: Dataset | None,
) -> Finding | None:
    name = _action_name(stem, action)
    if known is not None and known.label(action.action) is None:
        return wrong_class(name, path, line, action.action, known)
    where = f"{path}:{line}: action {action.action}, frames {action.start} to {action.end}"
    if action.start < 1:
        reason = "label starts before the first frame, which is 1"
        return Finding(name, path, line, reason, f"{where}: {reason}")
    if action.end < action.start:
        reason = "label ends before it starts"
        return Finding(name, path, line, reason, f"{where}: {reason}")
    if action.start > raw.frames:
        reason = "label past the end of the recording"
        return Finding(name, path, line, reason, f"{where}: {reason} of {raw.frames} frames")
    if any(action[:3] == other[:3] for other in actions[: line - 1]):
        reason = "label written twice"
        return Finding(name, path, line, reason, f"{where}: {reason}", "excluded")
    if action.end > raw.frames:
        reason = "label cut at the end of the recording"
        return Finding(name, path, line, reason, f"{where}: cut at frame {raw.frames}", "noticed")
    return None


def _overlaps(stem: str, path: str, kept: list[tuple[int, PkuAction]]) -> list[Finding]:
    findings = []
    last = None  # the action so far that ends last
    for line, action in sorted(kept, key=lambda pair: (pair[1].start, pair[1].end)):
        if last is not None and action.start <= last.end:
            detail = (
                f"{path}:{line}: action {action.action} from frame {action.start} begins "
                f"before action {last.action} ends at frame {last.end}; both are kept"
            )
            name = _action_name(stem, action)
            findings.append(Finding(name, path, line, "labels overlap", detail, "noticed"))
        if last is None or action.end > last.end:
            last = action
    return findings
