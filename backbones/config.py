"""The choices of `pretrain-backbone` and `extract`: the only place where a default is written.

``PretrainConfig`` and ``ExtractConfig`` decide what a stage writes and are recorded beside it;
``PretrainRun`` and ``ExtractRun`` decide only how it gets there. No torch here, so that the
command line can show its help at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from smie_pipe.backbones.networks.registry import BACKBONES
from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice

PRECISIONS = ("float32", "tf32", "bf16", "float64")
SELECTIONS = ("last", "best-on-seen-test")
MASKS = ("key-frames", "key-frames+random")
RESIDENT = ("auto", "yes", "no")


@dataclass(frozen=True)
class PretrainConfig:
    """Choices that decide the weights `pretrain-backbone` writes; the paper's set-up."""

    backbone: str = "stgcn"
    """``stgcn`` (SMIE's own setting) or ``shift-gcn`` (the setting with SynSE's features)."""
    epochs: int = 150
    """Length of the cosine from ``lr`` to zero."""
    batch: int = 128
    """Clips a step, over all processes together."""
    lr: float = 5e-3
    """Adam's step size in the first epoch."""
    precision: str = "float32"
    """``bf16``: autocast (weights stay float32). ``tf32``: a GPU may round factors to 10 bits.
    ``float64``: slow, for checks."""
    dropout: float = 0.5
    """Of ST-GCN's temporal convolutions; Shift-GCN has none."""
    share_absent: bool = True
    """ST-GCN: run one absent body a batch for all clips without a second person. False runs each
    and every one through the network in training, as public code does."""
    recalibrate: bool = True
    """Recalibrate batch normalisation: measure its statistics anew, without dropout, over the
    training clips when weights are final."""
    select: str = "last"
    """``best-on-seen-test`` keeps the epoch that scores best on the *test* clips of the seen
    classes, as public code does: the seen-class accuracy is then optimistic."""

    def __post_init__(self) -> None:
        """Refuse impossible values, all of them in one message."""
        _known("backbone", self.backbone, BACKBONES)
        _known("precision", self.precision, PRECISIONS)
        _known("way to select an epoch", self.select, SELECTIONS)
        _sound(
            ("epochs", self.epochs, "at least 1", self.epochs >= 1),
            ("batch", self.batch, "at least 1", self.batch >= 1),
            ("lr", self.lr, "above 0", self.lr > 0),
            ("dropout", self.dropout, "from 0 to below 1", 0 <= self.dropout < 1),
        )


@dataclass(frozen=True)
class PretrainRun:
    """Choices that decide how pretraining runs, not what it writes."""

    resident: str = "auto"
    """Keep all clips in the device's memory: ``auto`` when they fit in half of what is free."""
    checkpoint_steps: int = 0
    """Also save a checkpoint every so many steps within an epoch; 0: after each epoch only."""
    seen_test_every: int = 0
    """Measure seen-class test accuracy every so many epochs for the log; 0: at the end only."""
    tensorboard: bool = False
    """Write TensorBoard events beside the metrics file (needs the ``log`` extra)."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        _known("choice for resident", self.resident, RESIDENT)
        _sound(
            ("checkpoint_steps", self.checkpoint_steps, "0 or more", self.checkpoint_steps >= 0),
            ("seen_test_every", self.seen_test_every, "0 or more", self.seen_test_every >= 0),
        )


@dataclass(frozen=True)
class ExtractConfig:
    """Choices that decide the features `extract` writes."""

    masked_frames: int = 15
    """P: how many frames with the highest motion attention the masked clip lacks."""
    mask: str = "key-frames"
    """``key-frames+random`` drops ``random_frames`` more at random, as public code does."""
    random_frames: int = 15
    """Only with ``key-frames+random``."""
    seed: int = 0
    """Of those random frames; nothing else here is random."""
    precision: str = "float32"
    """``bf16``: autocast; features are stored as float32 all the same."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        _known("mask", self.mask, MASKS)
        _known("precision", self.precision, PRECISIONS)
        _sound(
            ("masked_frames", self.masked_frames, "at least 1", self.masked_frames >= 1),
            ("random_frames", self.random_frames, "at least 1", self.random_frames >= 1),
        )


@dataclass(frozen=True)
class ExtractRun:
    """Choices that decide how extraction runs, not what it writes."""

    batch: int = 256
    """Clips a step and process."""
    resident: str = "no"
    """Every clip is read once, so reading ahead is as good as keeping them all."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        _known("choice for resident", self.resident, RESIDENT)
        _sound(("batch", self.batch, "at least 1", self.batch >= 1))


def _known(kind: str, given: str, allowed: Iterable[str]) -> None:
    if given not in allowed:
        raise unknown_choice(kind, given, allowed)


def _sound(*checks: tuple[str, object, str, bool]) -> None:
    """Raise one ``InputError`` that names every value which is not as it must be."""
    faults = [f"{name} must be {must}, got {got}" for name, got, must, good in checks if not good]
    if faults:
        raise InputError("; ".join(faults))
