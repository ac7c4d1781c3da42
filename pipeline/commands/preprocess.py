"""``smie-pipe preprocess``: raw Kinect v2 files to ``skeletons.h5``."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smie_pipe.backbones.hardware.distributed import is_main
from smie_pipe.plan import CLIP_BYTES, MEASURED, START_S, Params, Plan, Step
from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
from smie_pipe.preprocessing.foundation.digests import digest_listing
from smie_pipe.run_folder import Task
from smie_pipe.stage import (
    Stage,
    build_config,
    config_options,
    json_option,
    overwrite_option,
    report,
)
from smie_pipe.study import FAILED, Study, pass_study

if TYPE_CHECKING:
    from smie_pipe.preprocessing.preprocess import PreprocessReport

FOLDERS = ("skeleton_dir", "label_dir", "split_dir")
logger = logging.getLogger(__name__)


@click.command(
    "preprocess",
    cls=Stage,
    check=lambda plan, params: check(plan, params),
    example="smie-pipe --run runs/ntu60 preprocess nturgb+d_skeletons --dataset ntu60",
)
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@config_options(PreprocessConfig)
@config_options(PreprocessRun)
@overwrite_option
@json_option
@pass_study
@click.pass_context
def preprocess(
    ctx: click.Context,
    study: Study,
    source: Path,
    overwrite: bool,
    as_json: bool,
    **values: Any,
) -> None:
    """Read the raw recordings under SOURCE into skeletons.h5.

    SOURCE is a folder or zip of NTU .skeleton files, a folder of PKU-MMD, own recordings in
    either layout with a classes.csv (id,name), the field's ready-made arrays, or files of other
    body trackers (Azure Kinect, ZED, MediaPipe, BVH and more), labelled by names as NTU's or by
    a labels.csv (file,label). Damaged files are recorded in the output and end the stage with
    exit code 1.
    """
    config = build_config(PreprocessConfig, values)
    how = build_config(PreprocessRun, values)
    made = run_preprocess(study, source, config, how, overwrite=overwrite)
    if made is not None:
        report(str(made), made.as_dict(), as_json)
    elif as_json:
        report("", {"output": str(study.run.skeletons), "skipped": True}, as_json)
    lost = damaged(study.run.skeletons) if is_main() else 0
    if lost and made is None:
        where = study.run.skeletons
        logger.warning("%d damaged are not in it; to see them: smie-pipe inspect %s", lost, where)
    if lost:
        ctx.meta[FAILED] = True


def damaged(skeletons: Path) -> int:
    """Return how many recordings or actions are not in the file because they were damaged."""
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile

    with SkeletonFile(skeletons) as clips:
        return sum(finding.severity == "damaged" for finding in clips.findings())


def run_preprocess(
    study: Study,
    source: Path,
    config: PreprocessConfig,
    how: PreprocessRun,
    *,
    overwrite: bool = False,
) -> PreprocessReport | None:
    """Make the run folder's ``skeletons.h5``; None where it is there, made in just this way."""
    from smie_pipe.preprocessing.preprocess import preprocess as read_all

    run, task = study.run, _task(study, source, config)
    if run.is_done(task, overwrite=overwrite):
        logger.info("preprocess: %s is made already, by the same inputs and options", task.output)
        return None
    with run.recording(task, source=str(source), how=dataclasses.asdict(how)):
        if not is_main():
            return None
        return read_all(source, run.skeletons, config, run=how)


def _task(study: Study, source: Path, config: PreprocessConfig) -> Task:
    return Task(
        "preprocess",
        study.run.skeletons,
        options=dataclasses.asdict(config),
        inputs={"raw files": _fingerprint(source), **_beside(config)},
    )


RECORDINGS_A_SECOND = 1000.0
MEMORY = 0.4e9
"""What reading takes, however many recordings there are, on all workers together."""


def check(plan: Plan, params: Params) -> None:
    """Look through the source before anything is read, and tell the plan whose clips they are."""
    from smie_pipe.preprocessing.layouts.find import describe_source, find_source

    config = build_config(PreprocessConfig, params)
    build_config(PreprocessRun, params)
    task = _task(plan.study, params["source"], config)
    if not plan.runs(task, overwrite=params["overwrite"]):
        plan.know_clips()
        plan.steps.append(Step("preprocess", f"{task.output}: {plan.clips} clips", runs=False))
        return
    found = find_source(params["source"], config)
    plan.clips = sum(recording.count for recording in found.recordings)
    plan.clips_anew = True
    if found.dataset is not None:
        plan.dataset, plan.class_names = found.dataset.name, found.dataset.class_names
        plan.class_ids = found.dataset.class_ids
        plan.protocols = list(found.splits) or list(found.dataset.train)
    plan.steps.append(
        Step(
            "preprocess",
            describe_source(found).rpartition(": ")[2],
            seconds=START_S + plan.clips / RECORDINGS_A_SECOND,
            memory=MEMORY,
            disk=plan.clips * CLIP_BYTES,
            basis=f"{RECORDINGS_A_SECOND:.0f} NTU recordings a second, {MEASURED}",
        )
    )


def _fingerprint(source: Path) -> str:
    from smie_pipe.preprocessing.layouts.find import LISTS

    if source.is_file():
        beside = [source.parent / name for name in LISTS]  # read with it
        files = [source, *(path for path in beside if path.is_file())]
        return digest_listing(files, source.parent)
    return digest_listing(_inputs(source), source)


def _inputs(folder: Path) -> Iterator[Path]:
    """Yield the files that may be read, links followed; the run folder may lie among them."""
    from smie_pipe.preprocessing.layouts.find import may_be_input

    seen = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:  # a link back up
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        paths = (Path(root, name) for name in names if may_be_input(name))
        yield from (path for path in paths if path.is_file())


def _beside(config: PreprocessConfig) -> dict[str, str]:
    """Return fingerprints of the files and folders that options name beside the source."""
    named = {
        name: getattr(config, name) for name in ("missing_list", "classes", "markers", *FOLDERS)
    }
    return {name: _fingerprint(Path(path)) for name, path in named.items() if path is not None}
