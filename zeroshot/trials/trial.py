"""One training: choose, train on all seen classes, test on the unseen, write its folder.

``SPLIT/VARIANT/seed-K/`` holds ``history.csv`` (losses by epoch), ``predictions.csv`` (a row per
unseen test clip), ``scores.safetensors`` (``scores`` (N, K) float32, ``truth`` (N,) = column of
the true class, ``row`` (N,) = row in skeletons.h5) and ``result.json`` (the fields of
``Result``), which is written last and so says that the rest is whole. ``method.safetensors`` is
the trained method, where it can be saved (``smie_pipe.zeroshot.methods.saved``).
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file

from smie_pipe.backbones.features.store import FeatureFile, FeatureSet
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.zeroshot.config import TextSource, ZeroShotConfig
from smie_pipe.zeroshot.evaluate import Measures, measure
from smie_pipe.zeroshot.gzsl.calibration import calibrate, generalised
from smie_pipe.zeroshot.methods.base import Method, TrainingData
from smie_pipe.zeroshot.methods.saved import save_method
from smie_pipe.zeroshot.texts.class_texts import ClassTexts, TextCentre
from smie_pipe.zeroshot.training.held_out import choose
from smie_pipe.zeroshot.training.train import Diverged, has_masked, seen_training_data
from smie_pipe.zeroshot.training.trainer import Trainer, scores_of
from smie_pipe.zeroshot.transductive.adapted import transduced
from smie_pipe.zeroshot.trials.results import Result, result_from
from smie_pipe.zeroshot.trials.variants import Variant

MODEL = "method.safetensors"


@dataclass(frozen=True, eq=False)
class Texts:
    """Class texts of all classes as plain arrays, which another process can be sent."""

    source: TextSource
    sentence: np.ndarray
    verb: np.ndarray | None = None
    noun: np.ndarray | None = None
    views: tuple[np.ndarray, ...] = ()

    @classmethod
    def of(cls, source: TextSource, texts: ClassTexts) -> Texts:
        """Return the arrays of ``texts``."""
        tables = {"verb": texts.verb, "noun": texts.noun}
        parts = {
            name: None if t is None else t.float().cpu().numpy() for name, t in tables.items()
        }
        views = tuple(view.float().cpu().numpy() for view in texts.views)
        return cls(source, texts.sentence.float().cpu().numpy(), **parts, views=views)

    def tensors(self) -> ClassTexts:
        """Return them as a method takes them."""
        verb, noun = (None if t is None else torch.as_tensor(t) for t in (self.verb, self.noun))
        views = tuple(torch.as_tensor(view) for view in self.views)
        return ClassTexts(torch.as_tensor(self.sentence), verb, noun, views)

    def for_split(self, seen: Sequence[int]) -> ClassTexts:
        """Return them for a split: centred on its seen classes' mean where that is asked for."""
        texts = self.tensors()
        if not self.source.centred:
            return texts
        return TextCentre.of(texts.take(seen)).apply(texts)


@dataclass(frozen=True, eq=False)
class Task:
    """One training to do: which features, method and texts, which seed, where to put it."""

    split: str
    features: FeatureFile
    variant: Variant
    texts: Texts
    config: ZeroShotConfig
    seed: int
    device: str
    run_dir: Path
    digest: str
    save_model: bool = True

    @property
    def folder(self) -> Path:
        """Where its files go, relative to the run folder."""
        source, name = self.texts.source, self.variant.name
        for said, default in ((source.name, TextSource.text), (source.model, TextSource.model)):
            if _folder_safe(said) != default:
                name += f"_{_folder_safe(said)}"
        if source.digest:
            name += f"-{source.digest}"
        if self.config.select != ZeroShotConfig.select:
            name += f"_{self.config.select}"
        return Path(self.split) / name / f"seed-{self.seed}"

    def forget_other(self) -> None:
        """Take away a result that other options or another file of this name left here.

        A training that fails would else stand in the tables with the score of the one before.
        """
        if self.done() is None:
            (self.run_dir / self.folder / "result.json").unlink(missing_ok=True)

    def done(self) -> Result | None:
        """Return the stored result, if the same data and options made it."""
        path = self.run_dir / self.folder / "result.json"
        if not path.is_file():
            return None
        try:
            found = result_from(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            return None
        return found if found.digest == self.digest else None


def _folder_safe(text: str) -> str:
    name = Path(text).stem if text.endswith((".csv", ".npy")) else Path(text).name
    return "".join(c if c.isalnum() or c in ".+-" else "-" for c in name)


@dataclass
class _Trained:
    """A trained method with what was seen on the way."""

    method: Method
    history: list[dict[str, float]]
    optimistic: dict[str, Any] | None


def perform(task: Task, stop: Callable[[], bool] = lambda: False) -> Result:
    """Train, test and write one training; the files replace those of an earlier one.

    Parameters
    ----------
    stop
        Asked after every epoch; when true, ``Interrupted`` is raised and nothing is written.

    Raises
    ------
    InputError
        If a loss or a score is not finite.
    """
    trainer = Trainer(task.variant.spec, task.seed, torch.device(task.device), stop)
    features = task.features.arrays
    texts = task.texts.for_split(features.seen)
    data = seen_training_data(features, texts)
    clock = [time.perf_counter()]

    options, epochs, chosen = _options(task, trainer, data)
    clock.append(time.perf_counter())

    test = _Test.of(features, texts, trainer.device)
    trained = _train(task, trainer, options, epochs, data, test)
    clock.append(time.perf_counter())

    scores = scores_of(trained.method, test.v, test.texts).numpy()
    measures = measure(scores, test.truth)
    clock.append(time.perf_counter())

    gzsl = _gzsl(task, trainer, options, trained, (data, features, texts))
    clock.append(time.perf_counter())

    seconds = dict(zip(("choose", "train", "score", "gzsl"), np.diff(clock).tolist(), strict=True))
    facts = {"options": options, "chosen": chosen, "seconds": seconds, "gzsl": gzsl}
    facts["transductive"] = transduced(
        scores,
        test.v.cpu().numpy(),
        test.truth,
        task.config.transductive,
        trainer,
        options,
        len(trained.history),
        data,
    )
    result = _result(task, features, trained, measures, facts)
    _write(task, result, trained.history, scores, test, _keeper(task, options, trained))
    return result


@dataclass(frozen=True, eq=False)
class _Test:
    """The unseen test clips: features and texts on the device, true columns, rows."""

    v: torch.Tensor
    texts: ClassTexts
    truth: np.ndarray
    row: np.ndarray

    @classmethod
    def of(cls, features: FeatureSet, texts: ClassTexts, device: torch.device) -> _Test:
        clips = features.take("unseen_test")
        truth = np.searchsorted(features.unseen, clips.label)
        v, texts = torch.as_tensor(clips.v).to(device), texts.take(features.unseen).to(device)
        return cls(v, texts, truth, clips.row)

    def accuracy(self, method: Method) -> float:
        """Return the share of clips that a method names rightly."""
        found = scores_of(method, self.v, self.texts).numpy().argmax(1)
        return float((found == self.truth).mean())


def _keeper(task: Task, options: dict[str, Any], trained: _Trained) -> Callable[[Path], None]:
    """Return what writes the trained method into a folder, or takes an earlier one away."""
    source = task.texts.source
    facts = {
        "text": source.text,
        "text_model": source.model,
        "combine": source.combine,
        "centred": source.centred,
    }

    def keep(folder: Path) -> None:
        path = folder / MODEL
        path.unlink(missing_ok=True)
        if task.save_model:
            save_method(path, trained.method, task.variant.spec, options, facts)

    return keep


def _options(
    task: Task, trainer: Trainer, data: TrainingData
) -> tuple[dict[str, Any], int | None, dict[str, Any] | None]:
    """Return the options, where to stop, and what was chosen (None where nothing was)."""
    options = dict(task.variant.options)
    if task.config.select == "last":
        return options, None, None
    choice = choose(
        trainer,
        options,
        data,
        fixed=tuple(task.variant.changed),
        share=task.config.held_out_share,
        folds=task.config.held_out_folds,
    )
    searched = {key: choice.options[key] for key in options if choice.options[key] != options[key]}
    facts = asdict(choice) | {"options": searched}
    return choice.options, choice.epochs, facts


def _train(
    task: Task,
    trainer: Trainer,
    options: dict[str, Any],
    epochs: int | None,
    data: TrainingData,
    test: _Test,
) -> _Trained:
    """Train on all seen classes; the test clips are looked at for the optimistic figure only.

    That figure is the best of every epoch there is. Where training stops at a chosen epoch, it
    comes from a second training that goes on to the last one.
    """
    method = trainer.build(options)
    history, curve = [], {}
    for epoch, losses in trainer.epochs(method, data, epochs):
        history.append({"epoch": epoch, **losses})
        if task.config.also_optimistic and epochs is None:
            curve[epoch] = test.accuracy(method)
    if task.config.also_optimistic and epochs is not None:
        whole = trainer.build(options)
        with suppress(Diverged):  # past the chosen epoch that takes nothing from the result
            for epoch, _ in trainer.epochs(whole, data):
                curve[epoch] = test.accuracy(whole)
    return _Trained(method, history, _best(curve))


def _best(curve: dict[int, float]) -> dict[str, Any] | None:
    if not curve:
        return None
    epoch = max(curve, key=lambda e: curve[e])
    return {"accuracy": curve[epoch], "epoch": epoch}


def _gzsl(
    task: Task,
    trainer: Trainer,
    options: dict[str, Any],
    trained: _Trained,
    inputs: tuple[TrainingData, FeatureSet, ClassTexts],
) -> dict[str, Any] | None:
    if task.config.gzsl == "none":
        return None
    data, features, texts = inputs
    calibration = calibrate(
        trainer,
        options,
        len(trained.history),
        data,
        ways=task.config.gzsl,
        unseen_classes=len(features.unseen),
        folds=task.config.held_out_folds,
    )
    return generalised(trained.method, calibration, data, features, texts, trainer.device)


def _result(
    task: Task,
    features: FeatureSet,
    trained: _Trained,
    measures: Measures,
    facts: dict[str, Any],
) -> Result:
    losses = {key: value for key, value in trained.history[-1].items() if key != "epoch"}
    attrs = features.attrs
    return Result(
        dataset=str(attrs.get("dataset", "custom")),
        split=task.split,
        backbone=str(attrs.get("backbone", "")),
        protocol=str(attrs.get("protocol", "")),
        mask=str(attrs.get("mask", "")) if has_masked(features) else "none",
        method=task.variant.method,
        variant=task.variant.name,
        changed=dict(task.variant.changed),
        text=task.texts.source.name,
        text_model=Path(task.texts.source.model).name,
        text_width=task.texts.sentence.shape[1],
        select=task.config.select,
        seed=task.seed,
        folder=task.folder.as_posix(),
        classes=[features.class_names[label] for label in features.unseen],
        clips=int(measures.confusion.sum()),
        accuracy=measures.accuracy,
        class_mean=measures.class_mean,
        chance=measures.chance,
        top=list(measures.top),
        confusion=measures.confusion.tolist(),
        epochs=len(trained.history),
        losses=losses,
        optimistic=trained.optimistic,
        device=task.device.partition(":")[0],
        digest=task.digest,
        text_digest=task.texts.source.digest,
        saw_unseen=str(attrs.get("saw_unseen", "")),
        **facts,
    )


def _write(
    task: Task,
    result: Result,
    history: list[dict[str, float]],
    scores: np.ndarray,
    test: _Test,
    keep: Callable[[Path], None],
) -> None:
    folder, truth, row = task.run_dir / task.folder, test.truth, test.row
    (folder / "result.json").unlink(missing_ok=True)
    keep(folder)
    _write_csv(folder / "history.csv", list(history[0]), [h.values() for h in history])
    names = result.classes
    guesses = scores.argmax(1)
    columns = zip(row.tolist(), truth.tolist(), guesses.tolist(), strict=True)
    lines = [(r, names[t], names[g], int(t == g)) for r, t, g in columns]
    _write_csv(folder / "predictions.csv", ["row", "class", "predicted", "right"], lines)
    with replace_when_whole(folder / "scores.safetensors") as path:
        save_file(
            {"scores": np.ascontiguousarray(scores, np.float32), "truth": truth, "row": row}, path
        )
    with replace_when_whole(folder / "result.json") as path:
        path.write_text(json.dumps(asdict(result), ensure_ascii=False), encoding="utf-8")


def _write_csv(path: Path, header: Sequence[str], rows: Sequence[Any]) -> None:
    with (
        replace_when_whole(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
