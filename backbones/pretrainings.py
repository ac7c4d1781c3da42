"""Several backbones of one split: how they are named, placed and seeded. No torch here.

The first pretraining of a split lies in ``SPLIT/``, where it lay when there was one only, the
others in ``SPLIT/pretraining-2/`` and so on, each with features and results of its own below.
These names of folders are also what results call them by.
"""

from __future__ import annotations

import re

SEED_STEP = 1000  # more than anybody has seeds, so that no two pretrainings share one
_FURTHER = re.compile(r"(?P<split>.+)/pretraining-(?P<number>[2-9]|[1-9]\d+)")


def pretraining_name(split: str, number: int = 1) -> str:
    """Return the name of a split's n-th pretraining: ``SPLIT``, ``SPLIT/pretraining-2``, ...

    Parameters
    ----------
    number
        From 1.
    """
    if number < 1:
        raise ValueError(f"pretrainings are counted from 1, got {number}")
    return split if number == 1 else f"{split}/pretraining-{number}"


def split_and_number(name: str) -> tuple[str, int]:
    """Return the split and the number, from 1, that `pretraining_name` made a name of."""
    found = _FURTHER.fullmatch(name)
    return (found["split"], int(found["number"])) if found else (name, 1)


def pretraining_seed(seed: int, number: int) -> int:
    """Return the seed of a split's n-th pretraining; that of the first is ``seed`` itself."""
    return seed + SEED_STEP * (number - 1)
