"""``smie-pipe extract``: features of whole and key-frame-masked clips."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import click

from smie_pipe.backbones.config import ExtractConfig, ExtractRun
from smie_pipe.backbones.pretrainings import pretraining_name
from smie_pipe.run_folder import RunFolder, Task
from smie_pipe.split_choice import choose_splits, stand_for
from smie_pipe.stage import (
    Stage,
    build_config,
    config_options,
    json_option,
    overwrite_option,
    report,
)
from smie_pipe.study import Study, pass_study

logger = logging.getLogger(__name__)


@click.command("extract", cls=Stage, example="smie-pipe --run runs/ntu60 extract")
@click.option(
    "--split",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this split of the run folder, or this group of splits (ntu60-smie); may be "
    "repeated. [default: all that have a backbone]",
)
@config_options(ExtractConfig, skip=["seed"])
@config_options(ExtractRun)
@overwrite_option
@json_option
@pass_study
def extract(
    study: Study, names: Sequence[str], overwrite: bool, as_json: bool, **values: Any
) -> None:
    """Compute the features of whole and key-frame-masked clips into SPLIT/features.h5."""
    config = build_config(ExtractConfig, {**values, "seed": study.seed})
    how = build_config(ExtractRun, values)
    names = split_names(study.run, names)
    splits = choose_splits(study.run, names, "backbone.safetensors", "pretrain-backbone")
    for split, number in study.run.pretrainings_with("backbone.safetensors", splits):
        made = run_extract(study, split, config, how, number=number, overwrite=overwrite)
        said = {"split": split, "pretraining": number}
        if made is not None:
            name = pretraining_name(split, number)
            report(f"{name}: {made}", {**said, **dataclasses.asdict(made)}, as_json)
        elif as_json:
            report("", {**said, "skipped": True}, as_json)


def split_names(run: RunFolder, names: Sequence[str]) -> list[str]:
    """Return the splits with a backbone that the names stand for, as `stand_for` tells them."""
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile

    present = run.splits_with("backbone.safetensors")
    if not present or set(names) <= set(present):
        return list(names)
    with SkeletonFile(run.require(run.skeletons, "preprocess")) as skeletons:
        return stand_for(names, present, skeletons.dataset, skeletons.class_names)


def run_extract(
    study: Study,
    split: str,
    config: ExtractConfig,
    how: ExtractRun,
    *,
    number: int = 1,
    overwrite: bool = False,
) -> Any:
    """Make the split's ``features.h5``; None where it is there already.

    ``number``: by which of the split's pretrainings, from 1.
    """
    run = study.run
    backbone = run.backbone(split, number)
    task = Task(
        f"extract/{pretraining_name(split, number)}",
        run.features(split, number),
        options=dataclasses.asdict(config),
        inputs={
            "skeletons": run.digest(run.require(run.skeletons, "preprocess")),
            "backbone": run.digest(backbone),
        },
    )
    if run.is_done(task, overwrite=overwrite):
        logger.info("extract: %s is made already, by the same inputs and options", task.output)
        return None
    from smie_pipe.backbones.features.extract import extract as extract_features

    with run.recording(task, device=study.device, how=dataclasses.asdict(how)):
        return extract_features(
            run.skeletons, backbone, task.output, config, run=how, device=study.torch_device()
        )
