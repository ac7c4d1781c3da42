"""Which figures a run folder's results give, and where they are put."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from safetensors.numpy import load_file

from smie_pipe.backbones.features.store import FeatureFile
from smie_pipe.preprocessing.foundation.progress import progress
from smie_pipe.zeroshot.methods.registry import family
from smie_pipe.zeroshot.tables import plots as figures
from smie_pipe.zeroshot.tables.rows import Row, described, rows_of
from smie_pipe.zeroshot.tables.tables import beta_of, beta_sweeps
from smie_pipe.zeroshot.trials.results import Result, Results

logger = logging.getLogger(__name__)
CLIPS_WITH_BARS = 6
Drawing = tuple[Path, list[Path], Callable[[], Figure]]
"""Where to, without suffix; the files it is made from; what draws it."""


def draw(results: Results, features: Mapping[str, FeatureFile], seed: int = 0) -> list[Path]:
    """Draw every figure the results give, as PNG, SVG and PDF; return what there is now.

    Figures bear no title, so that they serve in a paper; their folder says what they show.

    Per method and split, in ``SPLIT/VARIANT/``: ``confusion`` (counts of all seeds together),
    ``scores`` (bars of a few clips) and ``losses`` of the first seed. Per split ``tsne`` of the
    unseen test clips' features and, after GZSL, ``seen_unseen``. In the run folder
    ``beta_SPLITSET`` after a sweep. A figure newer than what it is made from is left as it is.

    Parameters
    ----------
    features
        Name of each split and its features file.
    seed
        Of the choice of clips, and of t-SNE.
    """
    drawings = [*_of_variants(results, seed), *_of_features(results, features, seed)]
    drawings += [*_of_sweeps(results), *_of_gzsl(results)]
    return [
        path
        for target, sources, make in progress(drawings, what="figures", unit="figure")
        for path in _guarded(target, sources, make)
    ]


def _guarded(target: Path, sources: Sequence[Path], make: Callable[[], Figure]) -> list[Path]:
    """Draw one figure; what goes wrong with it is said and costs no result and no other figure."""
    try:
        return _drawn(target, sources, make)
    except Exception as error:
        logger.warning("%s is not drawn: %s: %s", target, type(error).__name__, error)
        return []


def _drawn(target: Path, sources: Sequence[Path], make: Callable[[], Figure]) -> list[Path]:
    there = [Path(f"{target}.{kind}") for kind in figures.KINDS]
    if all(path.is_file() for path in there):
        oldest = min(path.stat().st_mtime_ns for path in there)
        if all(source.stat().st_mtime_ns < oldest for source in sources):
            return there
    return figures.save(make(), target)


def _result_file(results: Results, entry: Result) -> Path:
    return results.run_dir / entry.folder / "result.json"


def _of_variants(results: Results, seed: int) -> Iterable[Drawing]:
    by_folder = groupby(results.entries, key=lambda entry: Path(entry.folder).parent)
    for folder, group in by_folder:
        entries = list(group)
        sources = [_result_file(results, entry) for entry in entries]
        at = results.run_dir / folder
        first = entries[0]
        yield at / "confusion", sources, _confusion(entries)
        yield at / "scores", sources[:1], _scores(results, first, seed)
        if first.epochs > 1:
            yield at / "losses", sources[:1], _losses(results, first)


def _named(entry: Result) -> str:
    return described(entry.method, entry.changed)


def _confusion(entries: Sequence[Result]) -> Callable[[], Figure]:
    counts = np.sum([entry.confusion for entry in entries], axis=0)
    return lambda: figures.confusion(counts, entries[0].classes)


def _scores(results: Results, entry: Result, seed: int) -> Callable[[], Figure]:
    def make() -> Figure:
        found = load_file(results.run_dir / entry.folder / "scores.safetensors")
        rows = some_of_each(found["truth"], CLIPS_WITH_BARS, seed)
        clips = [f"{entry.classes[found['truth'][r]]} (row {int(found['row'][r])})" for r in rows]
        scores, truth = found["scores"][rows], found["truth"][rows]
        unit = max(float(found["scores"].std()), 1e-12)
        return figures.score_bars(scores, truth, entry.classes, clips, unit=unit)

    return make


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


def _losses(results: Results, entry: Result) -> Callable[[], Figure]:
    return lambda: figures.losses(read_history(results.run_dir / entry.folder / "history.csv"))


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


def _map(file: FeatureFile, seed: int) -> Callable[[], Figure]:
    def make() -> Figure:
        found = file.arrays
        clips = found.take("unseen_test")
        return figures.features_map(clips.v, clips.label, found.class_names, seed=seed)

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


def _sweep(sweep: Sequence[Row], without: Sequence[Row]) -> Callable[[], Figure]:
    summaries = [row.summary for row in sweep]
    return lambda: figures.over_beta(
        [beta_of(row) for row in sweep],
        [s.mean for s in summaries],
        [s.std for s in summaries],
        chance=summaries[0].chance,
        without=without[0].summary.mean if without else None,
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


def _curves(curves: Mapping[str, Mapping]) -> Callable[[], Figure]:
    return lambda: figures.seen_unseen(curves)
