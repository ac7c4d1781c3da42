"""Choosing epoch and options by classes held out of the seen ones, never by unseen test data.

Some seen classes play unseen ones: a method is trained on the others, and how well it names the
clips of the held-out classes among themselves tells which epoch and options transfer. Then it
is trained again on all seen classes, up to the chosen epoch.

All that comes in is a ``TrainingData``: the training clips of seen classes. A limit remains:
the backbone that made the features was trained on the held-out classes too, so their features
are tidier than those of truly unseen ones. Undoing it would take a backbone per fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData
from smie_pipe.zeroshot.training.train import Diverged, of_classes
from smie_pipe.zeroshot.training.trainer import Trainer, scores_of

FACTORS: dict[str, tuple[float, ...]] = {
    "lr": (0.1, 1.0, 10.0),
    "alpha": (0.01, 0.1, 1.0, 10.0, 100.0),
}
"""What the default is multiplied by to make the grid of an option."""
VALUES: dict[str, tuple[float, ...]] = {"beta": (0.01, 0.1, 0.5, 1.0)}
"""Grids that do not depend on the default; that of beta is the paper's table 4."""
POINTS = 20
"""At how many epochs of a training the held-out classes are scored."""
FEWEST = 4
"""Seen classes without which two cannot be held out and two be kept."""


@dataclass(frozen=True)
class Division:
    """Rows of the seen classes' texts: those kept for training and those held out."""

    kept: tuple[int, ...]
    held: tuple[int, ...]


@dataclass(frozen=True)
class Choice:
    """What the held-out classes favour.

    ``options`` are all options of the method, ``epochs`` where to stop, ``accuracy`` that of
    the held-out classes there (mean over divisions), ``chance`` that of a guess among them, and
    ``tried`` the best of each option's grid, as text to accuracy.
    """

    options: dict[str, Any]
    epochs: int
    accuracy: float
    chance: float
    tried: dict[str, float]


def divide(classes: int, held: int, folds: int, seed: int) -> list[Division]:
    """Draw which classes are held out, a group per fold; groups are disjoint while they can be.

    Parameters
    ----------
    held
        How many classes to hold out; at least two are, and at least two kept.

    Raises
    ------
    InputError
        If there are fewer than four classes.
    """
    if classes < FEWEST:
        raise InputError(
            f"{classes} seen classes are too few to hold some out: at least {FEWEST} are needed, "
            "two to train on and two to choose by. Use --select last and no --gzsl, or a split "
            "with fewer unseen classes"
        )
    size = min(max(2, held), classes - 2)
    order = np.random.default_rng([seed, 0x5EED]).permutation(classes)
    groups = [order[(np.arange(size) + fold * size) % classes] for fold in range(folds)]
    return [
        Division(tuple(np.setdiff1d(order, group).tolist()), tuple(np.sort(group).tolist()))
        for group in groups
    ]


def choose(
    trainer: Trainer,
    options: Mapping[str, Any],
    data: TrainingData,
    *,
    fixed: tuple[str, ...] = (),
    share: float,
    folds: int,
) -> Choice:
    """Choose the epoch, then learning rate, penalty and beta, one option after the other.

    Parameters
    ----------
    trainer
        The method; its seed is that of the groups too.
    options
        All the method's options to start from.
    data
        Training clips of the seen classes.
    fixed
        Options that stay as they are, because the user gave them.
    share, folds
        Share of the seen classes that is held out, and how many such groups are averaged over.

    Notes
    -----
    One option after the other (lr, alpha, beta) instead of every combination: 3 + 3 trainings a
    fold instead of 12, and beta matters little beside the learning rate.
    """
    divisions = divide(len(data.texts), round(share * len(data.texts)), folds, trainer.seed)

    def attempt(changed: Mapping[str, Any]) -> tuple[int, float]:
        try:
            curves = [_curve(trainer, {**options, **changed}, data, d) for d in divisions]
        except Diverged:
            return 0, -1.0
        return _best_epoch(curves)

    chosen: dict[str, Any] = {}
    epochs, accuracy = attempt(chosen)
    tried = {"as given": accuracy}
    for name, grid in _grids(options, fixed):
        for value in grid:
            found = attempt({**chosen, name: value})
            tried[f"{name}={value:g}"] = found[1]
            if found[1] > accuracy:
                (epochs, accuracy), chosen[name] = found, value
    if not epochs:
        raise Diverged(
            f"{trainer.spec}: every learning rate that was tried diverges; give a lower one"
        )
    chance = 1 / len(divisions[0].held)
    return Choice({**options, **chosen}, epochs, accuracy, chance, tried)


def _grids(
    options: Mapping[str, Any], fixed: tuple[str, ...]
) -> Iterator[tuple[str, list[float]]]:
    """Yield the options to search and their values, without the one already tried."""
    idle = {"beta"} if not (options.get("temporal", True) and options.get("lam", 1)) else set()
    for name in (*FACTORS, *VALUES):
        if options.get(name) and name not in {*fixed, *idle}:
            grid = VALUES.get(name) or [options[name] * factor for factor in FACTORS[name]]
            yield name, [value for value in grid if value != options[name]]


def _curve(
    trainer: Trainer, options: Mapping[str, Any], data: TrainingData, division: Division
) -> dict[int, float]:
    """Train on the kept classes; return epoch -> accuracy on the held-out classes' clips."""
    method = trainer.build(options)
    held = of_classes(data, division.held).to(trainer.device)
    last = options.get("epochs")
    curve = {}
    for epoch, _ in trainer.epochs(method, of_classes(data, division.kept)):
        if last is None or epoch in checkpoints(int(last)):
            predicted = scores_of(method, held.v, held.texts).argmax(1)
            curve[epoch] = float((predicted == held.label.cpu()).float().mean())
    return curve


def checkpoints(last: int) -> set[int]:
    """Return up to ``POINTS`` epochs, evenly spaced, the last one among them."""
    return set(np.linspace(0, last, POINTS + 1).round().astype(int).tolist()) - {0}


def _best_epoch(curves: list[dict[int, float]]) -> tuple[int, float]:
    """Return the first epoch with the highest mean accuracy, and that accuracy."""
    shared = set.intersection(*map(set, curves))  # a method may stop early
    mean = {e: float(np.mean([curve[e] for curve in curves])) for e in sorted(shared)}
    best = max(mean, key=lambda epoch: mean[epoch])
    return best, mean[best]
