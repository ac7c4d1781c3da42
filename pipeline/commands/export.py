"""``smie-pipe export``: clips and features as other people's code reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.stage import Stage, json_option, report
from smie_pipe.study import Study, pass_study


@click.command(
    "export",
    cls=Stage,
    example="smie-pipe --run runs/ntu60 export SMIE --for smie --split ntu60-smie-1",
)
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--for",
    "whom",
    type=click.Choice(["arrays", "smie", "synse"]),
    default="arrays",
    show_default=True,
    help="Whose code shall read it: {train,val}_position.npy of AimCLR's and others; SMIE's tree "
    "of a split; SynSE's folder of a split's features.",
)
@click.option("--split", "spec", help="The one split to write, for smie and synse.")
@click.option(
    "--protocol",
    default="xsub",
    show_default=True,
    help="Which clips train and which test, as for pretrain-backbone; features.h5 has its own.",
)
@click.option(
    "--text-model",
    help="For smie: embed the class names with this model, or take this .npy, and write them too.",
)
@click.option("--overwrite", is_flag=True, help="Replace arrays that are there.")
@json_option
@pass_study
def export(
    study: Study,
    output: Path,
    whom: str,
    spec: str | None,
    protocol: str,
    text_model: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write clips, or features, into the folder OUTPUT for other people's code.

    Labels come as .npy and .json; no pickle is written, since reading one runs it. The two
    lines that make one stand in the docstring of preprocessing.skeletons.export.export_arrays.
    """
    if (spec is None) != (whom == "arrays"):
        wanted = "needs --split NAME" if spec is None else "takes no --split"
        raise click.UsageError(f"--for {whom} {wanted}")
    if text_model is not None and whom != "smie":
        raise click.UsageError(f"--for {whom} takes no --text-model")
    if whom == "arrays":
        folder, counts = _arrays(study, output, protocol, overwrite)
    elif whom == "smie":
        folder, counts = _smie(study, output, str(spec), protocol, text_model, overwrite)
    else:
        folder, counts = _synse(study, output, str(spec), overwrite)
    text = ", ".join(f"{count} clips {part}" for part, count in counts.items())
    report(f"{text} -> {folder}", {"output": str(folder), **counts}, as_json)


def _arrays(
    study: Study, output: Path, protocol: str, overwrite: bool
) -> tuple[Path, Mapping[str, int]]:
    from smie_pipe.preprocessing.skeletons.export import export_arrays

    skeletons = study.run.require(study.run.skeletons, "preprocess")
    _refuse_present(output, overwrite)
    return output, export_arrays(skeletons, output, protocol)


def _smie(
    study: Study,
    output: Path,
    spec: str,
    protocol: str,
    text_model: str | None,
    overwrite: bool,
) -> tuple[Path, Mapping[str, int]]:
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile
    from smie_pipe.zeroshot.export import export_smie, export_texts, smie_folder
    from smie_pipe.zeroshot.splits import resolve

    skeletons = study.run.require(study.run.skeletons, "preprocess")
    with SkeletonFile(skeletons) as file:
        dataset, names = file.dataset, file.class_names
    splits = resolve(spec, dataset, names)
    if len(splits) != 1:
        raise InputError(f"--split {spec}: expected one split, found {len(splits)}; name one")
    folder = smie_folder(output, splits[0])
    _refuse_present(folder, overwrite)
    counts = export_smie(skeletons, output, splits[0], protocol)
    if text_model is not None:
        export_texts(output, dataset, names, text_model)
    return folder, counts


def _synse(
    study: Study, output: Path, spec: str, overwrite: bool
) -> tuple[Path, Mapping[str, int]]:
    from smie_pipe.backbones.features.store import read_features
    from smie_pipe.zeroshot.export import export_synse, synse_folder

    features = study.run.require(study.run.features(spec), f"extract --split {spec}")
    folder = synse_folder(output, len(read_features(features).unseen))
    _refuse_present(folder, overwrite)
    return folder, export_synse(features, output)


def _refuse_present(folder: Path, overwrite: bool) -> None:
    there = sorted(folder.glob("*.npy")) if folder.is_dir() else []
    if there and not overwrite:
        raise InputError(f"{there[0]} exists; give --overwrite to replace it")
