"""A trained model as one folder that can be copied anywhere: what it holds, written and read.

``config.json`` says everything in plain values and holds a digest of each other file and of
itself; ``backbone.safetensors`` (where the features need one), ``features.safetensors`` (how they
are made), ``method.safetensors``, ``labels.safetensors`` (text vectors of known labels) and
``README.md``, the model card. Nothing in the folder can run code.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from smie_pipe.preprocessing.foundation.digests import digest_file, digest_json
from smie_pipe.preprocessing.foundation.errors import InputError

FORMAT = "smie-pipe model"
VERSION = 1
CONFIG, CARD = "config.json", "README.md"
BACKBONE, FEATURES = "backbone.safetensors", "features.safetensors"
METHOD, LABELS = "method.safetensors", "labels.safetensors"
NEEDED = ("recipe", "features", "method", "texts", "classes", "calibration", "figures", "data")


@dataclass(frozen=True, eq=False)
class ModelFolder:
    """An opened model: its folder and what ``config.json`` says, all digests checked.

    ``config`` has the keys of ``NEEDED``; see docs/models.md for each.
    """

    path: Path
    config: Mapping[str, Any]

    @property
    def backbone(self) -> Path | None:
        """The backbone's file, where the features need one."""
        return self.path / BACKBONE if BACKBONE in self.config["files"] else None

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of one of its files; none where the model has no such file."""
        return load_file(self.path / name) if name in self.config["files"] else {}


def write_model(
    out: Path,
    config: Mapping[str, Any],
    arrays: Mapping[str, Mapping[str, np.ndarray]],
    copies: Mapping[str, Path],
    card: str,
    *,
    overwrite: bool = False,
) -> ModelFolder:
    """Write a model folder; it appears when it is whole.

    Parameters
    ----------
    arrays, copies
        Files to write and files to copy, by name.

    Raises
    ------
    InputError
        If ``out`` is there and ``overwrite`` is not given, or is no model folder.
    """
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists; give --overwrite to replace it, or another name")
    if out.exists() and not (out / CONFIG).is_file():
        raise InputError(f"{out}: is no model folder, so it is not replaced; give another name")
    with _new_folder(out) as temporary:
        for name, content in arrays.items():
            save_file({k: np.ascontiguousarray(a) for k, a in content.items()}, temporary / name)
        for name, source in copies.items():
            shutil.copyfile(source, temporary / name)
        (temporary / CARD).write_text(card, encoding="utf-8")
        files = {p.name: digest_file(p) for p in sorted(temporary.iterdir()) if p.name != CARD}
        whole = {"format": FORMAT, "version": VERSION, **config, "files": files}
        whole["digest"] = digest_json(whole)
        text = json.dumps(whole, indent=1, ensure_ascii=False)
        (temporary / CONFIG).write_text(text + "\n", encoding="utf-8")
    return read_model(out)


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the place of ``out`` when the block ends well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    aside = out.with_name(f".{out.name}.{os.getpid()}.old")
    try:
        temporary.mkdir()
        yield temporary
        if out.exists():  # a folder cannot be renamed onto one that is not empty
            out.rename(aside)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def read_model(path: Path) -> ModelFolder:
    """Open a model folder and check all of it.

    Raises
    ------
    InputError
        If it is no model folder, of a newer version, or if a file is missing, changed or damaged.
    """
    path = Path(path)
    config = _config(path)
    if config.get("format") != FORMAT:
        raise InputError(
            f"{path / CONFIG}: expected a model that export-model writes, found other"
        )
    version = config.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise InputError(
            f"{path}: a model of version {version}, this program reads up to {VERSION}; update "
            "smie-pipe"
        )
    said = config.pop("digest", None)
    if said != digest_json(config) or any(key not in config for key in (*NEEDED, "files")):
        raise InputError(f"{path / CONFIG}: was changed since export-model wrote it; export again")
    for name, digest in config["files"].items():
        file = path / name
        if Path(name).name != name or not file.is_file():
            raise InputError(f"{path}: {name} is missing; copy the whole folder again")
        if digest_file(file) != digest:
            raise InputError(f"{file}: damaged or changed since export-model wrote it; copy again")
    return ModelFolder(path, config)


def _config(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        what = "a file" if path.exists() else "nothing"
        raise InputError(f"{path}: expected a model folder of export-model, found {what}")
    try:
        content = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path}: holds no {CONFIG}, so it is no model folder; make one with "
            "`smie-pipe export-model RUN/SPLIT/METHOD/seed-0 OUT`"
        ) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path / CONFIG}: expected JSON, found {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path / CONFIG}: expected a JSON object")
    return content
