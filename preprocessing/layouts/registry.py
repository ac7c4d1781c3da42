"""All raw layouts. One more is a file in this folder and a line in `layouts`."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smie_pipe.preprocessing.layouts.base import Layout


@cache
def layouts() -> dict[str, Layout]:
    """Return the layouts by name, in the order in which they are asked for a file."""
    # imported when asked for, since the options of the stage are checked by these names
    from smie_pipe.preprocessing.layouts.annotations import Annotations
    from smie_pipe.preprocessing.layouts.arrays import Arrays
    from smie_pipe.preprocessing.layouts.ntu import Ntu
    from smie_pipe.preprocessing.layouts.pku import Pku
    from smie_pipe.preprocessing.layouts.trackers import Trackers

    every: tuple[Layout, ...] = (
        Ntu(),
        Pku(),
        Arrays(),
        Annotations(),
        Trackers(),
    )
    return {layout.name: layout for layout in every}


class _Names(Collection[str]):
    """``auto`` and the names of all layouts, looked up when they are read."""

    def __iter__(self) -> Iterator[str]:
        return iter(("auto", *layouts()))

    def __len__(self) -> int:
        return 1 + len(layouts())

    def __contains__(self, name: object) -> bool:
        return name == "auto" or name in layouts()


LAYOUT_NAMES = _Names()
"""What the option ``layout`` may be."""
