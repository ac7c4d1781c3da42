"""``smie-pipe export``: the clips as other people's code reads them."""

from __future__ import annotations

from pathlib import Path

import click

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.stage import Stage, json_option, report
from smie_pipe.study import Study, pass_study


@click.command(
    "export",
    cls=Stage,
    example="smie-pipe --run runs/ntu60 export arrays --protocol xsub",
)
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--protocol",
    default="xsub",
    show_default=True,
    help="Which clips are train and which val, as for pretrain-backbone.",
)
@click.option("--overwrite", is_flag=True, help="Replace arrays that are there.")
@json_option
@pass_study
def export(study: Study, output: Path, protocol: str, overwrite: bool, as_json: bool) -> None:
    """Write {train,val}_position.npy with labels into the folder OUTPUT.

    Labels come as .npy and .json; no pickle is written, since reading one runs it. The two
    lines that make one stand in the docstring of from_arrays.export_arrays.
    """
    from smie_pipe.preprocessing.skeletons.export import export_arrays

    there = sorted(output.glob("*_position.npy")) if output.is_dir() else []
    if there and not overwrite:
        raise InputError(f"{there[0]} exists; give --overwrite to replace it")
    run = study.run
    counts = export_arrays(run.require(run.skeletons, "preprocess"), output, protocol)
    text = ", ".join(f"{count} clips {part}" for part, count in counts.items())
    report(f"{text} -> {output}", {"output": str(output), **counts}, as_json)
