"""The live view: a page on this computer that follows a sensor, and labels typed into it.

A server of the standard library on the loopback address, at a random port. Who knows the address
with its token may read and set labels; other pages in the same browser may not: the ``Host`` and
``Origin`` of a request must be the server's own, so that neither a foreign page nor a name that
was pointed at 127.0.0.1 gets through. Frames and rankings go to the page as server-sent events.
"""

from __future__ import annotations

import hmac
import json
import logging
import math
import queue
import secrets
import threading
from collections import deque
from collections.abc import Callable, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.report.motion import SENSOR_FPS, body_plan
from smie_pipe.report.page import render_page

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
MOST_BODY_BYTES = 64 * 1024
MOST_LABELS = 500
MOST_LABEL_LENGTH = 500
WAITING = 120
"""Events that a slow page may lag behind; older ones are dropped, the ranking comes again."""
KEPT_FRAMES = 150
"""Frames that a page opened later begins with: 5 s."""
HEARTBEAT_S = 10.0
STYLES = ("page.css", "report.css", "live.css")
SCRIPTS = ("player.js", "live.js")
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
OnLabels = Callable[[list[str]], None]


class LiveView:
    """A running server; use it in a ``with`` statement, or ``close`` it.

    Methods may be called from any thread.

    Parameters
    ----------
    labels
        What the page begins with.
    on_labels
        Called, in a thread of the server, with the labels that a user has typed. An `InputError`
        it raises is shown on the page and changes nothing.
    title
        Of the page.
    fps
        At which frames come.
    """

    def __init__(
        self,
        labels: Sequence[str],
        on_labels: OnLabels,
        *,
        title: str = "Live",
        fps: float = SENSOR_FPS,
    ):
        self.labels = list(labels)
        self.title, self.fps = title, fps
        self._on_labels = on_labels
        self._lock = threading.Lock()
        self._pages: list[queue.Queue[str | None]] = []
        self._frames: deque[str] = deque(maxlen=KEPT_FRAMES)
        self._ranking: str | None = None
        self.token = secrets.token_urlsafe(24)
        self._server = _Server((HOST, 0), _Handler)
        self._server.view = self
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that the system chose."""
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        """The address to open, token included."""
        return f"http://{HOST}:{self.port}/{self.token}/"

    def __enter__(self) -> LiveView:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the events of every open page and stop serving."""
        with self._lock:
            for page in self._pages:
                _put(page, None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def frame(self, bodies: np.ndarray) -> None:
        """Show a frame (M, 25, 3) in metres; NaN where a joint or body is absent."""
        listed = [None if np.isnan(body).all() else _joints(body) for body in bodies]
        event = _event("frame", listed)
        with self._lock:
            self._frames.append(event)
            self._send(event)

    def ranking(self, ranked: Sequence[tuple[str, float]]) -> None:
        """Show labels with their shares (0 to 1), best first."""
        event = _event("ranking", [[label, round(float(share), 4)] for label, share in ranked])
        with self._lock:
            self._ranking = event
            self._send(event)

    def set_labels(self, labels: list[str]) -> None:
        """Take labels from a page and tell all pages.

        Raises
        ------
        InputError
            If they are none, too many, too long, twice the same, or ``on_labels`` refuses them.
        """
        chosen = checked_labels(labels)
        self._on_labels(chosen)
        with self._lock:
            self.labels = chosen
            self._send(_event("labels", chosen))

    def _send(self, event: str) -> None:
        for page in self._pages:
            _put(page, event)

    def _join(self) -> queue.Queue[str | None]:
        page: queue.Queue[str | None] = queue.Queue(WAITING + KEPT_FRAMES)
        with self._lock:
            first = [_event("labels", self.labels), *self._frames]
            for event in [*first, *([self._ranking] if self._ranking else [])]:
                _put(page, event)
            self._pages.append(page)
        return page

    def _leave(self, page: queue.Queue[str | None]) -> None:
        with self._lock:
            self._pages.remove(page)


def checked_labels(labels: Any) -> list[str]:
    """Return labels as a page may set them, without blanks around.

    Raises
    ------
    InputError
        If they are no list of texts, none, too many, too long, or twice the same.
    """
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise InputError("expected a list of labels")
    chosen = [" ".join(label.split()) for label in labels if label.strip()]
    if not chosen:
        raise InputError("no label is left; give at least one")
    if len(chosen) > MOST_LABELS:
        raise InputError(f"{len(chosen)} labels; expected at most {MOST_LABELS}")
    long = next((label for label in chosen if len(label) > MOST_LABEL_LENGTH), None)
    if long is not None:
        raise InputError(f"{long[:30]!r}... is longer than {MOST_LABEL_LENGTH} characters")
    twice = next((label for label in chosen if chosen.count(label) > 1), None)
    if twice is not None:
        raise InputError(f"{twice!r} stands there twice")
    return chosen


def _joints(body: np.ndarray) -> list[list[float] | None]:
    return [
        [round(float(v), 4) for v in joint] if all(map(math.isfinite, joint)) else None
        for joint in body
    ]


def _event(name: str, value: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(value, allow_nan=False)}\n\n"


def _put(page: queue.Queue[str | None], event: str | None) -> None:
    """Add an event; a page that is too slow loses its oldest one."""
    while True:
        try:
            page.put_nowait(event)
            return
        except queue.Full:
            try:
                page.get_nowait()
            except queue.Empty:
                continue


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    view: LiveView


class _Handler(BaseHTTPRequestHandler):
    """Answers ``/TOKEN/``, ``/TOKEN/events`` and a POST to ``/TOKEN/labels``, nothing else."""

    server: _Server
    server_version = "smie-pipe"
    sys_version = ""
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        """Log without the path, which holds the token."""
        logger.debug("live view: %s", self.command)

    def do_GET(self) -> None:
        """Send the page or its events."""
        what = self._allowed()
        if what == "":
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", page_of(self.server.view))
        elif what == "events":
            self._events()
        elif what is not None:
            self._refuse(HTTPStatus.NOT_FOUND, "no such page")

    def do_POST(self) -> None:
        """Take labels: JSON from the page itself."""
        what = self._allowed()
        if what is None:
            return
        if what != "labels":
            self._refuse(HTTPStatus.NOT_FOUND, "no such page")
        elif self.headers.get("Origin") is None:
            self._refuse(HTTPStatus.FORBIDDEN, "labels come from the page alone")
        elif self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "expected application/json")
        else:
            self._take_labels()

    def _allowed(self) -> str | None:
        """Return what is asked for below the token; None, after a refusal, if not allowed."""
        own = [f"{name}:{self.server.view.port}" for name in (HOST, "localhost")]
        origin = self.headers.get("Origin")
        site = self.headers.get("Sec-Fetch-Site", "none")
        if self.headers.get("Host") not in own:
            self._refuse(HTTPStatus.FORBIDDEN, "another host")
        elif origin is not None and origin not in [f"http://{host}" for host in own]:
            self._refuse(HTTPStatus.FORBIDDEN, "another origin")
        elif site not in ("same-origin", "none"):
            self._refuse(HTTPStatus.FORBIDDEN, "another site")
        else:
            _, given, *rest = [*self.path.partition("?")[0].split("/", 2), ""]
            expected = self.server.view.token.encode()
            if len(rest) > 1 and hmac.compare_digest(given.encode(), expected):
                return rest[0]
            self._refuse(HTTPStatus.FORBIDDEN, "wrong token; open the address that was printed")
        return None

    def _take_labels(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BODY_BYTES:
            self.close_connection = True
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MOST_BODY_BYTES} bytes")
            return
        try:
            self.server.view.set_labels(json.loads(self.rfile.read(int(length))))
        except InputError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except (ValueError, RecursionError):
            self._refuse(HTTPStatus.BAD_REQUEST, "expected JSON")
        else:
            self._answer(HTTPStatus.OK, "text/plain; charset=utf-8", "taken")

    def _events(self) -> None:
        page = self.server.view._join()
        try:
            self._head(HTTPStatus.OK, "text/event-stream; charset=utf-8")
            while (event := self._next(page)) is not None:
                self.wfile.write(event.encode())
        except OSError:
            logger.debug("live view: a page was closed")
        finally:
            self.server.view._leave(page)

    def _next(self, page: queue.Queue[str | None]) -> str | None:
        try:
            return page.get(timeout=HEARTBEAT_S)
        except queue.Empty:
            return ": still here\n\n"  # a page that was closed shows by the failing write

    def _head(self, status: HTTPStatus, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in HEADERS.items():
            self.send_header(name, value)

        self.end_headers()

    def _answer(self, status: HTTPStatus, kind: str, text: str) -> None:
        try:
            self._head(status, kind)
            self.wfile.write(text.encode())
        except OSError:
            logger.debug("live view: a page was closed")

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", why)


def page_of(view: LiveView) -> str:
    """Return the page of a live view."""
    return render_page(
        "live.html.j2",
        styles=STYLES,
        scripts=SCRIPTS,
        connect=True,
        title=view.title,
        data={"plan": body_plan(), "fps": view.fps, "labels": view.labels},
    )
