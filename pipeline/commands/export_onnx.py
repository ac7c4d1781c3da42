"""``smie-pipe export-onnx``: a model with a fixed list of labels as one ONNX file."""

from __future__ import annotations

from pathlib import Path

import click

from smie_pipe.label_choice import check_one_given, chosen_labels
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.stage import Stage, json_option, overwrite_option, report


@click.command(
    "export-onnx",
    cls=Stage,
    example='smie-pipe export-onnx models/mine mine.onnx --labels "bow, kick, drink water"',
)
@click.argument("folder", metavar="MODEL", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--labels",
    help="What it can name, separated by commas; or seen, unseen or all: the model's own classes.",
)
@click.option(
    "--labels-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A label a line, or a CSV name,definition,motion with more texts for each.",
)
@click.option("--text-model", help="Folder of the text model, where its name is not found here.")
@overwrite_option
@json_option
def export_onnx(
    folder: Path,
    output: Path,
    labels: str | None,
    labels_file: Path | None,
    text_model: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write MODEL, a folder of export-model, with its labels as one file OUTPUT.

    The file takes finished clips (count, 3, 50, 25, 2) and gives a score a label; labels and
    recipe stand in its metadata. docs/onnx_example.py runs it with onnxruntime and numpy alone.
    """
    check_one_given(labels, labels_file)
    if output.exists() and not overwrite:
        raise InputError(f"{output} exists; give --overwrite to replace it, or another name")
    from smie_pipe.zeroshot.recognition.recognizer import Recognizer

    model = Recognizer.load(folder, text_model=text_model)
    wanted, texts = chosen_labels(model, labels, labels_file)
    apart = model.export_onnx(output, wanted, texts)
    size = output.stat().st_size
    text = (
        f"{len(wanted)} labels -> {output}, {size / 1e6:.1f} MB; scores differ from the model's "
        f"by {apart:.0e} at most"
    )
    values = {"output": str(output), "labels": wanted, "bytes": size, "difference": apart}
    report(text, values, as_json)
