"""The page of one file: its skeletons in a player, its labels as a time line under it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.layouts.base import RawClip
from smie_pipe.preprocessing.layouts.read import Reading, read_recordings
from smie_pipe.preprocessing.skeletons.describe import HDF5_SUFFIXES
from smie_pipe.preprocessing.skeletons.store import SkeletonFile
from smie_pipe.report.motion import Motion, body_plan, finished_motion, raw_motion, stored_motion
from smie_pipe.report.page import render_page
from smie_pipe.report.segments import Labelled, is_label_file, is_segment_file, read_segments

MOST_CLIPS = 150
"""In one page: about 2 MB of stored clips."""
MOST_RECORDINGS = 24
"""Of a folder in one page: a recording of a minute is 0.4 MB a body."""
STYLES = ("page.css",)
SCRIPTS = ("player.js", "gallery.js", "view.js")


def view_page(
    path: Path,
    clips: Sequence[str] = (),
    labels: Path | None = None,
    config: PreprocessConfig | None = None,
) -> str:
    """Return the page of a file.

    Parameters
    ----------
    path
        A ``skeletons.h5``; a raw recording of any layout, a body tracker's too, or a folder of
        them; or JSON of segments that says where its recordings are.
    clips
        Names or row numbers in a ``skeletons.h5``; without any, the first clip of each class.
    labels
        A file of segments for raw recordings (see `smie_pipe.report.segments`).
    config
        What a tracker's files do not say of themselves.

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind, or a clip or a body is not there.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; expected a recording, clips or segments")
    if path.suffix.lower() in HDF5_SUFFIXES:
        if labels is not None:
            raise InputError(f"--labels {labels}: {path} holds clips, which have their classes")
        return _clips_page(path, clips)
    if clips:
        raise InputError(f"--clip: {path} is no skeletons.h5, from which clips are chosen")
    if is_segment_file(path):
        if labels is not None:
            raise InputError(f"--labels {labels}: {path} holds segments already; give one of them")
        labelled = read_segments(path)
        motions = [_found(entry, path, config) for entry in labelled[:MOST_RECORDINGS]]
        return _recordings_page(path, motions, len(labelled))
    if path.is_file() and is_label_file(path):
        raise InputError(f"{path} holds labels; view their recording with --labels {path}")
    motions, more = recording_motions(path, config)
    if labels is not None:
        motions = _with_labels(motions, read_segments(labels), labels)
    return _recordings_page(path, motions, len(motions) + more)


def recording_motions(
    path: Path, config: PreprocessConfig | None = None
) -> tuple[list[Motion], int]:
    """Return the raw recordings in a file or folder, and 1 if there are more than fit a page.

    Raises
    ------
    InputError
        If there is none, one is damaged, or no body is in any.
    """
    motions: list[Motion] = []
    for reading in islice(read_recordings(path, config), MOST_RECORDINGS + 1):
        motions += _motions(reading)
    seen = [motion for motion in motions if not np.isnan(motion.bodies).all()]
    if not seen:
        frames = sum(motion.bodies.shape[1] for motion in motions)
        raise InputError(f"{path}: no body in {frames} frames, nothing to show")
    return seen[:MOST_RECORDINGS], int(len(seen) > MOST_RECORDINGS)


def _motions(reading: Reading) -> list[Motion]:
    if not reading.clips:
        raise InputError("\n".join(f.detail or f"{f.path}: {f.reason}" for f in reading.findings))
    noticed = [finding.reason for finding in reading.findings]
    return [_motion(clip, noticed) for clip in islice(reading.clips, MOST_RECORDINGS + 1)]


def _motion(clip: RawClip, noticed: Iterable[str]) -> Motion:
    if isinstance(clip.bodies, np.ndarray):
        motion = finished_motion(clip.bodies, clip.name, "a finished clip")
    else:
        motion = raw_motion(clip.bodies, clip.name)
    return replace(motion, caption="; ".join([motion.caption, *noticed]))


def _found(entry: Labelled, path: Path, config: PreprocessConfig | None) -> Motion:
    """Return the recording that segments name, with them."""
    if entry.recording is None:
        raise InputError(
            f"{path} does not name its recording; view the recording with --labels {path}"
        )
    named = Path(entry.recording)
    place = next((p for p in (path.parent / named, named) if p.is_file()), None)
    if place is None:
        raise InputError(
            f"{path}: no such file as its recording {entry.recording}; view the recording, or the "
            f"folder of them, with --labels {path}"
        )
    (motion, *_), _ = recording_motions(place, config)
    return _labelled(motion, entry)


def _with_labels(
    motions: Sequence[Motion], labelled: Sequence[Labelled], path: Path
) -> list[Motion]:
    if len(motions) > 1 and labelled[0].recording is None:
        raise InputError(f"{path} holds the labels of one recording, expected those of several")
    found = [
        _labelled(motion, next((e for e in labelled if e.is_of(motion.name)), None))
        for motion in motions
    ]
    if not any(motion.segments for motion in found):
        names = ", ".join(sorted({str(entry.recording) for entry in labelled})[:5])
        raise InputError(f"{path}: expected segments of {motions[0].name}, found those of {names}")
    return found


def _labelled(motion: Motion, entry: Labelled | None) -> Motion:
    if entry is None:
        return motion
    late = [segment for segment in entry.segments if segment.start_s >= motion.seconds]
    if late:
        raise InputError(
            f"{motion.name} is {motion.seconds:.2f} s long, but {len(late)} of "
            f"{len(entry.segments)} segments start later, such as {late[0].label!r} at "
            f"{late[0].start_s:g} s: these are the labels of another recording"
        )
    return replace(motion, segments=entry.segments)


def _recordings_page(path: Path, motions: Sequence[Motion], there: int) -> str:
    if len(motions) > 1:
        more = f" of {there} or more" if there > len(motions) else ""
        return _page(path.name, [f"{len(motions)}{more} recordings"], motions)
    (motion,) = motions
    frames = motion.bodies.shape[1]
    facts = [f"{frames} frames, {motion.seconds:.1f} s at {motion.fps:g} frames a second"]
    return _page(motion.name, facts, motions)


def _clips_page(path: Path, clips: Sequence[str]) -> str:
    with SkeletonFile(path) as file:
        if not len(file):
            raise InputError(f"{path}: holds no clip")
        rows = [row_of(file, clip) for clip in clips] or _first_of_each(file)
        motions = [stored_motion(file, row) for row in rows[:MOST_CLIPS]]
        facts = [f"{len(file)} clips of {file.dataset}, {len(file.class_names)} classes"]
    if len(rows) > len(motions):
        facts.append(f"the first {len(motions)} of {len(rows)} clips are in this page")
    elif not clips:
        facts.append("here the first clip of each class; --clip chooses others")
    return _page(path.name, facts, motions)


def row_of(file: SkeletonFile, clip: str) -> int:
    """Return the row of a clip given by its name or number.

    Raises
    ------
    InputError
        If there is none.
    """
    found = np.flatnonzero(file.name == clip)
    if len(found):
        return int(found[0])
    if clip.isdecimal() and int(clip) < len(file):
        return int(clip)
    raise InputError(
        f"{file.path}: no clip {clip!r}; expected a name such as {file.name[0]!r}, or a row from "
        f"0 to {len(file) - 1}"
    )


def _first_of_each(file: SkeletonFile) -> list[int]:
    return sorted(np.unique(file.label, return_index=True)[1].tolist())


def _page(title: str, facts: Sequence[str], motions: Sequence[Motion]) -> str:
    data = {"plan": body_plan(), "motions": [motion.packed() for motion in motions]}
    return render_page(
        "view.html.j2",
        styles=STYLES,
        scripts=SCRIPTS,
        title=title,
        facts=facts,
        many=len(motions) > 1,
        data=data,
    )
