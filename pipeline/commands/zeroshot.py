"""``smie-pipe zeroshot``: train, choose and test the methods, print the paper's tables."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smie_pipe.backbones.hardware.distributed import is_main
from smie_pipe.backbones.pretrainings import pretraining_name
from smie_pipe.plan import MEASURED, START_S, Params, Plan, Step, size
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.run_folder import RunFolder, Task
from smie_pipe.split_choice import choose_splits, meant, stand_for
from smie_pipe.stage import (
    Stage,
    build_config,
    config_options,
    json_option,
    overwrite_option,
    report,
)
from smie_pipe.study import Study, pass_study
from smie_pipe.zeroshot.config import ZeroShotConfig, ZeroShotRun

if TYPE_CHECKING:
    from smie_pipe.backbones.features.store import FeatureFile
    from smie_pipe.zeroshot.trials.experiment import SomeFailed
    from smie_pipe.zeroshot.trials.results import Results

logger = logging.getLogger(__name__)


@click.command(
    "zeroshot",
    cls=Stage,
    check=lambda plan, params: check(plan, params),
    example="smie-pipe --run runs/ntu60 zeroshot --method smie,ridge --seeds 5",
)
@click.option(
    "--split",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this split of the run folder, or this group of splits (ntu60-smie); may be "
    "repeated. [default: all that have features]",
)
@config_options(ZeroShotConfig)
@config_options(ZeroShotRun, skip=["overwrite"])
@overwrite_option
@json_option
@pass_study
def zeroshot(
    study: Study, names: Sequence[str], overwrite: bool, as_json: bool, **values: Any
) -> None:
    """Train zero-shot methods on the seen classes and test them on the unseen ones.

    Prints a table per table of the paper; results.json and results.csv in the run folder hold
    all results, SPLIT/METHOD/seed-K/ the scores, losses and predictions of each training.
    """
    config = build_config(ZeroShotConfig, values)
    how = build_config(ZeroShotRun, {**values, "overwrite": overwrite})
    results, failed = run_zeroshot(study, names, config, how)
    report(*results_of(results, how), as_json)
    draw_figures(study, results, config)
    if failed is not None:
        raise failed


def results_of(results: Results, how: ZeroShotRun | None = None) -> tuple[str, dict[str, Any]]:
    """Return the tables as text, and the summary as plain values."""
    from smie_pipe.zeroshot.tables.tables import tables

    how = how or ZeroShotRun()
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    found = tables(results, only=how.only, per_split=how.per_split)
    text = "\n\n".join(table.text(width) for table in found)
    values = {
        "results": str(results.run_dir / "results.json"),
        "summary": [dataclasses.asdict(row) for row in results.of_interest().summary()],
        "also": [dataclasses.asdict(row) for row in results.others().summary()],
    }
    return text, values


def draw_figures(study: Study, results: Results, config: ZeroShotConfig) -> None:
    """Draw the figures of what was asked for; one that fails costs nothing but itself."""
    if not (config.figures and is_main()):
        return
    from smie_pipe.backbones.features.store import FeatureFile
    from smie_pipe.zeroshot.tables.figures import draw

    run, shown = study.run, results.of_interest()
    splits = {entry.split for entry in shown.entries}
    features = {split: FeatureFile(run.path / split / "features.h5") for split in splits}
    drawn = draw(shown, features, study.seed, config.figure_width)
    logger.info("%d figures lie in %s, beside the results they show", len(drawn), run.path)


def split_names(run: RunFolder, names: Sequence[str]) -> list[str]:
    """Return the splits with features that the names stand for, as `stand_for` tells them."""
    from smie_pipe.backbones.features.store import FeatureFile

    present = run.splits_with("features.h5")
    if not present or set(names) <= set(present):
        return list(names)
    first = run.features(*run.pretrainings_with("features.h5")[0])
    facts = FeatureFile(first).facts
    return stand_for(names, present, facts.dataset, facts.class_names)


def _open_features(run: RunFolder, splits: Sequence[str]) -> dict[str, FeatureFile]:
    """Return the features of the splits, by the name of split and pretraining.

    Raises
    ------
    InputError
        If the clips or the backbone that they come from were made anew since.
    """
    from smie_pipe.backbones.features.store import FeatureFile

    files = {}
    for split, number in run.pretrainings_with("features.h5", splits):
        file = FeatureFile(run.features(split, number))
        _check_origin(file, run.backbone(split, number), "backbone", split)
        files[pretraining_name(split, number)] = file
    return files


def _check_origin(file: FeatureFile, made_from: Path, what: str, split: str) -> None:
    """Refuse features of a backbone that has been trained anew since."""
    from smie_pipe.preprocessing.foundation.digests import is_digest_of

    made_by = file.facts.attrs.get(f"{what}_digest")
    if made_by is None or not made_from.is_file() or is_digest_of(str(made_by), made_from):
        return
    raise InputError(
        f"{file.path} holds the features of another {what} than {made_from}, "
        f"which was made since: run extract --split {split} --overwrite"
    )


def run_zeroshot(
    study: Study, names: Sequence[str], config: ZeroShotConfig, how: ZeroShotRun
) -> tuple[Results, SomeFailed | None]:
    """Run every method on the chosen splits; return the results and what failed, if any did."""
    from smie_pipe.zeroshot.trials.experiment import SomeFailed, run_experiments
    from smie_pipe.zeroshot.trials.results import read_results

    run = study.run
    splits = choose_splits(run, split_names(run, names), "features.h5", "extract")
    features = _open_features(run, splits)
    task = Task(
        "zeroshot",
        run.path / "results.json",
        options=dataclasses.asdict(config),
        inputs={split: run.digest(file.path) for split, file in features.items()},
        seed=study.seed,
        reads=tuple(file.path for file in features.values()),
        alone=False,
    )
    run.is_done(task, overwrite=True)  # each training tells by itself whether it is done
    failed = None
    device = study.torch_device()
    with run.recording(task, device=device, how=dataclasses.asdict(how)):
        if not is_main():
            return read_results(run.path), None
        try:
            results = run_experiments(
                features, run.path, config, seed=study.seed, device=device, run=how
            )
        except SomeFailed as error:
            results, failed = error.results, error
    return results, failed


SECONDS_A_CLIP = 269 / 100 / 36_745
"""Of one epoch of SMIE, for each training clip."""
MEMORY = 1.5e9
FIGURES_BYTES = 5e6


def check(plan: Plan, params: Params) -> None:
    """Look at methods, own files, texts, text models and splits before anything is trained."""
    from smie_pipe.zeroshot.trials.variants import variants

    config = build_config(ZeroShotConfig, params)
    build_config(ZeroShotRun, params)
    _know_classes(plan)
    splits = meant(plan, params["names"], "features.h5", "extract")
    found = variants(config, plan.dataset or "custom")
    _check_texts(plan, config)
    trainings = len(splits) * len(found) * config.seeds * len(config.sources())
    clips = (plan.clips or 0) / 2
    epochs = max([variant.options.get("epochs", 1) for variant in found])
    plan.steps.append(
        Step(
            "zeroshot",
            f"{len(splits)} splits, {trainings} trainings, those done already among them",
            seconds=START_S + trainings * epochs * clips * SECONDS_A_CLIP if clips else None,
            memory=MEMORY,
            disk=trainings * FIGURES_BYTES,
            basis=f"each as long as SMIE with {epochs} epochs of half the clips, one at a time; "
            f"{MEASURED}",
        )
    )


def _know_classes(plan: Plan) -> None:
    """Take dataset and classes from the features, where there are no clips to ask."""
    from smie_pipe.backbones.features.store import read_features

    present = plan.study.run.pretrainings_with("features.h5")
    if not plan.know_clips() and present:
        first = read_features(plan.study.run.features(*present[0]))
        plan.dataset = str(first.attrs.get("dataset", "custom"))
        plan.class_names, plan.clips = first.class_names, len(first)


def _check_texts(plan: Plan, config: ZeroShotConfig) -> None:
    from smie_pipe.zeroshot.texts.models import bytes_to_fetch
    from smie_pipe.zeroshot.texts.text_sets import text_sets

    models = [model for model in config.text_model if not model.endswith(".npy")]
    for model in config.text_model:
        if model not in models and not Path(model).is_file():
            raise InputError(f"--text-model {model}: no such file")
    if models and plan.class_names:
        for source in config.text:
            text_sets(plan.class_names, source)
    for model in models:
        missing = bytes_to_fetch(model)
        if missing:
            logger.info(
                "text model %s is not on this machine yet: zeroshot will fetch %s from the hub",
                *(model, size(missing)),
            )
