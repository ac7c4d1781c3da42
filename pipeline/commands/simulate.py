"""``smie-pipe simulate``: raw files from a simulated Kinect v2."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from smie_pipe.preprocessing.simulation.config import SimulateConfig
from smie_pipe.preprocessing.trackers.joints.kinds import WRITABLE
from smie_pipe.stage import Stage, build_config, config_options, json_option, report
from smie_pipe.study import Study, pass_study


@click.command("simulate", cls=Stage, example="smie-pipe simulate raw --classes 10 --performers 4")
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--classes",
    default=str(SimulateConfig.classes),
    show_default=True,
    help="How many classes, their names with commas between, or all.",
)
@click.option(
    "--as",
    "tracker",
    type=click.Choice(WRITABLE),
    help="Write another body tracker's files, in place of a Kinect v2's (see docs/trackers.md).",
)
@config_options(SimulateConfig, skip=["classes", "seed", "tracker"])
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1), help="Processes.")
@json_option
@pass_study
def simulate(
    study: Study, output: Path, classes: str, workers: int, as_json: bool, **values: Any
) -> None:
    """Write raw files of a simulated Kinect v2 into the new folder OUTPUT.

    Real formats, invented people: a kinematic body acts out classes of NTU RGB+D before a
    sensor with noise, dropped frames and phantom bodies. For demos, tests and benchmarks;
    what is measured on it says nothing about a real data set. With --as the files are those
    of another body tracker, one a clip; TRC and BVH hold one of two persons.
    """
    from smie_pipe.preprocessing.simulation.simulate import simulate as write

    chosen = {**values, "classes": _classes(classes), "seed": study.seed}
    made = write(output, build_config(SimulateConfig, chosen), workers=workers)
    report(str(made), dataclasses.asdict(made), as_json)


def _classes(text: str) -> int | tuple[str, ...] | None:
    """Return how many classes, which, or None for all."""
    if text == "all":
        return None
    return int(text) if text.isdigit() else tuple(name.strip() for name in text.split(","))
