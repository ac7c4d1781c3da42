"""Checkpoints: all that is needed to go on as if nothing had happened, and nothing else.

A safetensors file: the tensors by number, the tree they hang in as JSON beside them, and digests
of both, so that a damaged one is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor

from smie_pipe.backbones.hardware.distributed import Group
from smie_pipe.backbones.tensor_files import Damaged, pack, unpack
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole

FORMAT = "smie-pipe checkpoint 3"


def checkpoint_path(output: Path) -> Path:
    """Return where the checkpoint of the training that makes ``output`` lies."""
    return output.with_name("pretrain_checkpoint.safetensors")


def save_checkpoint(path: Path, identity: dict[str, Any], content: dict[str, Any]) -> None:
    """Write a checkpoint in the place of the one before, which stays until this one is whole."""
    tensors: dict[str, Tensor] = {}
    tree = _taken_apart({"identity": identity, **content}, tensors)
    with replace_when_whole(path) as temporary:
        temporary.write_bytes(pack(tensors, FORMAT, tree))


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
    try:
        tensors, tree = unpack(content, FORMAT)
        saved = _put_together(tree, tensors)
        saved["identity"]
    except Damaged as fault:
        raise InputError(f"{path} is damaged: {fault}; give --overwrite to begin anew") from fault
    except (SafetensorError, ValueError, LookupError, TypeError) as fault:
        raise InputError(
            f"{path}: expected a checkpoint of this version, found something else; give "
            "--overwrite to begin anew"
        ) from fault
    return dict(saved)


def _taken_apart(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """Return the tree as JSON has it, its tensors by their names in ``tensors``."""
    if isinstance(tree, Tensor):
        name = str(len(tensors))
        tensors[name] = tree.detach().cpu().contiguous().clone()  # none may share memory
        return {"tensor": name}
    if isinstance(tree, dict):  # of any keys: JSON knows text only
        return {"items": [[key, _taken_apart(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, (list, tuple)):
        return {type(tree).__name__: [_taken_apart(value, tensors) for value in tree]}
    return tree


def _put_together(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """Undo ``_taken_apart``."""
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "items":
        return {key: _put_together(value, tensors) for key, value in content}
    return {"list": list, "tuple": tuple}[kind](_put_together(value, tensors) for value in content)


def _differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"{name} was {_short(then.get(name))}, is {_short(now.get(name))}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
