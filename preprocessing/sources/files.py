"""Raw files wherever they lie: in folders, or in zip archives read in place."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError

INSIDE = "!/"
"""Between an archive's path and a member's in names that are shown."""
MAX_BYTES = 512 * 2**20
"""A larger file is no recording: the longest of PKU-MMD has 15 MB. It would not be read."""
BOMB_BYTES, BOMB_RATIO = 32 * 2**20, 200
"""A larger member that is packed better is no recording: texts of numbers pack 3 to 20 times."""
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1


class DamagedArchive(InputError):
    """A member of a zip archive cannot be taken out whole."""


@dataclass(frozen=True, slots=True)
class RawFile:
    """One file in a folder, or one member of an archive; small, so that 100,000 are no burden.

    Attributes
    ----------
    folder
        Folder or archive it was found under, as given.
    inner
        Path from there, with slashes.
    size
        Bytes, unpacked.
    stamp
        For a file its time of change, for a member its checksum: tells an altered file.
    offset, packed, method
        For a member where its header starts, its packed size, and how it is packed; offset is
        -1 for a plain file.
    """

    folder: str
    inner: str
    size: int
    stamp: int
    offset: int = -1
    packed: int = 0
    method: int = 0

    @classmethod
    def at(cls, path: Path) -> RawFile:
        """Return the plain file at a path."""
        return _plain(str(path.parent), path.name, path.stat())

    @property
    def path(self) -> str:
        """The whole name, for messages."""
        return f"{self.folder}{INSIDE if self.offset >= 0 else '/'}{self.inner}"

    @property
    def name(self) -> str:
        """The file name with its ending."""
        return self.inner.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The file name without its ending."""
        return self.name.rpartition(".")[0]

    @property
    def parents(self) -> tuple[str, ...]:
        """Names of the folders it lies in, nearest first, the searched folder's own last."""
        inside = self.inner.split("/")[:-1]
        return (*reversed(inside), os.path.basename(self.folder))

    def read(self, most: int = MAX_BYTES) -> bytes:
        """Return all its bytes.

        Raises
        ------
        OSError
            If the system refuses.
        InputError
            If it has more than ``most`` bytes, or is not whole in its archive.
        """
        if self.size > most:
            raise InputError(
                f"{self.path}: expected a file of at most {most >> 20} MB, found "
                f"{self.size >> 20} MB; cut it into shorter ones"
            )
        if self.offset >= 0:
            return _member(self)
        with open(os.path.join(self.folder, self.inner), "rb", buffering=0) as file:
            return file.read()

    def head(self, size: int) -> bytes:
        """Return its first bytes, by which a format may be known; unchecked where packed.

        Raises
        ------
        OSError, InputError
            As `read`.
        """
        if self.offset >= 0:
            return _member_head(self, size)
        with open(os.path.join(self.folder, self.inner), "rb", buffering=0) as file:
            return file.read(size)


def walk(source: Path) -> Iterator[RawFile | Finding]:
    """Yield all files under a folder, links followed, and all members of its archives.

    Hidden files and those that macOS adds are passed over. For what cannot be listed a finding
    is yielded. ``source`` may itself be an archive or a single file.
    """
    if source.is_file():
        if source.suffix.lower() == ".zip":
            yield from _members(source)
        else:
            yield _plain(str(source.parent), source.name, source.stat())
        return
    seen: set[tuple[int, int]] = set()
    yield from _walk_folder(str(source), "", seen)


def only_files(source: Path) -> tuple[list[RawFile], list[Finding]]:
    """Return what `walk` yields, files and findings apart."""
    files: list[RawFile] = []
    findings: list[Finding] = []
    for one in walk(source):
        if isinstance(one, Finding):
            findings.append(one)
        else:
            files.append(one)
    return files, findings


def _walk_folder(root: str, inner: str, seen: set[tuple[int, int]]) -> Iterator[RawFile | Finding]:
    here = os.path.join(root, inner)
    try:
        status = os.stat(here)
        if (status.st_dev, status.st_ino) in seen:
            return  # a link back up
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(here) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield _unreadable(here, error)
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            continue
        path = f"{inner}/{entry.name}" if inner else entry.name
        try:
            if entry.is_dir() and not entry.name.endswith(".skeleton"):  # that one gets an error
                yield from _walk_folder(root, path, seen)
            elif entry.name.lower().endswith(".zip"):
                yield from _members(Path(entry.path))
            else:
                yield _plain(root, path, entry.stat())
        except OSError as error:
            yield _unreadable(entry.path, error)


def _plain(folder: str, inner: str, status: os.stat_result) -> RawFile:
    return RawFile(folder, inner, status.st_size, status.st_mtime_ns)


def _unreadable(path: str, error: OSError) -> Finding:
    name = os.path.splitext(os.path.basename(path))[0]
    detail = f"{path}: cannot be read: {error.strerror or error}"
    return Finding(name, path, 0, f"cannot be read: {error.strerror or 'error'}", detail)


def _members(archive: Path) -> list[RawFile | Finding]:
    """Return the files in an archive; an archive that cannot be listed becomes a finding."""
    try:
        with zipfile.ZipFile(archive) as file:
            infos = file.infolist()
    except (zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError) as error:
        detail = (
            f"{archive}: expected a whole zip archive, found a damaged one or one cut short "
            f"({error}); download or copy it again"
        )
        return [Finding(archive.stem, str(archive), 0, "damaged archive", detail)]
    except OSError as error:
        return [_unreadable(str(archive), error)]
    members = [
        RawFile(
            folder=str(archive),
            inner=info.filename,
            size=info.file_size,
            stamp=info.CRC,
            offset=info.header_offset,
            packed=info.compress_size,
            method=-1 if info.flag_bits & _ENCRYPTED else info.compress_type,
        )
        for info in infos
        if not info.is_dir() and not _hidden(info.filename)
    ]
    inside = [_archive_inside(file) for file in members if file.name.lower().endswith(".zip")]
    return [*members, *inside]


def _archive_inside(file: RawFile) -> Finding:
    reason = "archive inside an archive"
    detail = f"{file.path}: {reason}, which is not read; unpack the outer one"
    return Finding(file.stem, file.path, 0, reason, detail, "excluded")


def _hidden(inner: str) -> bool:
    """Return whether a member is one that systems add; names such as ``../x`` are not.

    Where a name leads does not matter: no member is ever written to a disk.
    """
    parts = [part for part in inner.split("/") if part not in (".", "..")]
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _member(raw: RawFile) -> bytes:
    """Take a member out of its archive without reading the archive's directory again.

    A directory of 57,000 members takes a second to read and 60 MB to hold, in every worker.
    """
    packed = _packed(raw, raw.packed)
    if len(packed) < raw.packed:
        raise _damaged(raw, f"{raw.packed} packed bytes", f"{len(packed)}")
    data = packed if raw.method == zipfile.ZIP_STORED else _inflated(raw, packed, raw.size + 1)
    if len(data) != raw.size or zlib.crc32(data) != raw.stamp:
        raise _damaged(raw, "the bytes that were packed", "others (wrong length or checksum)")
    return data


def _member_head(raw: RawFile, size: int) -> bytes:
    """Return the first bytes of a member."""
    packed = _packed(raw, min(raw.packed, size + 1024))  # deflating adds a few bytes at most
    return packed[:size] if raw.method == zipfile.ZIP_STORED else _inflated(raw, packed, size)


def _packed(raw: RawFile, size: int) -> bytes:
    """Return the first ``size`` bytes of a member as they are packed."""
    if raw.size > BOMB_BYTES and raw.size > BOMB_RATIO * raw.packed:
        raise InputError(
            f"{raw.path}: expected a recording, found {raw.size >> 20} MB packed into "
            f"{raw.packed >> 10} kB: no recording packs so well, and it is not unpacked"
        )
    if raw.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        found = "an encrypted one" if raw.method == -1 else f"method {raw.method}"
        raise InputError(
            f"{raw.path}: expected a stored or deflated member, found {found}; unpack the archive"
        )
    with open(raw.folder, "rb", buffering=0) as file:
        file.seek(raw.offset)
        header = file.read(30)
        if len(header) < 30 or not header.startswith(b"PK\x03\x04"):
            raise _damaged(raw, f"a member's header at byte {raw.offset}", "none")
        _, name, extra = _LOCAL_HEADER.unpack(header)
        file.seek(name + extra, os.SEEK_CUR)
        return file.read(size)


def _inflated(raw: RawFile, packed: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, most)
    except zlib.error as error:
        raise _damaged(raw, "deflated bytes", f"others ({error})") from None


def _damaged(raw: RawFile, expected: str, found: str) -> DamagedArchive:
    return DamagedArchive(f"{raw.path}: expected {expected}, found {found}")


def without_duplicates(files: Iterable[RawFile]) -> tuple[list[RawFile], list[Finding]]:
    """Return one file for each name, in order of name, and findings for the others."""
    kept: dict[str, RawFile] = {}
    findings = []
    for file in sorted(files, key=lambda file: (file.stem, file.path)):
        first = kept.setdefault(file.stem, file)
        if first is not file:
            same = first.size == file.size
            reason = "duplicate recording" + ("" if same else " of another size")
            detail = f"{file.path}: the same name as {first.path}, which is used"
            severity = "excluded" if same else "damaged"
            findings.append(Finding(file.stem, file.path, 0, reason, detail, severity))
    return list(kept.values()), findings
