"""Named recipes of pretraining: the paper's, and one for sets of few clips. No torch here.

A recipe gives the defaults of some options; whatever is given by the user counts before it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from smie_pipe.backbones.config import PretrainConfig
from smie_pipe.preprocessing.datasets import DATASETS
from smie_pipe.preprocessing.foundation.errors import InputError

SMALL_BELOW = 5000
RECIPES: dict[str, dict[str, Any]] = {
    "paper": {},
    # A batch of 128 makes three steps an epoch of 350 clips: too few for any epochs to mend.
    "small": {"batch": 32, "epochs": 50, "augment": True},
}
"""For each recipe what it sets otherwise than ``PretrainConfig``, which is the paper's set-up."""


SWITCHES = ("augment", "align")
"""Options whose details, named after them, have no effect where they are off."""


def choose_recipe(asked: str, dataset: str, training_clips: int) -> tuple[str, str]:
    """Return the recipe's name and, where it was chosen here, the reason in words.

    Parameters
    ----------
    asked
        A name in ``RECIPES``, or ``auto``: the paper's on its data sets, and on other data
        ``small`` below ``SMALL_BELOW`` training clips.
    training_clips
        Of the protocol, whatever their class.

    Raises
    ------
    InputError
        If there is none.
    """
    if not training_clips:
        raise InputError(
            "the protocol leaves no training clip, for which no recipe serves; choose another "
            "--protocol"
        )
    if asked != "auto":
        return asked, ""
    if dataset in DATASETS:
        return "paper", ""
    if training_clips < SMALL_BELOW:
        return "small", f"{training_clips} training clips of own data, below {SMALL_BELOW}"
    return "paper", f"{training_clips} training clips, {SMALL_BELOW} or more"


def resolve_recipe(recipe: str, given: Mapping[str, Any]) -> PretrainConfig:
    """Return the configuration: what is given, else the recipe's, else the paper's.

    Raises
    ------
    InputError
        For impossible values, or if details are given of an augmentation or a text head
        where there is none.
    """
    config = PretrainConfig(**{**RECIPES[recipe], **given})
    for switch in SWITCHES:
        idle = [name for name in given if name.startswith(f"{switch}_")]
        if idle and not getattr(config, switch):
            flags = ", ".join("--" + name.replace("_", "-") for name in idle)
            raise InputError(f"{flags} without effect by recipe {recipe!r}; add --{switch}")
    return config


def in_words(recipe: str) -> str:
    """Return what a recipe sets, as in ``batch 32, epochs 50, augmented``."""
    config = PretrainConfig(**RECIPES[recipe])
    augmented = "augmented" if config.augment else "not augmented"
    return f"batch {config.batch}, {config.epochs} epochs, {augmented}"


def recorded(config: PretrainConfig) -> dict[str, Any]:
    """Return the choices that decide the weights, without those that have no effect.

    So trainings of versions that knew no augmentation or text head are the same as those without.
    """
    values = dataclasses.asdict(config)
    for switch in SWITCHES:
        if not values[switch]:
            values = {
                name: value
                for name, value in values.items()
                if name != switch and not name.startswith(f"{switch}_")
            }
    return values
