"""``smie-pipe predict``: name actions in recordings from free text, by a trained model."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smie_pipe.following import follow_stream
from smie_pipe.label_choice import check_one_given, chosen_labels
from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.stage import (
    CommaList,
    Grouped,
    Stage,
    build_config,
    config_options,
    json_option,
    overwrite_option,
    report,
)
from smie_pipe.study import FAILED, Study, pass_study
from smie_pipe.zeroshot.recognition.segments import SegmentConfig

if TYPE_CHECKING:
    from smie_pipe.zeroshot.recognition.prediction import Prediction
    from smie_pipe.zeroshot.recognition.recognizer import Recognizer
    from smie_pipe.zeroshot.recognition.segments import Segment

FORMATS = ("json", "csv", "tsv")
SEGMENT_FORMATS = ("csv", "tsv", "json", "activitynet", "pku", "vtt", "srt", "eaf")
BAR = 20
LIVE = "Live"
MEANING = (
    "score: 0 is the mean of the labels, 1 the spread of scores of seen-class clips. margin: the "
    "first label's score less the second's; below {none:.2f} none of the labels may fit."
)


@click.command(
    "predict",
    cls=Stage,
    example='smie-pipe predict a.skeleton --model models/mine --labels "bow, kick, drink water"',
)
@click.argument("recordings", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--model",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="Model folder of export-model.",
)
@click.option(
    "--labels",
    help="What to look for, separated by commas; or seen, unseen or all: the model's own classes.",
)
@click.option(
    "--labels-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A label a line, or a CSV name,definition,motion with more texts for each.",
)
@click.option("--per-body", is_flag=True, help="Name each person apart.")
@click.option("--segments", is_flag=True, help="Find when each action is, in long recordings.")
@click.option("--top", default=5, show_default=True, type=click.IntRange(1), help="Labels shown.")
@click.option("--fps", default=30.0, show_default=True, help="Frames a second of .npy arrays.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write the results to.",
)
@click.option(
    "-f",
    "--formats",
    type=CommaList(str),
    default="all",
    show_default=True,
    help=f"Files to write: all, or of {', '.join(FORMATS)}; with --segments of "
    f"{', '.join(SEGMENT_FORMATS)}.",
)
@click.option(
    "--follow",
    metavar="FILE|-",
    cls=Grouped,
    group=LIVE,
    help="Name a growing file, a pipe or the standard input while it comes, instead of "
    "RECORDINGS: PKU-MMD text at --fps, or JSON lines. Ends with the stream or Ctrl-C.",
)
@click.option(
    "--serve",
    is_flag=True,
    cls=Grouped,
    group=LIVE,
    help="Show it on a page of this computer, where other labels can be typed.",
)
@click.option(
    "--idle",
    "idle_s",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    cls=Grouped,
    group=LIVE,
    help="End where a followed file has not grown for so long; by default it is waited for.",
)
@click.option("--text-model", help="Folder of the text model, where its name is not found here.")
@click.option("--own-method", metavar="FILE.py:CLASS", help="A method that is not built in.")
@config_options(SegmentConfig)
@overwrite_option
@json_option
@click.pass_context
@pass_study
def predict(
    study: Study,
    ctx: click.Context,
    recordings: Sequence[Path],
    folder: Path,
    labels: str | None,
    labels_file: Path | None,
    per_body: bool,
    segments: bool,
    top: int,
    fps: float,
    follow: str | None,
    serve: bool,
    idle_s: float | None,
    output: Path | None,
    formats: Sequence[str],
    overwrite: bool,
    text_model: str | None,
    own_method: str | None,
    as_json: bool,
    **choices: Any,
) -> None:
    """Name the actions in RECORDINGS: files or folders that preprocess reads, or .npy arrays.

    Each recording, or each labelled action of a PKU-MMD recording, gets its labels ranked. A
    recording that cannot be named is said, the others go on, and the exit code is 1.
    """
    config = build_config(SegmentConfig, choices)
    if config != SegmentConfig() and not segments:
        raise click.UsageError("options of segments were given without --segments")
    if follow is None and (serve or idle_s is not None):
        raise click.UsageError("--serve and --idle belong to --follow")
    if follow is not None:
        _check_follow(recordings, output, segments or per_body)
    elif not recordings:
        raise click.UsageError("give RECORDINGS, or --follow FILE")
    _check(recordings, labels, labels_file, output, formats, segments, overwrite, per_body)
    from smie_pipe.zeroshot.recognition.recognizer import Recognizer

    model = Recognizer.load(
        folder, device=study.torch_device(), text_model=text_model, own_method=own_method
    )
    wanted, texts = chosen_labels(model, labels, labels_file)
    _say_twins(model, wanted, texts)
    if follow is not None:
        if follow_stream(model, follow, wanted, texts, fps, idle_s, serve, as_json):
            ctx.meta[FAILED] = True
        return
    if segments:
        found, faults = _segments(model, recordings, wanted, fps, config)
        text, values = _segment_table(found), [dataclasses.asdict(s) for s in found]
        if output is not None:
            _write_segments(found, output, formats, wanted)
    else:
        named = list(
            model.predict_all(recordings, wanted, fps=fps, per_body=per_body, texts=texts)
        )
        faults = [one.fault for one in named if one.fault]
        text, values = _table(named, top, model), [one.as_dict() for one in named]
        if output is not None:
            _write(named, output, formats)
    for fault in faults:
        click.echo(f"not named: {fault}", err=True)
    if faults:
        ctx.meta[FAILED] = True
    report(text, {"model": str(folder), "results": values}, as_json)


def _check_follow(recordings: Sequence[Path], output: Path | None, other: bool) -> None:
    if recordings:
        raise click.UsageError(
            f"--follow is of one stream: leave out {', '.join(map(str, recordings[:3]))}"
        )
    if other:
        raise click.UsageError("--follow excludes --segments and --per-body")
    if output is not None:
        raise click.UsageError("--follow writes no files; send its output to one: > labels.txt")


def _check(
    recordings: Sequence[Path],
    labels: str | None,
    labels_file: Path | None,
    output: Path | None,
    formats: Sequence[str],
    segments: bool,
    overwrite: bool,
    per_body: bool,
) -> None:
    """Refuse what cannot be, before anything is loaded."""
    check_one_given(labels, labels_file)
    if segments and per_body:
        raise click.UsageError("--segments and --per-body exclude each other")
    missing = [str(path) for path in recordings if not path.exists()]
    if missing:
        raise InputError(f"{', '.join(missing)}: no such file or folder")
    known = SEGMENT_FORMATS if segments else FORMATS
    for form in formats:
        if form not in ("all", *known):
            raise unknown_choice("format", form, ["all", *known])
    if output is not None and output.is_dir() and any(output.iterdir()) and not overwrite:
        raise InputError(f"{output} is not empty; give --overwrite or another folder")


def _say_twins(model: Recognizer, labels: list[str], texts: dict[str, list[str]]) -> None:
    """Say which labels the model will hardly tell apart."""
    if texts or len(labels) > 500:
        return
    for one, other, cosine in model.near_twins(labels)[:5]:
        click.echo(
            f"near twins: {one!r} and {other!r} are nearly the same text to the model (cosine "
            f"{cosine:.2f}); it will hardly tell them apart",
            err=True,
        )


def _segments(
    model: Recognizer,
    recordings: Sequence[Path],
    labels: list[str],
    fps: float,
    config: SegmentConfig,
) -> tuple[list[Segment], list[str]]:
    """Return the segments of all recordings, and why some have none."""
    found: list[Segment] = []
    faults: list[str] = []
    for item in _each(model, recordings, fps):
        if isinstance(item, str):
            faults.append(item)
            continue
        try:
            found += model.segments(item, labels, config=config)
        except InputError as error:
            faults.append(str(error))
    return found, faults


def _each(model: Recognizer, recordings: Sequence[Path], fps: float) -> Iterator[Any]:
    for path in recordings:
        try:
            yield from model.recordings(path, fps, whole=True)
        except (InputError, OSError) as error:
            yield str(error)


def _write(named: Sequence[Prediction], output: Path, formats: Sequence[str]) -> None:
    from smie_pipe.zeroshot.recognition.prediction import save

    for form in FORMATS if "all" in formats else formats:
        save(named, output / f"predictions.{form}", form)


def _write_segments(
    found: Sequence[Segment], output: Path, formats: Sequence[str], labels: list[str]
) -> None:
    import importlib.util

    from smie_pipe.zeroshot.recognition.segment_files import write_segments

    chosen = list(formats)
    if "all" in formats:
        elan = importlib.util.find_spec("pympi") is not None
        chosen = [form for form in SEGMENT_FORMATS if form != "eaf" or elan]
    write_segments(found, output, chosen, {label: k for k, label in enumerate(labels, 1)})


def _table(named: Sequence[Prediction], top: int, model: Recognizer) -> str:
    """Return the ranked labels of each recording with a bar, and what the numbers mean."""
    lines: list[str] = []
    for one in named:
        if not one.ranking:
            continue
        body = "" if one.body is None else f", person {one.body + 1}"
        margin = "" if one.margin is None else f"  (margin {one.margin:.2f})"
        none = "  none of these?" if one.none_of_these else ""
        lines.append(f"{one.recording}{body}: {one.label}{margin}{none}")
        shown = one.ranking[:top]
        width = max(len(r.label) for r in shown)
        for r in shown:
            bar = "#" * round(BAR * r.share)
            lines.append(f"  {r.label:<{width}}  {r.score:>6.2f}  {bar}")
    if lines:
        none_below = model.folder.config["calibration"]["none_below"]
        lines.append(MEANING.format(none=none_below))
    return "\n".join(lines)


def _segment_table(found: Sequence[Segment]) -> str:
    if not found:
        return "no action found above the background"
    width = max(len(s.label) for s in found)
    lines, last = [], None
    for s in found:
        if s.recording != last:
            lines.append(s.recording)
            last = s.recording
        lines.append(f"  {s.start_s:>8.2f} - {s.end_s:>8.2f} s  {s.label:<{width}}  {s.score:.2f}")
    return "\n".join(lines)
