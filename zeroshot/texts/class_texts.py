"""Class texts as vectors, one row a class: what a method reads of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from smie_pipe.preprocessing.foundation.errors import InputError


@dataclass(frozen=True, eq=False)
class ClassTexts:
    """Text embeddings of K classes, every row L2-normalised, row k = class k.

    Parameters
    ----------
    sentence
        Embedding of each class text, shape (K, D). Arrays are taken as well as tensors.
    verb, noun
        Embeddings of each class's verb and noun, shape (K, D') each; only JPoSE and SynSE
        read them.

    Raises
    ------
    InputError
        For a wrong shape, another number of classes, NaN, or a class without text (a row of
        zeros); all faults in one message.
    """

    sentence: Tensor
    verb: Tensor | None = None
    noun: Tensor | None = None

    def __post_init__(self) -> None:
        for field in ("sentence", "verb", "noun"):
            given = getattr(self, field)
            if given is not None:
                object.__setattr__(self, field, _float_tensor(given))
        faults = self._faults()
        if faults:
            raise InputError("class texts cannot be used: " + "; ".join(faults) + ".")
        for field, table in self._tables():
            object.__setattr__(self, field, F.normalize(table, dim=-1))

    def _tables(self) -> list[tuple[str, Tensor]]:
        named = (("sentence", self.sentence), ("verb", self.verb), ("noun", self.noun))
        return [(name, table) for name, table in named if table is not None]

    def _faults(self) -> list[str]:
        faults = []
        for name, table in self._tables():
            if table.ndim != 2 or len(table) == 0:
                faults.append(f"{name} has shape {tuple(table.shape)}, expected (classes, width)")
                continue
            if len(table) != len(self.sentence):
                faults.append(f"{name} has {len(table)} rows for {len(self.sentence)} sentences")
            bad = ~table.isfinite().all(1) | (table == 0).all(1)
            if bad.any():
                faults.append(f"{name} is empty or not finite for classes {_rows(bad)}")
        return faults

    def __len__(self) -> int:
        return len(self.sentence)

    def take(self, classes: Any) -> ClassTexts:
        """Return the texts of these classes only, in the order given."""
        index = torch.as_tensor(classes, dtype=torch.long, device=self.sentence.device)
        return ClassTexts(**{name: table[index] for name, table in self._tables()})

    def to(self, device: torch.device | str) -> ClassTexts:
        """Return the same texts on another device."""
        return ClassTexts(**{name: table.to(device) for name, table in self._tables()})

    def parts_of_speech(self, method: str) -> tuple[Tensor, Tensor]:
        """Return the verb and the noun embeddings, (K, D') each.

        Raises
        ------
        InputError
            If there are none, naming the method that needs them.
        """
        if self.verb is None or self.noun is None:
            raise InputError(
                f"{method} needs a verb and a noun embedding for every class, and these class "
                "texts have none. Embed the class names with a text model (verbs and nouns of "
                "the NTU and PKU-MMD classes come with the package, a CSV gives those of other "
                "classes), or leave this method out; ready-made sentence embeddings hold no verbs."
            )
        return self.verb, self.noun


def _float_tensor(x: Any) -> Tensor:
    x = torch.as_tensor(x)
    return x if x.is_floating_point() else x.float()


def _rows(bad: Tensor, show: int = 8) -> str:
    rows = bad.nonzero().flatten().tolist()
    return ", ".join(map(str, rows[:show])) + (
        f" and {len(rows) - show} more" * (len(rows) > show)
    )
