"""Checkpoints: all that is needed to go on as if nothing had happened, and nothing else.

Plain numbers, text and tensors only, so that they load under ``weights_only=True``.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from backbones.distributed import Group
from preprocessing.atomic import replace_when_whole
from preprocessing.errors import InputError

FORMAT = "smie-pipe checkpoint 1"


def checkpoint_path(output: Path) -> Path:
    """Return where the checkpoint of the training that makes ``output`` lies."""
    return output.with_name("pretrain_checkpoint.pt")


def save_checkpoint(path: Path, identity: dict[str, Any], content: dict[str, Any]) -> None:
    """Write a checkpoint in the place of the one before, which stays until this one is whole."""
    buffer = io.BytesIO()  # torch's own writer would not say that a disk is full
    torch.save({"format": FORMAT, "identity": identity, **content}, buffer)
    with replace_when_whole(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path, identity: dict[str, Any], group: Group) -> dict[str, Any] | None:
    """Return what was saved, to every process of the group; None if there is no checkpoint.

    Only the main process reads the file, so that machines need not share a file system.

    Raises
    ------
    InputError
        If the file is no checkpoint, or one of another training; the message names each
        option that differs.
    """
    if group.is_main:
        _remove_remains(path)
    content = path.read_bytes() if group.is_main and path.is_file() else None
    content = group.from_main(content)
    if content is None:
        return None
    saved = _parse(content, path)
    differing = _differences(saved.pop("identity"), identity)
    if differing:
        raise InputError(
            f"{path} is the checkpoint of another configuration: {'; '.join(differing)}. Give "
            "the options it was begun with to go on from it, or --overwrite to begin anew"
        )
    return saved


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint and what an interrupted writer may have left of one."""
    path.unlink(missing_ok=True)
    _remove_remains(path)


def _remove_remains(path: Path) -> None:
    for remains in path.parent.glob(f".{path.name}.*.tmp"):
        remains.unlink(missing_ok=True)


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    saved: Any = None
    if zipfile.is_zipfile(io.BytesIO(content)):  # torch.load fails in many ways on other files
        with suppress(pickle.UnpicklingError, RuntimeError):
            saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise InputError(
            f"{path}: expected a checkpoint of this version, found something else; give "
            "--overwrite to begin anew"
        )
    return saved


def _differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"{name} was {_short(then.get(name))}, is {_short(now.get(name))}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
