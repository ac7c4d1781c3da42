"""The chain's parsing, and options made from dataclasses."""

from dataclasses import dataclass

import click
import pytest
from click.testing import CliRunner

from smie_pipe.stage import Stage, build_config, config_options


@dataclass(frozen=True)
class Config:
    """Choices of a stage that exists only here."""

    size: int = 3
    """How ``large``,
    in metres."""
    fast: bool = False
    betas: tuple[float, ...] = (0.1, 0.5)
    name: str | None = None

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size must be at least 0, got {self.size}")


@pytest.fixture
def chain():
    """A chain of `first SOURCE` and `second`, each echoing what it was given."""

    @click.group(chain=True)
    def group():
        pass

    @group.command("first", cls=Stage)
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
    assert "Config(size=3, fast=False, betas=(0.01, 1.0), name='x')" in result.output


def test_help_is_the_string_below_the_field(chain):
    result = chain("first", "--help")
    assert "How large, in metres.  [default: 3]" in " ".join(result.output.split("\n  "))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("first RAW --size -1", "size must be at least 0, got -1"),
        ("first RAW --betas 0.1,x", "not a comma-separated list of float"),
        ("first RAW --colour red", "No such option"),
        ("first", "Missing argument"),
        ("first RAW third", "No such command"),
    ],
)
def test_wrong_usage_is_said_and_exits_with_2(chain, words, message):
    result = chain(*words.split())
    assert result.exit_code == 2
    assert message in result.output
