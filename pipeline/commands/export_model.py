"""``smie-pipe export-model``: one training of a run folder as a model that stands alone."""

from __future__ import annotations

from pathlib import Path

import click

from smie_pipe.stage import Stage, json_option, overwrite_option, report


@click.command(
    "export-model",
    cls=Stage,
    example="smie-pipe export-model runs/mine/random-5/smie/seed-0 models/mine",
)
@click.argument("training", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--labels", help="Further texts to keep vectors of, separated by commas.")
@click.option("--text-model", help="Folder of the text model, where its name is not found here.")
@click.option("--own-method", metavar="FILE.py:CLASS", help="A method that is not built in.")
@overwrite_option
@json_option
def export_model(
    training: Path,
    output: Path,
    labels: str | None,
    text_model: str | None,
    own_method: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write TRAINING (RUN/SPLIT/METHOD/seed-K) as one self-contained folder OUTPUT.

    The folder names actions on any machine (predict --model OUTPUT), holds its settings as plain
    JSON, its weights as safetensors, and a model card with its figures.
    """
    from smie_pipe.zeroshot.recognition.export import export_model as export

    wanted = [part.strip() for part in (labels or "").split(",") if part.strip()]
    made = export(
        training,
        output,
        wanted,
        text_model=text_model,
        own_method=own_method,
        overwrite=overwrite,
    )
    config = made.config
    figures = config["figures"]
    text = (
        f"{config['method']['method']} of {training} -> {output}\n"
        f"unseen accuracy {100 * figures['unseen_accuracy']:.1f} % of {figures['clips']} clips, "
        f"chance {100 * figures['chance']:.1f} %; {len(config['texts']['labels'])} labels kept"
    )
    report(text, {"output": str(output), **figures}, as_json)
