"""What can be wrong with what a user gives, as exceptions whose message is for that user."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class InputError(ValueError):
    """Something given from outside cannot be used; the message says what to do.

    The command line prints the message of this exception (and of ``OSError``) without a
    traceback and exits with 1. Every named exception of the project derives from it.
    """


class SkeletonFormatError(InputError):
    """A raw file breaks the Kinect v2 text format."""

    def __init__(self, path: Path | str, line: int, expected: str, found: str):
        super().__init__(f"{path}:{line}: expected {expected}, found {found}")
        self.path, self.line, self.expected, self.found = str(path), line, expected, found

    def __reduce__(self) -> tuple[type, tuple[str, int, str, str]]:
        """Rebuild from the four arguments, so that worker processes can send it."""
        return type(self), (self.path, self.line, self.expected, self.found)


def unknown_choice(kind: str, given: str, allowed: Iterable[str]) -> InputError:
    """Return the error for a name that is none of those allowed, with the nearest one."""
    names = sorted(allowed)
    near = difflib.get_close_matches(given, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return InputError(f"unknown {kind} {given!r}.{hint} Known: {', '.join(names)}.")
