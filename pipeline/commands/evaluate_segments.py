"""``smie-pipe evaluate-segments``: how well segments were found, by PKU-MMD's measures."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.stage import CommaList, Stage, json_option, report

if TYPE_CHECKING:
    from smie_pipe.zeroshot.recognition.segment_measures import SegmentMeasures
    from smie_pipe.zeroshot.recognition.segments import Segment


@click.command(
    "evaluate-segments",
    cls=Stage,
    example="smie-pipe evaluate-segments found/ PKUMMD/label --classes PKUMMD/classes.csv",
)
@click.argument("predictions", type=click.Path(exists=True, path_type=Path))
@click.argument("truth", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--classes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV id,name of the numbers in the label files. [default: PKU-MMD's 51 classes]",
)
@click.option(
    "--labels",
    help="Only these classes, by name, separated by commas; the unseen ones, as a rule. "
    "[default: all that occur]",
)
@click.option(
    "--iou",
    "thresholds",
    type=CommaList(float),
    default="0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9",
    show_default=True,
    help="Overlaps from which on a segment counts as found.",
)
@click.option(
    "--matching",
    type=click.Choice(["once", "published"]),
    default="once",
    show_default=True,
    help="once: a true segment is found by one prediction; published: as PKU-MMD's program.",
)
@json_option
def evaluate_segments(
    predictions: Path,
    truth: Path,
    classes: Path | None,
    labels: str | None,
    thresholds: Sequence[float],
    matching: Any,
    as_json: bool,
) -> None:
    """Compare PREDICTIONS with the label files in TRUTH, beside shuffled labels.

    PREDICTIONS is a folder of label lines (label,start_frame,end_frame,confidence, a file a
    recording), or the segments.csv or .tsv that predict --segments writes. Recordings of TRUTH
    without a prediction count as not found.
    """
    from smie_pipe.zeroshot.recognition.segment_measures import chance, measure

    bad = [str(t) for t in thresholds if not 0 < t <= 1]
    if bad or not thresholds:
        raise click.UsageError(
            f"--iou: expected numbers above 0 and up to 1, got {', '.join(bad)}"
        )
    names = _class_names(classes)
    true = _only(_folder(truth, names), labels, names)
    found = _read(predictions, names)
    strangers = sorted({s.recording for s in found} - {s.recording for s in true})
    if found and not {s.recording for s in found} & {s.recording for s in true}:
        raise InputError(
            f"{predictions}: no recording of {truth} among its {len(strangers)} "
            f"({', '.join(strangers[:3])}); the names must be those of the label files"
        )
    rows = measure(found, true, thresholds, matching)
    by_chance = chance(found, true, thresholds, matching)
    values = {
        "segments": len(found),
        "true_segments": len(true),
        "recordings": len({s.recording for s in true}),
        "matching": matching,
        "measures": [dataclasses.asdict(row) for row in rows],
        "shuffled_labels": [dataclasses.asdict(row) for row in by_chance],
    }
    report(_text(rows, by_chance, values), values, as_json)


def _text(
    rows: Sequence[SegmentMeasures], by_chance: Sequence[SegmentMeasures], values: dict[str, Any]
) -> str:
    """Return the table: each measure beside what shuffled labels give."""
    head = f"{'IoU':>5}  {'mAP classes':>16}  {'mAP recordings':>16}  {'F1':>16}"
    lines = [
        f"{values['segments']} segments found, {values['true_segments']} true ones in "
        f"{values['recordings']} recordings; in %, in brackets with shuffled labels",
        head,
        "-" * len(head),
    ]
    for row, other in zip(rows, by_chance, strict=True):
        cells = [
            f"{100 * getattr(row, name):>8.1f} ({100 * getattr(other, name):>5.1f})"
            for name in ("mAP_a", "mAP_v", "f1")
        ]
        lines.append(f"{row.theta:>5.2f}  " + "  ".join(cells))
    return "\n".join(lines)


def _class_names(classes: Path | None) -> dict[int, str]:
    """Return the name of each number in the label files."""
    if classes is None:
        from smie_pipe.preprocessing.datasets import dataset

        return dict(enumerate(dataset("pku51").class_names, start=1))
    with open(classes, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        return {int(row["id"]): row["name"] for row in rows}
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{classes}: expected the columns id,name with a number and a name"
        ) from None


def _read(path: Path, names: dict[int, str]) -> list[Segment]:
    from smie_pipe.zeroshot.recognition.segment_files import read_table

    if path.is_dir():
        table = path / "segments.csv"
        return _read(table, names) if table.is_file() else _folder(path, names)
    return read_table(path.read_text(encoding="utf-8"), str(path))


def _folder(folder: Path, names: dict[int, str]) -> list[Segment]:
    """Return the segments of all label files of a folder."""
    from smie_pipe.zeroshot.recognition.segment_files import read_pku_text

    files = sorted(folder.glob("*.txt"))
    if not files:
        raise InputError(f"{folder}: expected label files (NAME.txt), found none")
    return [
        segment
        for file in files
        for segment in read_pku_text(file.read_text("utf-8"), names, file.stem, str(file))
    ]


def _only(segments: list[Segment], labels: str | None, names: dict[int, str]) -> list[Segment]:
    """Return the segments of the labels asked for."""
    if labels is None:
        return segments
    wanted = [label.strip() for label in labels.split(",") if label.strip()]
    for label in wanted:
        if label not in names.values():
            raise unknown_choice("class", label, list(names.values()))
    return [segment for segment in segments if segment.label in set(wanted)]
