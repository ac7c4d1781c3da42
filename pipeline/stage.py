"""A chained click command whose options are a frozen dataclass."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import textwrap
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from smie_pipe.backbones.hardware.distributed import is_main

Config = TypeVar("Config")


class Stage(click.Command):
    """A command of the chain that takes its options before or after its arguments.

    Click's chain reads a command only up to its first argument, so that ``preprocess RAW
    --dataset ntu60 extract`` would take ``--dataset`` for the next command. This one reads on
    until the first word that is neither an option, nor its value, nor one of its arguments.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what belongs to this command and leave the rest to the next one."""
        end = self._end(ctx, args)
        ctx.allow_interspersed_args = True
        super().parse_args(ctx, args[:end])
        ctx.args = [*ctx.args, *args[end:]]
        return ctx.args

    def _end(self, ctx: click.Context, args: Sequence[str]) -> int:
        takes_value = {
            name: option.nargs if not (option.is_flag or option.count) else 0
            for option in self.get_params(ctx)
            if isinstance(option, click.Option)
            for name in (*option.opts, *option.secondary_opts)
        }
        room = sum(p.nargs for p in self.get_params(ctx) if isinstance(p, click.Argument))
        at = 0
        while at < len(args):
            word = args[at]
            if word.startswith("-") and len(word) > 1:
                at += 0 if "=" in word else takes_value.get(word, 0)
            elif room:
                room -= 1
            else:
                break
            at += 1
        return min(at, len(args))


class CommaList(click.ParamType):
    """Values separated by commas, as a tuple: ``0.01,0.1,0.5``."""

    name = "a,b,..."

    def __init__(self, item: type):
        self.item = item

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple:
        """Return the tuple; a value that is no ``item`` fails with the option's name."""
        if isinstance(value, (tuple, list)):
            return tuple(value)
        try:
            return tuple(self.item(part.strip()) for part in value.split(",") if part.strip())
        except ValueError:
            self.fail(f"{value!r} is not a comma-separated list of {self.item.__name__}", param)


def config_options(cls: type, *, skip: Sequence[str] = ()) -> Callable:
    """Return a decorator adding one option per field of the dataclass ``cls``.

    The default is the field's, the help is the string below the field, the type is its
    annotation; so each is written once.
    """
    hints = typing.get_type_hints(cls)
    help_of = _field_docs(cls)

    def decorate(function: Callable) -> Callable:
        for field in reversed(dataclasses.fields(cls)):
            if field.name not in skip:
                option = _option(field, hints[field.name], help_of.get(field.name))
                function = option(function)
        return function

    return decorate


def build_config(cls: type[Config], values: dict[str, Any]) -> Config:
    """Return ``cls`` filled from click's ``values``; a refused value is a usage error."""
    names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    try:
        return cls(**{name: values[name] for name in names if name in values})
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def overwrite_option(function: Callable) -> Callable:
    """Add ``--overwrite``: make an output anew although it is there."""
    return click.option(
        "--overwrite", is_flag=True, help="Make the output anew although it is there."
    )(function)


def json_option(function: Callable) -> Callable:
    """Add ``--json``: print the result for machines."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the result as one line of JSON."
    )(function)


def report(text: str, values: Mapping[str, Any], as_json: bool) -> None:
    """Print a stage's result on stdout, as text or as one line of JSON; rank 0 only."""
    if is_main():
        click.echo(json.dumps(values, default=str) if as_json else text)


def _option(field: dataclasses.Field, hint: Any, text: str | None) -> Callable:
    default = field.default
    if default is dataclasses.MISSING:
        assert field.default_factory is not dataclasses.MISSING, field.name
        default = field.default_factory()
    flag = "--" + field.name.replace("_", "-")
    kind = _click_type(hint)
    if kind is bool:
        flag += f"/--no-{field.name.replace('_', '-')}"
    shown = default is not None
    if isinstance(default, tuple):  # click would show it in brackets of Python's
        shown = False
        if default and text:
            text += f"  [default: {','.join(map(str, default))}]"
    return click.option(
        flag, field.name, default=default, type=kind, show_default=shown, help=text
    )


def _click_type(hint: Any) -> Any:
    """Return the click type of an annotation: scalars, Literal, tuple, and ``X | None``."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _click_type(next(kind for kind in inner if kind is not type(None)))
    if origin is typing.Literal:
        return click.Choice([str(choice) for choice in inner])
    if origin is tuple:
        return CommaList(inner[0])
    return hint


def _field_docs(cls: type) -> dict[str, str]:
    """Return {field: the string that stands below it in the class}, on one line each."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0].body  # type: ignore[attr-defined]
    return {
        field.target.id: " ".join(text.value.value.replace("``", "").split())
        for field, text in zip(body, body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
