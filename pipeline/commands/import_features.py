"""``smie-pipe import-features``: ready-made features in SynSE's layout, no raw data needed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from smie_pipe.preprocessing.foundation.digests import digest_listing
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.run_folder import Task
from smie_pipe.stage import Stage, json_option, overwrite_option, report
from smie_pipe.study import Study, pass_study


@click.command(
    "import-features",
    cls=Stage,
    example="smie-pipe --run runs/synse import-features shift_5_r --dataset ntu60 "
    "--split ntu60-synse-55-5",
)
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dataset", required=True, help="Whose classes the labels count: ntu60, ntu120.")
@click.option("--split", "spec", required=True, help="The one split these features were made for.")
@click.option("--backbone", default="shift-gcn", show_default=True, help="What made them.")
@click.option("--protocol", default="xsub", show_default=True, help="Which clips train.")
@overwrite_option
@json_option
@pass_study
def import_features(
    study: Study,
    source: Path,
    dataset: str,
    spec: str,
    backbone: str,
    protocol: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Take ready-made features (train.npy, ztest.npy, gtest.npy) under SOURCE as SPLIT's.

    The features of masked clips are not among them, so SMIE runs without its temporal
    constraint. Text embeddings that lie beside them serve as they are: zeroshot
    --text-model FILE.npy.
    """
    from smie_pipe.preprocessing.datasets import dataset as known_dataset
    from smie_pipe.zeroshot.import_features import import_features as convert
    from smie_pipe.zeroshot.splits import resolve

    names = known_dataset(dataset).class_names
    splits = resolve(spec, dataset, names)
    if len(splits) != 1:
        raise InputError(f"--split {spec}: expected one split, found {len(splits)}; name one")
    run, split = study.run, splits[0]
    task = Task(
        f"import-features/{split.name}",
        run.features(split.name),
        options={"backbone": backbone, "protocol": protocol, "dataset": dataset},
        inputs={"arrays": digest_listing(source.glob("*.npy"), source)},
    )
    if run.is_done(task, overwrite=overwrite):
        report(f"{task.output} is made already", {"output": str(task.output)}, as_json)
        return
    with run.recording(task, source=str(source)):
        made = convert(source, task.output, split, names, backbone=backbone, protocol=protocol)
    report(f"{split.name}: {made}", dataclasses.asdict(made), as_json)
