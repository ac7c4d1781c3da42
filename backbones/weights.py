"""Backbones as safetensors files, and weights that were trained elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from smie_pipe.backbones.networks.base import Backbone
from smie_pipe.backbones.networks.registry import build, name_of
from smie_pipe.backbones.tensor_files import Damaged, pack, read_facts, unpack
from smie_pipe.backbones.text_head import PREFIX, TextHead, split_off
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole

logger = logging.getLogger(__name__)

METADATA_KEY = "smie-pipe"
HEADS = ("fc", "fcn", "classifier")
NESTED_UNDER = ("state_dict", "model_state_dict", "model", "net", "weights")
# Fixed by the architecture, so a file may leave them out.
DERIVED = ("A", "shift_in", "shift_out", "num_batches_tracked")
LISTED = 12


def save_backbone(
    path: Path,
    model: Backbone,
    metadata: Mapping[str, Any],
    *,
    text_head: TextHead | None = None,
) -> None:
    """Write a backbone's weights with what is needed to build it again.

    Parameters
    ----------
    path
        The safetensors file; it appears when it is whole.
    model
        One of ``registry.BACKBONES``.
    metadata
        Plain values for JSON. The names ``backbone`` and ``config`` are filled in here.
    text_head
        Kept beside the weights, see ``load_text_head``.
    """
    facts = {**metadata, "backbone": name_of(model), "config": model.config}
    tensors = _state(model)
    if text_head is not None:
        tensors |= {f"{PREFIX}{name}": value for name, value in text_head.tensors().items()}
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with replace_when_whole(path) as temporary:
        # Not by save_file: it makes files only their owner can read, and hides a full disk.
        temporary.write_bytes(pack(tensors, METADATA_KEY, facts))


def load_backbone(
    path: Path, device: torch.device | str = "cpu"
) -> tuple[Backbone, dict[str, Any]]:
    """Return the backbone in a file of ``save_backbone``, ready to evaluate, and its metadata.

    Raises
    ------
    InputError
        If the file is no safetensors file, none of ours, if its weights do not fit the
        configuration it names, or if it was damaged since it was written.
    """
    metadata = read_metadata(path)
    weights, _ = split_off(_unpack(path))
    model = build(metadata["backbone"], **metadata["config"])
    _load_checked(model, weights, path)
    return model.to(device).eval(), metadata


def load_text_head(path: Path) -> dict[str, Tensor]:
    """Return the text head in a file of ``save_backbone``, empty where it has none.

    Returns
    -------
    dict
        ``weight`` (D, width) and ``bias`` (D,) of the map from features to texts, ``texts``
        (S, D), the normalised rows of the seen classes, and ``centre`` (D,), which is taken off
        texts.
    """
    return split_off(_unpack(path))[1]


def _unpack(path: Path) -> dict[str, Tensor]:
    try:
        return unpack(Path(path).read_bytes(), METADATA_KEY)[0]
    except (SafetensorError, ValueError, LookupError) as fault:
        raise InputError(_not_safetensors(path, fault)) from fault


def is_own(path: Path) -> bool:
    """Tell whether ``save_backbone`` wrote a file."""
    if Path(path).suffix != ".safetensors":
        return False
    try:
        return read_facts(path, METADATA_KEY) is not None
    except Damaged:
        return True
    except (SafetensorError, ValueError):
        return False


def read_metadata(path: Path) -> dict[str, Any]:
    """Return what ``save_backbone`` wrote beside the weights, without reading those.

    Raises
    ------
    InputError
        If the file is not one that ``save_backbone`` wrote.
    """
    try:
        metadata: dict[str, Any] = read_facts(path, METADATA_KEY) or {}
    except (SafetensorError, ValueError) as fault:
        raise InputError(_not_safetensors(path, fault)) from fault
    if not {"backbone", "config"} <= metadata.keys():
        raise InputError(
            f"{path}: expected a backbone written by pretrain-backbone, found safetensors "
            f"without its metadata; weights trained elsewhere go to pretrain-backbone --weights"
        )
    return metadata


def load_foreign(model: nn.Module, path: Path) -> list[str]:
    """Load weights trained elsewhere into ``model`` and return the names left aside.

    Names may stand under a prefix (``module.``, ``encoder_q.``) and the weights under a key
    such as ``state_dict``. A classifier (``fc``, ``fcn``) is left aside unless ``model`` has
    one; so is all that stands outside the prefix. Shapes may differ in axes of length one.

    Parameters
    ----------
    model
        A backbone; changed only if everything fits.
    path
        ``.safetensors``, or a file of ``torch.save``, read with ``weights_only=True``.

    Raises
    ------
    InputError
        If the file cannot be read, or its names or shapes are not the model's; the message
        lists every name that is missing, unexpected or of another shape.
    """
    found = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    weights, aside = _match_names(model, found)
    _load_checked(model, weights, path)
    logger.info("%s: %d weights loaded, %d left aside", path, len(weights), len(aside))
    return aside


def _state(model: nn.Module) -> dict[str, Tensor]:
    return dict(model.state_dict())


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as fault:
        raise InputError(_not_safetensors(path, fault)) from fault


def _not_safetensors(path: Path, fault: Exception) -> str:
    return f"{path}: expected a safetensors file, found something else or a broken one ({fault})"


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as fault:  # torch's reader fails in any way on bytes that are not its own
        first = (str(fault).strip().splitlines() or [type(fault).__name__])[0]
        raise InputError(
            f"{path}: expected a torch file of plain tensors, found one that does not load under "
            f"weights_only=True ({first}); save its state_dict() alone, or as safetensors"
        ) from fault
    return _find_tensors(content, path)


def _find_tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the mapping of names to tensors in a torch file, at the top or one level down."""
    nested = content if isinstance(content, Mapping) else {}
    for candidate in (content, *(nested.get(key) for key in NESTED_UNDER)):
        if isinstance(candidate, Mapping):
            tensors = {str(k): v for k, v in candidate.items() if isinstance(v, Tensor)}
            if tensors:
                return tensors
    raise InputError(
        f"{path}: expected tensors by name, at the top or under {', '.join(NESTED_UNDER)}; "
        f"found {type(content).__name__} with {', '.join(map(str, nested)) or 'no names'}"
    )


def _match_names(
    model: nn.Module, found: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """Strip the prefix and the classifier; also return the names that this leaves aside."""
    expected = _state(model)
    prefix = _common_prefix(expected, found)
    weights, aside = {}, []
    for name, value in found.items():
        inside = name.removeprefix(prefix)
        head = inside.split(".")[0] in HEADS and inside not in expected
        if head or not name.startswith(prefix):
            aside.append(name)
        else:
            weights[inside] = value
    return weights, aside


def _common_prefix(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """Return the prefix under which most of the expected names are found, "" if none are.

    Momentum-contrast files hold two encoders with equal names; the one trained by gradient,
    ``encoder_q``, is meant.
    """
    probe = max(expected, key=len)
    candidates = [name.removesuffix(probe) for name in found if name.endswith(probe)]
    candidates = [prefix for prefix in candidates if prefix == "" or prefix.endswith(".")]
    return max(
        candidates,
        key=lambda prefix: (sum(prefix + name in found for name in expected), "_k" not in prefix),
        default="",
    )


def _load_checked(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load ``weights`` or raise one InputError with every name and shape that does not fit."""
    expected = _state(model)
    fitted = {
        name: value.reshape(expected[name].shape)
        for name, value in weights.items()
        if name in expected and _plain_shape(value) == _plain_shape(expected[name])
    }
    missing = [n for n in expected if n not in weights and n.split(".")[-1] not in DERIVED]
    unexpected = [n for n in weights if n not in expected]
    shapes = [
        f"{n} {tuple(weights[n].shape)} instead of {tuple(expected[n].shape)}"
        for n in weights
        if n in expected and n not in fitted
    ]
    if missing or unexpected or shapes:
        faults = [("missing", missing), ("unexpected", unexpected), ("of another shape", shapes)]
        parts = [f"{len(names)} {what}: {_short(names)}" for what, names in faults if names]
        raise InputError(
            f"{path}: the weights are not those of {type(model).__name__} "
            f"{getattr(model, 'config', '')}. " + "; ".join(parts) + ". Choose the backbone and "
            "the configuration that they were trained with."
        )
    model.load_state_dict({**expected, **fitted})


def _plain_shape(value: Tensor) -> tuple[int, ...]:
    return tuple(size for size in value.shape if size != 1)


def _short(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - LISTED} more" if len(listed) > LISTED else ""
    return ", ".join(listed[:LISTED]) + more
