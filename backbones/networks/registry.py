"""The backbones by name. No torch here, so that the command line can name them at once."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from smie_pipe.preprocessing.foundation.errors import unknown_choice

if TYPE_CHECKING:
    from smie_pipe.backbones.networks.base import Backbone

BACKBONES: dict[str, str] = {
    "stgcn": "smie_pipe.backbones.networks.stgcn:STGCN",
    "shift-gcn": "smie_pipe.backbones.networks.shiftgcn:ShiftGCN",
}
"""Where each backbone's class stands, as ``module:class``."""


def backbone_class(name: str) -> type[Backbone]:
    """Return the class registered under ``name``.

    Raises
    ------
    InputError
        If no backbone has that name; the message lists those there are.
    """
    if name not in BACKBONES:
        raise unknown_choice("backbone", name, BACKBONES)
    module, _, kind = BACKBONES[name].partition(":")
    found: type[Backbone] = getattr(importlib.import_module(module), kind)
    return found


def build(name: str, **options: Any) -> Backbone:
    """Return a new backbone with random weights.

    Parameters
    ----------
    name
        A key of ``BACKBONES``.
    options
        The backbone's own options, as its ``config`` attribute holds them.

    Raises
    ------
    InputError
        If no backbone has that name; the message lists those there are.
    """
    return backbone_class(name)(**options)


def name_of(model: Backbone) -> str:
    """Return the name under which ``model``'s class is registered."""
    kind = f"{type(model).__module__}:{type(model).__qualname__}"
    return next(name for name, place in BACKBONES.items() if place == kind)
