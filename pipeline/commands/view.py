"""``smie-pipe view``: skeletons that play, in one HTML file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.stage import Stage, build_config, config_options

_OF_USE = ("layout", "tracker", "fps", "axes", "unit", "level", "mirror", "markers")
_NOT_OF_USE = [f.name for f in dataclasses.fields(PreprocessConfig) if f.name not in _OF_USE]


@click.command("view", cls=Stage)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--clip",
    "clips",
    multiple=True,
    metavar="NAME|ROW",
    help="Which clip of a skeletons.h5; may be repeated. [default: the first of each class]",
)
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Time line under recordings: JSON of segments, or PKU-MMD label lines.",
)
@click.option(
    "-o",
    "--output",
    default=Path("view.html"),
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace a page that is there.")
@config_options(PreprocessConfig, skip=_NOT_OF_USE)
def view(
    file: Path,
    clips: tuple[str, ...],
    labels: Path | None,
    output: Path,
    overwrite: bool,
    **values: Any,
) -> None:
    """Write a page on which the skeletons of FILE play.

    FILE is a skeletons.h5; a raw recording of any kind, a body tracker's too, or a folder of
    them; or JSON of labelled segments that says where its recordings are. Labels lie on a time
    line under the player. The page is one HTML file that needs no network.

    \b
    Example:
      smie-pipe view 0002-L.txt --labels label/0002-L.txt -o 0002-L.html
    """  # noqa: D301
    from smie_pipe.report.page import write_page
    from smie_pipe.report.view import view_page

    if output.exists() and not overwrite:
        raise InputError(f"{output} exists; give --overwrite to replace it")
    text = view_page(file, clips, labels, build_config(PreprocessConfig, values))
    write_page(output, text)
    click.echo(f"{file} -> {output}, {len(text.encode()) / 1e6:.2f} MB")
