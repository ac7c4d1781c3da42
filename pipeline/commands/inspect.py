"""``smie-pipe inspect``: what a file of the pipeline, or a raw one, holds."""

from __future__ import annotations

import json
from pathlib import Path

import click

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.stage import Stage


@click.command(
    "inspect",
    cls=Stage,
    example="smie-pipe inspect runs/demo/skeletons.h5 --render clip.gif --clip 0",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--render",
    "picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw a clip's skeletons: .png for a strip of frames, .gif for a moving picture.",
)
@click.option("--clip", help="Which clip of a skeletons.h5 to draw: its name or row.")
@click.option("--overwrite", is_flag=True, help="Replace a picture that is there.")
def inspect(file: Path, picture: Path | None, clip: str | None, overwrite: bool) -> None:
    """Print what FILE holds: a skeletons.h5, features.h5, backbone, or a raw recording."""
    if picture is None:
        click.echo(describe_any(file))
        return
    if picture.exists() and not overwrite:
        raise InputError(f"{picture} exists; give --overwrite to replace it")
    from smie_pipe.preprocessing.skeletons.render import render_file

    click.echo(f"{render_file(file, picture, clip)} -> {picture}")


def describe_any(path: Path) -> str:
    """Return what a file holds, by its ending and, for HDF5, by the format it names.

    Raises
    ------
    InputError
        If it is none of ours, or damaged.
    """
    if path.suffix == ".safetensors":
        return _describe_backbone(path)
    if path.suffix in (".h5", ".hdf5") and _format_of(path) == "smie-pipe features":
        from smie_pipe.backbones.features.store import describe_features, read_features

        return f"{path}: {describe_features(read_features(path))}"
    from smie_pipe.preprocessing.skeletons.describe import describe

    return describe(path)


def _format_of(path: Path) -> str:
    from smie_pipe.preprocessing.foundation.whole_files import damage_said, open_hdf5

    expected = "a file of this program"
    with open_hdf5(path, expected) as file, damage_said(path, expected):
        return str(file.attrs.get("format", ""))


def _describe_backbone(path: Path) -> str:
    from smie_pipe.backbones.weights import read_metadata

    facts = read_metadata(path)
    return f"{path}:\n" + json.dumps(facts, indent=1, default=str)
