"""Means and deviations of the trainings that stand in one row of a table. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from smie_pipe.backbones.pretrainings import split_and_number
from smie_pipe.zeroshot.splits import group_of

if TYPE_CHECKING:
    from smie_pipe.zeroshot.trials.results import Result


@dataclass(frozen=True)
class Summary:
    """Mean and sample standard deviations of a method's results over splits, backbones and seeds.

    ``std`` is over all trainings together. The others tell apart where it comes from:
    ``std_splits`` is over the splits' means, ``std_pretrainings`` over the means of a split's
    backbones (mean over splits), ``std_seeds`` over the trainings on one backbone (mean over
    backbones); None where there is only one, and ``std_seeds`` also where every seed gave the
    same answers, as with a method that draws nothing at random.
    """

    dataset: str
    split_set: str
    backbone: str
    method: str
    variant: str
    changed: dict[str, Any]
    text: str
    text_model: str
    text_digest: str
    text_width: int
    mask: str
    protocol: str
    select: str
    saw_unseen: str
    splits: list[str]
    pretrainings: int
    seeds: list[int]
    mean: float
    std: float | None
    std_splits: float | None
    std_pretrainings: float | None
    std_seeds: float | None
    class_mean: float
    chance: float
    optimistic: float | None
    gzsl: dict[str, Any] | None


_ALIKE = ("method", "changed", "text_width", "mask", "protocol")
GROUP_BY = (
    *("dataset", "split_set", "backbone", "variant"),
    *("text", "text_model", "text_digest", "select"),
)


def split_set(split: str) -> str:
    """Return the group of splits a result is averaged with, whatever pretraining it is of."""
    return group_of(split_and_number(split)[0])


def summarise(group: Sequence[Result]) -> Summary:
    """Return mean and deviations of results that differ in split, backbone and seed only."""
    splits: dict[str, dict[int, list[Result]]] = {}
    for entry in group:
        split, pretraining = split_and_number(entry.split)
        splits.setdefault(split, {}).setdefault(pretraining, []).append(entry)
    backbones = [entries for own in splits.values() for entries in own.values()]
    first = group[0]
    best = [entry.optimistic["accuracy"] for entry in group if entry.optimistic]
    return Summary(
        **{name: getattr(first, name) for name in (*GROUP_BY, *_ALIKE)},
        saw_unseen=", ".join(dict.fromkeys(e.saw_unseen for e in group if e.saw_unseen)),
        splits=list(splits),
        pretrainings=max(map(len, splits.values())),
        seeds=sorted({entry.seed for entry in group}),
        mean=float(np.mean(_accuracies(group))),
        std=_std(_accuracies(group)),
        std_splits=_std([_mean_of_backbones(own) for own in splits.values()]),
        std_pretrainings=_mean_std(
            [float(np.mean(_accuracies(entries))) for entries in own.values()]
            for own in splits.values()
        ),
        std_seeds=None
        if all(map(_same_answers, backbones))
        else _mean_std(map(_accuracies, backbones)),
        class_mean=float(np.mean([entry.class_mean for entry in group])),
        chance=float(np.mean([entry.chance for entry in group])),
        optimistic=float(np.mean(best)) if len(best) == len(group) else None,
        gzsl=_mean_gzsl([entry.gzsl for entry in group]),
    )


def _accuracies(entries: Iterable[Result]) -> list[float]:
    return [entry.accuracy for entry in entries]


def _mean_of_backbones(own: Mapping[int, Sequence[Result]]) -> float:
    return float(np.mean([np.mean(_accuracies(entries)) for entries in own.values()]))


def _same_answers(entries: Sequence[Result]) -> bool:
    """Return whether all seeds gave the same: the method draws nothing at random."""
    first = entries[0]
    return all((e.accuracy, e.confusion) == (first.accuracy, first.confusion) for e in entries)


def _mean_std(groups: Iterable[Sequence[float]]) -> float | None:
    """Return the mean of the groups' deviations, of those with more than one value."""
    found = [std for std in map(_std, groups) if std is not None]
    return float(np.mean(found)) if found else None


def _std(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _mean_gzsl(entries: Sequence[dict[str, Any] | None]) -> dict[str, Any] | None:
    """Return the mean of every GZSL figure that all trainings of the group have."""
    found = [gzsl_figures(entry) for entry in entries if entry]
    if not found or len(found) < len(entries):
        return None
    names = [name for name in found[0] if all(name in figures for figures in found)]
    return {name: float(np.mean([figures[name] for figures in found])) for name in names}


def gzsl_figures(gzsl: Mapping[str, Any]) -> dict[str, float]:
    """Return S, U, H of each way of deciding and the area, under names such as ``gate_H``."""
    figures = {
        f"{way}_{name}": values[name]
        for way, values in gzsl.items()
        if way in ("plain", "stacking", "gate")
        for name in ("S", "U", "H")
    }
    return figures | {"ausuc": gzsl["ausuc"]}
