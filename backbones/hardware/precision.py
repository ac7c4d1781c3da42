"""In which numbers a network computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from smie_pipe.preprocessing.foundation.errors import InputError

DTYPES = {"float64": torch.float64}


def dtype_of(precision: str) -> torch.dtype:
    """Return what weights and clips are kept in; ``bf16`` is for the products alone."""
    return DTYPES.get(precision, torch.float32)


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return a context for one forward pass.

    One a step, since within it the rounded copies of the weights are kept.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def repeatable(precision: str) -> Iterator[None]:
    """Let the GPU's kernels give the same numbers each time; no effect on a CPU.

    ``float32`` is then float32 throughout: cuDNN would round the factors to 10 bits (TF32)
    unless told otherwise, which ``tf32`` allows it to.
    """
    rounded = precision == "tf32"
    products = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = rounded
    try:
        with torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=rounded
        ):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = products


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
