"""What decides a backbone: the options that were given, the recipe, and the text head's texts."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from smie_pipe.backbones.config import PretrainConfig
from smie_pipe.backbones.hardware.distributed import is_main
from smie_pipe.backbones.recipes import choose_recipe, in_words, resolve_recipe
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.options import choices
from smie_pipe.study import Study
from smie_pipe.zeroshot.config import TextSource

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)


def given(cls: type) -> dict[str, Any]:
    """Return the fields of ``cls`` that the user gave in this command, by option or file."""
    ctx = click.get_current_context()
    return {
        choice.name: ctx.params[choice.name]
        for choice in choices(cls)
        if ctx.get_parameter_source(choice.name) is not ParameterSource.DEFAULT
    }


def choose_config(
    study: Study, recipe: str, protocol: str, asked: Mapping[str, Any], *, say: bool = True
) -> PretrainConfig:
    """Return the training's choices: those asked for, the rest by the recipe."""
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile

    with SkeletonFile(study.run.require(study.run.skeletons, "preprocess")) as clips:
        dataset, training = clips.dataset, int((clips.protocol(protocol) == 1).sum())
    name, reason = choose_recipe(recipe, dataset, training)
    if reason and say and is_main():
        logger.info("recipe %s (%s): %s", name, reason, in_words(name))
    try:
        return resolve_recipe(name, asked)
    except InputError as error:
        raise click.UsageError(str(error)) from error


def with_texts(study: Study, config: PretrainConfig) -> tuple[PretrainConfig, np.ndarray | None]:
    """Return the choices with the text head's texts named, and the texts of all classes (K, D)."""
    if not config.align:
        return config, None
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile
    from smie_pipe.zeroshot.texts.embeddings import class_texts

    text, model = config.align_text or TextSource.text, config.align_text_model or TextSource.model
    config = dataclasses.replace(config, align_text=text, align_text_model=model)
    with SkeletonFile(study.run.skeletons) as clips:
        names = clips.class_names
    found = class_texts(names, source=text, model=model)
    if len(found) != len(names):
        raise InputError(
            f"--align-text-model {model}: {len(found)} texts for {len(names)} "
            "classes; one row a class is needed, in label order"
        )
    return config, found.sentence.numpy()


def modernise(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that an older version recorded, in today's names.

    ``settle`` is called ``recalibrate`` now, ``select`` ``keep_epoch``, and ``compile`` is gone
    where it was off.
    """
    known = dict(options)
    if "settle" in known:
        known["recalibrate"] = known.pop("settle")
    if "select" in known:
        known["keep_epoch"] = known.pop("select").replace("best-on-", "best-")
    if known.get("compile") is False:
        del known["compile"]
    return known
