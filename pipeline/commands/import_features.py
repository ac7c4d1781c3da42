"""``smie-pipe import-features``: ready-made features of others, no raw data needed."""

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
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.option("--dataset", required=True, help="Whose classes the labels count: ntu60, ntu120.")
@click.option("--split", "spec", required=True, help="The one split these features were made for.")
@click.option("--which", help="Which features, where SOURCE holds several sets: its folder.")
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
    which: str | None,
    backbone: str,
    protocol: str,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Take ready-made features of others under SOURCE as SPLIT's.

    SOURCE is a folder of SynSE's or SA-DVAE's (train.npy, ztest.npy, gtest.npy), of SMIE's
    (train.npy, test.npy), an .npz of Flora's or STAR's, or a folder with such in it. The
    features of masked clips are not among them, so SMIE runs without its temporal constraint.
    Text embeddings found there are copied into the run folder, for zeroshot --text-model.
    """
    from smie_pipe.preprocessing.datasets import dataset as known_dataset
    from smie_pipe.zeroshot.feature_sources import find_features
    from smie_pipe.zeroshot.import_features import import_features as convert
    from smie_pipe.zeroshot.splits import resolve

    names = known_dataset(dataset).class_names
    splits = resolve(spec, dataset, names)
    if len(splits) != 1:
        raise InputError(f"--split {spec}: expected one split, found {len(splits)}; name one")
    run, split, found = study.run, splits[0], find_features(source, which)
    task = Task(
        f"import-features/{split.name}",
        run.features(split.name),
        options={"backbone": backbone, "protocol": protocol, "dataset": dataset},
        inputs={"arrays": digest_listing(_files(found.path), found.path.parent)},
    )
    if run.is_done(task, overwrite=overwrite):
        report(f"{task.output} is made already", {"output": str(task.output)}, as_json)
        return
    with run.recording(task, source=str(source)):
        made = convert(
            source, task.output, split, names, which=which, backbone=backbone, protocol=protocol
        )
    report(f"{split.name}: {made}", dataclasses.asdict(made), as_json)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.glob("*.npy"))
