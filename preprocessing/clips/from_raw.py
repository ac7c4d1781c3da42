"""From one raw recording to its finished clips: the work of a worker process."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.clips.recipe import BODIES, prepare
from smie_pipe.preprocessing.clips.tracking import choose_bodies, cut
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError, SkeletonFormatError
from smie_pipe.preprocessing.raw.ntu import parse_name, read_skeleton
from smie_pipe.preprocessing.raw.pku import PkuAction, parse_recording, read_labels, read_pku
from smie_pipe.preprocessing.raw.records import RawBodies
from smie_pipe.preprocessing.sources.files import DamagedArchive, RawFile, Recording
from smie_pipe.preprocessing.sources.find import wrong_class

CONTENT = "content"
"""Row entry with a short hash of the clip, by which equal clips are found; not stored."""


@dataclass
class Batch:
    """The clips of some recordings, in their order."""

    recordings: int
    x: np.ndarray
    """(n, 3, T, V, 2) float32."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """What is known of each clip."""
    findings: list[Finding] = field(default_factory=list)


def process_batch(
    recordings: Sequence[Recording], known: Dataset, config: PreprocessConfig
) -> Batch:
    """Return the clips of some recordings. What is wrong with a recording becomes a finding."""
    batch = Batch(len(recordings), np.empty(0))
    clips: list[np.ndarray] = []
    for recording in recordings:
        try:
            _process(recording, known, config, clips, batch)
        except (InputError, OSError) as error:
            batch.findings.append(_fault(recording, error))
        except Exception as error:
            raise RuntimeError(f"{recording.skeleton.path}: a fault of this program") from error
    shape = (3, config.frames, len(JOINTS), BODIES)
    batch.x = np.stack(clips) if clips else np.empty((0, *shape), np.float32)
    return batch


def _process(
    recording: Recording,
    known: Dataset,
    config: PreprocessConfig,
    clips: list[np.ndarray],
    batch: Batch,
) -> None:
    file = recording.skeleton
    if recording.labels is None:
        raw = read_skeleton(file.read(), file.path)
        parts = [(raw, _ntu_row(recording.name, known))]
    else:
        actions = read_labels(recording.labels.read(), recording.labels.path)
        raw = read_pku(file.read(), file.path)
        parts = _actions(recording.name, raw, recording.labels, actions, known, batch.findings)
    for part, row in parts:
        clip = finished_clip(part, row, row["label"] in known.two_persons, config, batch.findings)
        if clip is not None:
            clips.append(clip)
            batch.rows.append(row)


def finished_clip(
    raw: RawBodies,
    row: dict[str, Any],
    two_persons: bool,
    config: PreprocessConfig,
    findings: list[Finding],
) -> np.ndarray | None:
    """Return a clip (3, T, V, 2) and complete its row; None, and a finding, if it is rejected."""
    chosen = choose_bodies(raw, config, two_persons)
    valid = chosen.bodies.shape[1] if len(chosen.bodies) else 0
    if valid < config.min_frames:
        reason = f"fewer than {config.min_frames} frames with a body" if valid else "no body"
        detail = f"{raw.path}: {row['name']}: {valid} of {raw.frames} frames hold a body"
        if chosen.treatment:
            detail += f" ({'; '.join(chosen.treatment)})"
        findings.append(Finding(row["name"], raw.path, 0, reason, detail, "excluded"))
        return None
    clip = prepare(chosen.bodies, config.frames, config.turn)
    row.update(
        frames=raw.frames,
        frames_valid=valid,
        bodies=len(chosen.bodies),
        treatment="; ".join(chosen.treatment),
    )
    row[CONTENT] = hashlib.blake2b(clip.tobytes(), digest_size=8).hexdigest()
    return clip


def _ntu_row(stem: str, known: Dataset) -> dict[str, Any]:
    name = parse_name(stem)
    return {
        "name": stem,
        "label": known.label(name.action),
        "subject": name.performer,
        "camera": name.camera,
        "setup": name.setup,
        "replication": name.replication,
    }


def _actions(
    stem: str,
    raw: RawBodies,
    labels: RawFile,
    actions: list[PkuAction],
    known: Dataset,
    findings: list[Finding],
) -> list[tuple[RawBodies, dict[str, Any]]]:
    """Cut a recording at its labels; what is wrong with a label becomes a finding."""
    parts, kept = [], []
    for line, action in enumerate(actions, 1):
        finding = _label_fault(stem, raw, labels, line, action, actions[: line - 1], known)
        if finding is not None:
            findings.append(finding)
        if finding is None or finding.severity == "noticed":
            end = min(action.end, raw.frames)
            part = cut(raw, action.start - 1, end)  # labels count from 1, both ends included
            parts.append((part, _pku_row(stem, action, end, known)))
            kept.append((line, action))
    _note_overlaps(stem, labels, kept, findings)
    return parts


def _pku_row(stem: str, action: PkuAction, end: int, known: Dataset) -> dict[str, Any]:
    name = parse_recording(stem)
    return {
        "name": _action_name(stem, action),
        "label": known.label(action.action),
        "recording": name.recording,
        "view": name.view,
        "camera": name.camera,
        "start": action.start,
        "end": end,
    }


def _action_name(stem: str, action: PkuAction) -> str:
    return f"{stem}A{action.action:03d}F{action.start:05d}-{action.end:05d}"


def _label_fault(
    stem: str,
    raw: RawBodies,
    labels: RawFile,
    line: int,
    action: PkuAction,
    earlier: list[PkuAction],
    known: Dataset,
) -> Finding | None:
    name, path = _action_name(stem, action), labels.path
    if known.label(action.action) is None:
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
    if any(_same(action, other) for other in earlier):
        reason = "label written twice"
        return Finding(name, path, line, reason, f"{where}: {reason}", "excluded")
    if action.end > raw.frames:
        reason = "label cut at the end of the recording"
        return Finding(name, path, line, reason, f"{where}: cut at frame {raw.frames}", "noticed")
    return None


def _same(one: PkuAction, other: PkuAction) -> bool:
    return one[:3] == other[:3]


def _note_overlaps(
    stem: str, labels: RawFile, kept: list[tuple[int, PkuAction]], findings: list[Finding]
) -> None:
    last = None  # the action so far that ends last
    for line, action in sorted(kept, key=lambda pair: (pair[1].start, pair[1].end)):
        if last is not None and action.start <= last.end:
            detail = (
                f"{labels.path}:{line}: action {action.action} from frame {action.start} begins "
                f"before action {last.action} ends at frame {last.end}; both are kept"
            )
            name = _action_name(stem, action)
            reason = "labels overlap"
            findings.append(Finding(name, labels.path, line, reason, detail, "noticed"))
        if last is None or action.end > last.end:
            last = action


def _fault(recording: Recording, error: InputError | OSError) -> Finding:
    """Return what to record of a recording that cannot be read."""
    path = recording.skeleton.path
    if isinstance(error, SkeletonFormatError):
        reason = f"expected {_without_numbers(error.expected)}"
        return Finding(recording.name, error.path, error.line, reason, str(error))
    if isinstance(error, OSError):
        path = str(error.filename or path)
        reason = f"cannot be read: {error.strerror or type(error).__name__}"
        return Finding(recording.name, path, 0, reason, f"{path}: {reason}")
    reason = "damaged archive" if isinstance(error, DamagedArchive) else "cannot be used"
    return Finding(recording.name, path, 0, reason, str(error))


def _without_numbers(expected: str) -> str:
    """Return the message without what differs from file to file, so that it can be counted.

    The fields of joint 2 of body 1 of frame 7 are those of a joint.
    """
    number = r"(joint|body|frame) [0-9]+( of (body|frame) [0-9]+)*( of [0-9]+)?"
    short = re.sub(rf"\b(of|for) {number}", r"\1 a \2", expected)
    return re.sub(r" after [0-9]+ frames?", "", short)
