"""``smie-pipe report``: what ran, whether to trust it, what came out and where it fails."""

from __future__ import annotations

from pathlib import Path

import click

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.stage import Stage
from smie_pipe.study import Study, pass_study


@click.command("report", cls=Stage)
@click.argument("runs", nargs=-1, metavar="[RUN] [RUN_B]", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    default=Path("report.html"),
    show_default=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="HTML file to write.",
)
@click.option(
    "--clips",
    default=40,
    show_default=True,
    type=click.IntRange(0),
    help="How many unseen test clips to show with their skeletons and scores.",
)
@click.option("--overwrite", is_flag=True, help="Replace a page that is there.")
@pass_study
def report(
    study: Study, runs: tuple[Path, ...], output: Path, clips: int, overwrite: bool
) -> None:
    """Write a page about the run folder RUN, or about two of them side by side.

    What ran and whether its files are those recorded, the results with intervals and the
    paper's figures, where methods fail, clips that play, curves, and what was rejected. The
    page is one HTML file that needs no network. Without RUN it is the folder of --run.

    \b
    Example:
      smie-pipe report runs/demo -o demo.html
    """  # noqa: D301
    from smie_pipe.report.page import write_page
    from smie_pipe.report.report import report_page

    paths = list(runs) or [study.run.path]
    if len(paths) > 2:
        raise click.UsageError(f"expected one run folder or two, found {len(paths)}")
    if output.exists() and not overwrite:
        raise InputError(f"{output} exists; give --overwrite to replace it")
    text = report_page(paths, clips)
    write_page(output, text)
    click.echo(f"{' and '.join(map(str, paths))} -> {output}, {len(text.encode()) / 1e6:.2f} MB")
