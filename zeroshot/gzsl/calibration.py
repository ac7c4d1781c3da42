"""One training's generalised zero-shot figures: calibrated on held-out classes, then tested."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from smie_pipe.backbones.features.store import FeatureSet
from smie_pipe.zeroshot.gzsl.gate import Gate, GateInputs, SeenClassifier, fit_gate, gate_inputs
from smie_pipe.zeroshot.gzsl.stacking import Margins, at, curve, joined, margins_of
from smie_pipe.zeroshot.methods.base import Method, TrainingData
from smie_pipe.zeroshot.methods.registry import method_class
from smie_pipe.zeroshot.texts.class_texts import ClassTexts
from smie_pipe.zeroshot.training.held_out import Division, divide
from smie_pipe.zeroshot.training.train import of_clips
from smie_pipe.zeroshot.training.trainer import Trainer, scores_of

RESERVE = 0.2
"""Share of the kept classes' clips that is not trained on, to play seen test clips."""
CLIP_FOLDS = 10
"""Parts of the kept classes' clips that are left out in turn by a method that refits cheaply."""
MOST_GROUPS = 10
"""Groups of held-out classes for such a method, where one of every class would be more."""
Ways = Literal["stacking", "gate", "both"]


@dataclass
class Calibration:
    """What the held-out classes say: gamma, and the gate where asked for."""

    gamma: float
    gate: Gate | None
    chosen_on: dict[str, float] = field(default_factory=dict)


def calibrate(
    trainer: Trainer,
    options: dict[str, Any],
    epochs: int,
    data: TrainingData,
    *,
    ways: Ways,
    unseen_classes: int,
    folds: int,
) -> Calibration:
    """Choose gamma, and fit the gate, on classes held out of the seen ones.

    For each group of held-out classes the method is trained on the others, less a fifth of
    their clips; that fifth plays seen test clips, the held-out classes' clips play unseen ones.
    A method with a class attribute ``cheap_refit`` is trained more often: every seen class is
    held out once (in ten groups at most), and every clip of a kept class is left out once, a
    tenth at a time, so that nearly all clips of a class are in its mean when one is scored.

    Parameters
    ----------
    trainer, options, epochs
        The method as it is trained on all seen classes.
    data
        Training clips of the seen classes, all that is looked at.
    ways
        Whether the gate is fitted too.
    unseen_classes
        How many classes are unseen in the test. As many are held out (half of the seen ones at
        most): the best of more scores is higher, and gamma depends on it.
    folds
        How many groups of held-out classes; their clips are pooled.

    Notes
    -----
    The backbone has learnt from all these clips, those of the held-out classes too, so both
    sides look easier here than in the test. Where test performers are new, the margin of seen
    clips is smaller than here, and gamma may come out too large: H in the test is then below
    ``held_out``.
    """
    held = min(unseen_classes, len(data.texts) // 2)
    cheap = bool(getattr(method_class(trainer.spec), "cheap_refit", False))
    margins: list[Margins] = []
    inputs: list[GateInputs] = []
    if cheap:
        groups = max(folds, min(MOST_GROUPS, -(-len(data.texts) // max(2, held))))
        for division in divide(len(data.texts), held, groups, trainer.seed):
            margins.append(_left_out_margins(trainer, options, data, division))
    for division in divide(len(data.texts), held, folds, trainer.seed):
        if cheap and ways == "stacking":
            break
        part = _Part(data, division, trainer.seed)
        method = trainer.trained(options, part.train, epochs)
        v, texts = part.v.to(trainer.device), data.texts.to(trainer.device)
        scores = scores_of(method, v, texts).numpy()
        if not cheap:
            margins.append(margins_of(scores, part.truth, part.unseen))
        if ways != "stacking":
            seen = SeenClassifier(part.train.v.numpy(), part.train_label)
            inputs.append(
                gate_inputs(scores, seen.logits(part.v.numpy()), part.truth, part.unseen)
            )
    pooled = joined(margins)
    gamma = curve(pooled).best_gamma()
    gate = fit_gate(joined(inputs), unseen_classes) if inputs else None
    return Calibration(gamma, gate, at(pooled, gamma))


def _left_out_margins(
    trainer: Trainer, options: dict[str, Any], data: TrainingData, division: Division
) -> Margins:
    """Return the margins of a division in which every clip is scored by a model without it."""
    label = data.label.numpy()
    unseen = np.isin(np.arange(len(data.texts)), division.held)
    held, fold = unseen[label], fold_of_clips(label, CLIP_FOLDS, trainer.seed)
    place = torch.full((len(data.texts),), -1)
    place[list(division.kept)] = torch.arange(len(division.kept))
    texts = data.texts.to(trainer.device)
    tested, scores = [], []
    for k in range(CLIP_FOLDS):
        keep = torch.as_tensor(~held & (fold != k))
        method = trainer.trained(options, of_clips(data, keep, place, division.kept))
        rows = np.flatnonzero((~held & (fold == k)) | (held & (k == 0)))
        tested.append(rows)
        v = data.v[torch.as_tensor(rows)].to(trainer.device)
        scores.append(scores_of(method, v, texts).numpy())
    return margins_of(np.concatenate(scores), label[np.concatenate(tested)], unseen)


def fold_of_clips(label: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Deal the clips of every class out to folds, (N,) of 0..folds-1; -1 where it has but one."""
    rng = np.random.default_rng([seed, 0xF01D])
    fold = np.full(len(label), -1)
    for value in np.unique(label):
        rows = rng.permutation(np.flatnonzero(label == value))
        if len(rows) > 1:
            fold[rows] = np.arange(len(rows)) % folds
    return fold


class _Part:
    """Training clips, and test clips of kept and of held-out classes, by one division.

    The method is given the kept classes only; scores are against all seen classes.
    """

    def __init__(self, data: TrainingData, division: Division, seed: int):
        self.unseen = np.isin(np.arange(len(data.texts)), division.held)
        label = data.label.numpy()
        reserved = reserve(label, RESERVE, seed)
        held = self.unseen[label]
        place = torch.full((len(data.texts),), -1)
        place[list(division.kept)] = torch.arange(len(division.kept))
        keep = torch.as_tensor(~held & ~reserved)
        self.train = of_clips(data, keep, place, division.kept)
        self.train_label = self.train.label.numpy()
        tested = held | reserved
        self.v = data.v[torch.as_tensor(tested)]
        self.truth = label[tested]


def reserve(label: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Draw a share of every class's clips, at least one where there are two, as a mask (N,)."""
    rng = np.random.default_rng([seed, 0x7E57])
    mask = np.zeros(len(label), bool)
    for value in np.unique(label):
        rows = rng.permutation(np.flatnonzero(label == value))
        count = max(1, round(share * len(rows))) if len(rows) > 1 else 0
        mask[rows[:count]] = True
    return mask


def generalised(
    method: Method,
    calibration: Calibration,
    data: TrainingData,
    features: FeatureSet,
    texts: ClassTexts,
    device: torch.device,
) -> dict[str, Any]:
    """Test a trained method on the seen and unseen test clips with every class allowed.

    Parameters
    ----------
    method
        Trained on ``data``.
    texts
        Of all classes of the dataset.

    Returns
    -------
    dict
        ``plain`` (gamma 0), ``stacking`` and, where fitted, ``gate``, each with S, U and H;
        ``ausuc``; ``curve`` for a figure; ``held_out`` = S, U, H where gamma was chosen.
    """
    classes = [*features.seen, *features.unseen]
    unseen = np.arange(len(classes)) >= len(features.seen)
    tests = [features.take("seen_test"), features.take("unseen_test")]
    v = np.concatenate([part.v for part in tests])
    place = {label: column for column, label in enumerate(classes)}
    truth = np.array([place[label] for part in tests for label in part.label.tolist()])
    candidates = texts.take(classes).to(device)
    scores = scores_of(method, torch.as_tensor(v).to(device), candidates).numpy()
    found = margins_of(scores, truth, unseen)
    steps = curve(found)
    figures: dict[str, Any] = {
        "plain": at(found, 0.0),
        "stacking": at(found, calibration.gamma),
        "ausuc": steps.area(),
        "curve": steps.thin(),
        "held_out": calibration.chosen_on,
    }
    if calibration.gate is not None:
        seen = SeenClassifier(data.v.numpy(), data.label.numpy())
        gate = calibration.gate
        gated = gate.margins(gate_inputs(scores, seen.logits(v), truth, unseen))
        figures["gate"] = at(gated, gate.threshold) | {"temperature": gate.temperature}
    return figures
