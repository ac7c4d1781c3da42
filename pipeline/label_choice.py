"""Which labels ``--labels`` and ``--labels-file`` stand for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from smie_pipe.zeroshot.recognition.recognizer import Recognizer


def check_one_given(labels: str | None, labels_file: Path | None) -> None:
    """Refuse both options at once, and neither."""
    if (labels is None) == (labels_file is None):
        raise click.UsageError("give either --labels or --labels-file")


def chosen_labels(
    model: Recognizer, labels: str | None, labels_file: Path | None
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the labels asked for, and further texts for them.

    ``labels`` is a list with commas between, or ``seen``, ``unseen`` or ``all``: the model's own
    classes.

    Raises
    ------
    InputError
        For labels that cannot be scored, or a file that cannot be read.
    """
    from smie_pipe.zeroshot.recognition.label_texts import check_labels, read_labels_file

    if labels_file is not None:
        wanted, texts = read_labels_file(labels_file, model.folder.config["texts"]["sets"])
    else:
        assert labels is not None
        own = {"seen": model.seen, "unseen": model.unseen, "all": model.seen + model.unseen}
        wanted, texts = own.get(labels.strip()) or [x.strip() for x in labels.split(",")], {}
    check_labels(wanted)
    return wanted, texts
