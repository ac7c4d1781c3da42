"""The chain's parsing, and options made from dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import click
import pytest
from click.testing import CliRunner

from smie_pipe.preprocessing.foundation.options import Option, check
from smie_pipe.stage import Stage, build_config, config_options


@dataclass(frozen=True)
class Config:
    """Choices of a stage that exists only here."""

    size: Annotated[int, Option("How large, in metres.", at_least=0)] = 3
    fast: Annotated[bool, Option("Hurry.", "Speed")] = False
    betas: Annotated[tuple[float, ...], Option("Margins.")] = (0.1, 0.5)
    name: Annotated[str | None, Option("Its name.")] = None
    colour: Annotated[Literal["red", "green"], Option("Its colour.", "Looks")] = "red"

    def __post_init__(self) -> None:
        check(self, "first")


@pytest.fixture
def chain():
    """A chain of `first SOURCE` and `second`, each echoing what it was given."""

    @click.group(chain=True)
    def group():
        pass

    @group.command("first", cls=Stage, example="first RAW")
    @click.argument("source")
    @config_options(Config)
    def first(source, **values):
        click.echo(f"first {source} {build_config(Config, values)}")

    @group.command("second", cls=Stage)
    @click.option("--split", multiple=True)
    def second(split):
        click.echo(f"second {split}")

    return lambda *words: CliRunner().invoke(group, words)


@pytest.mark.parametrize(
    "words",
    [
        "first RAW --size 5 --fast second --split a --split b",
        "first --size 5 RAW --fast second --split=a --split b",
        "first --fast --size=5 RAW second --split a --split b",
    ],
)
def test_options_stand_before_or_after_the_argument(chain, words):
    result = chain(*words.split())
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].startswith("first RAW Config(size=5, fast=True")
    assert lines[1] == "second ('a', 'b')"


def test_an_argument_may_be_named_like_a_command(chain):
    result = chain("first", "second", "second")
    assert [line.split()[:2] for line in result.output.splitlines()] == [
        ["first", "second"],
        ["second", "()"],
    ]


def test_values_keep_the_types_of_the_fields(chain):
    result = chain("first", "RAW", "--betas", "0.01, 1", "--name", "x", "--no-fast")
    assert "Config(size=3, fast=False, betas=(0.01, 1.0), name='x', colour='red')" in result.output


def test_help_stands_under_headings_the_essential_first_and_the_output_last(chain):
    text = chain("first", "--help").output
    assert "How large, in metres.  [default: 3]" in text
    assert "[default: 0.1,0.5]" in text and "[red|green]" in text
    places = [text.index(word) for word in ("Example:", "--size", "--fast", "--colour", "--help")]
    assert places == sorted(places)
    headings = [line for line in text.splitlines() if line and line[0] != " "]
    assert headings[1:] == ["Example:", "Options:", "Speed:", "Looks:", "Output:"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("first RAW --size -1", "size must be at least 0, got -1"),
        ("first RAW --betas 0.1,x", "not a comma-separated list of float"),
        ("first RAW --color red", "No such option"),
        ("first RAW --colour gren", "expected one of red, green, got 'gren'. Did you mean"),
        ("first", "Missing argument"),
        ("first RAW third", "No such command"),
    ],
)
def test_wrong_usage_is_said_and_exits_with_2(chain, words, message):
    result = chain(*words.split())
    assert result.exit_code == 2
    assert message in result.output
