"""Bodies that come while they move: lines of a growing file or a pipe, frame by frame.

Two forms, told apart by the first line: JSON lines (see ``preprocessing.trackers.readers.lines``)
and PKU-MMD text, 150 numbers a line. A thread reads and stamps when bytes arrived, so that a
delay is measured from there, however busy the rest is.
"""

from __future__ import annotations

import os
import queue
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from smie_pipe.preprocessing.body import BODIES, JOINTS
from smie_pipe.preprocessing.foundation.errors import InputError, SkeletonFormatError
from smie_pipe.preprocessing.raw.pku import read_pku_reference
from smie_pipe.preprocessing.raw.records import RawBodies
from smie_pipe.preprocessing.trackers.joints.recording import (
    Collected,
    TrackedRecording,
    TrackerFormatError,
)
from smie_pipe.preprocessing.trackers.read import TrackerOptions, TrackerReading, as_kinect
from smie_pipe.preprocessing.trackers.readers.lines import LineFormat, read_frame, read_header

POLL_S = 0.01
CHUNK = 1 << 16
WAITING = 1000
LONGEST_LINE = 1 << 20
"""Bytes without a line end after which it is no such stream; a frame has a few thousand."""


@dataclass(frozen=True)
class Arrived:
    """One line, without its end, and when its last byte was read (``time.perf_counter``)."""

    line: bytes
    at: float
    whole: bool = True
    """Whether its line end came; only the last line of a stream may lack it."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a stream: its time, and its bodies as they came."""

    seconds: float
    at: float
    bodies: tuple[tuple[int, np.ndarray], ...]
    """(id, joints (J, 3)) each; of PKU-MMD text 25 joints in metres, else the tracker's own."""


class Form(Protocol):
    """How the lines of a stream become frames, and frames the bodies of a Kinect v2."""

    def take(self, arrived: Arrived, number: int) -> Frame:
        """Return the frame of a line; InputError names the line."""

    def raw(self, frames: Sequence[Frame]) -> tuple[RawBodies, tuple[str, ...]]:
        """Return frames as one recording, and what is to be said of it."""


def arrivals(source: int, name: str, idle_s: float | None = None) -> Iterator[Arrived]:
    """Yield the lines of a file descriptor as they come; a regular file is taken as growing.

    Parameters
    ----------
    source
        An open descriptor; closing it is the caller's.
    idle_s
        End where a regular file has not grown for so long; None: never.

    Raises
    ------
    InputError
        If a regular file becomes shorter, or a line has no end.
    """
    waiting: queue.Queue[tuple[bytes, float] | InputError | None] = queue.Queue(WAITING)
    stop = threading.Event()
    thread = threading.Thread(
        target=_read, args=(source, name, idle_s, waiting, stop), daemon=True
    )
    thread.start()
    rest = b""
    at = time.perf_counter()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, InputError):
                raise item
            chunk, at = item
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (Arrived(line, at) for line in lines)
            if len(rest) > LONGEST_LINE:
                raise InputError(
                    f"{name}: {len(rest):,} bytes without a line end, so it is no stream of frames"
                )
    finally:
        stop.set()
    if rest.strip():
        yield Arrived(rest, at, whole=False)


def _read(
    source: int, name: str, idle_s: float | None, waiting: queue.Queue, stop: threading.Event
) -> None:
    """Put what comes into the queue, at its end None; runs in a thread."""
    try:
        grows = stat.S_ISREG(os.fstat(source).st_mode)
        last, position = time.perf_counter(), 0
        while not stop.is_set():
            chunk = os.read(source, CHUNK)
            now = time.perf_counter()
            if chunk:
                last, position = now, position + len(chunk)
                _put(waiting, (chunk, now), stop)
            elif not grows or (idle_s is not None and now - last > idle_s):
                break
            elif os.fstat(source).st_size < position:
                said = f"{name}: became shorter while it was followed; follow it anew"
                _put(waiting, InputError(said), stop)
                return
            else:
                stop.wait(POLL_S)
    except OSError as error:
        _put(waiting, InputError(f"{name}: {error.strerror or error}"), stop)
        return
    _put(waiting, None, stop)


def _put(waiting: queue.Queue, item: object, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            return waiting.put(item, timeout=0.1)
        except queue.Full:
            continue


def form_of(first: bytes, name: str, fps: float) -> tuple[Form, bool]:
    """Return the form of a stream by its first line, and whether that line is used up by it.

    Raises
    ------
    InputError
        If the first line is JSON and tells no joints that are known.
    """
    line = first.removeprefix(b"\xef\xbb\xbf").strip()
    if line.startswith((b"{", b"[")):
        return JsonForm(name, read_header(line, name)), True
    return PkuForm(name, fps), False


class PkuForm:
    """Lines of 150 numbers, two bodies of 25 joints in metres, evenly spaced in time."""

    def __init__(self, name: str, fps: float):
        self.name, self.fps = name, fps
        self._frames = 0

    def take(self, arrived: Arrived, number: int) -> Frame:
        """Return the frame of a line; InputError names the line."""
        seconds = self._frames / self.fps
        self._frames += 1  # of a broken line too: time goes on
        if not arrived.whole:
            raise InputError(f"{self.name}: line {number}: is cut short, and left out")
        try:
            raw = read_pku_reference(arrived.line, self.name)
        except SkeletonFormatError as error:
            expected = error.expected.removesuffix(" of frame 1")
            raise SkeletonFormatError(self.name, number, expected, error.found) from None
        bodies = zip(raw.body_id.tolist(), raw.xyz, strict=True)
        return Frame(seconds, arrived.at, tuple(bodies))

    def raw(self, frames: Sequence[Frame]) -> tuple[RawBodies, tuple[str, ...]]:
        """Return frames as one recording, and what is to be said of it: nothing."""
        found = _collected(frames, len(JOINTS))
        frame, body_id, xyz = found.columns()
        state = np.full(xyz.shape[:2], 2, np.uint8)
        tracked = np.full(len(xyz), 2, np.uint8)
        return RawBodies(self.name, len(frames), frame, body_id, xyz, state, tracked), ()


class JsonForm:
    """JSON lines of any tracker's joints, with times; rebuilt as a Kinect v2's.

    Axes and unit that the first line does not tell are guessed from the first window, and stay.
    """

    def __init__(self, name: str, shape: LineFormat):
        self.name, self.shape = name, shape
        self._options: TrackerOptions | None = None
        self._last = -np.inf

    def take(self, arrived: Arrived, number: int) -> Frame:
        """Return the frame of a line; InputError names the line."""
        if not arrived.whole and not arrived.line.rstrip().endswith(b"}"):
            raise InputError(f"{self.name}: line {number}: is cut short, and left out")
        where = f"line {number}"
        seconds, bodies = read_frame(arrived.line, self.shape, self.name, where)
        if seconds <= self._last:
            expected = f"'t' after that of the frame before, {self._last:g}"
            raise TrackerFormatError(self.name, where, expected, f"{seconds:g}")
        self._last = seconds
        return Frame(seconds, arrived.at, tuple(bodies))

    def raw(self, frames: Sequence[Frame]) -> tuple[RawBodies, tuple[str, ...]]:
        """Return frames as one recording, and what is to be said of it the first time."""
        reading = as_kinect(self._recording(frames), self._options or TrackerOptions())
        if self._options is not None or not len(reading.raw.frame):
            return reading.raw, ()
        if len(frames) > 1:
            self._options = TrackerOptions(axes=reading.axes, unit=reading.unit)
            return reading.raw, _said(reading)
        return reading.raw, ()

    def _recording(self, frames: Sequence[Frame]) -> TrackedRecording:
        frame, body_id, xyz = _collected(frames, len(self.shape.skeleton.joints)).columns()
        return TrackedRecording(
            path=self.name,
            source="jsonl",
            skeleton=self.shape.skeleton,
            frames=len(frames),
            seconds=np.array([one.seconds for one in frames], np.float64),
            frame=frame,
            body_id=body_id,
            xyz=xyz,
            unit=self.shape.unit,
            axes=self.shape.axes,
        )


def _said(reading: TrackerReading) -> tuple[str, ...]:
    return (*reading.notes, *reading.faults)


def _collected(frames: Sequence[Frame], joints: int) -> Collected:
    found = Collected(joints)
    for k, frame in enumerate(frames):
        for body_id, xyz in frame.bodies:
            found.add(k, body_id, xyz)
    return found


def shown_bodies(form: Form, frame: Frame) -> np.ndarray:
    """Return the bodies of one frame as they are drawn, (2, 25, 3) metres, NaN if absent."""
    raw, _ = form.raw([replace(frame, seconds=0.0)])
    shown = np.full((BODIES, len(JOINTS), 3), np.nan)
    order = np.argsort(raw.body_id, kind="stable")[:BODIES]
    first = isinstance(form, PkuForm)  # there the id is the place
    for place, k in enumerate(order):
        shown[int(raw.body_id[k]) if first else place] = raw.xyz[k]
    return shown
