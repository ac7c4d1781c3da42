"""What made a file: versions, digests, machine; written into the run folder's ``run.json``."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PACKAGES = (
    "smie-pipe",
    "torch",
    "numpy",
    "scipy",
    "h5py",
    "numba",
    "sentence-transformers",
    "click",
    "scikit-learn",
    "safetensors",
)


def versions() -> dict[str, str]:
    """Return the version of Python and of each package of the pipeline that is installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str | None:
    """Return the source's git commit, with ``+`` if changed since; None outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        head = _git(here, "rev-parse", "HEAD")
        return head + ("+" if _git(here, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def digest_file(path: Path) -> str:
    """Return the BLAKE2b digest (16 bytes, hex) of a file's content."""
    state = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            state.update(block)
    return state.hexdigest()


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
