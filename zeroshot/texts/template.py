"""A table of class texts to fill in, and a prompt that asks any language model for them.

No language model is called: the prompt is a text to give to one, or to a person.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.zeroshot.texts.text_sets import SETS, built_in_texts

COLUMNS = ("name", *SETS)
_RULES = """\
You write short texts about human actions for a program that recognises actions from the
positions of body joints. It sees no objects, no faces, no places: only how a body moves.

Return a CSV in UTF-8 with the heading
name,label,definition,motion
and exactly one row for each class listed below, in the same order. Keep every name letter for
letter. Put every cell in double quotes.

label: the action in a few plain words.
definition: one sentence of 8 to 20 words that says what the action is, as a dictionary does.
motion: one sentence of 20 to 40 words that says how the body moves. Say for the arms, the legs
and the trunk what they do or that they stay still: one arm or both, left or right only where
the class says so, up or down, forward or to the side, at what height (head, shoulder, chest,
waist, floor), bent or stretched, fast or slow, once or again and again, towards the other person
or away. Use the same words for the same movement in every row, and name in each row what tells
the class from the others in the list. No colours, no things' looks, no places, no feelings.

Example:
name,label,definition,motion
"""


def template(class_names: Sequence[str]) -> list[dict[str, str]]:
    """Return a row a class with the columns name, label, definition, motion.

    Classes of NTU RGB+D and PKU-MMD come with the package's texts; of others the label is the
    name and the rest is empty, to be filled in.
    """
    known = built_in_texts()
    empty = {"definition": "", "motion": ""}
    return [{"name": n, "label": n, **known.get(n, empty)} for n in class_names]


def prompt(class_names: Sequence[str]) -> str:
    """Return a prompt that asks for the texts of these classes in the form of the table."""
    name = "hand waving"
    example = ",".join(f'"{cell}"' for cell in (name, *built_in_texts()[name].values()))
    listed = "\n".join(f'"{name}"' for name in class_names)
    return f"{_RULES}{example}\n\nClasses:\n{listed}\n"


def write_template(path: Path, class_names: Sequence[str]) -> Path:
    """Write the table, and the prompt beside it as ``STEM_prompt.txt``; return the latter.

    Raises
    ------
    InputError
        If there are no classes, or the table is not to be called .csv.
    """
    if not class_names:
        raise InputError("there are no classes to describe")
    if path.suffix.lower() != ".csv":
        raise InputError(f"{path}: expected a name that ends in .csv, as a text source must")
    beside = path.with_name(f"{path.stem}_prompt.txt")
    with (
        replace_when_whole(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(template(class_names))
    with replace_when_whole(beside) as temporary:
        temporary.write_text(prompt(class_names), encoding="utf-8")
    return beside
