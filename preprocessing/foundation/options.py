"""What the choices of a stage are: help, bounds and heading stand beside each field's type.

A stage's choices are a frozen dataclass whose fields are annotated::

    epochs: Annotated[int, Option("Length of the cosine.", "Training", at_least=1)] = 150

The command line makes its options of them, `check` refuses what cannot be, and both read the
one annotation. No click here: the library checks its callers by the same words.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import types
import typing
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from smie_pipe.preprocessing.foundation.errors import InputError


@dataclasses.dataclass(frozen=True)
class Option:
    """What a choice means, the heading it stands under in the help, and the values it may have.

    Bounds hold for each item of a tuple, and not for None.
    """

    help: str
    group: str = ""
    _: dataclasses.KW_ONLY
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    among: Collection[str] = ()
    """Words, where a registry knows them and no ``Literal`` can."""

    def bounds(self) -> str:
        """Return the bounds in words: ``at least 1``, ``1 to 3``; empty where there are none."""
        if self.at_least is not None and self.at_most is not None:
            return f"{self.at_least} to {self.at_most}"
        words = (
            ("at least", self.at_least),
            ("above", self.above),
            ("at most", self.at_most),
            ("below", self.below),
        )
        return " and ".join(f"{word} {bound}" for word, bound in words if bound is not None)

    def holds(self, value: float) -> bool:
        """Return whether a number keeps the bounds; what is not finite keeps none."""
        if not self.bounds():
            return True
        return (
            math.isfinite(value)
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )


@dataclasses.dataclass(frozen=True)
class Choice:
    """One field of a stage's choices, taken apart."""

    name: str
    type: Any
    """Without ``Annotated`` and ``None``: ``int``, ``Literal[...]``, ``Path``, ``tuple[...]``."""
    optional: bool
    """Whether None is a value."""
    default: Any
    option: Option

    @property
    def allowed(self) -> tuple[str, ...]:
        """The fixed words it may be, by ``Literal`` or by ``among``; empty where any will do."""
        is_literal = typing.get_origin(self.type) is typing.Literal
        words = typing.get_args(self.type) if is_literal else self.option.among
        return tuple(map(str, words))


def choices(cls: type) -> tuple[Choice, ...]:
    """Return the fields of a dataclass of choices, in their order."""
    return _choices(cls)


@functools.cache
def _choices(cls: type) -> tuple[Choice, ...]:
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple(_choice(field, hints[field.name]) for field in dataclasses.fields(cls))


def as_plain(config: Any) -> dict[str, Any]:
    """Return a stage's choices as values that JSON has, paths as text; for records."""
    values = dataclasses.asdict(config)
    return {
        name: str(value) if isinstance(value, Path) else value for name, value in values.items()
    }


def check(config: Any, stage: str, others: Sequence[tuple[bool, str]] = ()) -> None:
    """Refuse a stage's choices that cannot be, all of them in one message.

    Parameters
    ----------
    config
        The dataclass; its annotations give the words and bounds.
    stage
        What the message begins with.
    others
        What no annotation can say: pairs of whether it is at fault, and the fault in words.

    Raises
    ------
    InputError
        With every fault.
    """
    faults = [fault for choice in choices(type(config)) for fault in _faults(choice, config)]
    faults += [text for at_fault, text in others if at_fault]
    if faults:
        raise InputError(f"{stage}: " + "; ".join(faults))


def _faults(choice: Choice, config: Any) -> Iterator[str]:
    value = getattr(config, choice.name)
    if value is None and choice.optional:
        return
    if choice.allowed and value not in choice.allowed:
        near = difflib.get_close_matches(str(value), choice.allowed, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        yield f"{choice.name} must be one of {', '.join(choice.allowed)}, got {value!r}{hint}"
    for item in value if isinstance(value, tuple) else (value,):
        is_number = isinstance(item, (int, float)) and not isinstance(item, bool)
        if is_number and not choice.option.holds(item):
            yield f"{choice.name} must be {choice.option.bounds()}, got {item}"


def _choice(field: dataclasses.Field, hint: Any) -> Choice:
    notes = getattr(hint, "__metadata__", ())
    option = next((note for note in notes if isinstance(note, Option)), Option(""))
    bare = hint.__origin__ if notes else hint
    optional = False
    if typing.get_origin(bare) in (typing.Union, types.UnionType):
        inner = typing.get_args(bare)
        optional = type(None) in inner
        bare = next(kind for kind in inner if kind is not type(None))
    return Choice(field.name, bare, optional, _default(field), option)


def _default(field: dataclasses.Field) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    factory = field.default_factory
    return factory() if factory is not dataclasses.MISSING else dataclasses.MISSING
