"""``predict --follow``: a stream named while it comes, on the terminal and on a page."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from smie_pipe.preprocessing.foundation.errors import InputError

if TYPE_CHECKING:
    from smie_pipe.preprocessing.trackers.streams import Form, Frame
    from smie_pipe.report.live import LiveView
    from smie_pipe.zeroshot.recognition.follow import Follower, Moment, Summary
    from smie_pipe.zeroshot.recognition.prediction import Prediction
    from smie_pipe.zeroshot.recognition.recognizer import Recognizer

STDIN = "-"


def follow_stream(
    model: Recognizer,
    source: str,
    labels: Sequence[str],
    texts: Mapping[str, Sequence[str]],
    fps: float,
    idle_s: float | None,
    serve: bool,
    as_json: bool,
) -> bool:
    """Print the label of each stride of a stream, at its end a summary; return if lines failed.

    Parameters
    ----------
    source
        A file that grows, a named pipe, or ``-``.
    serve
        Show frames and ranking in a live view too.

    Raises
    ------
    InputError
        If it cannot be opened, or is no stream of frames.
    """
    from smie_pipe.zeroshot.recognition.follow import Follower

    page = _Page() if serve else None
    follower = Follower(
        model,
        labels,
        texts,
        fps=fps,
        on_broken=lambda message: click.echo(message, err=True),
        on_frame=page.frame if page else None,
    )
    name = "standard input" if source == STDIN else source
    try:
        with _opened(source) as descriptor, page.shown(follower) if page else _nothing():
            for moment in follower.follow(descriptor, name, idle_s):
                click.echo(json.dumps(moment.as_dict()) if as_json else _line(moment))
                if page:
                    page.ranking(moment.prediction)
    except KeyboardInterrupt:
        click.echo(err=True)  # what the terminal shows of Ctrl-C stands alone
    summary = follower.summary
    click.echo(_as_json(summary) if as_json else str(summary))
    return summary.broken > 0


@contextlib.contextmanager
def _opened(source: str) -> Iterator[int]:
    """Open a source for reading; the standard input stays open."""
    if source == STDIN:
        yield sys.stdin.fileno()
        return
    if os.path.isdir(source):
        raise InputError(f"{source}: is a folder; --follow takes one file, or - for a pipe")
    try:
        descriptor = os.open(source, os.O_RDONLY)
    except FileNotFoundError:
        raise InputError(
            f"{source}: no such file; make it, empty, before what writes it starts"
        ) from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _nothing() -> Iterator[None]:
    yield


class _Page:
    """The live view of a followed stream."""

    def __init__(self) -> None:
        self._view: LiveView | None = None

    @contextlib.contextmanager
    def shown(self, follower: Follower) -> Iterator[None]:
        """Serve while the stream is followed; labels typed into the page go to the follower."""
        from smie_pipe.report.live import LiveView

        def on_labels(labels: list[str]) -> None:
            again = follower.set_labels(labels)
            if again is not None:
                self.ranking(again)

        fps = min(follower.fps, 60.0)
        with LiveView(follower.labels, on_labels, title="Live", fps=fps) as self._view:
            click.echo(f"open {self._view.url}", err=True)
            yield

    def frame(self, form: Form, frame: Frame) -> None:
        """Show the bodies of a frame."""
        from smie_pipe.preprocessing.trackers.streams import shown_bodies

        if self._view is not None:
            self._view.frame(shown_bodies(form, frame))

    def ranking(self, prediction: Prediction) -> None:
        """Show the ranked labels of a window."""
        if self._view is not None:
            self._view.ranking([(one.label, one.share) for one in prediction.ranking])


def _line(moment: Moment) -> str:
    found = moment.prediction
    margin = "" if found.margin is None else f"  margin {found.margin:5.2f}"
    none = "  none of these?" if found.none_of_these else ""
    what = f"{found.label}{margin}{none}" if found.label else "nobody"
    return f"{moment.end_s:9.2f} s  {what}  ({1000 * moment.delay_s:.0f} ms behind)"


def _as_json(summary: Summary) -> str:
    delays = [round(delay, 4) for delay in summary.delays_s]
    return json.dumps(
        {
            "frames": summary.frames,
            "broken": summary.broken,
            "labels": dict(summary.labels),
            "most_delay_s": max(delays, default=None),
        }
    )
