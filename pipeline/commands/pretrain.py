"""``smie-pipe pretrain-backbone``: a backbone trained on the seen classes of each split."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smie_pipe.backbone_choices import choose_config, given, modernise, with_texts
from smie_pipe.backbones.config import PretrainConfig, PretrainRun
from smie_pipe.backbones.pretrainings import pretraining_name, pretraining_seed
from smie_pipe.backbones.recipes import (
    RECIPES,
    SMALL_BELOW,
    choose_recipe,
    in_words,
    recorded,
    resolve_recipe,
)
from smie_pipe.plan import CLIP_BYTES, MEASURED, START_S, Params, Plan, Step, size
from smie_pipe.preprocessing.datasets import DATASETS
from smie_pipe.preprocessing.foundation.digests import digest_file, digest_json
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.run_folder import Task
from smie_pipe.split_choice import check_protocol, resolve_splits, unseen_said
from smie_pipe.stage import (
    Stage,
    Words,
    build_config,
    config_options,
    json_option,
    overwrite_option,
    report,
)
from smie_pipe.study import Study, pass_study
from smie_pipe.zeroshot.config import TextSource
from smie_pipe.zeroshot.splits import Split

if TYPE_CHECKING:
    import numpy as np

    from smie_pipe.backbones.adopt import Adopted
    from smie_pipe.backbones.pretraining.pretrain import PretrainReport

logger = logging.getLogger(__name__)


@click.command(
    "pretrain-backbone",
    cls=Stage,
    check=lambda plan, params: check(plan, params),
    example="smie-pipe --run runs/ntu60 pretrain-backbone --split ntu60-smie",
)
@click.option(
    "--split",
    "specs",
    multiple=True,
    required=True,
    metavar="SPLIT",
    help="Which classes are unseen: a name (ntu60-smie-1), a group of splits (ntu60-smie), "
    "random:K:SEED[:COUNT], unseen:throw,carry (names of classes), ids:4,13 (as files carry "
    "them: A004), labels:3,12 (from 0) or a JSON file. May be repeated.",
)
@click.option(
    "--protocol",
    default="xsub",
    show_default=True,
    help="Which clips train: xsub, xview, xset, or subjects:1,3,5, cameras:2,3, setups:2,4 "
    "(those listed train, the others test).",
)
@click.option(
    "--weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take ready-made weights (.pt or .safetensors) instead of training. A backbone of this "
    "program says which classes it has seen; for others that is yours to know.",
)
@click.option(
    "--allow-seen-unseen",
    is_flag=True,
    help="Take --weights that were trained on classes unseen in the split all the same; all "
    "results are marked.",
)
@click.option(
    "--pretrainings",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="K",
    help="Train K backbones a split, of seeds of their own: the second goes to "
    "SPLIT/pretraining-2/ and so on, and later stages take them all. One backbone more or less "
    "moves a split's accuracy by points.",
)
@click.option(
    "--recipe",
    type=Words(("auto", *RECIPES)),
    default="auto",
    show_default=True,
    help="Defaults of the options below. "
    + "; ".join(f"{name}: {in_words(name)}" for name in RECIPES)
    + f". auto: paper on {', '.join(DATASETS)}, small on own data below {SMALL_BELOW} training "
    "clips. Options that are given count before it.",
)
@config_options(PretrainConfig)
@config_options(PretrainRun)
@overwrite_option
@json_option
@pass_study
def pretrain_backbone(
    study: Study,
    specs: Sequence[str],
    protocol: str,
    weights: Path | None,
    allow_seen_unseen: bool,
    pretrainings: int,
    recipe: str,
    overwrite: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Train an ST-GCN or Shift-GCN on the seen classes.

    Only clips of the protocol's training part and of seen classes are read. One backbone a
    split goes to SPLIT/backbone.safetensors. Interrupted, the same command goes on from the
    last checkpoint.
    """
    config = build_config(PretrainConfig, values)
    _refuse_training_of_weights(weights, pretrainings, config)
    if weights is None:
        config = choose_config(study, recipe, protocol, given(PretrainConfig))
    how = build_config(PretrainRun, values)
    splits = resolve_splits(study, specs)
    if weights is not None and not allow_seen_unseen:
        _check_weights(study, weights, splits)
    config, texts = with_texts(study, config)
    for split, number in itertools.product(splits, range(1, pretrainings + 1)):
        made = run_pretrain(
            study, split, protocol, config, how, number=number, texts=texts, weights=weights,
            allow_seen_unseen=allow_seen_unseen, overwrite=overwrite,
        )  # fmt: skip
        name = pretraining_name(split.name, number)
        said = {"split": split.name, "pretraining": number}
        if made is not None:
            report(f"{name}: {made}", {**said, **made.as_dict()}, as_json)
        elif as_json:
            report("", {**said, "skipped": True}, as_json)


def _refuse_training_of_weights(
    weights: Path | None, pretrainings: int, config: PretrainConfig
) -> None:
    """Refuse what only a training can do where ready-made weights are to be taken."""
    if weights is None:
        return
    if pretrainings > 1:
        raise click.UsageError(
            "--pretrainings trains several backbones, --weights takes a ready one: give either"
        )
    if config.align:
        raise click.UsageError(
            "--align trains a text head with the backbone, --weights takes a ready backbone: "
            "give either"
        )


def run_pretrain(
    study: Study,
    split: Split,
    protocol: str,
    config: PretrainConfig,
    how: PretrainRun,
    *,
    number: int = 1,
    texts: np.ndarray | None = None,
    weights: Path | None = None,
    allow_seen_unseen: bool = False,
    overwrite: bool = False,
) -> PretrainReport | Adopted | None:
    """Make the split's ``backbone.safetensors``; None where it is there already.

    ``number``: which of the split's pretrainings, from 1. ``texts``: of all classes, for a text
    head; no row of an unseen class goes any further.
    """
    run, seen = study.run, _seen(study.run.skeletons, split)
    seen_texts = None if texts is None else texts[list(seen)]
    task = _task(study, split, protocol, config, number, weights, allow_seen_unseen, seen_texts)
    if run.is_done(task, overwrite=overwrite):
        logger.info("pretrain-backbone: %s is made already, by the same inputs", task.output)
        return None
    with run.recording(task, device=study.torch_device(), how=dataclasses.asdict(how)):
        if weights is not None:
            return _adopt(
                run.skeletons, weights, task.output, split, protocol, config,
                allowed=allow_seen_unseen,
            )  # fmt: skip
        from smie_pipe.backbones.pretraining.pretrain import pretrain

        return pretrain(
            run.skeletons,
            task.output,
            config,
            seen=seen,
            split=split.name,
            protocol=protocol,
            device=study.torch_device(),
            seed=task.seed or 0,
            resume=not overwrite,
            run=how,
            texts=seen_texts,
        )


def _task(
    study: Study,
    split: Split,
    protocol: str,
    config: PretrainConfig,
    number: int,
    weights: Path | None,
    allow_seen_unseen: bool,
    seen_texts: np.ndarray | None = None,
) -> Task:
    run, seed = study.run, pretraining_seed(study.seed, number)
    options = {**recorded(config), "protocol": protocol, "unseen": list(split.unseen)}
    inputs = {"skeletons": run.digest(run.skeletons)}
    if seen_texts is not None:
        inputs["texts"] = digest_json(seen_texts.tolist())
    if weights is not None:
        inputs["weights"] = digest_file(weights)
        if allow_seen_unseen:
            options["allow_seen_unseen"] = True
    return Task(
        f"pretrain-backbone/{pretraining_name(split.name, number)}",
        run.backbone(split.name, number),
        options=options,
        inputs=inputs,
        seed=seed,
        modernise=modernise,
        reads=(run.skeletons,),
    )


RATES = {"stgcn": 152.0, "shift-gcn": 18.0}
"""Clips trained on a second."""
STEP_BYTES = {"stgcn": 2.2e9 / 128, "shift-gcn": 3.7e9 / 32}
"""What a training step holds at its peak, for a clip of the batch."""
TORCH_BYTES = 0.6e9
WEIGHTS_BYTES = 15e6


def _of(measured: Mapping[str, float], config: PretrainConfig) -> float:
    """Return a backbone's figure; that of ST-GCN for one that was not measured."""
    return measured.get(config.backbone, measured["stgcn"])


def check(plan: Plan, params: Params) -> None:
    """Look at splits, protocol and weights, and whether a training step fits into memory."""
    build_config(PretrainRun, params)
    from smie_pipe.zeroshot.splits import resolve

    run = plan.study.run
    if not plan.know_clips():
        run.require(run.skeletons, "preprocess")
    splits = [
        split
        for spec in params["specs"]
        for split in resolve(spec, plan.dataset or "", plan.class_names, plan.class_ids)
    ]
    if not params["overwrite"] or params["weights"] is None:
        plan.study.torch_device()
    check_protocol(plan, params["protocol"])
    config = _config(plan, params)
    _refuse_training_of_weights(params["weights"], params["pretrainings"], config)
    _check_align_texts(plan, config)
    numbers = range(1, params["pretrainings"] + 1)
    for split, number in itertools.product({s.name: s for s in splits}.values(), numbers):
        plan.will_make("backbone.safetensors", pretraining_name(split.name, number))
        plan.steps.append(_step(plan, params, config, split, number))
        if number == 1:
            logger.info(unseen_said(split, plan.class_names, plan.class_ids))


def _config(plan: Plan, params: Params) -> PretrainConfig:
    """Return the choices by the recipe; half of clips not made yet count as training clips."""
    config = build_config(PretrainConfig, params)
    if params["weights"] is not None:
        return config
    if not plan.clips_anew:
        return choose_config(
            plan.study, params["recipe"], params["protocol"], given(PretrainConfig), say=False
        )
    name, _ = choose_recipe(params["recipe"], plan.dataset or "", (plan.clips or 0) // 2)
    return resolve_recipe(name, given(PretrainConfig))


def _check_align_texts(plan: Plan, config: PretrainConfig) -> None:
    """Look at the text head's texts and model, without loading the model."""
    from smie_pipe.zeroshot.texts.models import bytes_to_fetch
    from smie_pipe.zeroshot.texts.text_sets import text_sets

    if not config.align:
        return
    model = config.align_text_model or TextSource.model
    if model.endswith(".npy"):
        if not Path(model).is_file():
            raise InputError(f"--align-text-model {model}: no such file")
        return
    if plan.class_names:
        text_sets(plan.class_names, config.align_text or TextSource.text)
    if missing := bytes_to_fetch(model):
        logger.info(
            "text model %s is not on this machine yet: pretrain-backbone will fetch %s",
            model, size(missing),
        )  # fmt: skip


def _step(plan: Plan, params: Params, config: PretrainConfig, split: Split, number: int) -> Step:
    name, weights = pretraining_name(split.name, number), params["weights"]
    overwrite, allowed = params["overwrite"], params["allow_seen_unseen"]
    if not plan.clips_anew and not config.align:  # texts would have to be embedded to know
        chosen = (split, params["protocol"], config, number, weights, allowed)
        if not plan.runs(_task(plan.study, *chosen), overwrite=overwrite):
            return Step("pretrain-backbone", name, runs=False)
    if weights is not None:
        return Step("pretrain-backbone", f"{name}: {weights}", seconds=5, disk=WEIGHTS_BYTES)
    clips = plan.training_clips(split)
    batch = min(config.batch, round(clips))
    memory = TORCH_BYTES + batch * _of(STEP_BYTES, config) + clips * CLIP_BYTES
    _warn_of_memory(plan, memory, config)
    return Step(
        "pretrain-backbone",
        f"{name}: {config.backbone}, {config.epochs} epochs of {clips:.0f} clips",
        seconds=START_S + config.epochs * clips / _of(RATES, config),
        memory=memory,
        disk=WEIGHTS_BYTES,
        basis=f"{_of(RATES, config):.0f} clips a second and a step of "
        f"{size(_of(STEP_BYTES, config) * config.batch)}, without a GPU; {MEASURED}; half "
        "of the clips train",
    )


def _warn_of_memory(plan: Plan, needed: float, config: PretrainConfig) -> None:
    """Say before anything starts that a step will not fit; what fits is told when it starts."""
    import torch

    from smie_pipe.backbones.hardware.memory import available_bytes

    free = available_bytes(torch.device(plan.study.torch_device()))
    if free is not None and needed > free:
        room = (free - TORCH_BYTES) / _of(STEP_BYTES, config)
        logger.warning(
            "pretrain-backbone: needs about %s of memory, %s are free; --batch %d would fit",
            *(size(needed), size(free), max(1, room)),
        )


def _adopt(
    skeletons: Path,
    weights: Path,
    output: Path,
    split: Split,
    protocol: str,
    config: PretrainConfig,
    *,
    allowed: bool,
) -> Adopted:
    from smie_pipe.backbones.adopt import Adopted, adopt_weights

    facts = adopt_weights(
        weights,
        config.backbone,
        output,
        seen=_seen(skeletons, split),
        split=split.name,
        protocol=protocol,
        skeletons=skeletons,
        allow_seen_unseen=allowed,
    )
    return Adopted(output, weights, facts["saw"], facts["saw_unseen"])


def _check_weights(study: Study, weights: Path, splits: Sequence[Split]) -> None:
    """Refuse weights that have seen an unseen class of any split, before any work."""
    from smie_pipe.backbones.adopt import check_unseen
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile

    with SkeletonFile(study.run.skeletons) as clips:
        names = clips.class_names
    for split in splits:
        unseen = [names[label] for label in split.unseen]
        check_unseen(weights, unseen, split=split.name)


def _seen(skeletons: Path, split: Split) -> tuple[int, ...]:
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile

    with SkeletonFile(skeletons) as clips:
        return split.seen(len(clips.class_names))
