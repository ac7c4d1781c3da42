"""What a ``skeletons.h5`` or a raw file holds, in words and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.clips.tracking import choose_bodies, summary
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.layouts.read import read_recordings
from smie_pipe.preprocessing.layouts.registry import layouts
from smie_pipe.preprocessing.raw.pku import read_labels
from smie_pipe.preprocessing.raw.records import RawBodies
from smie_pipe.preprocessing.skeletons.store import SkeletonFile
from smie_pipe.preprocessing.sources.files import RawFile
from smie_pipe.preprocessing.trackers.clock import FPS
from smie_pipe.preprocessing.trackers.read import (
    TrackerOptions,
    TrackerReading,
    read_tracker_bytes,
)

EXAMPLES = 2
HDF5_SUFFIXES = (".h5", ".hdf5")
_WIDTH = 96
_STATES = ("not tracked", "inferred", "tracked")


def describe(path: Path) -> str:
    """Return a description of a ``skeletons.h5``, a raw recording, or a PKU-MMD label file.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a skeletons.h5 or a raw recording")
    if path.suffix.lower() == ".txt" and b"," in path.read_bytes()[:512]:
        return _labels(path)
    if path.suffix.lower() not in HDF5_SUFFIXES:
        tracker = _tracker(path)
        said = f"{tracker}\n" if tracker else ""
        return said + describe_raw(tracker.raw if tracker else read_raw(path))
    with SkeletonFile(path) as file:
        return describe_clips(file)


def _tracker(path: Path) -> TrackerReading | None:
    """Return the reading of another body tracker's file, None where it is no such file."""
    file = RawFile.at(path)
    owner = next((name for name, one in layouts().items() if one.recognises(file)), "")
    if owner != "trackers":
        return None
    return read_tracker_bytes(file.read(), str(path), TrackerOptions(assumed_fps=FPS))


def read_raw(path: Path) -> RawBodies:
    """Return the bodies of a file that holds one raw recording, of whatever layout.

    Raises
    ------
    InputError
        If no layout recognises it, or it breaks its format; the message names the line.
    """
    tracker = _tracker(path)
    if tracker is not None:
        return tracker.raw
    reading = next(read_recordings(path))
    if not reading.clips:
        raise InputError("\n".join(finding.detail for finding in reading.findings))
    bodies = reading.clips[0].bodies
    if isinstance(bodies, np.ndarray) or len(reading.clips) > 1:
        raise InputError(f"{path}: holds many clips; preprocess it and look at its skeletons.h5")
    return bodies


# --- skeletons.h5 ------------------------------------------------------------------------------


def describe_clips(file: SkeletonFile) -> str:
    """Return counts by class, performer, view, bodies and lengths, and what was rejected."""
    size = file.path.stat().st_size
    shape = " x ".join(map(str, file.x.shape[1:]))
    lines = [
        f"{file.path}: {len(file)} clips of {file.dataset}, {shape} float32, {size / 1e6:.1f} MB",
        f"data {file.digest[:16]}; options {_options(file.recipe)}",
        *_protocols(file),
        *_by_number(file),
        _lengths("raw frames", file.column("frames")),
        _lengths("valid frames", file.column("frames_valid")),
        *_treatments(file),
        *_findings(file.findings()),
        *_by_class(file),
    ]
    return "\n".join(lines)


def _options(recipe: dict[str, object]) -> str:
    """Return the options that are not the default."""
    defaults = {field.name: field.default for field in fields(PreprocessConfig)}
    other = {k: v for k, v in recipe.items() if k in defaults and defaults[k] != v}
    return ", ".join(f"{name} {value}" for name, value in other.items()) or "all at their default"


def _protocols(file: SkeletonFile) -> list[str]:
    lines = []
    for name in file.protocols:
        parts = file.protocol(name)
        train, test, neither = (int((parts == part).sum()) for part in (1, 0, -1))
        rest = f", {neither} in neither" if neither else ""
        lines.append(f"protocol {name}: {train} train, {test} test{rest}")
    return lines


def _by_number(file: SkeletonFile) -> list[str]:
    known = [
        name for name in ("subject", "camera", "view", "setup", "bodies") if name in file.columns
    ]
    return [line for name in known for line in _counts(name, file.column(name))]


def _counts(name: str, values: np.ndarray) -> list[str]:
    found, counts = np.unique(values, return_counts=True)
    pairs = zip(found.tolist(), counts.tolist(), strict=True)
    return _wrapped(f"by {name}: ", [f"{value}: {count}" for value, count in pairs])


def _wrapped(head: str, items: Sequence[str]) -> list[str]:
    lines = [head]
    for i, item in enumerate(items):
        text = item + (", " if i + 1 < len(items) else "")
        if len(lines[-1]) + len(text.rstrip()) > _WIDTH:
            lines.append(" " * len(head))
        lines[-1] += text
    return [line.rstrip() for line in lines]


def _lengths(what: str, values: np.ndarray) -> str:
    if not len(values):
        return f"{what}: none"
    low, middle, high = np.percentile(values, (5, 50, 95))
    return (
        f"{what}: {values.min()} to {values.max()}, mean {values.mean():.1f}, "
        f"median {middle:.0f}, nine of ten from {low:.0f} to {high:.0f}"
    )


def _treatments(file: SkeletonFile) -> list[str]:
    if "treatment" not in file.columns:
        return []
    treated = [text for text in file.column("treatment").tolist() if text]
    counts = summary(treated).most_common()
    return [f"bodies treated in {len(treated)} clips"] + [
        f"  {n:>7}  {what}" for what, n in counts
    ]


def _findings(findings: Iterable[Finding]) -> list[str]:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.reason), []).append(finding)
    lines = [] if groups else ["nothing rejected, nothing noticed"]
    for (severity, reason), group in groups.items():
        lines.append(f"{severity}: {len(group)}  {reason}")
        lines += [f"    {finding.detail or finding.name}" for finding in group[:EXAMPLES]]
        lines += [f"    and {len(group) - EXAMPLES} more"] * (len(group) > EXAMPLES)
    return lines


def _by_class(file: SkeletonFile) -> list[str]:
    counts = np.bincount(file.label, minlength=len(file.class_names))
    used = int((counts > 0).sum())
    rows = zip(file.class_ids.tolist(), counts.tolist(), file.class_names, strict=True)
    lines = [f"by class, {used} of {len(counts)} have clips:", "      id    clips  name"]
    return lines + [f"  {number:>6}  {count:>7}  {name}" for number, count, name in rows]


# --- raw files ---------------------------------------------------------------------------------


def describe_raw(raw: RawBodies) -> str:
    """Return what the sensor wrote, body by body, and what preprocessing would make of it."""
    lines = [
        f"{raw.path}: {raw.frames} frames, {len(raw.frame)} bodies in "
        f"{len(np.unique(raw.frame))} of them"
    ]
    lines += [_body(raw, body_id) for body_id in dict.fromkeys(raw.body_id.tolist())]
    states = np.bincount(raw.state.ravel(), minlength=3)
    if len(raw.frame):
        pairs = zip(_STATES, states / states.sum(), strict=False)
        lines.append("joints: " + ", ".join(f"{share:.1%} {state}" for state, share in pairs))
    chosen = choose_bodies(raw, PreprocessConfig())
    frames = chosen.bodies.shape[1] if len(chosen.bodies) else 0
    done = "; ".join(chosen.treatment) or "nothing to mend"
    lines.append(f"in a clip: {len(chosen.bodies)} bodies in {frames} frames ({done})")
    return "\n".join(lines)


def _body(raw: RawBodies, body_id: int) -> str:
    own = raw.body_id == body_id
    frames, xyz = raw.frame[own], raw.xyz[own]
    with np.errstate(invalid="ignore"):
        low, high = xyz.min(axis=(0, 1)), xyz.max(axis=(0, 1))
    extent = ", ".join(
        f"{axis} {a:.2f} to {b:.2f}" for axis, a, b in zip("xyz", low, high, strict=True)
    )
    first, last = frames[0] + 1, frames[-1] + 1
    return f"  body {body_id}: {len(frames)} frames from {first} to {last}, {extent} m"


def _labels(path: Path) -> str:
    actions = read_labels(path.read_bytes(), str(path))
    counts = Counter(action.action for action in actions)
    each = ", ".join(f"{number}: {count}" for number, count in sorted(counts.items()))
    last = max(action.end for action in actions)
    return f"{path}: {len(actions)} labelled actions up to frame {last}; by action id {each}"
