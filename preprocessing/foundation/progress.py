"""The one progress bar of the project: unit, rate, and a log line where there is no terminal."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
LOG_EVERY_S = 30.0
SLOWEST = 0.5
"""Rates below are told as the seconds for one: a rate of 0.0 says nothing."""


def progress(
    items: Iterable[Item], *, total: int | None = None, what: str = "", unit: str = "it"
) -> Iterator[Item]:
    """Yield ``items`` under a bar on stderr; without a terminal log a line every 30 s.

    The bar is silent when this module's logger is off for INFO (option ``-q``). It shows only
    after half a second, so short loops leave no trace.
    """
    if not logger.isEnabledFor(logging.INFO):
        for item in items:  # noqa: UP028 - `yield from` would close a file left half read
            yield item
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=what, unit=unit, delay=0.5, leave=False)
    else:
        yield from _logged(items, total, what, unit)


def _logged(items: Iterable[Item], total: int | None, what: str, unit: str) -> Iterator[Item]:
    start = last = time.monotonic()
    done = 0
    for item in items:
        now = time.monotonic()
        if now - last >= LOG_EVERY_S:
            last = now
            _log(what, done, total, unit, now - start)
        yield item
        done += 1
    if last > start:  # a loop that was logged at all also ends with a line
        _log(what, done, total, unit, time.monotonic() - start)


def _log(what: str, done: int, total: int | None, unit: str, seconds: float) -> None:
    of = f"/{total}" if total else ""
    rate = done / seconds
    if rate >= SLOWEST:
        logger.info("%s: %d%s %s, %.1f %s/s", what, done, of, unit, rate, unit)
    elif done:
        logger.info("%s: %d%s %s, %.0f s each", what, done, of, unit, seconds / done)
    else:
        logger.info("%s: %d%s %s after %.0f s", what, done, of, unit, seconds)
