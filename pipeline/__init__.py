"""smie-pipe: from raw Kinect v2 recordings to a zero-shot score, and to models one can use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smie_pipe.zeroshot.recognition.recognizer import Recognizer

__all__ = ["Recognizer"]


def __getattr__(name: str) -> Any:
    """Import `Recognizer` when it is asked for, so that ``import smie_pipe`` loads no torch."""
    if name == "Recognizer":
        from smie_pipe.zeroshot.recognition.recognizer import Recognizer

        return Recognizer
    if name == "__version__":
        from importlib.metadata import version

        return version("smie-pipe")
    raise AttributeError(f"module 'smie_pipe' has no attribute {name!r}")
