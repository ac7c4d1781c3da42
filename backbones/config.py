"""The choices of `pretrain-backbone` and `extract`: the only place where a default is written.

``PretrainConfig`` and ``ExtractConfig`` decide what a stage writes and are recorded beside it;
``PretrainRun`` and ``ExtractRun`` decide only how it gets there. No torch here, so that the
command line can show its help at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from smie_pipe.backbones.networks.registry import BACKBONES
from smie_pipe.preprocessing.foundation.options import Option, check


@dataclass(frozen=True)
class PretrainConfig:
    """Choices that decide the weights `pretrain-backbone` writes; the paper's set-up."""

    backbone: Annotated[
        str,
        Option(
            "stgcn (SMIE's own setting) or shift-gcn (the setting with SynSE's features).",
            among=BACKBONES,
        ),
    ] = "stgcn"
    epochs: Annotated[int, Option("Length of the cosine from lr to zero.", at_least=1)] = 150
    batch: Annotated[
        int, Option("Clips a step, over all processes together.", "Training", at_least=1)
    ] = 128
    lr: Annotated[float, Option("Adam's step size in the first epoch.", "Training", above=0)] = (
        5e-3
    )
    precision: Annotated[
        Literal["float32", "tf32", "bf16", "float64"],
        Option(
            "bf16: autocast (weights stay float32). tf32: a GPU may round factors to 10 "
            "bits. float64: slow, for checks.",
            "Speed",
        ),
    ] = "float32"
    dropout: Annotated[
        float,
        Option(
            "Of ST-GCN's temporal convolutions; Shift-GCN has none.",
            "Training",
            at_least=0,
            below=1,
        ),
    ] = 0.5
    share_absent: Annotated[
        bool,
        Option(
            "ST-GCN: run one absent body a batch for all clips without a second person. "
            "False runs each and every one through the network in training, as public code "
            "does.",
            "Training",
        ),
    ] = True
    recalibrate: Annotated[
        bool,
        Option(
            "Recalibrate batch normalisation: measure its statistics anew, without dropout, "
            "over the training clips when weights are final.",
            "Training",
        ),
    ] = True
    keep_epoch: Annotated[
        Literal["last", "best-seen-test"],
        Option(
            "Which epoch's weights to keep. best-seen-test: the one best on the *test* "
            "clips of the seen classes, as public code does: the seen-class accuracy is then "
            "optimistic.",
            "Training",
        ),
    ] = "last"
    augment: Annotated[
        bool,
        Option(
            "Train on random variants of the clips, new ones each epoch: on a few hundred clips "
            "the network otherwise learns the clips by heart.",
            "Augmentation",
        ),
    ] = False
    augment_crop: Annotated[
        float,
        Option(
            "Shortest part of a clip, as a share, that is stretched to the whole length: people "
            "start and end early or late, and are fast or slow. 1: none.",
            "Augmentation",
            above=0,
            at_most=1,
        ),
    ] = 0.7
    augment_turn: Annotated[
        float,
        Option(
            "Largest turn about the vertical axis y in degrees, either way: the recipe's turn of "
            "the shoulders is only nearly right.",
            "Augmentation",
            at_least=0,
            at_most=180,
        ),
    ] = 30.0
    augment_tilt: Annotated[
        float,
        Option(
            "Largest turn about x and about z in degrees: sensors are tilted and people lean.",
            "Augmentation",
            at_least=0,
            at_most=180,
        ),
    ] = 10.0
    augment_scale: Annotated[
        float,
        Option(
            "Largest share by which a body grows or shrinks: people differ in height.",
            "Augmentation",
            at_least=0,
            below=1,
        ),
    ] = 0.15
    augment_noise: Annotated[
        float,
        Option(
            "Standard deviation of noise on each coordinate in metres: joints of a sensor jitter "
            "by about 0.01. 0: none.",
            "Augmentation",
            at_least=0,
        ),
    ] = 0.0
    align: Annotated[
        bool,
        Option(
            "Train a text head beside the classifier: a linear map of the features to the texts "
            "of the seen classes. It is kept, and is itself the method align. It helps on some "
            "splits and not on others.",
            "Text head",
        ),
    ] = False
    align_weight: Annotated[
        float, Option("What its loss counts beside the classifier's.", "Text head", above=0)
    ] = 1.0
    align_temperature: Annotated[
        float,
        Option("What cosines are divided by before the cross-entropy.", "Text head", above=0),
    ] = 0.1
    align_centre: Annotated[
        bool, Option("Take the mean text of the seen classes off every text.", "Text head")
    ] = True
    align_text: Annotated[
        str | None,
        Option("Its class texts, as zeroshot --text takes them.  [default: labels]", "Text head"),
    ] = None
    align_text_model: Annotated[
        str | None,
        Option(
            "Their text model, as zeroshot --text-model takes it.  [default: as there]",
            "Text head",
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse impossible values, all of them in one message."""
        check(self, "pretrain-backbone")


@dataclass(frozen=True)
class PretrainRun:
    """Choices that decide how pretraining runs, not what it writes."""

    resident: Annotated[
        Literal["auto", "yes", "no"],
        Option(
            "Keep all clips in the device's memory: auto when they fit in half of what is free.",
            "Speed",
        ),
    ] = "auto"
    checkpoint_steps: Annotated[
        int,
        Option(
            "Also save a checkpoint every so many steps within an epoch; 0: after each "
            "epoch only.",
            "Progress",
            at_least=0,
        ),
    ] = 0
    seen_test_every: Annotated[
        int,
        Option(
            "Measure seen-class test accuracy every so many epochs for the log; 0: at the "
            "end only.",
            "Progress",
            at_least=0,
        ),
    ] = 0
    tensorboard: Annotated[
        bool,
        Option(
            "Write TensorBoard events beside the metrics file (needs the log extra).", "Progress"
        ),
    ] = False

    def __post_init__(self) -> None:
        """Refuse impossible values, all of them in one message."""
        check(self, "pretrain-backbone")


@dataclass(frozen=True)
class ExtractConfig:
    """Choices that decide the features `extract` writes."""

    masked_frames: Annotated[
        int,
        Option(
            "P: how many frames with the highest motion attention the masked clip lacks.",
            at_least=1,
        ),
    ] = 15
    mask: Annotated[
        Literal["key-frames", "key-frames+random"],
        Option(
            "key-frames+random drops random_frames more at random, as public code does.",
            "Masked clips",
        ),
    ] = "key-frames"
    random_frames: Annotated[
        int, Option("Only with key-frames+random.", "Masked clips", at_least=1)
    ] = 15
    seed: Annotated[int, Option("Of those random frames; nothing else here is random.")] = 0
    precision: Annotated[
        Literal["float32", "tf32", "bf16", "float64"],
        Option("bf16: autocast; features are stored as float32 all the same.", "Speed"),
    ] = "float32"
    features: Annotated[
        Literal["backbone", "kinematic", "both"],
        Option(
            "backbone: what a trained backbone makes of a clip. kinematic: what can be measured "
            "on it (speeds, reaches, angles ...), which needs no training and no backbone. both: "
            "the two side by side, each scaled alike."
        ),
    ] = "backbone"
    room: Annotated[
        bool,
        Option(
            "Measure ways through the room and between two persons too, where preprocess kept "
            "the places of the bodies; without it only what bodies do by themselves."
        ),
    ] = True
    components: Annotated[
        int,
        Option(
            "Keep only so many principal axes of the kinematic features, 0 for all numbers.",
            at_least=0,
        ),
    ] = 0

    def __post_init__(self) -> None:
        """Refuse impossible values, all of them in one message."""
        check(self, "extract")


@dataclass(frozen=True)
class ExtractRun:
    """Choices that decide how extraction runs, not what it writes."""

    batch: Annotated[int, Option("Clips a step and process.", "Speed", at_least=1)] = 256
    resident: Annotated[
        Literal["auto", "yes", "no"],
        Option(
            "Every clip is read once, so reading ahead is as good as keeping them all.", "Speed"
        ),
    ] = "no"

    def __post_init__(self) -> None:
        """Refuse impossible values, all of them in one message."""
        check(self, "extract")
