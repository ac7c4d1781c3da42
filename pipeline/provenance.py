"""What made a file: versions, digests, machine; written into the run folder's ``run.json``."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

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
