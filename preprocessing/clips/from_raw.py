"""From raw recordings to their finished clips: the work of a worker process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smie_pipe.preprocessing.body import BODIES, JOINTS
from smie_pipe.preprocessing.clips.recipe import PLACE, prepare_placed
from smie_pipe.preprocessing.clips.tracking import choose_bodies
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.layouts.base import Layout, RawClip, Recording
from smie_pipe.preprocessing.layouts.read import read_recording
from smie_pipe.preprocessing.trackers.joints.reduce import reduced, reduced_clip

CONTENT = "content"
"""Row entry with a short hash of the clip, by which equal clips are found; not stored."""


@dataclass(frozen=True)
class ClipBatch:
    """The clips of some recordings, in their order."""

    recordings: int
    x: np.ndarray
    """(n, 3, T, V, 2) float32."""
    place: np.ndarray
    """(n, T, 2, 4) float32, where each body was; see `prepare_placed`."""
    rows: list[dict[str, Any]] = field(default_factory=list)
    """What is known of each clip."""
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class FinishedClip:
    """A clip as networks read it."""

    x: np.ndarray
    """(3, T, V, 2) float32, metres from ``spine_shoulder``."""
    place: np.ndarray
    """(T, 2, 4) float32, where each body was; NaN where that is not known."""
    facts: dict[str, Any]
    """``frames`` of the recording, ``frames_valid`` with a body, ``bodies`` and ``treatment``."""


def process_batch(
    recordings: Sequence[Recording], layout: Layout, known: Dataset, config: PreprocessConfig
) -> ClipBatch:
    """Return the clips of some recordings. What is wrong with a recording becomes a finding."""
    clips: list[FinishedClip] = []
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
                clips.append(done)
                rows.append(_row(raw, done))
    shape = (0, 3, config.frames, len(JOINTS), BODIES)
    x = np.stack([clip.x for clip in clips]) if clips else np.empty(shape, np.float32)
    nowhere = np.empty((0, config.frames, BODIES, PLACE), np.float32)
    place = np.stack([clip.place for clip in clips]) if clips else nowhere
    return ClipBatch(sum(recording.count for recording in recordings), x, place, rows, findings)


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
        x = raw.bodies
        return _ready_made(x if config.joints is None else reduced_clip(x, config.joints))
    bodies = raw.bodies if config.joints is None else reduced(raw.bodies, config.joints)
    chosen = choose_bodies(bodies, config, two_persons)
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
    return FinishedClip(*prepare_placed(chosen.bodies, config.frames, config.turn), facts)


def _ready_made(x: np.ndarray) -> FinishedClip:
    frames, second = x.shape[1], bool(x[..., 1].any())
    facts = {"frames": frames, "frames_valid": frames, "bodies": 1 + second, "treatment": ""}
    return FinishedClip(x, np.full((frames, BODIES, PLACE), np.nan, np.float32), facts)


def _row(raw: RawClip, done: FinishedClip) -> dict[str, Any]:
    content = hashlib.blake2b(np.ascontiguousarray(done.x).tobytes(), digest_size=8)
    return {
        "name": raw.name,
        "label": raw.label,
        **raw.facts,
        **done.facts,
        CONTENT: content.hexdigest(),
    }
