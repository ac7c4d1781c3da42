"""In which numbers a network computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

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
