"""Class texts as vectors, one row a class: what a method reads of the classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    views
        Several texts a class kept apart: one table (K, D_m) a text set. Where none is given,
        ``sentence`` is the only one, so that a method can always read ``views``.

    Raises
    ------
    InputError
        For a wrong shape, another number of classes, NaN, or a class without text (a row of
        zeros); all faults in one message.
    """

    sentence: Tensor
    verb: Tensor | None = None
    noun: Tensor | None = None
    views: tuple[Tensor, ...] = ()

    def __post_init__(self) -> None:
        for field in ("sentence", "verb", "noun"):
            given = getattr(self, field)
            if given is not None:
                object.__setattr__(self, field, _float_tensor(given))
        object.__setattr__(self, "views", tuple(map(_float_tensor, self.views)))
        faults = self._faults()
        if faults:
            raise InputError("class texts cannot be used: " + "; ".join(faults) + ".")
        self._set({name: F.normalize(table, dim=-1) for name, table in self._tables()})

    @classmethod
    def of_views(
        cls,
        views: Sequence[Any],
        combine: str = "views",
        *,
        verb: Tensor | None = None,
        noun: Tensor | None = None,
    ) -> ClassTexts:
        """Return the texts of several text sets, a table (K, D_m) each, as one.

        Parameters
        ----------
        combine
            ``views``: kept apart, and ``sentence`` is their concatenation. ``concat``: only the
            concatenation is left. ``mean``: only the mean is left. Rows are normalised before
            and after, so that every set weighs the same.
        verb, noun
            Embeddings of each class's verb and noun, as for the class.

        Notes
        -----
        Concatenation then normalisation is that of MSF-GZSSAR (ICIG 2023).
        """
        tables = tuple(F.normalize(_float_tensor(table), dim=-1) for table in views)
        if combine == "mean":
            return cls(torch.stack(tables).mean(0), verb, noun)
        kept = tables if combine == "views" and len(tables) > 1 else ()
        return cls(torch.cat(tables, 1), verb, noun, kept)

    def _tables(self) -> list[tuple[str, Tensor]]:
        named = (("sentence", self.sentence), ("verb", self.verb), ("noun", self.noun))
        given = [(name, table) for name, table in named if table is not None]
        return given + [(f"view {m}", table) for m, table in enumerate(self._kept_apart(), 1)]

    def _kept_apart(self) -> tuple[Tensor, ...]:
        alone = len(self.views) == 1 and self.views[0] is self.sentence
        return () if alone else self.views

    def _set(self, tables: Mapping[str, Tensor]) -> None:
        views = tuple(table for name, table in tables.items() if name.startswith("view "))
        object.__setattr__(self, "views", views or (tables["sentence"],))
        for name in ("sentence", "verb", "noun"):
            object.__setattr__(self, name, tables.get(name))

    def map(self, change: Callable[[Tensor], Tensor]) -> ClassTexts:
        """Return texts of which every table (K, D) is what ``change`` makes of it."""
        verb, noun = (None if t is None else change(t) for t in (self.verb, self.noun))
        views = tuple(map(change, self._kept_apart()))
        return ClassTexts(change(self.sentence), verb, noun, views)

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
        return self.map(lambda table: table[index])

    def to(self, device: torch.device | str) -> ClassTexts:
        """Return the same texts on another device."""
        return self.map(lambda table: table.to(device))

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


@dataclass(frozen=True, eq=False)
class TextCentre:
    """The mean text of the seen classes, taken off every text of a split.

    Sentence embeddings of action names all point roughly one way; what tells classes apart is
    the rest. The mean is that of the seen classes alone, so no unseen text is looked at, and
    the same mean is taken off the texts of whatever classes are scored.

    Attributes
    ----------
    means
        A row a table of ``ClassTexts``, by name: ``sentence``, ``view 1``, ...; verbs and nouns
        too where there are some.
    """

    means: dict[str, Tensor]

    @classmethod
    def of(cls, seen: ClassTexts) -> TextCentre:
        """Return the mean of the texts of the seen classes."""
        return cls({name: table.mean(0) for name, table in seen._tables()})

    def apply(self, texts: ClassTexts) -> ClassTexts:
        """Return texts less the mean, normalised again; any number of classes.

        Raises
        ------
        InputError
            If the texts have other tables or widths than those the mean is of.
        """
        widths = {name: table.shape[1] for name, table in texts._tables()}
        own = {name: len(mean) for name, mean in self.means.items()}
        if widths != own:
            raise InputError(
                f"class texts with tables of width {widths} cannot be centred by a mean of {own}; "
                "give the text sets and the text model that were trained with"
            )
        moved = {name: table - self.means[name].to(table) for name, table in texts._tables()}
        views = tuple(table for name, table in moved.items() if name.startswith("view "))
        return ClassTexts(moved["sentence"], moved.get("verb"), moved.get("noun"), views)


def _float_tensor(x: Any) -> Tensor:
    x = torch.as_tensor(x)
    return x if x.is_floating_point() else x.float()


def _rows(bad: Tensor, show: int = 8) -> str:
    rows = bad.nonzero().flatten().tolist()
    return ", ".join(map(str, rows[:show])) + (
        f" and {len(rows) - show} more" * (len(rows) > show)
    )
