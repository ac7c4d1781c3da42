"""``smie-pipe tables``, ``compare``, ``gather``, ``remove``: results, without training."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.run_folder import RunFolder
from smie_pipe.stage import OUTPUT, Grouped, Stage, json_option, report
from smie_pipe.study import Study, pass_study

if TYPE_CHECKING:
    from smie_pipe.zeroshot.tables.rows import Row
    from smie_pipe.zeroshot.tables.table import Table
    from smie_pipe.zeroshot.trials.results import Results

FORMATS = ("text", "markdown", "latex", "csv")
RUN = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    "tables", cls=Stage, example="smie-pipe tables runs/ntu60 --format latex -o tables.tex"
)
@click.argument("runs", nargs=-1, type=RUN, metavar="[RUN]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How the tables are written; csv has no titles and notes.",
)
@click.option("--per-split", is_flag=True, help="A column for every split.")
@click.option("--only", multiple=True, metavar="METHOD", help="Only this method; may be repeated.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    cls=Grouped,
    group=OUTPUT,
    help="Write to this file instead of the terminal.",
)
@click.option(
    "--overwrite", is_flag=True, cls=Grouped, group=OUTPUT, help="Replace a file that is there."
)
@json_option
@pass_study
def tables(
    study: Study,
    runs: Sequence[Path],
    form: str,
    per_split: bool,
    only: Sequence[str],
    output: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Print the tables of what the RUN folders hold, or the one of --run; nothing is trained."""
    from smie_pipe.zeroshot.tables.tables import tables as all_tables

    if output is not None and output.exists() and not overwrite:
        raise InputError(f"{output} exists; give --overwrite to replace it")
    folders = list(runs) or [study.run.path]
    gathered = {folder: _chosen(_results(folder), only) for folder in folders}
    parts = []
    for folder, found in gathered.items():
        head = [_comment(str(folder), form)] if len(folders) > 1 else []
        parts += [*head, *(_as(t, form) for t in all_tables(found, per_split=per_split))]
    text = "\n\n".join(part.rstrip("\n") for part in parts)
    summaries = {
        str(folder): [dataclasses.asdict(row) for row in found.summary()]
        for folder, found in gathered.items()
    }
    if output is None:
        report(text, summaries, as_json)
        return
    with replace_when_whole(output) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    report(f"tables -> {output}", {"output": str(output), **summaries}, as_json)


@click.command("compare", cls=Stage, example="smie-pipe compare runs/before runs/after")
@click.argument("before", type=RUN, metavar="RUN_A")
@click.argument("after", type=RUN, metavar="RUN_B")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How the table is written.",
)
@json_option
def compare(before: Path, after: Path, form: str, as_json: bool) -> None:
    """Print what RUN_A and RUN_B both measured, side by side, with the difference.

    The difference is B less A, in points, with the 95 % interval of a paired bootstrap over the
    clips where both were tested on the same ones.
    """
    from smie_pipe.zeroshot.tables.table import NOTHING, Table

    old, new = _results(before), _results(after)
    pairs = _pairs(old, new)
    if not pairs:
        raise InputError(
            f"{before} and {after} have no method, split and text in common; "
            f"see smie-pipe tables {before} {after}"
        )
    cells = [_side_by_side(old, a, new, b) for a, b in pairs]
    header = ["method", "splits", "texts", "A", "B", "B - A"]
    notes = [f"A: {before}", f"B: {after}"]
    if any(row[-1] == NOTHING for row in cells):
        notes.append(f"{NOTHING}: not tested on the same clips, so no paired difference.")
    text = _as(Table("Top-1 on unseen classes, per cent", header, cells, notes), form)
    values = {"rows": [dict(zip(header, row, strict=True)) for row in cells]}
    report(text, values, as_json)


@click.command("gather", cls=Stage, example="smie-pipe gather runs/ntu60")
@click.argument("runs", nargs=-1, type=RUN, metavar="[RUN]...")
@json_option
@pass_study
def gather(study: Study, runs: Sequence[Path], as_json: bool) -> None:
    """Write results.json and results.csv anew from the trainings that lie in the RUN folders.

    For folders that were copied together from several machines, or cleaned up by hand.
    """
    from smie_pipe.zeroshot.trials.results import write_gathered

    for folder in list(runs) or [study.run.path]:
        found = write_gathered(folder)
        values = {"run": str(folder), "trainings": len(found.entries)}
        report(f"{folder}: {len(found.entries)} trainings -> results.json", values, as_json)


@click.command("remove", cls=Stage, example="smie-pipe --run runs/ntu60 remove debug --yes")
@click.argument("method")
@click.option(
    "--split", "splits", multiple=True, metavar="NAME", help="Only of this split; may be repeated."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_study
def remove(study: Study, method: str, splits: Sequence[str], yes: bool, as_json: bool) -> None:
    """Remove a METHOD's trainings from the run folder, and its rows from the results.

    METHOD is a method's name (all its variants), a variant's (smie_beta-0.5), or the name of a
    folder below a split.
    """
    from smie_pipe.zeroshot.trials.results import write_gathered

    run = study.run
    folders = _folders_of(run, method, splits)
    shown = "\n".join(f"  {folder}" for folder in folders)
    if not yes:
        click.confirm(f"{shown}\nRemove {_folders(len(folders))}?", abort=True, err=True)
    used = {
        features for folder in folders if (features := folder.parent / "features.h5").is_file()
    }
    with run.alone_with(sorted(used)):
        for folder in folders:
            shutil.rmtree(folder)
    found = write_gathered(run.path)
    values = {"removed": [str(folder) for folder in folders], "trainings": len(found.entries)}
    said = f"removed {_folders(len(folders))}; trainings left: {len(found.entries)}"
    report(said, values, as_json)


def _results(folder: Path) -> Results:
    from smie_pipe.zeroshot.trials.results import read_results

    found = read_results(folder)
    if not found.entries:
        raise InputError(
            f"{folder} holds no results of zeroshot: run `smie-pipe --run {folder} zeroshot` first"
        )
    return found


def _chosen(results: Results, methods: Sequence[str]) -> Results:
    """Return the results of some methods, by name or with what is changed in them."""
    if not methods:
        return results
    known = {name for entry in results.entries for name in (entry.method, entry.variant)}
    for name in methods:
        if name not in known:
            raise unknown_choice(f"method in {results.run_dir}", name, known)
    kept = [e for e in results.entries if {e.method, e.variant} & set(methods)]
    return dataclasses.replace(results, entries=kept)


def _as(table: Table, form: str) -> str:
    if form == "text":
        return table.text(shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
    made: str = getattr(table, form)()
    return made


def _comment(text: str, form: str) -> str:
    return {"text": text, "markdown": f"## {text}", "latex": f"% {text}", "csv": f"# {text}"}[form]


def _pairs(old: Results, new: Results) -> list[tuple[Row, Row]]:
    """Return the rows of both that say the same of method, options, texts and splits."""
    from smie_pipe.zeroshot.tables.rows import rows_of

    theirs = {_same(row): row for row in rows_of(new)}
    return [(row, theirs[_same(row)]) for row in rows_of(old) if _same(row) in theirs]


def _same(row: Row) -> tuple:
    s = row.summary
    return s.dataset, s.split_set, s.variant, s.text, s.text_model, s.select


def _side_by_side(old: Results, a: Row, new: Results, b: Row) -> list[str]:
    from smie_pipe.zeroshot.tables.rows import (
        difference,
        hits_by_split,
        mean_cell,
        name_and_options,
        points,
    )
    from smie_pipe.zeroshot.tables.table import NOTHING

    found = difference(hits_by_split(new, b.entries), hits_by_split(old, a.entries))
    apart = NOTHING if found is None else points(found)
    s = a.summary
    return [name_and_options(a), s.split_set, s.text, mean_cell(s), mean_cell(b.summary), apart]


def _folders_of(run: RunFolder, method: str, splits: Sequence[str]) -> list[Path]:
    """Return the folders of a method's trainings, whether they have a result or not."""
    from smie_pipe.zeroshot.trials.results import read_results

    places = sorted(
        {p.parent for depth in ("*/*", "*/*/*") for p in run.path.glob(f"{depth}/seed-*")}
    )
    named = {folder: {folder.name} for folder in places}
    for entry in read_results(run.path).entries:
        folder = (run.path / entry.folder).parent
        named.setdefault(folder, set()).update({entry.method, entry.variant, folder.name})
    found = [folder for folder, names in named.items() if method in names]
    if not found:
        known = {name for names in named.values() for name in names}
        raise unknown_choice(f"method in {run.path}", method, known)
    of_splits = {folder: folder.relative_to(run.path).parts[0] for folder in found}
    for split in splits:
        if split not in of_splits.values():
            raise unknown_choice(f"split with {method}", split, set(of_splits.values()))
    return [folder for folder in found if not splits or of_splits[folder] in splits]


def _folders(count: int) -> str:
    return f"{count} folder{'s' * (count != 1)}"
