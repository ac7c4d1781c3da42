"""The backbones by name."""

from __future__ import annotations

from torch import nn

from smie_pipe.backbones.networks.shiftgcn import ShiftGCN
from smie_pipe.backbones.networks.stgcn import STGCN
from smie_pipe.preprocessing.foundation.errors import unknown_choice

FEATURES = 256
BACKBONES: dict[str, type[nn.Module]] = {"stgcn": STGCN, "shift-gcn": ShiftGCN}


def build(name: str, **options: object) -> nn.Module:
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
    if name not in BACKBONES:
        raise unknown_choice("backbone", name, BACKBONES)
    return BACKBONES[name](**options)


def name_of(model: nn.Module) -> str:
    """Return the name under which ``model``'s class is registered."""
    return next(name for name, kind in BACKBONES.items() if type(model) is kind)
