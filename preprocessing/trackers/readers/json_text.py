"""JSON as trackers write it: bare NaN and all, and never a traceback."""

from __future__ import annotations

import json
import math
from typing import Any

from smie_pipe.preprocessing.trackers.joints.recording import TrackerFormatError


def load_json(data: bytes, path: str, where: str = "") -> Any:
    """Return the value in JSON bytes of UTF-8 or UTF-16; bare NaN and Infinity are numbers.

    Raises
    ------
    TrackerFormatError
        If it is no JSON, with the line.
    """
    try:
        return json.loads(data.decode("utf-8-sig") if data[:3] == b"\xef\xbb\xbf" else data)
    except json.JSONDecodeError as error:
        found = f"{error.msg.lower()} at character {error.colno}"
        if error.pos >= len(data.rstrip()) - 1:
            found = "the end of the file (it is cut short: copy it again)"
        place = where or f"line {error.lineno}"
        raise TrackerFormatError(path, place, "JSON", found) from None
    except UnicodeDecodeError as error:
        found = f"byte {error.start} that is no text (damaged, or no JSON file)"
        raise TrackerFormatError(path, where, "JSON text", found) from None
    except (RecursionError, ValueError) as error:
        raise TrackerFormatError(path, where, "JSON", str(error).partition(";")[0]) from None


def field(record: Any, key: str, kind: type, path: str, where: str) -> Any:
    """Return ``record[key]``, which must be of that type.

    Raises
    ------
    TrackerFormatError
        If it is not there or of another type.
    """
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, kind):
        found = type(value).__name__ if isinstance(record, dict) and key in record else "none"
        raise TrackerFormatError(path, where, f"{key!r}, a {kind.__name__}", found)
    return value


def number(value: Any, what: str, path: str, where: str) -> float:
    """Return a finite number.

    Raises
    ------
    TrackerFormatError
        If it is none.
    """
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not known or abs(value) > 1e25 or not math.isfinite(value):
        raise TrackerFormatError(path, where, f"{what}, a number", repr(value)[:40])
    return float(value)


def whole(value: Any, what: str, path: str, where: str) -> int:
    """Return a whole number of 64 bits.

    Raises
    ------
    TrackerFormatError
        If it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return value
    raise TrackerFormatError(path, where, f"{what}, a whole number", repr(value)[:40])
