"""Choices are refused by their annotations, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smie_pipe.backbones.config import ExtractConfig, ExtractRun, PretrainConfig, PretrainRun
from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.options import Option, as_plain, check, choices
from smie_pipe.preprocessing.simulation.config import SimulateConfig
from smie_pipe.zeroshot.config import ZeroShotConfig, ZeroShotRun

CONFIGS = (
    PreprocessConfig,
    PreprocessRun,
    SimulateConfig,
    PretrainConfig,
    PretrainRun,
    ExtractConfig,
    ExtractRun,
    ZeroShotConfig,
    ZeroShotRun,
)


@dataclass(frozen=True)
class Config:
    """Choices that exist only here."""

    size: Annotated[int, Option("", at_least=1)] = 1
    rate: Annotated[float | None, Option("", above=0, below=1)] = None
    betas: Annotated[tuple[float, ...], Option("", at_least=0, at_most=2)] = ()
    mode: Annotated[Literal["slow", "fast"], Option("")] = "slow"
    file: Annotated[Path | None, Option("")] = None

    def __post_init__(self) -> None:
        check(self, "stage", [(self.size == 13, "size must not be 13")])


@pytest.mark.parametrize("cls", CONFIGS)
def test_every_choice_has_help_and_its_default_is_sound(cls):
    cls()
    assert all(choice.option.help for choice in choices(cls))


@pytest.mark.parametrize(
    "values, said",
    [
        ({"size": 0}, "stage: size must be at least 1, got 0"),
        ({"size": 13}, "size must not be 13"),
        ({"rate": 1.0}, "rate must be above 0 and below 1, got 1.0"),
        ({"rate": float("nan")}, "got nan"),
        ({"betas": (0.0, 2.5)}, "betas must be 0 to 2, got 2.5"),
        ({"mode": "fats"}, "mode must be one of slow, fast, got 'fats' (did you mean 'fast'?)"),
        ({"size": -1, "rate": 0.0}, "size must be at least 1, got -1; rate must be above 0"),
    ],
)
def test_what_cannot_be_is_refused(values, said):
    with pytest.raises(InputError) as error:
        Config(**values)
    assert said in str(error.value)


@given(st.integers(1, 12), st.floats(0.01, 0.99), st.lists(st.floats(0, 2), max_size=4))
def test_what_keeps_the_bounds_is_taken(size, rate, betas):
    assert Config(size=size, rate=rate, betas=tuple(betas)).size == size


def test_a_choice_is_taken_apart():
    rate, mode = choices(Config)[1], choices(Config)[3]
    assert (rate.type, rate.optional, rate.default) == (float, True, None)
    assert mode.allowed == ("slow", "fast") and not mode.optional


def test_paths_are_text_in_a_record():
    assert as_plain(Config(file=Path("a/b")))["file"] == "a/b"
