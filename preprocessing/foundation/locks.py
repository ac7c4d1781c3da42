"""Locks between processes: who makes a file, who reads it, and who comes too late.

The system lets go of a lock when its process ends, however it ends, so no lock outlives a kill.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.processes import is_alive

try:
    import fcntl
except ImportError:  # Windows has another call, which knows no shared locks
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)
LONGEST_LIST = 1 << 16  # bytes; readers add a line each


class Busy(InputError):
    """Another process holds what is wanted; the message says which, where and since when."""


class Lock:
    """A lock file: one process may hold it alone, or several may share it.

    Parameters
    ----------
    path
        The lock file; it stays, and holds who took it.
    about
        What it stands for, in words for the message: a file's path.
    """

    def __init__(self, path: Path, about: str):
        self.path, self.about = path, about
        self._file: IO[bytes] | None = None

    def take(self, *, shared: bool = False, wait_s: float = 0.0) -> None:
        """Take the lock; one that others hold is waited for ``wait_s`` at most.

        Where the folder cannot be written nobody else can write there either: a shared lock is
        then taken as given.

        Raises
        ------
        Busy
            If others hold it still.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = open(self.path, "ab+")  # noqa: SIM115 - closed by give_back
        except PermissionError:
            if shared:
                return
            raise
        except OSError as error:
            if shared and error.errno == errno.EROFS:
                return
            raise
        until = time.monotonic() + wait_s
        while not _locked(file, shared):
            if time.monotonic() >= until:
                message = self._who(shared)
                file.close()
                raise Busy(message)
            time.sleep(0.05)
        self._sign(file, shared)
        self._file = file

    def give_back(self) -> None:
        """Let others have it."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _sign(self, file: IO[bytes], shared: bool) -> None:
        """Write into the file who holds it; a full disk must not stop the work."""
        with contextlib.suppress(OSError):
            if not shared or os.fstat(file.fileno()).st_size > LONGEST_LIST:
                file.truncate(0)
            file.write(json.dumps({**whoami(), "shared": shared}).encode() + b"\n")
            file.flush()

    def _who(self, shared: bool) -> str:
        holders = [holder for holder in _read(self.path) if _may_live(holder)]
        does = "in use by" if not shared else "being made by"
        if not holders:
            return f"{self.about} is {does} another process; wait for it, or end it"
        last = holders[-1]
        return (
            f"{self.about} is {does} process {last['pid']} on {last['host']} since "
            f"{last['since']} ({last['command']}); wait for it, or end it"
        )


@contextmanager
def held(path: Path, about: str, *, shared: bool = False, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file ``path`` while the body of the ``with`` runs; see `Lock`."""
    lock = Lock(path, about)
    lock.take(shared=shared, wait_s=wait_s)
    try:
        yield
    finally:
        lock.give_back()


def whoami() -> dict[str, Any]:
    """Return this process's number, host and command line, and the time."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": " ".join([program, *sys.argv[1:]]),
        "since": datetime.now().isoformat(sep=" ", timespec="seconds"),
    }


def _locked(file: IO[bytes], shared: bool) -> bool:
    """Try to lock an open file; a file system without locks counts as locked, with a warning."""
    if fcntl is None:
        return _locked_on_windows(file, shared)
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN):
            return False
        logger.warning(
            "%s: this file system has no locks (%s); let one process at a time work here",
            Path(file.name).parent,
            error.strerror,
        )
    return True


def _locked_on_windows(file: IO[bytes], shared: bool) -> bool:
    import msvcrt

    if shared:
        return True
    try:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        return False
    return True


def _read(path: Path) -> list[dict[str, Any]]:
    with contextlib.suppress(OSError, ValueError, UnicodeDecodeError):
        lines = path.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]
    return []


def _may_live(holder: dict[str, Any]) -> bool:
    here = holder.get("host") == socket.gethostname()
    return {"pid", "host", "since", "command"} <= set(holder) and (
        not here or is_alive(holder["pid"])
    )
