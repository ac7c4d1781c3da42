"""From one training of a run folder to a model folder that stands alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file

from smie_pipe.backbones.features.store import FeatureSet, read_features
from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.foundation.digests import is_digest_of
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.skeletons.store import SkeletonFile
from smie_pipe.zeroshot.methods.base import TrainingData, fit
from smie_pipe.zeroshot.methods.registry import METHODS, reads_words
from smie_pipe.zeroshot.methods.saved import load_method, read_method_facts
from smie_pipe.zeroshot.recognition.calibration import calibrate, group_size, of_groups
from smie_pipe.zeroshot.recognition.label_texts import LabelTexts, TextFacts
from smie_pipe.zeroshot.recognition.model_card import card
from smie_pipe.zeroshot.recognition.model_folder import (
    BACKBONE,
    FEATURES,
    LABELS,
    METHOD,
    ModelFolder,
    write_model,
)
from smie_pipe.zeroshot.texts.class_texts import TextCentre
from smie_pipe.zeroshot.training.train import of_classes, seen_training_data
from smie_pipe.zeroshot.trials.results import Result, result_from

CITE = (
    "Y. Zhou, W. Qiang, A. Rao, N. Lin, B. Su, J. Wang: Zero-shot Skeleton-based Action "
    "Recognition via Mutual Information Estimation and Maximization. ACM Multimedia 2023."
)
TERMS = {
    "ntu60": "Trained on NTU RGB+D: the terms of that data set hold for these weights.",
    "ntu120": "Trained on NTU RGB+D 120: the terms of that data set hold for these weights.",
    "pku51": "Trained on PKU-MMD: the terms of that data set hold for these weights.",
}
OWN_TERMS = "The terms of the recordings it was trained on hold for these weights."
MOST_CALIBRATED = 2000
REFITS = 40
TOLERANCE = 0.01
"""Of the spread of scores: rounding in another batch moves them by 1e-5."""


@dataclass(frozen=True)
class Training:
    """The files of one training in a run folder."""

    folder: Path
    features: Path
    backbone: Path
    skeletons: Path
    result: Result


def training_in(folder: Path) -> Training:
    """Return the files of a training: ``RUN/SPLIT/METHOD/seed-K``.

    Raises
    ------
    InputError
        If the folder is no finished training, or its method was not saved.
    """
    folder = Path(folder)
    if not (folder / "result.json").is_file():
        seeds = sorted(folder.glob("**/seed-*/result.json"))
        there = "; it holds " + ", ".join(str(s.parent) for s in seeds[:4]) if seeds else ""
        raise InputError(
            f"{folder}: expected a finished training, RUN/SPLIT/METHOD/seed-K, found no "
            f"result.json{there}"
        )
    if not (folder / METHOD).is_file():
        raise InputError(
            f"{folder}: its method was not saved; train it again with `zeroshot --overwrite` "
            "(without --no-save-model). An own method needs state() and restore()"
        )
    split = folder.resolve().parent.parent
    run = next((up for up in split.parents if (up / "skeletons.h5").is_file()), None)
    if run is None:
        raise InputError(
            f"{folder}: there is no skeletons.h5 in its run folder, which says how recordings "
            "become clips; features made elsewhere cannot be made for new recordings"
        )
    result = result_from(json.loads((folder / "result.json").read_text(encoding="utf-8")))
    files = (split / "features.h5", split / "backbone.safetensors", run / "skeletons.h5")
    return Training(folder, *files, result)


def export_model(
    folder: Path,
    out: Path,
    labels: Sequence[str] = (),
    *,
    text_model: str | None = None,
    own_method: str | None = None,
    overwrite: bool = False,
) -> ModelFolder:
    """Write one training as a model folder; see ``model_folder``.

    Parameters
    ----------
    labels
        Texts to keep vectors of, beside those of the data set's classes.
    text_model
        Folder of the text model, where its name in the run is not found here.

    Raises
    ------
    InputError
        If the training's files have changed since, or lack what recordings need.
    """
    training = training_in(folder)
    features = read_features(training.features)
    facts = read_method_facts(training.folder / METHOD)
    _check_unchanged(training, features)
    known, centre, width = _known_texts(features, facts, text_model, own_method)
    method = load_method(training.folder / METHOD, own=own_method)
    if labels:
        known.of(list(labels))
    source = str(features.attrs.get("source", "backbone"))
    config = {
        "made_by": _version(),
        "recipe": _recipe(training.skeletons),
        "joints": list(JOINTS),
        "features": {"source": source, "width": int(features.v.shape[1]), **_by(features)},
        "method": {key: facts[key] for key in ("method", "options")},
        "texts": {**_plain(known.facts), "width": width, "labels": list(known.vectors)},
        "classes": {
            "all": features.class_names,
            "seen": [features.class_names[k] for k in features.seen],
            "unseen": [features.class_names[k] for k in features.unseen],
        },
        "calibration": _calibration(method, features, known),
        "figures": _figures(training.result),
        "data": {
            "dataset": training.result.dataset,
            "protocol": training.result.protocol,
            "split": training.result.split,
            "training_clips": features.counts()["seen_train"],
        },
        "cite": CITE,
        "terms": TERMS.get(training.result.dataset, OWN_TERMS),
    }
    arrays = {LABELS: {"vectors": np.stack(list(known.vectors.values())), **centre}}
    if features.made:
        arrays[FEATURES] = dict(features.made)
    copies = {METHOD: training.folder / METHOD}
    if source != "kinematic":
        copies[BACKBONE] = training.backbone
    made = write_model(out, config, arrays, copies, card(config), overwrite=overwrite)
    check_same_scores(made, training, text_model=text_model, own_method=own_method)
    return made


def check_same_scores(
    made: ModelFolder, training: Training, *, text_model: str | None, own_method: str | None
) -> float:
    """Score the first test clips by the model folder; return how far from the run's scores.

    Raises
    ------
    InputError
        If they differ by more than rounding, so that the folder would not be the model tested.
    """
    from smie_pipe.zeroshot.recognition.recognizer import Recognizer

    written = load_file(training.folder / "scores.safetensors")
    rows = written["row"][:16]
    with SkeletonFile(training.skeletons) as file:
        order = np.argsort(rows)
        x = np.empty((len(rows), *file.x.shape[1:]), np.float32)
        x[order] = file.x[rows[order]]
        place = file.place(rows)
    model = Recognizer(made, text_model=text_model, own_method=own_method)
    scores = model.score(x, training.result.classes, place=place)
    spread = max(float(written["scores"].std()), 1e-6)
    apart = float(np.abs(scores - written["scores"][:16]).max()) / spread
    if apart > TOLERANCE:
        shutil.rmtree(made.path)
        raise InputError(
            f"{training.folder}: the exported model scores its test clips otherwise (by "
            f"{apart:.2g} of their spread): class texts, text model or program have changed "
            "since; train it again with `zeroshot --overwrite`"
        )
    return apart


def _check_unchanged(training: Training, features: FeatureSet) -> None:
    """Refuse features or a backbone that were made anew since the training."""
    by = features.attrs.get("backbone_digest")
    needs = str(features.attrs.get("source", "backbone")) != "kinematic"
    if needs and not training.backbone.is_file():
        raise InputError(f"{training.backbone}: is missing, and the model's features need it")
    if needs and by is not None and not is_digest_of(str(by), training.backbone):
        raise InputError(
            f"{training.features} holds the features of another backbone than "
            f"{training.backbone}; run extract and zeroshot again with --overwrite"
        )
    with SkeletonFile(training.skeletons) as file:
        now = file.digest
    if features.attrs.get("skeletons_digest") not in (None, now):
        raise InputError(
            f"{training.features} is of other clips than {training.skeletons}; run extract and "
            "zeroshot again with --overwrite"
        )


def _known_texts(
    features: FeatureSet, facts: Mapping[str, Any], text_model: str | None, own_method: str | None
) -> tuple[LabelTexts, dict[str, np.ndarray], int]:
    """Return the texts of the data set's classes as in training, and what is taken off them."""
    from smie_pipe.zeroshot.texts.embeddings import class_texts

    said = facts["facts"]
    name = text_model or said["text_model"]
    spec = facts["spec"]
    parts = reads_words(spec if spec in METHODS or own_method is None else own_method)
    texts = class_texts(
        features.class_names,
        source=said["text"],
        model=name,
        combine="views",
        parts_of_speech=parts,
    )
    sets = _sets(features.class_names, said["text"], name)
    rows = [view.numpy() for view in texts.views]
    if parts:
        rows += [x.numpy() for x in texts.parts_of_speech(facts["method"])]
    table = np.stack(rows, axis=1).astype(np.float32)
    digest = "" if name.endswith(".npy") else _model_digest(name)
    shown = Path(name).name if name.endswith(".npy") or Path(name).is_dir() else name
    about = TextFacts(sets, shown, digest, table.shape[2], said["combine"], parts)
    known = LabelTexts(about, dict(zip(features.class_names, table, strict=True)))
    joined = known.of(features.class_names)
    centre = {}
    if said["centred"]:
        known.centre = TextCentre.of(joined.take(features.seen))
        centre = {f"centre.{k}": v.numpy() for k, v in known.centre.means.items()}
    return known, centre, table.shape[2]


def _sets(class_names: Sequence[str], source: str, model: str) -> tuple[str, ...]:
    from smie_pipe.zeroshot.texts.text_sets import text_sets

    return ("label",) if model.endswith(".npy") else tuple(text_sets(class_names, source))


def _model_digest(name: str) -> str:
    from smie_pipe.zeroshot.texts.models import TextModel

    return TextModel(name).digest


def _recipe(skeletons: Path) -> dict[str, Any]:
    with SkeletonFile(skeletons) as file:
        return file.recipe


def _calibration(method: Any, features: FeatureSet, known: LabelTexts) -> dict[str, Any]:
    """Return what margins mean, by seen-class clips: test performers' where there are some.

    A method that refits in milliseconds is trained again without each group of classes, so that
    these are as new to it as a user's labels; others score classes they were trained on.
    """
    part = "seen_test" if features.counts()["seen_test"] else "seen_train"
    clips = features.take(part)
    some = np.random.default_rng(0).permutation(len(clips.v))[:MOST_CALIBRATED]
    v, label = torch.from_numpy(clips.v[some]), np.searchsorted(features.seen, clips.label[some])
    texts = known.of([features.class_names[k] for k in features.seen])
    refit = bool(getattr(method, "cheap_refit", False)) and group_size(len(texts)) > 1
    if refit:
        data = seen_training_data(features, known.of(features.class_names))
        groups = list(_left_out_groups(method, data, v, label))
        found = of_groups(groups, group_size(len(texts)))
    else:
        found = calibrate(method.score(v, texts).numpy(), label)
    return {**found.as_dict(), "part": part, "left_out": refit}


def _left_out_groups(
    method: Any, data: TrainingData, v: torch.Tensor, label: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the scores of clips against random groups of classes the method never saw."""
    draw = np.random.default_rng(0)
    classes, size = len(data.texts), group_size(len(data.texts))
    options = {f.name: getattr(method, f.name) for f in fields(method)}
    for _ in range(REFITS):
        chosen = np.sort(draw.choice(classes, size, replace=False))
        kept = np.setdiff1d(np.arange(classes), chosen)
        again = fit(type(method)(**options), of_classes(data, kept.tolist()), seed=0, device="cpu")
        scores = again.score(v, data.texts.take(chosen)).numpy()
        yield scores, np.isin(label, chosen)


def _figures(result: Result) -> dict[str, Any]:
    return {
        "unseen_accuracy": result.accuracy,
        "class_mean": result.class_mean,
        "chance": result.chance,
        "clips": result.clips,
        "classes": len(result.classes),
        "select": result.select,
        "seed": result.seed,
    }


def _by(features: FeatureSet) -> dict[str, Any]:
    return {"backbone": str(features.attrs.get("backbone", ""))}


def _plain(facts: TextFacts) -> dict[str, Any]:
    return {
        "sets": list(facts.sets),
        "model": facts.model,
        "model_digest": facts.model_digest,
        "combine": facts.combine,
        "parts_of_speech": facts.parts_of_speech,
    }


def _version() -> str:
    from importlib.metadata import version

    return f"smie-pipe {version('smie-pipe')}"
