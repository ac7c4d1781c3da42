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

    ``clips`` and ``places`` hold the raw float32 clips in order and where their bodies were,
    ``journal`` one line a batch: its checksum, and as JSON the number of recordings it covers, its
    rows, its findings and the checksum of its clips and places. All only grow. A line is written
    after its clips; what is not covered by a whole line with right checksums is cut off and done
    again.

    Parameters
    ----------
    output
        The file that is being made.
    key
        Digest of everything that decides the result; work done under another key is dropped.
    shape, place
        Shapes of one clip, and of where its bodies were.

    Raises
    ------
    InputError
        On entering, if another process works on the same output.
    """

    def __init__(self, output: Path, key: str, shape: tuple[int, ...], place: tuple[int, ...]):
        self.folder = output.with_name(output.name + ".partial")
        self.key, self.shape, self.place = key, shape, place
        self.recordings = 0
        self.rows: list[dict[str, Any]] = []
        self.findings: list[Finding] = []
        self._clip_bytes, self._place_bytes = (int(np.prod(s)) * 4 for s in (shape, place))

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
        for file in (self._clips, self._places, self._journal, self._lock):
            with contextlib.suppress(OSError):
                file.close()
        if self.recordings == 0:
            self.discard()

    def append(self, batch: ClipBatch) -> None:
        """Add a finished batch; when this returns, a killed program does not lose it."""
        data = np.ascontiguousarray(batch.x, "<f4").tobytes()
        where = np.ascontiguousarray(batch.place, "<f4").tobytes()
        for file, content in ((self._clips, data), (self._places, where)):
            file.write(content)
            file.flush()
        line = {
            "recordings": batch.recordings,
            "checksum": zlib.crc32(where, zlib.crc32(data)),
            "rows": batch.rows,
            "findings": [astuple(finding) for finding in batch.findings],
        }
        text = json.dumps(line).encode()
        self._journal.write(b"%08x %s\n" % (zlib.crc32(text), text))
        self._journal.flush()
        self._take(line)

    def clips(self) -> Iterator[np.ndarray]:
        """Yield all clips in order, some hundreds at a time, (n, *shape) float32."""
        yield from _arrays(self.folder / "clips", self._clip_bytes, self.shape)

    def places(self) -> Iterator[np.ndarray]:
        """Yield where the bodies of all clips were, in order, (n, *place) float32."""
        yield from _arrays(self.folder / "places", self._place_bytes, self.place)

    def discard(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _go_on(self) -> None:
        """Open the files behind the last whole batch."""
        key = self.folder / "key"
        if not key.is_file() or key.read_bytes() != self.key.encode():
            if key.is_file():
                logger.info("%s: of other files or options, done anew", self.folder)
            (self.folder / "journal").unlink(missing_ok=True)
            key.write_text(self.key)
        self._clips = open(self.folder / "clips", "ab+")  # noqa: SIM115 - closed on leaving
        self._places = open(self.folder / "places", "ab+")  # noqa: SIM115
        self._journal = open(self.folder / "journal", "ab+")  # noqa: SIM115
        for file in (self._clips, self._places, self._journal):
            file.seek(0)
        whole = 0
        for text in progress(self._journal, what="check the work done", unit="batch"):
            if not self._take_whole(text):
                break
            whole += len(text)
        self._journal.truncate(whole)
        self._clips.truncate(len(self.rows) * self._clip_bytes)
        self._places.truncate(len(self.rows) * self._place_bytes)

    def _take_whole(self, text: bytes) -> bool:
        checksum, _, content = text.removesuffix(b"\n").partition(b" ")
        if not text.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(content):
            return False
        line = json.loads(content)
        data = self._clips.read(len(line["rows"]) * self._clip_bytes)
        where = self._places.read(len(line["rows"]) * self._place_bytes)
        if zlib.crc32(where, zlib.crc32(data)) != line["checksum"]:
            return False
        self._take(line)
        return True

    def _take(self, line: dict[str, Any]) -> None:
        self.recordings += line["recordings"]
        self.rows += line["rows"]
        self.findings += [Finding(*values) for values in line["findings"]]


def _arrays(path: Path, size: int, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    with open(path, "rb") as file:
        while data := file.read(READ_CLIPS * size):
            yield np.frombuffer(data, "<f4").reshape(-1, *shape)


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
