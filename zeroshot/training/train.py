"""The seen training clips of a features file, and the loop that trains a method on them.

What a method or the choosing of its options gets is a ``TrainingData``: clips and texts of seen
classes, taken out here. Unseen clips, labels and texts are not in it, so they cannot leak.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import torch

from smie_pipe.backbones.features.store import Facts, FeatureSet
from smie_pipe.backbones.text_head import PREFIX
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import Method, TrainingData
from smie_pipe.zeroshot.texts.class_texts import ClassTexts


class Interrupted(Exception):
    """Training was told to stop between two epochs; nothing of it is kept."""


class Diverged(InputError):
    """A loss is not finite; a lower learning rate is needed."""


def seen_training_data(features: FeatureSet, texts: ClassTexts) -> TrainingData:
    """Return the training clips and texts of the seen classes, labels counted among these.

    Parameters
    ----------
    features
        Of a split; only its part ``seen_train`` is read.
    texts
        Of all classes of the dataset, in the order of its labels.
    """
    clips = features.take("seen_train")
    masked = clips.v_masked if has_masked(features) else None
    label = np.searchsorted(features.seen, clips.label)
    return TrainingData(
        torch.as_tensor(clips.v),
        None if masked is None else torch.as_tensor(masked),
        torch.as_tensor(label),
        texts.take(features.seen),
        text_head(features),
    )


def text_head(features: FeatureSet) -> dict[str, torch.Tensor] | None:
    """Return the text head that was trained with the features' backbone, None without one."""
    found = {
        name.removeprefix(PREFIX): torch.as_tensor(array)
        for name, array in features.made.items()
        if name.startswith(PREFIX)
    }
    return found or None


def has_masked(features: FeatureSet | Facts) -> bool:
    """Return whether the file holds features of masked clips.

    Features made elsewhere may have none; their ``v_masked`` is a copy of ``v``.
    """
    return bool(features.attrs.get("masked", True))


def of_classes(data: TrainingData, classes: Sequence[int]) -> TrainingData:
    """Return the clips and texts of some classes only, labels counted among these.

    Parameters
    ----------
    data
        Clips of seen classes.
    classes
        Rows of ``data.texts`` to keep; the new label is the place in this list.
    """
    place = torch.full((len(data.texts),), -1)
    place[torch.as_tensor(classes)] = torch.arange(len(classes))
    return of_clips(data, place[data.label] >= 0, place, classes)


def of_clips(
    data: TrainingData,
    keep: torch.Tensor,
    place: torch.Tensor | None = None,
    classes: Sequence[int] | None = None,
) -> TrainingData:
    """Return the clips where ``keep`` (N,) is true, with other labels and texts if given."""
    label = data.label[keep]
    return TrainingData(
        data.v[keep],
        None if data.v_masked is None else data.v_masked[keep],
        label if place is None else place[label],
        data.texts if classes is None else data.texts.take(classes),
        data.head,
    )


def train(
    method: Method,
    data: TrainingData,
    *,
    seed: int,
    device: torch.device,
    epochs: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train epoch by epoch; yields the epoch, from 1, and its losses by name.

    Parameters
    ----------
    method
        Starts afresh; it may be scored between two epochs.
    epochs
        Where to stop. The method's learning rates follow its own number of epochs all the same,
        so that epoch e is the same model however long the training goes on.
    stop
        Asked after each epoch.

    Raises
    ------
    Diverged
        If a loss is not finite.
    InputError
        If ``method.train`` is no generator of losses by name.
    Interrupted
        If ``stop`` says so.
    """
    running = method.train(data, seed=seed, device=device)
    if not isinstance(running, Iterator):
        raise InputError(_no_generator(method, f"train() returned {_kind(running)}"))
    epoch = 0
    for epoch, losses in enumerate(islice(running, epochs), 1):
        if not isinstance(losses, Mapping):
            raise InputError(_no_generator(method, f"train() yielded {_kind(losses)}"))
        bad = [name for name, value in losses.items() if not math.isfinite(value)]
        if bad:
            raise Diverged(
                f"{method.name}: {', '.join(bad)} is not finite after epoch {epoch}: the training "
                f"diverged; give a lower learning rate (--method {method.name}:lr=...)"
            )
        yield epoch, losses
        if stop():
            raise Interrupted
    if not epoch:
        raise InputError(_no_generator(method, "train() ended without a yield"))


def _no_generator(method: Method, found: str) -> str:
    return (
        f"method {method.name!r}: {found}, expected a generator that yields the losses by name "
        'after each epoch: write `yield {"loss": float(loss)}` at the end of an epoch'
    )


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
