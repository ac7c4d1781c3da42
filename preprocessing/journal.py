"""Work done so far, kept beside the output, so that an interrupted run goes on from there."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import IO, Any

import numpy as np

from smie_pipe.preprocessing.clips.from_raw import ClipBatch
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.progress import progress

logger = logging.getLogger(__name__)
READ_CLIPS = 256


class PartialWork:
    """The folder ``OUTPUT.partial``: finished clips one after another, and a journal of batches.

    ``clips`` holds the raw float32 clips in order, ``journal`` one JSON line a batch with the
    number of recordings it covers, its rows, its findings and the checksum of its clips. Both
    only grow. A line is written after its clips; after an interruption whatever is not covered
    by a whole line with a right checksum is cut off.

    Parameters
    ----------
    output
        The file that is being made.
    key
        Digest of everything that decides the result; work done under another key is dropped.
    shape
        Of one clip.

    Raises
    ------
    InputError
        On entering, if another process works on the same output.
    """

    def __init__(self, output: Path, key: str, shape: tuple[int, ...]):
        self.folder = output.with_name(output.name + ".partial")
        self.key, self.shape = key, shape
        self.recordings = 0
        self.rows: list[dict[str, Any]] = []
        self.findings: list[Finding] = []
        self._clip_bytes = int(np.prod(shape)) * 4

    def __enter__(self) -> PartialWork:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.folder / "lock", self.folder)
        try:
            self._go_on()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        # A full disk can make closing fail as well; the first error is the one to tell.
        for file in (self._clips, self._journal, self._lock):
            with contextlib.suppress(OSError):
                file.close()
        if self.recordings == 0:
            self.discard()

    def append(self, batch: ClipBatch) -> None:
        """Add a finished batch; when this returns, a killed program does not lose it."""
        data = np.ascontiguousarray(batch.x, "<f4").tobytes()
        self._clips.write(data)
        self._clips.flush()
        line = {
            "recordings": batch.recordings,
            "checksum": zlib.crc32(data),
            "rows": batch.rows,
            "findings": [astuple(finding) for finding in batch.findings],
        }
        self._journal.write(json.dumps(line).encode() + b"\n")
        self._journal.flush()
        self._take(line)

    def clips(self) -> Iterator[np.ndarray]:
        """Yield all clips in order, some hundreds at a time, (n, *shape) float32."""
        with open(self.folder / "clips", "rb") as file:
            while data := file.read(READ_CLIPS * self._clip_bytes):
                yield np.frombuffer(data, "<f4").reshape(-1, *self.shape)

    def discard(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _go_on(self) -> None:
        """Open both files behind the last whole batch."""
        key = self.folder / "key"
        if not key.is_file() or key.read_text() != self.key:
            if key.is_file():
                logger.info("%s: of other files or options, done anew", self.folder)
            (self.folder / "journal").unlink(missing_ok=True)
            key.write_text(self.key)
        self._clips = open(self.folder / "clips", "ab+")  # noqa: SIM115 - closed on leaving
        self._journal = open(self.folder / "journal", "ab+")  # noqa: SIM115
        self._clips.seek(0)
        self._journal.seek(0)
        whole = 0
        for text in progress(self._journal, what="check the work done", unit="batch"):
            if not self._take_whole(text):
                break
            whole += len(text)
        self._journal.truncate(whole)
        self._clips.truncate(len(self.rows) * self._clip_bytes)

    def _take_whole(self, text: bytes) -> bool:
        try:
            line = json.loads(text)
        except ValueError:
            return False
        data = self._clips.read(len(line["rows"]) * self._clip_bytes)
        if not text.endswith(b"\n") or zlib.crc32(data) != line["checksum"]:
            return False
        self._take(line)
        return True

    def _take(self, line: dict[str, Any]) -> None:
        self.recordings += line["recordings"]
        self.rows += line["rows"]
        self.findings += [Finding(*values) for values in line["findings"]]


def _locked(path: Path, folder: Path) -> IO[bytes]:
    """Open and lock a file; the system unlocks it when this process ends, however it ends."""
    file = open(path, "wb")  # noqa: SIM115 - closed by its owner
    try:
        import fcntl
    except ImportError:  # Windows: two runs at once on one output are not found out there
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise InputError(
            f"{folder}: another preprocess is at work on the same output; wait for it, or end it"
        ) from None
    return file


def remove_leftovers(output: Path) -> None:
    """Remove what a killed run left of the output beside it; call it under the lock."""
    for leftover in output.parent.glob(f".{output.name}.*.tmp"):
        with contextlib.suppress(OSError):
            os.unlink(leftover)
