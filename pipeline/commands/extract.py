"""``smie-pipe extract``: features of whole and key-frame-masked clips."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from smie_pipe.backbones.config import ExtractConfig, ExtractRun
from smie_pipe.backbones.pretrainings import pretraining_name
from smie_pipe.plan import MEASURED, START_S, Params, Plan, Step
from smie_pipe.run_folder import RunFolder, Task
from smie_pipe.split_choice import choose_splits, meant, resolve_splits, stand_for
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


@click.command(
    "extract",
    cls=Stage,
    check=lambda plan, params: check(plan, params),
    example="smie-pipe --run runs/ntu60 extract",
)
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
    _check_options(run, names, protocol, config)
    known = split_names(run, names)
    present = run.splits_with("backbone.safetensors")
    if config.features != "kinematic":
        splits = choose_splits(run, known, "backbone.safetensors", "pretrain-backbone")
        pairs = run.pretrainings_with("backbone.safetensors", splits)
        yield from ((split, number, None) for split, number in pairs)
        return
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


RATES = {"backbone": 330.0, "kinematic": 500.0, "both": 200.0}
"""Clips a second; each is run twice, whole and masked."""
MEMORY = 1.5e9
FEATURE_BYTES = 2 * 256 * 4


def _check_options(
    run: RunFolder, names: Sequence[str], protocol: str | None, config: ExtractConfig
) -> None:
    """Refuse options that do not go together."""
    if config.features != "kinematic" and protocol is not None:
        raise click.UsageError(
            "--protocol is for --features kinematic; other features follow the backbone's"
        )
    trained = run.splits_with("backbone.safetensors")
    if config.features == "kinematic" and not names and not trained:
        raise click.UsageError(
            "--features kinematic needs --split where no backbone was trained: random:5:0, "
            "unseen:throw,carry, ntu60-smie ..."
        )


def check(plan: Plan, params: Params) -> None:
    """Look whether the splits asked for have a backbone, or will have one."""
    config = build_config(ExtractConfig, {**params, "seed": plan.study.seed})
    build_config(ExtractRun, params)
    run = plan.study.run
    splits = list(params["names"])
    if not plan.made:
        _check_options(run, splits, params["protocol"], config)
    known = plan.know_clips()
    if config.features != "kinematic":
        splits = meant(plan, splits, "backbone.safetensors", "pretrain-backbone")
    if not known:
        run.require(run.skeletons, "preprocess")
    anew = plan.clips_anew or bool(plan.made.get("backbone.safetensors"))
    for name in splits:
        plan.will_make("features.h5", name)
        there = (run.path / name / "features.h5").is_file() and not anew
        skipped = there and not params["overwrite"]
        count = plan.clips or 0
        plan.steps.append(
            Step(
                "extract",
                f"{name}: {'looked at in its turn' if skipped else f'at most {count} clips'}",
                seconds=None if skipped else START_S + count / RATES[config.features],
                memory=MEMORY,
                disk=count * FEATURE_BYTES,
                basis=f"{RATES[config.features]:.0f} clips a second, whole and masked; {MEASURED}",
            )
        )
