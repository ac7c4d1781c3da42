"""Digests of files, listings and values, by which outputs say what made them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def digest_file(path: Path) -> str:
    """Return the BLAKE2b digest (16 bytes, hex) of a file's content."""
    state = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            state.update(block)
    return state.hexdigest()


def is_digest_of(digest: str, path: Path) -> bool:
    """Tell whether ``digest`` is that of a file; SHA-256, as files of before state it, too."""
    if len(digest) == 64:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest() == digest
    return digest_file(path) == digest


def digest_listing(paths: Iterable[Path], root: Path) -> str:
    """Return a digest of names, sizes and times of files: a fingerprint of a raw data set.

    Raw data are tens of gigabytes; reading them all to see that nothing changed would cost as
    much as the stage itself.
    """
    state = hashlib.blake2b(digest_size=16)
    for path in sorted(paths):
        stat = path.stat()
        state.update(f"{path.relative_to(root)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return state.hexdigest()


def digest_json(value: Any) -> str:
    """Return a digest of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
