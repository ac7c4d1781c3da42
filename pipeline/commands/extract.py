"""``smie-pipe extract``: features of whole and key-frame-masked clips."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from smie_pipe.backbones.config import ExtractConfig, ExtractRun
from smie_pipe.backbones.pretrainings import pretraining_name
from smie_pipe.run_folder import RunFolder, Task
from smie_pipe.split_choice import choose_splits, resolve_splits, stand_for
from smie_pipe.stage import (
    Stage,
    build_config,
    config_options,
    json_option,
    overwrite_option,
    report,
)
from smie_pipe.study import Study, pass_study

if TYPE_CHECKING:
    from smie_pipe.zeroshot.splits import Split

logger = logging.getLogger(__name__)


@click.command("extract", cls=Stage, example="smie-pipe --run runs/ntu60 extract")
@click.option(
    "--split",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this split of the run folder, or this group of splits (ntu60-smie); may be "
    "repeated. For --features kinematic any split, as for pretrain-backbone. [default: all that "
    "have a backbone]",
)
@click.option(
    "--protocol",
    help="Which clips train, as for pretrain-backbone; only for --features kinematic of a split "
    "without a backbone, whose own protocol is taken otherwise. [default: xsub]",
)
@config_options(ExtractConfig, skip=["seed"])
@config_options(ExtractRun)
@overwrite_option
@json_option
@pass_study
def extract(
    study: Study,
    names: Sequence[str],
    protocol: str | None,
    overwrite: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Compute the features of whole and key-frame-masked clips into SPLIT/features.h5."""
    config = build_config(ExtractConfig, {**values, "seed": study.seed})
    how = build_config(ExtractRun, values)
    for split, number, classes in _wanted(study, names, protocol, config):
        made = run_extract(
            study, split, config, how, number=number, classes=classes, overwrite=overwrite
        )
        said = {"split": split, "pretraining": number}
        if made is not None:
            name = pretraining_name(split, number)
            report(f"{name}: {made}", {**said, **dataclasses.asdict(made)}, as_json)
        elif as_json:
            report("", {**said, "skipped": True}, as_json)


Classes = dict[str, Any]


def _wanted(
    study: Study, names: Sequence[str], protocol: str | None, config: ExtractConfig
) -> Iterator[tuple[str, int, Classes | None]]:
    """Yield each split, the number of its pretraining, and its classes if it has no backbone."""
    run = study.run
    known = split_names(run, names)
    present = run.splits_with("backbone.safetensors")
    if config.features != "kinematic":
        if protocol is not None:
            raise click.UsageError(
                "--protocol is for --features kinematic; other features follow the backbone's"
            )
        splits = choose_splits(run, known, "backbone.safetensors", "pretrain-backbone")
        pairs = run.pretrainings_with("backbone.safetensors", splits)
        yield from ((split, number, None) for split, number in pairs)
        return
    if not names and not present:
        raise click.UsageError(
            "--features kinematic needs --split where no backbone was trained: random:5:0, "
            "unseen:3,5,12, ntu60-smie ..."
        )
    trained = [split for split in (known or present) if split in present]
    if trained and protocol is not None:
        raise click.UsageError(
            f"{trained[0]} has a backbone, whose protocol is taken; leave --protocol out, or give "
            "another --run folder"
        )
    yield from ((split, 1, None) for split in trained)
    for name in names:
        if name not in present:
            for split in resolve_splits(study, [name]):
                if split.name not in trained:
                    yield split.name, 1, _classes(run, split, protocol or "xsub")


def _classes(run: RunFolder, split: Split, protocol: str) -> Classes:
    """Return what a backbone would say of a split."""
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile

    with SkeletonFile(run.skeletons) as clips:
        seen = split.seen(len(clips.class_names))
    return {"split": split.name, "protocol": protocol, "seen": seen, "unseen": split.unseen}


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
    classes: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Any:
    """Make the split's ``features.h5``; None where it is there already.

    ``number``: by which of the split's pretrainings, from 1. ``classes``: which classes and
    protocol, where there is no backbone that says it.
    """
    run = study.run
    backbone = run.backbone(split, number) if classes is None else None
    inputs = {"skeletons": run.digest(run.require(run.skeletons, "preprocess"))}
    if backbone is not None:
        inputs["backbone"] = run.digest(backbone)
    task = Task(
        f"extract/{pretraining_name(split, number)}",
        run.features(split, number),
        options={**dataclasses.asdict(config), **(classes or {})},
        inputs=inputs,
        modernise=_modern,
        reads=(run.skeletons,) if backbone is None else (run.skeletons, backbone),
    )
    if run.is_done(task, overwrite=overwrite):
        logger.info("extract: %s is made already, by the same inputs and options", task.output)
        return None
    from smie_pipe.backbones.features.extract import extract as extract_features

    with run.recording(task, device=study.torch_device(), how=dataclasses.asdict(how)):
        return extract_features(
            run.skeletons,
            backbone,
            task.output,
            config,
            classes=classes,
            run=how,
            device=study.torch_device(),
        )


def _modern(options: dict[str, Any]) -> dict[str, Any]:
    """Return recorded options with what they could not name before kinematic features."""
    return {"features": "backbone", "room": True, "components": 0, **options}
