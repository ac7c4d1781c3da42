"""``torch.compile``: where it serves, and what is said when it cannot build a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from smie_pipe.preprocessing.foundation.errors import InputError


def compiled(model: nn.Module, device: torch.device, *, wanted: bool, backbone: str) -> Any:
    """Return ``model``, compiled if ``wanted``.

    Raises
    ------
    InputError
        For ST-GCN on a CPU. There torch 2.13 fails at its batches, whose number of bodies changes
        ("cannot determine truth value of Relational"); with fixed shapes three steps took 143 s.
    """
    if wanted and backbone == "stgcn" and device.type == "cpu":
        raise InputError(
            "--compile: torch.compile cannot build stgcn on a CPU (its batches change in the "
            "number of bodies); leave --compile out to run without"
        )
    return torch.compile(model) if wanted else model


@contextmanager
def compiling_explained(wanted: bool) -> Iterator[None]:
    """Turn the compiler's errors within the block into an ``InputError``; none unless ``wanted``.

    It runs at the first batch, and fails where a C++ compiler (on a CPU) or Triton (on a GPU) is
    missing.
    """
    try:
        yield
    except RuntimeError as error:
        if not (wanted and _is_from_compiler(error)):
            raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"--compile: torch.compile could not build the network ({lines[0][:200]}). On a CPU "
            "it needs a C++ compiler (g++), on a GPU Triton and a C compiler; leave --compile out "
            "to run without"
        ) from error


def _is_from_compiler(error: RuntimeError) -> bool:
    from torch._dynamo.exc import TorchDynamoException

    return isinstance(error, TorchDynamoException)
