"""Files that appear under their name only when they are whole, and say if they no longer are.

An HDF5 file of ours ends with a *seal*, 80 bytes that HDF5 does not look at: the digest of all
before them. Who opens the file checks it, so that a flipped bit anywhere, which HDF5 would mostly
not notice, is found. HDF5 viewers and plain h5py read such a file as any other; who changes it
with them breaks the seal off, and it counts as a file of other make.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.processes import is_alive

if TYPE_CHECKING:
    import h5py

SEAL = b"\nsmie-pipe seal, BLAKE2b-128 of all before: ".ljust(48)
SEAL_BYTES = len(SEAL) + 32
_DAMAGE = (KeyError, ValueError, RuntimeError, TypeError, AttributeError, LookupError, MemoryError)
"""What h5py raises on files that are HDF5 but damaged, or not of the form expected."""
DAY_S = 86400.0


@contextmanager
def replace_when_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and rename it to ``path`` on success.

    The folder is made if missing. On any exception, Ctrl-C included, the temporary file is
    removed and a file already at ``path`` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{_writer()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> list[Path]:
    """Remove the temporary files below ``folder`` whose process is dead, and return them.

    A process of another host is taken for dead once its file has not changed for a day.
    """
    removed = []
    for path in folder.rglob(".*.tmp"):
        if _is_left(path):
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed


def _writer() -> str:
    return f"{_host()}-{os.getpid()}"


def _host() -> str:
    return socket.gethostname().replace(".", "_")


def _is_left(path: Path) -> bool:
    writer = re.search(r"\.(?:(?P<host>[^.]+)-)?(?P<pid>\d+)\.tmp$", path.name)
    if writer is None or not path.is_file():
        return False
    if writer["host"] in (None, _host()) and not is_alive(int(writer["pid"])):
        return True
    return time.time() - path.stat().st_mtime > DAY_S


@contextmanager
def new_file(path: Path) -> Iterator[h5py.File]:
    """Give a new HDF5 file to write; it takes its place when the block ends without an error.

    Raises
    ------
    OSError
        At the end of the block, if the system refused a write; nothing is left behind then.
    """
    import h5py

    with replace_when_whole(Path(path)) as temporary:
        with _Disk(temporary) as disk:
            with h5py.File(disk, "w") as file:
                yield file
            if disk.error is not None:
                raise disk.error
        with open(temporary, "ab") as sealed:
            sealed.write(_seal(temporary, os.path.getsize(temporary)))


def open_hdf5(path: Path, expected: str) -> h5py.File:
    """Open an HDF5 file for reading, and check it against the digest that it holds.

    Parameters
    ----------
    path
        The file. It is read once as a whole, at a gigabyte a second, and not again by this
        process while it is unchanged. A file of other make, or of ours from before there were
        digests, is opened as it is.
    expected
        What it should be, for messages: "a features file as `extract` writes it".

    Raises
    ------
    InputError
        If it is missing, no HDF5 file, or changed since it was written.
    """
    import h5py

    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; expected {expected}")
    with damage_said(path, expected):
        stat = os.stat(path)
        if not _is_as_written(Path(path), stat.st_ino, stat.st_size, stat.st_mtime_ns):
            raise InputError(
                f"{path}: expected {expected}, found one that was changed or damaged since it was "
                f"written (its content is not what its digest says); make or copy it again"
            )
        return h5py.File(path, "r")


@contextmanager
def damage_said(path: Path, expected: str) -> Iterator[None]:
    """Turn what HDF5 and h5py raise on a damaged or foreign file into one clear message.

    Raises
    ------
    InputError
        Instead of any other error of reading inside the ``with``.
    """
    try:
        yield
    except InputError:
        raise
    except (OSError, *_DAMAGE) as error:
        if isinstance(error, PermissionError):
            raise
        raise InputError(
            f"{path}: expected {expected}, found another HDF5 file or no readable HDF5 ({error})"
        ) from error


def _seal(path: Path, size: int) -> bytes:
    """Return what the first ``size`` bytes of a file are sealed with."""
    state = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while size > 0 and (data := file.read(min(size, 1 << 22))):
            state.update(data)
            size -= len(data)
    return SEAL + state.hexdigest().encode()


@functools.lru_cache(maxsize=256)
def _is_as_written(path: Path, *state: int) -> bool:
    """Tell whether a file is what its seal says; ``state`` lets a changed one be read anew."""
    before = max(os.path.getsize(path) - SEAL_BYTES, 0)
    with open(path, "rb") as file:
        file.seek(before)
        found = file.read()
    return not found.startswith(SEAL) or found == _seal(path, before)


class _Disk:
    """A file for HDF5 that keeps a refused write to itself.

    HDF5 cannot close a file that it fails to write: it stays half open in the library, and the
    program crashes when it ends or opens the next one. So HDF5 is told that all went well, and
    the error is raised when it is done.
    """

    def __init__(self, path: Path):
        self._file = open(path, "wb+", buffering=0)  # noqa: SIM115 - closed on leaving
        self.error: OSError | None = None

    def __enter__(self) -> _Disk:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def write(self, data: memoryview) -> int:
        """Write all of it, unless a write was refused before."""
        left = memoryview(data)
        try:
            while len(left) and self.error is None:
                left = left[self._file.write(left) :]
        except OSError as error:
            self.error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Set the length."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def read(self, size: int = -1) -> bytes:
        """Read back; h5py knows a file by this method, and uses `readinto`."""
        return self._file.read(size) or b""

    def readinto(self, data: memoryview) -> int:
        """Read back, zeros where the file ends."""
        count = self._file.readinto(data) or 0
        data[count:] = bytes(len(data) - count)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place in the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in the file."""
        return self._file.tell()

    def flush(self) -> None:
        """Do nothing: writes are not buffered here."""
