"""What every zero-shot method is given and must offer: class texts, training data, two calls."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.zeroshot.texts.class_texts import ClassTexts, _float_tensor, _rows


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The seen training clips: what a method learns from, and all it ever sees.

    Parameters
    ----------
    v
        Raw visual features, shape (N, Dv). Arrays are taken as well as tensors.
    v_masked
        Features of the same clips without their key frames, (N, Dv), or None where nobody has
        them (features made elsewhere).
    label
        Row of ``texts`` for each clip, shape (N,).
    texts
        Texts of the seen classes, and of no others.
    head
        The text head that was trained with the backbone, as tensors by name
        (``smie_pipe.backbones.weights.load_text_head``); only the method ``align`` reads it.

    Raises
    ------
    InputError
        For NaN, shapes that do not fit together, labels without a text, or clips of fewer
        than two classes; all faults in one message.
    """

    v: Tensor
    v_masked: Tensor | None
    label: Tensor
    texts: ClassTexts
    head: Mapping[str, Tensor] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "v", _float_tensor(self.v))
        object.__setattr__(self, "label", torch.as_tensor(self.label).long())
        if self.v_masked is not None:
            object.__setattr__(self, "v_masked", _float_tensor(self.v_masked))
        faults = self._faults()
        if faults:
            raise InputError("training features cannot be used: " + "; ".join(faults) + ".")

    def _faults(self) -> list[str]:
        faults = []
        if self.v.ndim != 2 or self.label.shape != (len(self.v),):
            return [
                f"v has shape {tuple(self.v.shape)} and label {tuple(self.label.shape)}, "
                "expected (clips, width) and (clips,)"
            ]
        for name, x in (("v", self.v), ("v_masked", self.v_masked)):
            if x is None:
                continue
            if x.shape != self.v.shape:
                faults.append(f"{name} has shape {tuple(x.shape)}, v {tuple(self.v.shape)}")
            elif not x.isfinite().all():
                rows = _rows(~x.isfinite().all(1))
                faults.append(f"{name} holds NaN or infinity in rows {rows}; extract them again")
        found = self.label.unique()
        if len(found) and (int(found[0]) < 0 or int(found[-1]) >= len(self.texts)):
            faults.append(
                f"labels run from {int(found[0])} to {int(found[-1])}, "
                f"expected rows of the {len(self.texts)} class texts"
            )
        if len(found) < 2:
            faults.append(
                f"clips of {len(found)} seen class(es), at least 2 are needed to tell a class "
                "from another; choose a split with fewer unseen classes"
            )
        return faults

    def __len__(self) -> int:
        return len(self.v)

    def to(self, device: torch.device | str) -> TrainingData:
        """Return the same data on another device."""
        masked = None if self.v_masked is None else self.v_masked.to(device)
        return replace(
            self,
            v=self.v.to(device),
            v_masked=masked,
            label=self.label.to(device),
            texts=self.texts.to(device),
        )


@runtime_checkable
class Method(Protocol):
    """A way to connect visual features with class texts.

    A method is a class whose constructor takes its options by keyword, each with a default
    (a dataclass does it). ``train`` is a generator: it starts afresh at every call, and yields
    the losses by name after each epoch, so that the caller can score in between, log, or stop.

    A method that is to be saved has two calls more, ``state`` and ``restore``; see
    ``smie_pipe.zeroshot.methods.saved.Savable``.
    """

    name: ClassVar[str]

    def train(
        self, data: TrainingData, *, seed: int, device: torch.device
    ) -> Iterator[dict[str, float]]:
        """Fit to the seen clips; the same seed on the same machine gives the same model."""
        ...

    def score(self, v: Tensor, texts: ClassTexts) -> Tensor:
        """Score raw features (N, Dv) against classes: (N, K) float32 on the CPU, high = alike.

        The classes may be any, seen and unseen together.
        """
        ...


def normalise(v: Tensor) -> Tensor:
    """Bring each feature to mean 0 and variance 1 over its width: SMIE, equation 1.

    A LayerNorm without parameters, so it needs doing once and not in every epoch.
    """
    return F.layer_norm(v, v.shape[-1:])


def scaled(table: Tensor) -> Tensor:
    """Bring unit rows to mean square 1 per entry, as normalised clips have.

    A linear layer could learn the factor, but its initial weights assume entries of this size:
    unit rows of 768 enter 28 times too small, and the network hardly reads the text at first.
    """
    return table * math.sqrt(table.shape[1])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw initial weights from a seed, and leave the caller's random state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def check_positive(method: Any, *options: str) -> None:
    """Raise InputError unless each of these options of a method is above 0."""
    for option in options:
        value = getattr(method, option)
        if not value > 0:
            raise InputError(
                f"option {method.name}.{option}: expected a number above 0, got {value}."
            )


def check_one_of(method: Any, option: str, allowed: tuple[str, ...]) -> None:
    """Raise InputError unless an option of a method is one of these, offering the nearest."""
    value = getattr(method, option)
    if value not in allowed:
        raise unknown_choice(f"{method.name}.{option}", value, allowed)


def fit(method: Method, data: TrainingData, *, seed: int, device: torch.device | str) -> Method:
    """Train to the end and return the method; for callers who need no epoch in between."""
    for _ in method.train(data, seed=seed, device=torch.device(device)):
        pass
    return method
