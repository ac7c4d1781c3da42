"""``smie-pipe view``: skeletons that play, in one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.stage import Stage


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
    help="Time line under a recording: JSON of segments, or PKU-MMD label lines.",
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
def view(
    file: Path, clips: tuple[str, ...], labels: Path | None, output: Path, overwrite: bool
) -> None:
    """Write a page on which the skeletons of FILE play: a raw recording or a skeletons.h5.

    FILE may also be JSON of labelled segments that names its recording; the labels then lie on
    a time line under the player. The page is one HTML file that needs no network.

    \b
    Example:
      smie-pipe view 0002-L.txt --labels label/0002-L.txt -o 0002-L.html
    """  # noqa: D301
    from smie_pipe.report.page import write_page
    from smie_pipe.report.view import view_page

    if output.exists() and not overwrite:
        raise InputError(f"{output} exists; give --overwrite to replace it")
    text = view_page(file, clips, labels)
    write_page(output, text)
    click.echo(f"{file} -> {output}, {len(text.encode()) / 1e6:.2f} MB")
