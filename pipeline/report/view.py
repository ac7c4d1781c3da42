"""The page of one file: its skeletons in a player, its labels as a time line under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.raw.ntu import NTU_SUFFIX
from smie_pipe.preprocessing.skeletons.describe import read_raw
from smie_pipe.preprocessing.skeletons.store import SkeletonFile
from smie_pipe.report.motion import Motion, body_plan, raw_motion, stored_motion
from smie_pipe.report.page import render_page
from smie_pipe.report.segments import Segment, is_label_file, read_segments

MOST_CLIPS = 150
"""In a page of a ``skeletons.h5``: about 2 MB."""
RAW_SUFFIXES = (NTU_SUFFIX, ".txt")
CLIP_SUFFIXES = (".h5", ".hdf5")
STYLES = ("page.css",)
SCRIPTS = ("player.js", "gallery.js", "view.js")


def view_page(path: Path, clips: Sequence[str] = (), labels: Path | None = None) -> str:
    """Return the page of a file.

    Parameters
    ----------
    path
        A raw recording, a ``skeletons.h5``, or JSON of segments that names its recording.
    clips
        Names or row numbers in a ``skeletons.h5``; without any, the first clip of each class.
    labels
        A file of segments for a raw recording (see `smie_pipe.report.segments`).

    Raises
    ------
    InputError
        If a file is missing, damaged or of another kind, or a clip or a body is not there.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a recording, clips or segments")
    suffix = path.suffix.lower()
    if suffix in CLIP_SUFFIXES:
        if labels is not None:
            raise InputError(f"--labels {labels}: {path} holds clips, which have their classes")
        return _clips_page(path, clips)
    if clips:
        raise InputError(f"--clip: {path} is one recording; clips are chosen from a skeletons.h5")
    if suffix == ".json":
        return _segments_page(path, labels)
    return _recording_page(path, [] if labels is None else read_segments(labels)[1])


def _segments_page(path: Path, labels: Path | None) -> str:
    if labels is not None:
        raise InputError(f"--labels {labels}: {path} holds segments already; give one of the two")
    recording, segments = read_segments(path)
    if recording is None:
        raise InputError(
            f"{path} does not name its recording; view the recording with --labels {path}"
        )
    if not recording.is_file():
        raise InputError(
            f"{path}: no such file as its recording {recording}; view the recording where it is "
            f"now with --labels {path}"
        )
    return _recording_page(recording, segments)


def _recording_page(path: Path, segments: Sequence[Segment]) -> str:
    motion = recording_motion(path)
    late = [segment for segment in segments if segment.start_s >= motion.seconds]
    if late:
        raise InputError(
            f"{path} is {motion.seconds:.2f} s long, but {len(late)} of {len(segments)} segments "
            f"start later, such as {late[0].label!r} at {late[0].start_s:g} s: these are the "
            "labels of another recording"
        )
    motion = replace(motion, segments=segments)
    _, frames = motion.bodies.shape[:2]
    facts = [f"{frames} frames, {motion.seconds:.1f} s at {motion.fps:g} frames a second"]
    return _page(motion.name, facts, [motion])


def recording_motion(path: Path) -> Motion:
    """Return a raw recording to play.

    Raises
    ------
    InputError
        If it is none, is damaged, or holds no body.
    """
    suffix = path.suffix.lower()
    if suffix not in RAW_SUFFIXES:
        raise InputError(
            f"{path}: expected a recording ({', '.join(RAW_SUFFIXES)}), a skeletons.h5 or JSON of "
            f"segments, found the ending {suffix or 'none'!r}"
        )
    if is_label_file(path):
        raise InputError(f"{path} holds labels; view their recording with --labels {path}")
    motion = raw_motion(read_raw(path), path.stem)
    if np.isnan(motion.bodies).all():
        raise InputError(f"{path}: no body in {motion.bodies.shape[1]} frames, nothing to show")
    return motion


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
