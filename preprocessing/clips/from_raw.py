"""From raw recordings to their finished clips: the work of a worker process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smie_pipe.preprocessing.body import BODIES, JOINTS
from smie_pipe.preprocessing.clips.recipe import prepare
from smie_pipe.preprocessing.clips.tracking import choose_bodies
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.layouts.base import Layout, RawClip, Recording
from smie_pipe.preprocessing.layouts.read import read_recording

CONTENT = "content"
"""Row entry with a short hash of the clip, by which equal clips are found; not stored."""


@dataclass(frozen=True)
class ClipBatch:
    """The clips of some recordings, in their order."""

    recordings: int
    x: np.ndarray
    """(n, 3, T, V, 2) float32."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """What is known of each clip."""
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class FinishedClip:
    """A clip as networks read it."""

    x: np.ndarray
    """(3, T, V, 2) float32, metres from ``spine_shoulder``."""
    facts: dict[str, Any]
    """``frames`` of the recording, ``frames_valid`` with a body, ``bodies`` and ``treatment``."""


def process_batch(
    recordings: Sequence[Recording], layout: Layout, known: Dataset, config: PreprocessConfig
) -> ClipBatch:
    """Return the clips of some recordings. What is wrong with a recording becomes a finding."""
    clips: list[np.ndarray] = []
    rows: list[dict[str, Any]] = []
    findings: list[Finding] = []
    for recording in recordings:
        reading = read_recording(layout, recording, known, config)
        findings += reading.findings
        for raw in reading.clips:
            done = finished_clip(raw, config, two_persons=raw.label in known.two_persons)
            if isinstance(done, Finding):
                findings.append(done)
            else:
                clips.append(done.x)
                rows.append(_row(raw, done))
    shape = (0, 3, config.frames, len(JOINTS), BODIES)
    x = np.stack(clips) if clips else np.empty(shape, np.float32)
    return ClipBatch(sum(recording.count for recording in recordings), x, rows, findings)


def finished_clip(
    raw: RawClip, config: PreprocessConfig, *, two_persons: bool = False
) -> FinishedClip | Finding:
    """Return a raw clip as networks read it, or the finding that it has too few bodies.

    Parameters
    ----------
    raw
        One action, or a whole recording.
    config
        Bounds of tracking, length of the clip, and how it is turned.
    two_persons
        Whether its action has two persons, see `choose_bodies`.
    """
    if isinstance(raw.bodies, np.ndarray):
        return _ready_made(raw.bodies)
    chosen = choose_bodies(raw.bodies, config, two_persons)
    valid = chosen.bodies.shape[1] if len(chosen.bodies) else 0
    if valid < config.min_frames:
        path = raw.bodies.path
        reason = f"fewer than {config.min_frames} frames with a body" if valid else "no body"
        detail = f"{path}: {raw.name}: {valid} of {raw.bodies.frames} frames hold a body"
        if chosen.treatment:
            detail += f" ({'; '.join(chosen.treatment)})"
        return Finding(raw.name, path, 0, reason, detail, "excluded")
    facts = {
        "frames": raw.bodies.frames,
        "frames_valid": valid,
        "bodies": len(chosen.bodies),
        "treatment": "; ".join(chosen.treatment),
    }
    return FinishedClip(prepare(chosen.bodies, config.frames, config.turn), facts)


def _ready_made(x: np.ndarray) -> FinishedClip:
    frames, second = x.shape[1], bool(x[..., 1].any())
    facts = {"frames": frames, "frames_valid": frames, "bodies": 1 + second, "treatment": ""}
    return FinishedClip(x, facts)


def _row(raw: RawClip, done: FinishedClip) -> dict[str, Any]:
    content = hashlib.blake2b(np.ascontiguousarray(done.x).tobytes(), digest_size=8)
    return {
        "name": raw.name,
        "label": raw.label,
        **raw.facts,
        **done.facts,
        CONTENT: content.hexdigest(),
    }
