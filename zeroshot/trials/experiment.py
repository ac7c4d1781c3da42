"""Every method on every split with every seed: check all, train what is not done, collect."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from smie_pipe.backbones.features.store import FeatureFile, FeatureSet
from smie_pipe.backbones.pretrainings import split_and_number
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.progress import progress
from smie_pipe.zeroshot.config import TextSource, ZeroShotConfig, ZeroShotRun
from smie_pipe.zeroshot.methods.registry import method_class, needs_text_head, reads_words
from smie_pipe.zeroshot.texts.class_texts import ClassTexts
from smie_pipe.zeroshot.texts.embeddings import class_texts
from smie_pipe.zeroshot.training.held_out import FEWEST
from smie_pipe.zeroshot.training.train import has_masked, text_head
from smie_pipe.zeroshot.trials.results import Result, Results, check_own, write_gathered
from smie_pipe.zeroshot.trials.stale import current
from smie_pipe.zeroshot.trials.trial import Task, Texts
from smie_pipe.zeroshot.trials.variants import Variant, variants
from smie_pipe.zeroshot.trials.workers import perform_all, processes_for

logger = logging.getLogger(__name__)
ALIKE = 0.01
"""Features with less spread than this come from a backbone that has learnt next to nothing."""
RECIPE = 1
"""Raised when a change of this package changes what the same options give."""


class SomeFailed(InputError):
    """Some trainings went wrong; the results of the others are written.

    ``results`` are all of the run folder.
    """

    def __init__(self, message: str, results: Results):
        super().__init__(message)
        self.results = results


def run_experiments(
    features: Mapping[str, FeatureFile],
    run_dir: Path,
    config: ZeroShotConfig,
    *,
    seed: int = 0,
    device: str = "cpu",
    run: ZeroShotRun | None = None,
    texts: Mapping[TextSource, ClassTexts] | None = None,
) -> Results:
    """Train and test every method on every split; return and write all results of the folder.

    Parameters
    ----------
    features
        Name of each split and its features file.
    run_dir
        Gets ``results.json``, ``results.csv`` and ``SPLIT/VARIANT/seed-K/`` per training.
        Results of other splits, methods and seeds in it stay.
    config
        What to train and how to choose.
    seed
        The first training's; the others count up.
    device
        As torch names it.
    run
        How many side by side, and whether to train again what is done.
    texts
        Embeddings of all classes for each source of ``config``; by default made here.

    Raises
    ------
    InputError
        Before any work, for everything that is wrong with methods, texts or features.
    SomeFailed
        After all work, if some trainings diverged.
    """
    run = run or ZeroShotRun()
    check_own(run_dir)
    check_features(features, config)
    facts = next(iter(features.values())).facts
    masked = all(has_masked(file.facts) for file in features.values())
    asked = variants(config, facts.dataset, masked=masked)
    _check_text_heads(asked, features.values())
    tables = _texts(config, facts.class_names, texts, any(reads_words(v.spec) for v in asked))
    tasks = _tasks(features, asked, tables, config, seed, device, run_dir)[run.share]
    tasks = [replace(task, save_model=run.save_model) for task in tasks]
    done = {task: None if run.overwrite else task.done() for task in tasks}
    return _perform(tasks, done, run_dir, processes_for(run.jobs, len(tasks), device))


def _perform(
    tasks: Sequence[Task], done: Mapping[Task, Result | None], run_dir: Path, processes: int
) -> Results:
    """Do what is not done, and write the results, also when interrupted."""
    found = [result for result in done.values() if result is not None]
    open_tasks = [task for task in tasks if done[task] is None]
    if found:
        logger.info("%d of %d trainings are done already, skipped", len(found), len(tasks))
    failed: list[str] = []
    try:
        work = perform_all(open_tasks, min(processes, max(1, len(open_tasks))))
        for task, outcome in progress(work, total=len(open_tasks), what="trainings", unit="run"):
            if isinstance(outcome, str):
                failed.append(outcome)
            else:
                found.append(outcome)
                logger.debug("%s: %.2f %%", task.folder, 100 * outcome.accuracy)
    finally:
        asked = {task.folder.as_posix() for task in tasks}
        results = current(replace(write_gathered(run_dir), asked=asked))
    if failed:
        listed = "\n".join(failed)
        raise SomeFailed(f"{len(failed)} of {len(tasks)} trainings failed:\n{listed}", results)
    return results


def _check_text_heads(asked: Sequence[Variant], files: Iterable[FeatureFile]) -> None:
    """Refuse methods that need a text head where features have none."""
    wanting = [v.name for v in asked if needs_text_head(v.spec)]
    lacking = [str(f.path) for f in files if wanting and text_head(f.arrays) is None]
    if lacking:
        raise InputError(
            f"{', '.join(wanting)}: {', '.join(lacking)} hold no text head; it needs a backbone's "
            "features alone, of pretrain-backbone --align"
        )


def check_features(features: Mapping[str, FeatureFile], config: ZeroShotConfig) -> None:
    """Check that the features of all splits serve; see ``run_experiments``.

    Raises
    ------
    InputError
        With every fault of every file.
    """
    if not features:
        raise InputError("no features are given; make them with `extract`")
    faults = []
    for split, file in features.items():
        found = file.arrays
        faults += [f"{file.path}: {fault}" for fault in _faults(split, found, config)]
        if len(found.v) and spread(found.v) < ALIKE:
            logger.warning(
                "%s: the features of all clips are nearly the same, so no method can tell them "
                "apart; pretrain the backbone for more epochs",
                file.path,
            )
    faults += _mixed(list(features.values()))
    if faults:
        raise InputError("these features cannot be used:\n" + "\n".join(faults))


def spread(v: np.ndarray) -> float:
    """Return how much features (N, D) differ between clips, beside how they differ within one.

    0 where all clips are the same, about 1 where they have nothing in common.
    """
    within = v.std(1)
    return float(v.std(0).mean() / max(float(within.mean()), 1e-30))


def _faults(split: str, found: FeatureSet, config: ZeroShotConfig) -> Iterable[str]:
    """Yield what is wrong with one split's features, in words."""
    made_for = found.attrs.get("split", split)
    if made_for != split_and_number(split)[0]:
        yield f"holds the features of split {made_for!r}, expected {split!r}; run `extract` again"
    if not (np.isfinite(found.v).all() and np.isfinite(found.v_masked).all()):
        yield "holds values that are not finite; run `extract` again"
    if len(found.seen) < 2:
        yield (
            f"{len(found.seen)} seen class(es), at least 2 are needed to tell a class from "
            "another; choose a split with fewer unseen classes"
        )
    if not found.unseen:
        yield "no class is unseen; choose a split that leaves some out"
    yield from _empty(found, "seen_train", found.seen, "training clips")
    yield from _empty(found, "unseen_test", found.unseen, "test clips")
    if config.gzsl != "none" and not found.counts()["seen_test"]:
        yield "no test clips of seen classes, which --gzsl needs"
    holds_out = (
        config.gzsl != "none"
        or config.select == "held-out"
        or config.transductive in ("prototypes", "both")
    )
    if holds_out and len(found.seen) < FEWEST:
        yield f"{len(found.seen)} seen classes, at least {FEWEST} are needed to hold some out"


def _empty(found: FeatureSet, part: str, labels: Sequence[int], what: str) -> Iterable[str]:
    here = set(found.take(part).label.tolist())
    empty = [found.class_names[label] for label in labels if label not in here]
    if empty:
        yield f"no {what} of {', '.join(map(repr, empty))}; choose a split or protocol with some"


def _mixed(files: Sequence[FeatureFile]) -> list[str]:
    """Say where files of different datasets, masks or classes stand together."""
    first = files[0]
    faults = []
    for file in files:
        one, other = file.facts, first.facts
        for what, ours, theirs in (
            ("dataset", one.attrs.get("dataset"), other.attrs.get("dataset")),
            ("number of masked frames P", one.attrs.get("P"), other.attrs.get("P")),
            ("class names", one.class_names, other.class_names),
        ):
            if ours != theirs:
                said = "two lists" if what == "class names" else f"{ours!r} and {theirs!r}"
                faults.append(
                    f"{file.path}: another {what} than {first.path} ({said}); "
                    "give features that were made alike"
                )
    return faults


def _texts(
    config: ZeroShotConfig,
    class_names: list[str],
    given: Mapping[TextSource, ClassTexts] | None,
    parts_of_speech: bool,
) -> list[Texts]:
    """Return the embeddings of every source, checked against the number of classes."""
    own = None if config.verbs_nouns is None else Path(config.verbs_nouns)
    tables = []
    for source in config.sources():
        table = (
            class_texts(
                class_names,
                source=source.text,
                model=source.model,
                combine=source.combine,
                parts_of_speech=parts_of_speech,
                verbs_nouns=own,
            )
            if given is None
            else given[source]
        )
        if len(table) != len(class_names):
            raise InputError(
                f"class texts {source.text!r} of {source.model!r}: {len(table)} embeddings for "
                f"{len(class_names)} classes; one row per class is needed, in label order"
            )
        tables.append(Texts.of(source, table))
    return tables


def _tasks(
    features: Mapping[str, FeatureFile],
    asked: Sequence[Variant],
    tables: Sequence[Texts],
    config: ZeroShotConfig,
    seed: int,
    device: str,
    run_dir: Path,
) -> list[Task]:
    """Return every training to do, those on the same features one after the other.

    Raises
    ------
    InputError
        If a method lacks verbs and nouns, or two trainings would share a folder.
    """
    tasks = [
        Task(split, file, variant, table, config, seed + k, device, run_dir, "")
        for split, file in features.items()
        for variant in asked
        for table in tables
        for k in range(config.seeds)
    ]
    _check_tasks(tasks)
    return [replace(task, digest=_digest(task, task.features.digest)) for task in tasks]


def _check_tasks(tasks: Sequence[Task]) -> None:
    shared = [folder for folder, n in Counter(task.folder for task in tasks).items() if n > 1]
    if shared:
        raise InputError(
            f"two trainings would be written to {shared[0]}: two text sources or methods have "
            "the same name; rename one"
        )
    for task in tasks:
        if reads_words(task.variant.spec) and task.texts.verb is None:
            task.texts.tensors().parts_of_speech(task.variant.method)


def _digest(task: Task, features: str) -> str:
    """Return digests of the features and of all else: the same digests, the same result."""
    texts = hashlib.sha256()
    parts = (task.texts.verb, task.texts.noun) if reads_words(task.variant.spec) else ()
    views = task.texts.views if len(task.texts.views) > 1 else ()
    for table in (task.texts.sentence, *parts, *views):
        texts.update(b"-" if table is None else np.ascontiguousarray(table).tobytes())
    config: dict[str, Any] = {"select": task.config.select, "gzsl": task.config.gzsl}
    if task.config.select != "last" or task.config.gzsl != "none":
        config["held_out"] = [task.config.held_out_share, task.config.held_out_folds]
    if task.config.gzsl != "none" and getattr(
        method_class(task.variant.spec), "cheap_refit", False
    ):
        config["calibrated"] = "every clip left out"
    if task.config.transductive != "none":
        config["transductive"] = task.config.transductive
    if task.texts.source.centred:
        config["centred"] = True
    said = {
        "recipe": RECIPE,
        "texts": texts.hexdigest(),
        "spec": task.variant.spec,
        "source": _source(task.variant.spec),
        "options": dict(task.variant.options),
        "config": config,
        "optimistic": task.config.also_optimistic
        and (task.config.select == "last" or "of every epoch"),
        "seed": task.seed,
        "device": task.device.partition(":")[0],
    }
    rest = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
    return f"{features}-{rest}"


def _source(spec: str) -> str | None:
    """Return a digest of the file that holds a method of the user's own, who may change it."""
    file = inspect.getsourcefile(method_class(spec)) if ":" in spec else None
    return None if file is None else hashlib.sha256(Path(file).read_bytes()).hexdigest()
