"""``smie-pipe extract``: features of whole and key-frame-masked clips."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

import click

from backbones.config import ExtractConfig, ExtractRun
from pipeline.options import json_option, overwrite_option, report
from pipeline.runfolder import RunFolder, Task
from pipeline.stage import Stage, build_config, config_options
from pipeline.study import Study, pass_study
from preprocessing.errors import unknown_choice

logger = logging.getLogger(__name__)


@click.command("extract", cls=Stage)
@click.option(
    "--split",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this split of the run folder; may be repeated. [default: all that have a backbone]",
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
    for name in choose_splits(study.run, names, "backbone.safetensors", "pretrain-backbone"):
        made = run_extract(study, name, config, how, overwrite=overwrite)
        if made is not None:
            report(f"{name}: {made}", {"split": name, **dataclasses.asdict(made)}, as_json)


def choose_splits(run: RunFolder, names: Sequence[str], filename: str, stage: str) -> list[str]:
    """Return the splits to work on: those named, or all that have ``filename``.

    Raises
    ------
    InputError
        If a named split has no such file, or none has; it says which stage to run.
    """
    present = run.splits_with(filename)
    missing = [name for name in names if name not in present]
    if missing and present:
        raise unknown_choice(f"split in {run.path}", missing[0], present)
    if not present:
        run.require(run.path / "SPLIT" / filename, stage)
    return list(names) or present


def run_extract(
    study: Study,
    split: str,
    config: ExtractConfig,
    how: ExtractRun,
    *,
    overwrite: bool = False,
) -> Any:
    """Make the split's ``features.h5``; None where it is there already."""
    run = study.run
    backbone = run.backbone(split)
    task = Task(
        f"extract/{split}",
        run.features(split),
        options=dataclasses.asdict(config),
        inputs={
            "skeletons": run.digest(run.require(run.skeletons, "preprocess")),
            "backbone": run.digest(backbone),
        },
    )
    if run.is_done(task, overwrite=overwrite):
        logger.info("extract: %s is made already, by the same inputs and options", task.output)
        return None
    from backbones.extract import extract as extract_features

    with run.recording(task, device=study.device, how=dataclasses.asdict(how)):
        return extract_features(
            run.skeletons, backbone, task.output, config, run=how, device=study.torch_device()
        )
