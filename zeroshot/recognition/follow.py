"""Live: the label of the last seconds of a stream, each stride, and how far it is behind.

>>> from smie_pipe.zeroshot.recognition.follow import Follower         # doctest: +SKIP
>>> with open("live.txt", "rb") as file:                               # doctest: +SKIP
...     for moment in Follower(model, ["bow", "kick"]).follow(file.fileno(), "live.txt"):
...         print(moment.end_s, moment.prediction.label, moment.delay_s)
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.trackers.streams import Arrived, Form, Frame, arrivals, form_of
from smie_pipe.zeroshot.recognition.prediction import Prediction
from smie_pipe.zeroshot.recognition.recognizer import Recognizer
from smie_pipe.zeroshot.recognition.recordings import FPS, ClipToName, Recorded, clips_of
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

WINDOW_S, STRIDE_S = 2.0, 0.5
MOST_BROKEN = 20
"""Broken lines at the start after which it is no such stream."""


@dataclass(frozen=True)
class Moment:
    """What the last window of a stream is named.

    Attributes
    ----------
    start_s, end_s
        Times of its first and last frame, in the stream's own seconds.
    delay_s
        From the arrival of its last frame to its label.
    prediction
        As of a recording; ``fault`` where the window holds too few frames with a body.
    """

    start_s: float
    end_s: float
    delay_s: float
    prediction: Prediction

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        own = {"start_s": self.start_s, "end_s": self.end_s, "delay_s": round(self.delay_s, 4)}
        return {**own, **self.prediction.as_dict()}


@dataclass(frozen=True)
class Summary:
    """What a stream was: frames, broken lines, delays, and how often each label was first."""

    frames: int
    broken: int
    labels: Mapping[str, int]
    delays_s: Sequence[float]

    def __str__(self) -> str:
        lines = [f"{self.frames} frames, {len(self.delays_s)} windows, {self.broken} broken lines"]
        if self.delays_s:
            middle, most = np.median(self.delays_s), max(self.delays_s)
            lines[0] += f"; delay {1000 * middle:.0f} ms (median), {1000 * most:.0f} ms at most"
        return "\n".join([*lines, *(f"  {n:>5} x {label}" for label, n in self.labels.items())])


class Follower:
    """Names a stream while it comes, by one model.

    Parameters
    ----------
    model, labels, texts
        As `Recognizer.predict_all` takes them.
    fps
        Frames a second of PKU-MMD text; JSON lines have times.
    window_s, stride_s
        Length of what is named, and how often.
    on_broken
        Called with the message of a line that is refused, and of what is guessed of the stream.
    on_frame
        Called with the form and each frame; for a live view.
    """

    def __init__(
        self,
        model: Recognizer,
        labels: Sequence[str],
        texts: Mapping[str, Sequence[str]] | None = None,
        *,
        fps: float = FPS,
        window_s: float = WINDOW_S,
        stride_s: float = STRIDE_S,
        on_broken: Callable[[str], None] = lambda message: None,
        on_frame: Callable[[Form, Frame], None] | None = None,
    ):
        for name, value in (("fps", fps), ("window_s", window_s), ("stride_s", stride_s)):
            if not 0 < value < np.inf:
                raise InputError(f"{name} must be above 0, got {value:g}")
        self.model, self.fps = model, fps
        self.window_s, self.stride_s = window_s, stride_s
        self._on_broken, self._on_frame = on_broken, on_frame
        # Labels and their texts change as one: a page may set them while a window is named.
        self._asked: tuple[list[str], ClassTexts] = (list(labels), model.texts_of(labels, texts))
        self._clip: ClipToName | None = None
        self._window: deque[Frame] = deque()
        self._frames = self._broken = 0
        self._labels: Counter[str] = Counter()
        self._delays: list[float] = []

    @property
    def labels(self) -> list[str]:
        """What is asked for now."""
        return list(self._asked[0])

    @property
    def summary(self) -> Summary:
        """What came so far."""
        by_count = dict(self._labels.most_common())
        return Summary(self._frames, self._broken, by_count, tuple(self._delays))

    def set_labels(self, labels: Sequence[str]) -> Prediction | None:
        """Ask for other labels from now on; return what the last window is named by them.

        May be called from another thread.

        Raises
        ------
        InputError
            For labels that cannot be scored; then the old ones stay.
        """
        self._asked = (list(labels), self.model.texts_of(labels))
        return None if self._clip is None else self._named(self._clip)

    def follow(self, source: int, name: str, idle_s: float | None = None) -> Iterator[Moment]:
        """Yield a moment each stride, from the first whole window on, until the stream ends.

        A stream that is shorter than a window is named as a whole.

        Parameters
        ----------
        source
            A file descriptor: a pipe, or a file that grows.
        name
            For messages.
        idle_s
            End where a file has not grown for so long; None: never.

        Raises
        ------
        InputError
            If it is no such stream.
        """
        due: float | None = None
        form: Form | None = None
        for number, arrived in enumerate(arrivals(source, name, idle_s), 1):
            if not arrived.line.strip():
                continue
            if form is None:
                form, used = form_of(arrived.line, name, self.fps)
                if used:
                    continue
            frame = self._taken(form, arrived, number, name)
            if frame is None:
                continue
            due = frame.seconds + self.window_s if due is None else due
            # The last frame of a window of 2 s at 30 a second comes 1/30 s before its end.
            if frame.seconds + self._step() < due:
                continue
            due += self.stride_s * (1 + max(0, (frame.seconds - due) // self.stride_s))
            yield self._moment(form, name)
        if form is not None and not self._delays and self._window:
            yield self._moment(form, name)

    def _taken(self, form: Form, arrived: Arrived, number: int, name: str) -> Frame | None:
        """Return the frame of a line, kept in the window; None for one that is refused."""
        try:
            frame = form.take(arrived, number)
        except InputError as error:
            self._broken += 1
            self._on_broken(str(error))
            if not self._frames and self._broken >= MOST_BROKEN:
                raise InputError(
                    f"{name}: none of the first {MOST_BROKEN} lines is a frame: expected 150 "
                    "numbers a line (PKU-MMD), or JSON lines whose first tells the format; see "
                    "docs/models.md"
                ) from None
            return None
        self._frames += 1
        self._window.append(frame)
        while frame.seconds - self._window[0].seconds > self.window_s:
            self._window.popleft()
        if self._on_frame is not None:
            self._on_frame(form, frame)
        return frame

    def _step(self) -> float:
        """Return the seconds between the last two frames, at most a stride."""
        if len(self._window) < 2:
            return 0.0
        step = self._window[-1].seconds - self._window[-2].seconds
        return min(step, self.stride_s) * 1.001  # rounding

    def _moment(self, form: Form, name: str) -> Moment:
        frames = list(self._window)
        found = self._of(form, frames, name)
        delay = time.perf_counter() - frames[-1].at
        self._delays.append(delay)
        self._labels[found.label or "nobody"] += 1
        return Moment(frames[0].seconds, frames[-1].seconds, delay, found)

    def _of(self, form: Form, frames: Sequence[Frame], name: str) -> Prediction:
        try:
            raw, said = form.raw(frames)
            for sentence in said:
                self._on_broken(f"{name}: {sentence}")
            self._clip = clips_of(Recorded(name, raw=raw), self.model.recipe)[0]
        except InputError as error:
            return Prediction(name, (), fault=str(error))
        return self._named(self._clip)

    def _named(self, clip: ClipToName) -> Prediction:
        labels, table = self._asked
        return next(self.model.named([clip], labels, table))
