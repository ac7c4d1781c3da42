"""Which figures a run folder's results give, and where they are put."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from safetensors.numpy import load_file

from smie_pipe.backbones.features.store import FeatureFile
from smie_pipe.backbones.pretrainings import split_and_number
from smie_pipe.preprocessing.foundation.progress import progress
from smie_pipe.preprocessing.skeletons.store import SkeletonFile
from smie_pipe.zeroshot.config import FigureWidth
from smie_pipe.zeroshot.methods.registry import family
from smie_pipe.zeroshot.tables import plots as figures
from smie_pipe.zeroshot.tables.rows import Row, described, rows_of
from smie_pipe.zeroshot.tables.tables import beta_of, beta_sweeps
from smie_pipe.zeroshot.trials.results import Result, Results

logger = logging.getLogger(__name__)
CLIPS_WITH_BARS = {"one-column": 3, "two-column": 6}
Drawing = tuple[Path, list[Path], Callable[[float], Figure]]
"""Where to, without suffix; the files it is made from; what draws it in a width."""


def draw(
    results: Results,
    features: Mapping[str, FeatureFile],
    seed: int = 0,
    width: FigureWidth = "two-column",
) -> list[Path]:
    """Draw every figure the results give, as PNG, SVG and PDF; return what there is now.

    Figures bear no title, so that they serve in a paper; their folder says what they show.

    Per method and split, in ``SPLIT/VARIANT/``: ``confusion`` (counts of all seeds together),
    ``scores`` (bars of a few clips) and ``losses`` of the first seed. Per split ``tsne`` of the
    unseen test clips' features and, after GZSL, ``seen_unseen``. In the run folder
    ``beta_SPLITSET`` after a sweep and, of two methods or more, ``methods_SPLITSET``. A figure
    of the same width that is newer than what it is made from is left as it is.

    Parameters
    ----------
    features
        Name of each split and its features file.
    seed
        Of the choice of clips, and of t-SNE.
    width
        Of one or of two columns of a paper (``plots.WIDTHS``).
    """
    bars = CLIPS_WITH_BARS[width]
    drawings = [*_of_variants(results, seed, bars), *_of_features(results, features, seed)]
    drawings += [*_of_sweeps(results), *_of_gzsl(results), *_of_methods(results)]
    return [
        path
        for target, sources, make in progress(drawings, what="figures", unit="figure")
        for path in _guarded(target, sources, partial(make, figures.WIDTHS[width]), width)
    ]


def _guarded(
    target: Path, sources: Sequence[Path], make: Callable[[], Figure], width: FigureWidth
) -> list[Path]:
    """Draw one figure; what goes wrong with it is said and costs no result and no other figure."""
    try:
        return _drawn(target, sources, make, width)
    except Exception as error:
        logger.warning("%s is not drawn: %s: %s", target, type(error).__name__, error)
        return []


def _drawn(
    target: Path, sources: Sequence[Path], make: Callable[[], Figure], width: FigureWidth
) -> list[Path]:
    there = [Path(f"{target}.{kind}") for kind in figures.KINDS]
    if all(path.is_file() for path in there) and _pixels(there[0]) == figures.pixels(width):
        oldest = min(path.stat().st_mtime_ns for path in there)
        if all(source.stat().st_mtime_ns < oldest for source in sources):
            return there
    return figures.save(make(), target)


def _pixels(png: Path) -> int:
    """Return how wide a PNG is, from its header."""
    with open(png, "rb") as file:
        return int.from_bytes(file.read(20)[16:], "big")


def _result_file(results: Results, entry: Result) -> Path:
    return results.run_dir / entry.folder / "result.json"


def _of_variants(results: Results, seed: int, bars: int) -> Iterable[Drawing]:
    by_folder = groupby(results.entries, key=lambda entry: Path(entry.folder).parent)
    for folder, group in by_folder:
        entries = list(group)
        sources = [_result_file(results, entry) for entry in entries]
        at = results.run_dir / folder
        first = entries[0]
        yield at / "confusion", sources, _confusion(entries)
        yield at / "scores", sources[:1], _scores(results, first, seed, bars)
        if first.epochs > 1:
            yield at / "losses", sources[:1], _losses(results, first)


def _named(entry: Result) -> str:
    return described(entry.method, entry.changed)


def _confusion(entries: Sequence[Result]) -> Callable[[float], Figure]:
    counts = np.sum([entry.confusion for entry in entries], axis=0)
    return lambda width: figures.confusion(counts, entries[0].classes, width=width)


def _scores(results: Results, entry: Result, seed: int, count: int) -> Callable[[float], Figure]:
    def make(width: float) -> Figure:
        found = load_file(results.run_dir / entry.folder / "scores.safetensors")
        rows = some_of_each(found["truth"], count, seed)
        scores, truth = found["scores"][rows], found["truth"][rows]
        classes = [entry.classes[k] for k in truth]
        clips = clip_titles(results.run_dir / "skeletons.h5", found["row"][rows], classes)
        unit = max(float(found["scores"].std()), 1e-12)
        return figures.score_bars(scores, truth, entry.classes, clips, unit=unit, width=width)

    return make


def clip_titles(skeletons: Path, rows: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Return ``class (name of the clip)`` for rows of skeletons.h5, or ``class (row N)``.

    The row stands where there is no such file, or one in which these rows are of other classes.
    """
    named = [f"row {row}" for row in rows.tolist()]
    if skeletons.is_file():
        with SkeletonFile(skeletons) as clips:
            if rows.max(initial=-1) < len(clips):
                here = [clips.class_names[label] for label in clips.label[rows]]
                named = clips.name[rows].tolist() if here == list(classes) else named
    return [f"{k} ({name})" for k, name in zip(classes, named, strict=True)]


def some_of_each(truth: np.ndarray, count: int, seed: int) -> list[int]:
    """Return ``count`` clips drawn at random, of as many different classes as possible.

    They are drawn without a look at the scores, so that figures show no chosen successes.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(truth))
    turn = np.zeros(len(truth), int)
    for k in np.unique(truth):
        own = np.flatnonzero(truth[order] == k)
        turn[own] = np.arange(len(own))
    chosen = order[np.argsort(turn, kind="stable")[:count]]
    return sorted(chosen.tolist(), key=lambda r: (truth[r], r))


def _losses(results: Results, entry: Result) -> Callable[[float], Figure]:
    path = results.run_dir / entry.folder / "history.csv"
    return lambda width: figures.losses(read_history(path), width=width)


def read_history(path: Path) -> dict[str, list[float]]:
    """Return each loss by epoch from a training's history.csv, without the epoch's number."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0] if name != "epoch"}


def _of_features(
    results: Results, features: Mapping[str, FeatureFile], seed: int
) -> Iterable[Drawing]:
    for split, file in features.items():
        yield results.run_dir / split / "tsne", [file.path], _map(file, seed)


def _map(file: FeatureFile, seed: int) -> Callable[[float], Figure]:
    def make(width: float) -> Figure:
        found = file.arrays
        clips = found.take("unseen_test")
        return figures.features_map(
            clips.v, clips.label, found.class_names, seed=seed, width=width
        )

    return make


def _of_sweeps(results: Results) -> Iterable[Drawing]:
    for setting, group in _by_setting(rows_of(results)).items():
        without = [row for row in group if row.summary.method in family()[1:]]
        for sweep in beta_sweeps(group):
            sources = [_result_file(results, e) for row in [*sweep, *without] for e in row.entries]
            at = results.run_dir / f"beta_{setting}{_but_beta(sweep[0])}"
            yield at, sources, _sweep(sweep, without)


def _but_beta(row: Row) -> str:
    """Return what a sweep changes beside beta, fit for a file's name."""
    changed = (f"_{key}-{value}" for key, value in row.summary.changed.items() if key != "beta")
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", "".join(changed))


def _by_setting(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows that differ in method and options only, by a name fit for a file."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        # The folder's tail after the variant says text, model and way of choosing.
        tail = Path(row.entries[0].folder).parent.name.removeprefix(row.summary.variant)
        found.setdefault(row.summary.split_set + tail, []).append(row)
    return found


def _sweep(sweep: Sequence[Row], without: Sequence[Row]) -> Callable[[float], Figure]:
    summaries = [row.summary for row in sweep]
    return lambda width: figures.over_beta(
        [beta_of(row) for row in sweep],
        [s.mean for s in summaries],
        [s.std for s in summaries],
        chance=summaries[0].chance,
        without=without[0].summary.mean if without else None,
        width=width,
    )


def _of_gzsl(results: Results) -> Iterable[Drawing]:
    by_split: dict[str, dict[str, Result]] = {}
    for entry in results.entries:
        if entry.gzsl:
            tail = Path(entry.folder).parent.name.removeprefix(entry.variant).replace("_", ", ")
            by_split.setdefault(entry.split, {}).setdefault(_named(entry) + tail, entry)
    for split, entries in by_split.items():
        sources = [_result_file(results, entry) for entry in entries.values()]
        curves = {name: entry.gzsl["curve"] for name, entry in entries.items() if entry.gzsl}
        at = results.run_dir / split / "seen_unseen"
        yield at, sources, _curves(curves)


def _curves(curves: Mapping[str, Mapping]) -> Callable[[float], Figure]:
    return lambda width: figures.seen_unseen(curves, width=width)


def _of_methods(results: Results) -> Iterable[Drawing]:
    for setting, rows in _by_setting(rows_of(results)).items():
        if len(rows) > 1:
            sources = [_result_file(results, entry) for row in rows for entry in row.entries]
            yield results.run_dir / f"methods_{setting}", sources, _side_by_side(rows)


def _side_by_side(rows: Sequence[Row]) -> Callable[[float], Figure]:
    names = [_named(row.entries[0]) for row in rows]
    splits = [_of_each_split(row.entries) for row in rows]
    chance = rows[0].summary.chance
    return lambda width: figures.methods(names, splits, chance=chance, width=width)


def _of_each_split(entries: Sequence[Result]) -> list[float]:
    """Return the mean accuracy on each split."""
    found: dict[str, list[float]] = {}
    for entry in entries:
        found.setdefault(split_and_number(entry.split)[0], []).append(entry.accuracy)
    return [float(np.mean(own)) for own in found.values()]
