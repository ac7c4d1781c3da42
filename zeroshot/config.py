"""The choices of the zero-shot stage. The only place where their defaults are written."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from smie_pipe.preprocessing.foundation.digests import digest_file
from smie_pipe.preprocessing.foundation.options import Option, check

LABELS = "labels"
SENTENCE_BERT = "all-mpnet-base-v2"
FigureWidth = Literal["one-column", "two-column"]


@dataclass(frozen=True)
class TextSource:
    """Where the class texts come from and which model embeds them."""

    text: str = LABELS
    model: str = SENTENCE_BERT
    combine: Literal["views", "concat", "mean"] = "views"
    centred: bool = False

    @cached_property
    def digest(self) -> str:
        """Eight digits of what files and folders named here hold; empty where none are.

        Files of one name in two folders are two sources, and one file in two places is one.
        """
        own = re.match(r"(?i).+\.csv(?=:|$)", self.text)
        places = ([Path(own[0])] if own else []) + [Path(self.model)]
        files = [path for place in places for path in _files(place)]
        whole = "".join(digest_file(path) for path in files)
        return hashlib.sha256(whole.encode()).hexdigest()[:8] if files else ""

    @property
    def name(self) -> str:
        """What the texts are called in tables and folders: source, and how it is combined."""
        several = "+" in self.text or ".csv" in self.text.lower()
        combined = f"-{self.combine}" if several and self.combine != "views" else ""
        return Path(self.text).name + combined + "-centred" * self.centred


def _files(place: Path) -> list[Path]:
    """Return the file, or a model's files in a folder; none where it is a name only."""
    if place.is_dir():
        kinds = (".json", ".safetensors", ".txt")
        return sorted(path for path in place.rglob("*") if path.suffix in kinds)
    return [place] if place.is_file() else []


@dataclass(frozen=True)
class ZeroShotConfig:
    """Choices that decide what the zero-shot stage finds."""

    method: Annotated[
        tuple[str, ...],
        Option(
            'Methods: names, "all", "ablation", or NAME:option=value[:option=value] for one '
            "with other options, as in smie:negatives=roll. A method of your own is "
            "module:Class or file.py:Class."
        ),
    ] = ("smie",)
    seeds: Annotated[
        int,
        Option(
            "Trainings per split and method; their seeds count up from the run's seed.", at_least=1
        ),
    ] = 1
    text: Annotated[
        tuple[str, ...],
        Option(
            "Class texts: labels, descriptions, several text sets joined as "
            "label+definition+motion, or a CSV of your own (FILE.csv, or FILE.csv:motion for one "
            "column). Several are compared.",
            "Class texts",
        ),
    ] = (LABELS,)
    combine: Annotated[
        Literal["views", "concat", "mean"],
        Option(
            "How several text sets become one text. views: kept apart for methods that read "
            "them so, joined to one vector for the others; concat: joined for all; mean: "
            "averaged for all.",
            "Class texts",
        ),
    ] = "views"
    centre_texts: Annotated[
        bool,
        Option(
            "Take the mean text of the seen classes off every text, for every method.",
            "Class texts",
        ),
    ] = False
    text_model: Annotated[
        tuple[str, ...],
        Option(
            "Text model by hub name or folder, or ready-made embeddings (.npy). Several are "
            "compared.",
            "Class texts",
        ),
    ] = (SENTENCE_BERT,)
    verbs_nouns: Annotated[
        Path | None,
        Option(
            "CSV of each class's verb and noun for JPoSE and SynSE, where the list in the "
            "package lacks your classes.",
            "Class texts",
        ),
    ] = None
    select: Annotated[
        Literal["last", "held-out"],
        Option(
            "How epoch, learning rate and beta are chosen. last: the given options, last "
            "epoch; held-out: by classes held out of the seen ones. Never by unseen test "
            "data.",
            "Choosing without unseen data",
        ),
    ] = "last"
    held_out_share: Annotated[
        float,
        Option(
            "Share of the seen classes that play unseen ones for held-out choosing. GZSL "
            "holds out as many classes as are unseen.",
            "Choosing without unseen data",
            above=0,
            at_most=0.5,
        ),
    ] = 0.2
    held_out_folds: Annotated[
        int,
        Option(
            "How many different groups of held-out classes choices are averaged over.",
            "Choosing without unseen data",
            at_least=1,
        ),
    ] = 3
    epochs: Annotated[
        int | None,
        Option(
            "Epochs of every method that counts in epochs; by default each method's own number.",
            "Methods",
            at_least=1,
        ),
    ] = None
    beta: Annotated[
        tuple[float, ...],
        Option(
            "SMIE's margin (eq. 10); several make the sweep of table 4. By default the dataset's.",
            "Methods",
            at_least=0,
        ),
    ] = ()
    gzsl: Annotated[
        Literal["none", "stacking", "gate", "both"],
        Option(
            "Generalised zero-shot too, over seen and unseen classes together: none, with "
            "calibrated stacking, with SynSE's gate, or with both.",
            "What is measured",
        ),
    ] = "none"
    transductive: Annotated[
        Literal["none", "prototypes", "cache", "both"],
        Option(
            "Also score the unseen test clips together, in a table of its own: prototypes, by "
            "the features of the clips that each class is surest of; cache, by those of the "
            "clips scored before. No such figure is comparable with the others.",
            "What is measured",
        ),
    ] = "none"
    also_optimistic: Annotated[
        bool,
        Option(
            "Also report the best epoch on the unseen test clips, as public code does, "
            "named so. It is a bound that nobody can reach honestly; nothing is chosen by "
            "it.",
            "What is measured",
        ),
    ] = False
    figures: Annotated[
        bool,
        Option(
            "Draw methods side by side, confusion matrices, score bars, beta and loss curves and "
            "t-SNE as PNG, SVG and PDF.",
            "Output",
        ),
    ] = True
    figure_width: Annotated[
        FigureWidth,
        Option("Draw them as wide as one column of a paper (3.3 inches) or two (7).", "Output"),
    ] = "two-column"

    def __post_init__(self) -> None:
        """Refuse impossible values, all of them in one message."""
        empty = [name for name in ("method", "text", "text_model") if not getattr(self, name)]
        check(self, "zeroshot", [(True, f"{name} is empty; name at least one") for name in empty])

    def sources(self) -> list[TextSource]:
        """Return every text source with every text model, in the order given."""
        return [
            TextSource(text, model, self.combine, self.centre_texts)
            for model in self.text_model
            for text in self.text
        ]


@dataclass(frozen=True)
class ZeroShotRun:
    """How the stage is run; none of it changes a number."""

    jobs: Annotated[
        int,
        Option(
            "Trainings side by side, each in a process with one thread; 0 takes one per "
            "processor core on a CPU and one on a GPU. The results are the same for any "
            "number.",
            "Speed",
            at_least=0,
        ),
    ] = 0
    shard: Annotated[
        str,
        Option(
            "K/N: do only the K-th of N shares of the trainings, as one job of an array of jobs "
            "on one run folder. The same command without it then prints the tables of all.",
            "Speed",
        ),
    ] = "1/1"
    overwrite: Annotated[
        bool,
        Option(
            "Train again what the run folder already holds from the same data and options.",
            "Output",
        ),
    ] = False
    save_model: Annotated[
        bool,
        Option(
            "Keep each trained method as method.safetensors, for export-model. A sweep of "
            "hundreds may leave them out.",
            "Output",
        ),
    ] = True

    only: Annotated[
        bool,
        Option("Print what was asked for and nothing else that lies in the run folder.", "Output"),
    ] = False
    per_split: Annotated[
        bool, Option("Print a column for every split beside the mean.", "Output")
    ] = False

    def __post_init__(self) -> None:
        """Refuse impossible values, all of them in one message."""
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", self.shard)
        possible = found is not None and 1 <= int(found[1]) <= int(found[2])
        said = f"shard is {self.shard!r}, expected K/N with K from 1 to N, as in 2/8"
        check(self, "zeroshot", [(not possible, said)])

    @property
    def share(self) -> slice:
        """Which of all trainings, in their order, are this shard's."""
        number, shards = map(int, self.shard.split("/"))
        return slice(number - 1, None, shards)
