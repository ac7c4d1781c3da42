"""A few clips with the scores that each method gave them, beside their skeletons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.skeletons.store import SkeletonFile
from smie_pipe.report.contents import RunContents
from smie_pipe.report.matrices import by_method, named
from smie_pipe.report.motion import Motion, stored_motion
from smie_pipe.zeroshot.trials.results import Result, hits

MOST_METHODS = 6
BARS = 6
Scores = tuple[Result, dict[str, np.ndarray]]


def chosen_clips(
    runs: Sequence[tuple[str, RunContents]], count: int, seed: int = 0
) -> list[dict[str, Any]]:
    """Return about ``count`` clips of the runs with their scores, as the page's script reads them.

    They are drawn at random without a look at the scores, as many of each unseen class as of the
    others, from each split alike. A clip that several runs tested stands there once.

    Parameters
    ----------
    runs
        Label of each run (empty for a single one) and its contents.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    splits = {entry.split for _, run in runs for entry in run.results.entries}
    each = -(-count // max(len(splits), 1))
    for label, run in runs:
        file = _skeletons(run)
        try:
            for split, entries in groupby(run.results.entries, key=lambda entry: entry.split):
                _add(found, label, split, list(_scored(run, entries)), file, each, seed)
        finally:
            if file is not None:
                file.close()
    return list(found.values())


def _skeletons(run: RunContents) -> SkeletonFile | None:
    try:
        return SkeletonFile(run.folder.skeletons) if run.clips else None
    except InputError:
        return None


def _scored(run: RunContents, entries: Iterable[Result]) -> Iterable[Scores]:
    """Yield the first seed of each method of a split with its scores, if they are there."""
    for group in by_method(entries)[:MOST_METHODS]:
        if hits(run.folder.path, group[0]) is not None:  # else its file is gone or damaged
            yield group[0], load_file(run.folder.path / group[0].folder / "scores.safetensors")


def _add(
    found: dict[tuple[str, str], dict[str, Any]],
    label: str,
    split: str,
    scored: Sequence[Scores],
    file: SkeletonFile | None,
    count: int,
    seed: int,
) -> None:
    if not scored or not count:
        return
    from smie_pipe.zeroshot.tables.figures import some_of_each

    first, scores = scored[0]
    for place in some_of_each(scores["truth"], count, seed):
        row = int(scores["row"][place])
        motion = _motion(file, row)
        name = motion.name if motion else f"row {row}"
        truth = first.classes[int(scores["truth"][place])]
        clip = found.setdefault((split, name), _new_clip(name, truth, split, motion))
        clip["methods"] += [
            _bars(entry, own, place, label)
            for entry, own in scored
            if place < len(own["row"]) and int(own["row"][place]) == row
        ]


def _motion(file: SkeletonFile | None, row: int) -> Motion | None:
    return stored_motion(file, row) if file is not None and 0 <= row < len(file) else None


def _new_clip(name: str, truth: str, split: str, motion: Motion | None) -> dict[str, Any]:
    return {
        "name": name,
        "caption": truth,
        "split": split,
        "motion": motion.packed() if motion else None,
        "methods": [],
    }


def _bars(entry: Result, scores: dict[str, np.ndarray], place: int, label: str) -> dict[str, Any]:
    """Return the best classes of a clip by one method, and the true one.

    Shares are the softmax of the scores over their deviation in the split, as in figure 4.
    """
    own = scores["scores"][place].astype(float) / max(float(scores["scores"].std()), 1e-12)
    shares = np.exp(own - own.max())
    shares /= shares.sum()
    true = int(scores["truth"][place])
    order = np.argsort(-own, kind="stable").tolist()
    shown = order[:BARS] if true in order[:BARS] else [*order[: BARS - 1], true]
    return {
        "method": f"{label}: {named(entry)}" if label else named(entry),
        "right": order[0] == true,
        "bars": [[entry.classes[k], round(float(shares[k]), 4), k == true] for k in shown],
    }
