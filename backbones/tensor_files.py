"""Safetensors files that notice damage: a text beside the tensors, and digests of both.

The format itself checks names, shapes and lengths, not content: a flipped bit in a weight would
load without a word.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save
from torch import Tensor

DIGESTS = "digests"


class Damaged(ValueError):
    """A file's content is not what was written."""


def pack(tensors: Mapping[str, Tensor], key: str, facts: Any) -> bytes:
    """Return a safetensors file of ``tensors`` with ``facts`` (plain values for JSON) beside them.

    ``key``: under which the facts stand in the file's metadata; it names the format.
    """
    text = json.dumps(facts)
    digests = json.dumps({"text": _digest(text), "tensors": digest_tensors(tensors)})
    return save(dict(tensors), metadata={key: text, DIGESTS: digests})


def unpack(content: bytes, key: str) -> tuple[dict[str, Tensor], Any]:
    """Return the tensors and facts of a file that `pack` made; files without digests are taken.

    Raises
    ------
    Damaged
        If they are not those that were written.
    ValueError, LookupError, SafetensorError
        If it is no such file.
    """
    size = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    tensors = load(content)
    facts = _checked(metadata, key)
    written = json.loads(metadata.get(DIGESTS, "{}")).get("tensors")
    if written not in (None, digest_tensors(tensors)):
        raise Damaged("its tensors are not those that were written")
    return tensors, facts


def read_facts(path: Path, key: str) -> Any:
    """Return a file's facts without reading its tensors, None if it has none under ``key``."""
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except UnicodeDecodeError as fault:  # damaged names
        raise SafetensorError(str(fault)) from fault
    return _checked(metadata, key) if key in metadata else None


def _checked(metadata: Mapping[str, str], key: str) -> Any:
    text = metadata[key]
    written = json.loads(metadata.get(DIGESTS, "{}")).get("text")
    if written not in (None, _digest(text)):
        raise Damaged("what it says of itself is not what was written")
    return json.loads(text)


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return a digest (BLAKE2b, 16 bytes, hex) of names, types, shapes and values."""
    state = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        state.update(f"{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode())
        state.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
