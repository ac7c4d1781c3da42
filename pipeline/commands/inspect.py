"""``smie-pipe inspect``: what a file of the pipeline, or a raw one, holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.run_folder import RunFolder
from smie_pipe.stage import Stage, json_option, report


@click.command(
    "inspect",
    cls=Stage,
    example="smie-pipe inspect runs/demo/skeletons.h5 --render clip.gif --clip 0",
)
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--render",
    "picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw a clip's skeletons: .png for a strip of frames, .gif for a moving picture.",
)
@click.option("--clip", help="Which clip of a skeletons.h5 to draw: its name or row.")
@click.option("--overwrite", is_flag=True, help="Replace a picture that is there.")
@json_option
def inspect(
    file: Path, picture: Path | None, clip: str | None, overwrite: bool, as_json: bool
) -> None:
    """Print what FILE holds: any file of a run folder, the folder itself, or a raw recording."""
    if picture is None:
        text, facts = describe_any(file)
        report(text, {"file": str(file), **facts}, as_json)
        return
    if picture.exists() and not overwrite:
        raise InputError(f"{picture} exists; give --overwrite to replace it")
    from smie_pipe.preprocessing.skeletons.render import render_file

    report(f"{render_file(file, picture, clip)} -> {picture}", {"picture": str(picture)}, as_json)


Described = tuple[str, dict[str, Any]]


def describe_any(path: Path) -> Described:
    """Return what a file or run folder holds, in words and as plain values.

    Raises
    ------
    InputError
        If it is none of ours, or damaged.
    """
    if path.is_dir():
        return _describe_run(path)
    if path.name in ("results.json", "run.json"):
        return _describe_run(path.parent)
    if path.suffix == ".safetensors":
        return _describe_tensors(path)
    if path.suffix in (".h5", ".hdf5") and _format_of(path) == "smie-pipe features":
        from smie_pipe.backbones.features.store import describe_features, read_features

        features = read_features(path)
        facts = {"clips": features.counts(), "seen": features.seen, "unseen": features.unseen}
        names = {"class_names": features.class_names, **features.attrs}
        return f"{path}: {describe_features(features)}", {**facts, **names}
    from smie_pipe.preprocessing.skeletons.describe import describe

    text = describe(path)
    return text, {"text": text}


def _describe_run(folder: Path) -> Described:
    """Return what a run folder holds: each stage's outputs, and what was measured."""
    from smie_pipe.zeroshot.trials.results import read_results

    stages = RunFolder(folder).records()
    found = read_results(folder).entries
    if not stages and not found:
        raise InputError(
            f"{folder}: expected a run folder (run.json, results.json) or a file, found a folder "
            "with neither; for raw recordings name one of the files, or run preprocess on it"
        )
    lines = [f"{folder}: run folder"]
    for key, entry in stages.items():
        output = folder / entry["output"]["path"]
        gone = "" if output.exists() else ", which is gone"
        made = f"{entry.get('seconds', 0):.0f} s, {entry.get('started', '')[:16]}"
        lines.append(f"  {key} -> {entry['output']['path']}{gone} ({made})")
    methods = sorted({entry.variant for entry in found})
    if found:
        lines.append(
            f"  {len(found)} trainings of {len(methods)} methods ({', '.join(methods)}); "
            f"tables: smie-pipe tables {folder}"
        )
    return "\n".join(lines), {"stages": stages, "trainings": len(found), "methods": methods}


def _describe_tensors(path: Path) -> Described:
    from smie_pipe.backbones.weights import METADATA_KEY, read_metadata

    shapes, metadata = _tensors(path)
    if METADATA_KEY in metadata:
        facts = read_metadata(path)
        return f"{path}:\n" + json.dumps(facts, indent=1, default=str), facts
    words = [f"  {name}: {' x '.join(map(str, shape))}" for name, shape in shapes.items()]
    what = "scores of a training" if {"scores", "truth"} <= set(shapes) else "tensors"
    return "\n".join([f"{path}: {what}", *words]), {"tensors": shapes, "metadata": metadata}


def _tensors(path: Path) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Return shapes and metadata of a safetensors file, without reading the tensors."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            shapes = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            return shapes, file.metadata() or {}
    except SafetensorError as error:
        raise InputError(
            f"{path}: expected tensors (.safetensors), found none: {error}"
        ) from error


def _format_of(path: Path) -> str:
    from smie_pipe.preprocessing.foundation.whole_files import damage_said, open_hdf5

    expected = "a file of this program"
    with open_hdf5(path, expected) as file, damage_said(path, expected):
        return str(file.attrs.get("format", ""))
