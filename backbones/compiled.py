"""What is said when ``torch.compile`` cannot build a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from preprocessing.errors import InputError


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
