"""From recordings of any kind to clips a model reads, each with its name and what was noticed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.clips.recipe import prepare
from smie_pipe.preprocessing.clips.tracking import choose_bodies
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.raw.records import RawBodies, cut
from smie_pipe.zeroshot.recognition.segments import Windows

FPS = 30.0
FEWEST_FRAMES = 5


@dataclass(frozen=True, eq=False)
class ClipToName:
    """One clip to be named.

    Attributes
    ----------
    recording
        Its recording's name, or that of the labelled action in it.
    x
        (3, 50, 25, 2) float32, through the model's recipe.
    body
        Which of the persons, from 0; None for both together.
    notes
        What was done to its bodies.
    """

    recording: str
    x: np.ndarray
    body: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Recorded:
    """A recording, or a labelled action of it: raw bodies, chosen bodies, or a finished clip."""

    name: str
    raw: RawBodies | None = None
    bodies: np.ndarray | None = None
    """(M, T, V, 3) metres, NaN where a body is absent."""
    finished: np.ndarray | None = None
    fps: float = FPS

    @property
    def frames(self) -> int:
        """How many frames it has."""
        if self.raw is not None:
            return self.raw.frames
        return 0 if self.bodies is None else self.bodies.shape[1]


def recipe_config(recipe: Mapping[str, Any]) -> PreprocessConfig:
    """Return the options by which a model's clips were made, of those that decide a clip."""
    known = {field.name for field in fields(PreprocessConfig)}
    return PreprocessConfig(
        **{k: v for k, v in recipe.items() if k in known and k not in ("dataset", "layout")}
    )


def recorded(
    source: Path, config: PreprocessConfig, *, whole: bool = False
) -> Iterator[Recorded | str]:
    """Yield the recordings of a file or folder; for one that cannot be read, why.

    Parameters
    ----------
    whole
        Leave the labels beside recordings aside: each comes as one, uncut.

    Raises
    ------
    InputError
        If there is nothing to read at all.
    """
    from smie_pipe.preprocessing.layouts.read import read_recordings

    for reading in read_recordings(source, config, whole=whole):
        for finding in reading.findings:
            if finding.severity == "damaged":
                yield finding.detail
        for clip in reading.clips:
            if isinstance(clip.bodies, RawBodies):
                yield Recorded(clip.name, raw=clip.bodies)
            else:
                yield Recorded(clip.name, finished=np.asarray(clip.bodies, np.float32))


def from_array(joints: np.ndarray, name: str = "array", fps: float = FPS) -> Recorded:
    """Return an array of joints as a recording.

    Parameters
    ----------
    joints
        (T, 25, 3) or (T, M, 25, 3) metres, the Kinect v2's joints and axes; NaN, or all zeros,
        where a body is absent from a frame.

    Raises
    ------
    InputError
        If the shape is another, the values are not numbers, or ``fps`` is not above 0.
    """
    found = np.asarray(joints)
    if found.dtype.kind not in "fiu" or found.ndim not in (3, 4) or found.shape[-2:] != (25, 3):
        raise InputError(
            f"{name}: expected joints (T, 25, 3) or (T, M, 25, 3) in metres, found shape "
            f"{found.shape} of {found.dtype}; files of other trackers are read by path"
        )
    if not fps > 0:
        raise InputError(f"{name}: expected a frame rate above 0, found {fps}")
    bodies = found.reshape(len(found), -1, len(JOINTS), 3).astype(np.float64).swapaxes(0, 1)
    absent = (bodies == 0).all((2, 3)) | ~np.isfinite(bodies).all((2, 3))
    bodies[absent] = np.nan
    return Recorded(name, bodies=bodies[:2], fps=fps)


def clips_of(
    found: Recorded, config: PreprocessConfig, *, per_body: bool = False
) -> list[ClipToName]:
    """Return a recording as clips: one, or one a person.

    Raises
    ------
    InputError
        If fewer than five frames hold a body.
    """
    if found.finished is not None:
        return _of_finished(found, per_body)
    bodies, notes = _chosen(found, config)
    parts: list[tuple[int | None, np.ndarray]]
    if per_body and len(bodies) > 1:
        parts = [(k, bodies[k : k + 1]) for k in range(len(bodies))]
    else:
        parts = [(None, bodies)]
    return [
        ClipToName(found.name, prepare(part, config.frames, config.turn), body, notes)
        for body, part in parts
        if np.isfinite(part[..., 0]).all(2).any()
    ]


def _of_finished(found: Recorded, per_body: bool) -> list[ClipToName]:
    x = found.finished
    assert x is not None
    there = [m for m in range(x.shape[-1]) if x[..., m].any()]
    if not per_body or len(there) < 2:
        return [ClipToName(found.name, x)]
    clips = []
    for m in there:
        alone = np.zeros_like(x)
        alone[..., 0] = x[..., m]
        clips.append(ClipToName(found.name, alone, m))
    return clips


def _chosen(found: Recorded, config: PreprocessConfig) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the persons of a recording (M, T, V, 3) and what was done to get them."""
    if found.raw is not None:
        chosen = choose_bodies(found.raw, config)
        bodies, notes = chosen.bodies, chosen.treatment
    else:
        assert found.bodies is not None
        bodies, notes = found.bodies, ()
    there = int(np.isfinite(bodies[..., 0]).all(2).any(0).sum()) if len(bodies) else 0
    if there < min(config.min_frames, FEWEST_FRAMES):
        raise InputError(
            f"{found.name}: {there} of {found.frames} frames hold a body, at least "
            f"{min(config.min_frames, FEWEST_FRAMES)} are needed"
        )
    return bodies, notes


def window_clips(found: Recorded, config: PreprocessConfig, over: Windows) -> np.ndarray:
    """Return a clip for each window of a recording, (W, 3, 50, 25, 2); zeros without a body.

    Persons are chosen once for the whole recording where every frame holds one, which is most
    of the work saved; else for each window.
    """
    bodies, _ = _chosen(found, config)
    whole = bodies.shape[1] == found.frames
    clips = np.zeros((len(over), 3, config.frames, len(JOINTS), 2), np.float32)
    for k, (first, last) in enumerate(zip(over.first, over.last, strict=True)):
        if whole:
            part = bodies[:, first:last]
        else:
            assert found.raw is not None
            part = choose_bodies(cut(found.raw, int(first), int(last)), config).bodies
        part = part[[bool(np.isfinite(body[..., 0]).all(1).any()) for body in part]]
        if len(part):
            clips[k] = prepare(part, config.frames, config.turn)
    return clips


def joints_of(found: Recorded, config: PreprocessConfig) -> np.ndarray:
    """Return where the joints were in every frame, (T, M, V, 3), NaN without a body."""
    bodies, _ = _chosen(found, config)
    if bodies.shape[1] == found.frames:
        return bodies.swapaxes(0, 1)
    raw = found.raw
    assert raw is not None
    joints = np.full((raw.frames, 1, len(JOINTS), 3), np.nan)
    joints[raw.frame, 0] = raw.xyz
    return joints


def named(found: Recorded, name: str) -> Recorded:
    """Return the same recording under another name."""
    return replace(found, name=name)
