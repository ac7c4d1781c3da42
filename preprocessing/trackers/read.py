"""From the file of any body tracker to the body records of a Kinect v2.

The steps, each in a module of its own: a reader gives the file's own joints; axes and unit are
chosen or guessed; time is brought to 30 frames a second; the one rebuild rule makes 25 joints;
the self-check says what looks wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.preprocessing.raw.records import RawBodies
from smie_pipe.preprocessing.trackers import selfcheck
from smie_pipe.preprocessing.trackers.clock import FPS, Resampled, resampled, times
from smie_pipe.preprocessing.trackers.joints.names import read_markers
from smie_pipe.preprocessing.trackers.joints.orientation import (
    axes_matrix,
    axes_text,
    check_unit,
    choose_axes,
    choose_scale,
    levelled,
)
from smie_pipe.preprocessing.trackers.joints.rebuild import (
    CORE,
    INFERRED,
    MADE_UP,
    MEASURED,
    rebuild,
)
from smie_pipe.preprocessing.trackers.joints.recording import TrackedRecording
from smie_pipe.preprocessing.trackers.joints.skeletons import Skeleton
from smie_pipe.preprocessing.trackers.readers.json_text import load_json
from smie_pipe.preprocessing.trackers.readers.sources import (
    LIKELY,
    NAMED,
    SOURCES,
    recognise_bytes,
)

MIRROR = np.diag([-1.0, 1.0, 1.0])
TRACKED = 2


@dataclass(frozen=True)
class TrackerOptions:
    """What a user says of tracker files that the files do not say. None: as the file has it."""

    source: str | None = None
    """Who wrote the file, one of `kinds.TITLES`; by default its content tells."""
    fps: float | None = None
    """Frames a second; for files without time stamps, or in place of wrong ones."""
    axes: str | None = None
    """Where x, y (up) and z come from: y-up, z-up, y-down or three signed letters: x,z,-y."""
    unit: str | None = None
    """m, cm, mm, inch, or body: scale to an average body."""
    level: bool = False
    """Turn the recording so that people who stand are upright: for a tilted camera."""
    mirror: bool = False
    """Turn left and right round: for a left-handed frame."""
    markers: Path | None = None
    """Table joint,markers for files of markers on the skin: a joint is the mean of its markers."""

    assumed_fps: float | None = None
    """Frames a second of a file that tells none, where a look at it is all that is wanted."""

    def __post_init__(self) -> None:
        """Check every choice."""
        if self.source is not None and self.source not in SOURCES:
            raise unknown_choice("tracker", self.source, SOURCES)
        if self.fps is not None and not 0 < self.fps <= 1000:
            raise InputError(f"fps must be above 0 and at most 1000, got {self.fps:g}")
        if self.axes is not None:
            axes_matrix(self.axes)
        if self.unit is not None:
            check_unit(self.unit)


@dataclass(frozen=True)
class TrackerReading:
    """A tracker's file as a Kinect v2 would have recorded it."""

    raw: RawBodies
    """Bodies of 25 joints, 30 frames a second; states 2 measured, 1 inferred, 0 made up."""
    source: str
    """Who wrote the file."""
    skeleton: str
    """Which joints it had."""
    axes: str
    """The axes it was read with."""
    unit: str
    """The unit it was read with."""
    made_up: tuple[str, ...]
    """Joints of the 25 that are made up in every record."""
    notes: tuple[str, ...] = ()
    """What was assumed or left out, a sentence each."""
    faults: tuple[str, ...] = ()
    """What the self-check finds wrong, with the option that mends it."""

    def __str__(self) -> str:
        heading = (
            f"{self.raw.path}: {self.source} ({self.skeleton}), {self.raw.frames} frames at "
            f"{FPS:g} a second, {len(np.unique(self.raw.body_id))} bodies; axes {self.axes}, "
            f"unit {self.unit}; {states(self.raw)}"
        )
        return "\n".join([heading, *(f"  note: {n}" for n in self.notes), *self._faults()])

    def _faults(self) -> list[str]:
        return [f"  CHECK: {fault}" for fault in self.faults]


def recognise(path: Path | str) -> str | None:
    """Return which tracker wrote a file, or None where it is no known one's.

    Examples
    --------
    >>> recognise("missing.bvh") is None
    True
    """
    path = Path(path)
    if not path.is_file():
        return None
    return recognise_bytes(path.name, path.read_bytes())


def read_tracker(
    path: Path | str,
    source: str | None = None,
    fps: float | None = None,
    axes: str | None = None,
    unit: str | None = None,
    level: bool = False,
    mirror: bool = False,
    markers: Path | None = None,
) -> TrackerReading:
    """Return the bodies in the file of any body tracker, as a Kinect v2 would have seen them.

    Parameters
    ----------
    path
        A file of one of `kinds.TITLES`.
    source, fps, axes, unit, level, mirror, markers
        See `TrackerOptions`.

    Returns
    -------
    TrackerReading
        Metres, y up; what was assumed and what looks wrong beside it.

    Raises
    ------
    InputError
        If the file is of no known tracker, is damaged, has flat (2D) joints only, or does not
        tell its frame rate and no ``fps`` is given.
    OSError
        If it cannot be read.
    """
    options = TrackerOptions(source, fps, axes, unit, level, mirror, markers)
    return read_tracker_bytes(Path(path).read_bytes(), str(path), options)


def read_tracker_bytes(data: bytes, path: str, options: TrackerOptions) -> TrackerReading:
    """Return the same as `read_tracker` from a file's content; ``path`` is for messages."""
    source = options.source or recognise_bytes(path, data)
    source = source or LIKELY.get(Path(path).suffix.lower())
    if source is None and path.lower().endswith(".json"):
        load_json(data, path)  # one that is cut short is told so
    if source is None:
        raise InputError(
            f"{path}: of no body tracker that is known ({', '.join(SOURCES)}); name its kind "
            f"with --tracker, or write it as JSON lines (see docs/trackers.md)"
        )
    if options.markers is None:
        return as_kinect(SOURCES[source](data, path), options)
    if source not in NAMED:
        raise InputError(
            f"{path}: {source} files have joints, not markers; leave out --markers, which is for "
            f"{', '.join(NAMED)}"
        )
    markers = read_markers(options.markers.read_bytes(), str(options.markers))
    return as_kinect(SOURCES[source](data, path, markers), options)


def as_kinect(recording: TrackedRecording, options: TrackerOptions) -> TrackerReading:
    """Return a recording of any tracker as bodies of 25 joints at 30 frames a second."""
    axes = options.axes or choose_axes(recording)
    scale, unit, assumed = choose_scale(recording, options.unit)
    turn = (MIRROR if options.mirror else np.eye(3)) @ axes_matrix(axes)
    with np.errstate(over="ignore", invalid="ignore"):
        xyz = recording.xyz @ (scale * turn).T
    if options.level:
        xyz = levelled(xyz, recording.skeleton)
    fps, guessed = options.fps, []
    if fps is None and recording.seconds is None and recording.fps is None:
        fps = options.assumed_fps
        guessed = [f"the file tells no time; {fps:g} frames a second assumed"] if fps else []
    seconds = times(recording, fps)
    even = resampled(recording, xyz, seconds)
    raw, lost = _rebuilt(recording, even)
    return TrackerReading(
        raw=raw,
        source=recording.source,
        skeleton=recording.skeleton.name,
        axes=axes,
        unit=unit,
        made_up=_always_made_up(raw),
        notes=(*recording.notes, *guessed, *assumed, *even.notes, *lost),
        faults=tuple(
            selfcheck.self_check(xyz, recording.skeleton, axes_text(turn), unit, seconds)
        ),
    )


def _rebuilt(recording: TrackedRecording, even: Resampled) -> tuple[RawBodies, list[str]]:
    """Rebuild each record; a bridged joint is inferred at best."""
    xyz, state = rebuild(even.xyz, recording.skeleton)
    state = np.minimum(state, _bridged(recording.skeleton, even.seen))
    whole = ~np.isnan(xyz[:, CORE, 0]).any(axis=1)
    raw = RawBodies(
        path=recording.path,
        frames=even.frames,
        frame=even.frame[whole],
        body_id=even.body_id[whole],
        xyz=xyz[whole],
        state=state[whole],
        body_state=np.full(np.count_nonzero(whole), TRACKED, np.uint8),
    )
    lost = int(np.count_nonzero(~whole))
    if not lost:
        return raw, []
    return raw, [f"{lost} body records without a hip or a shoulder left out"]


def _bridged(skeleton: Skeleton, seen: np.ndarray) -> np.ndarray:
    """Return the state (B, 25) that each joint has at most: 1 where one it is made of is bridged.

    The trunk is computed, so at 1 already where it counts.
    """
    most = np.full((len(seen), len(JOINTS)), MEASURED, np.uint8)
    for place, weights in skeleton.points.items():
        bridged = ~seen[:, list(weights)].all(axis=1)
        most[bridged, JOINTS.index(place)] = INFERRED
    return most


def _always_made_up(raw: RawBodies) -> tuple[str, ...]:
    if not len(raw.state):
        return ()
    never = (raw.state == MADE_UP).all(axis=0)
    return tuple(name for name, made in zip(JOINTS, never, strict=True) if made)


def states(raw: RawBodies) -> str:
    """Return how many of the joints are measured, inferred and made up, in words."""
    if not len(raw.state):
        return "no joints"
    usual = [
        np.median((raw.state == known).sum(axis=1)) for known in (MEASURED, INFERRED, MADE_UP)
    ]
    two, one, none = (int(number) for number in usual)
    return f"of 25 joints {two} measured, {one} inferred, {none} made up"
