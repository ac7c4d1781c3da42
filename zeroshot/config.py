"""The choices of the zero-shot stage. The only place where their defaults are written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smie_pipe.preprocessing.foundation.errors import InputError

GROUPS: dict[str, tuple[str, ...]] = {
    "all": (
        "smie",
        "smie-wo-l2",
        "devise",
        "relationnet",
        "revise",
        "jpose",
        "cada-vae",
        "synse",
        "ridge",
        "prototypes",
    ),
    "ablation": (
        "smie",
        "smie-wo-l2",
        "smie:negatives=roll",
        "smie:layer_norm=train",
        "smie:layer_norm=none",
        "smie:estimator=infonce",
    ),
}
"""Several methods by one name: those of the paper, and SMIE with one thing changed at a time."""

LABELS = "labels"
SENTENCE_BERT = "all-mpnet-base-v2"


@dataclass(frozen=True)
class TextSource:
    """Where the class texts come from and which model embeds them."""

    text: str = LABELS
    model: str = SENTENCE_BERT
    combine: Literal["views", "concat", "mean"] = "views"
    centred: bool = False

    @property
    def name(self) -> str:
        """What the texts are called in tables and folders: source, and how it is combined."""
        several = "+" in self.text or ".csv" in self.text.lower()
        combined = f"-{self.combine}" if several and self.combine != "views" else ""
        return Path(self.text).name + combined + "-centred" * self.centred


@dataclass(frozen=True)
class ZeroShotConfig:
    """Choices that decide what the zero-shot stage finds."""

    method: tuple[str, ...] = ("smie",)
    """Methods: names, "all", "ablation", or NAME:option=value[:option=value] for one with
    other options, as in smie:negatives=roll. A method of your own is module:Class or
    file.py:Class."""
    seeds: int = 1
    """Trainings per split and method; their seeds count up from the run's seed."""
    text: tuple[str, ...] = (LABELS,)
    """Class texts: labels, descriptions, several text sets joined as label+definition+motion, or
    a CSV of your own (FILE.csv, or FILE.csv:motion for one column). Several are compared."""
    combine: Literal["views", "concat", "mean"] = "views"
    """How several text sets become one text. views: kept apart for methods that read them so,
    joined to one vector for the others; concat: joined for all; mean: averaged for all."""
    centre_texts: bool = False
    """Take the mean text of the seen classes off every text, for every method."""
    text_model: tuple[str, ...] = (SENTENCE_BERT,)
    """Text model by hub name or folder, or ready-made embeddings (.npy). Several are compared."""
    verbs_nouns: str | None = None
    """CSV of each class's verb and noun for JPoSE and SynSE, where the list in the package
    lacks your classes."""
    select: Literal["last", "held-out"] = "last"
    """How epoch, learning rate and beta are chosen. last: the given options, last epoch;
    held-out: by classes held out of the seen ones. Never by unseen test data."""
    held_out_share: float = 0.2
    """Share of the seen classes that play unseen ones for held-out choosing. GZSL holds out as
    many classes as are unseen."""
    held_out_folds: int = 3
    """How many different groups of held-out classes choices are averaged over."""
    epochs: int | None = None
    """Epochs of every method that counts in epochs; by default each method's own number."""
    beta: tuple[float, ...] = ()
    """SMIE's margin (eq. 10); several make the sweep of table 4. By default the dataset's."""
    lam: float | None = None
    """SMIE's weight of the temporal constraint (eq. 11); by default 0.5."""
    negatives: Literal["other-class", "roll"] | None = None
    """SMIE's negatives: another class's clip, or the batch moved by one as in public code."""
    estimator: Literal["jsd", "infonce"] | None = None
    """SMIE's bound on mutual information: jsd (eq. 4) or infonce (eq. 12)."""
    gzsl: Literal["none", "stacking", "gate", "both"] = "none"
    """Generalised zero-shot too, over seen and unseen classes together: none, with calibrated
    stacking, with SynSE's gate, or with both."""
    also_optimistic: bool = False
    """Also report the best epoch on the unseen test clips, as public code does, named so. It
    is a bound that nobody can reach honestly; nothing is chosen by it."""
    figures: bool = True
    """Draw confusion matrices, score bars, beta and loss curves and t-SNE as PNG and SVG."""

    def __post_init__(self) -> None:
        """Check every choice and report all faults at once."""
        faults = [text for bad, text in _checks(self) if bad]
        if faults:
            raise InputError("; ".join(faults))

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

    jobs: int = 0
    """Trainings side by side, each in a process with one thread; 0 takes one per processor
    core on a CPU and one on a GPU. The results are the same for any number."""
    overwrite: bool = False
    """Train again what the run folder already holds from the same data and options."""

    def __post_init__(self) -> None:
        if self.jobs < 0:
            raise InputError(f"jobs must be 0 (automatic) or more, got {self.jobs}")


def _checks(c: ZeroShotConfig) -> list[tuple[bool, str]]:
    return [
        (not c.method, "method is empty; name at least one"),
        (c.seeds < 1, f"seeds must be at least 1, got {c.seeds}"),
        (not c.text, "text is empty; name at least one source"),
        (
            c.combine not in ("views", "concat", "mean"),
            f"combine: views, concat or mean, got {c.combine!r}",
        ),
        (not c.text_model, "text_model is empty; name at least one"),
        (
            not 0 < c.held_out_share <= 0.5,
            f"held_out_share must be above 0 and at most 0.5, got {c.held_out_share}",
        ),
        (c.held_out_folds < 1, f"held_out_folds must be at least 1, got {c.held_out_folds}"),
        (c.epochs is not None and c.epochs < 1, f"epochs must be at least 1, got {c.epochs}"),
        (any(b < 0 for b in c.beta), f"beta must not be negative, got {c.beta}"),
        (c.lam is not None and c.lam < 0, f"lam must not be negative, got {c.lam}"),
        (c.select not in ("last", "held-out"), f"select: last or held-out, got {c.select!r}"),
        (
            c.gzsl not in ("none", "stacking", "gate", "both"),
            f"gzsl: none, stacking, gate or both, got {c.gzsl!r}",
        ),
    ]
