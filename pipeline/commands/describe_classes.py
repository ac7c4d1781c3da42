"""``smie-pipe describe-classes``: a table of class texts to fill in, and a prompt for it."""

from __future__ import annotations

from pathlib import Path

import click

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.stage import Stage, json_option, overwrite_option, report
from smie_pipe.study import Study, pass_study


@click.command(
    "describe-classes",
    cls=Stage,
    example="smie-pipe --run runs/mine describe-classes --out texts.csv\n"
    "smie-pipe --run runs/mine zeroshot --text texts.csv",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The table to write (.csv); the prompt goes beside it as STEM_prompt.txt.",
)
@click.option(
    "--classes",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="CSV with a column name, as preprocess takes it. [default: the classes of the run "
    "folder's skeletons.h5]",
)
@overwrite_option
@json_option
@pass_study
def describe_classes(
    study: Study, out: Path, classes: Path | None, overwrite: bool, as_json: bool
) -> None:
    """Write a table of class texts to fill in, for zeroshot --text.

    A row a class with the columns name,label,definition,motion. Classes of NTU RGB+D and
    PKU-MMD come filled in. The prompt beside it asks a language model of your choice for the
    rest; this program never calls one.
    """
    from smie_pipe.zeroshot.texts.template import template, write_template

    if out.exists() and not overwrite:
        raise InputError(
            f"{out} is there already; give --overwrite to lose it, or another name with --out"
        )
    names = _class_names(study, classes)
    asked = write_template(out, names)
    empty = [row["name"] for row in template(names) if not row["motion"]]
    report(
        f"{len(names)} classes -> {out}; {len(empty)} to fill in by hand, or by a language model "
        f"with the prompt in {asked}",
        {"output": str(out), "prompt": str(asked), "classes": len(names), "empty": empty},
        as_json,
    )


def _class_names(study: Study, classes: Path | None) -> list[str]:
    if classes is not None:
        from smie_pipe.zeroshot.texts.text_sets import names_in

        return names_in(classes)
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile

    run = study.run
    with SkeletonFile(run.require(run.skeletons, "preprocess")) as file:
        return file.class_names
