"""A chained click command whose options are a stage's choices, its help, what it prints."""

from __future__ import annotations

import difflib
import json
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from smie_pipe.backbones.hardware.distributed import is_main
from smie_pipe.config_file import FILE
from smie_pipe.plan import CHAIN, Params, Plan, check_chain_of
from smie_pipe.preprocessing.foundation.options import Choice, choices
from smie_pipe.study import Study

Config = TypeVar("Config")
OUTPUT = "Output"
"""Heading of the options that say what is printed and what may be replaced."""


class Stage(click.Command):
    """A command of the chain that takes its options before or after its arguments.

    Click's chain reads a command only up to its first argument, so that ``preprocess RAW
    --dataset ntu60 extract`` would take ``--dataset`` for the next command. This one reads on
    until the first word that is neither an option, nor its value, nor one of its arguments.

    Parameters
    ----------
    example
        A command line that works, for the help.
    check
        Called before the first stage of the chain runs, with the plan and this stage's options;
        refuses what is known to fail and adds what will be made. See `smie_pipe.plan`.
    """

    def __init__(
        self,
        *names: Any,
        example: str = "",
        check: Callable[[Plan, Params], None] | None = None,
        **settings: Any,
    ):
        super().__init__(*names, **settings)
        self.example, self.check = example, check

    def invoke(self, ctx: click.Context) -> Any:
        """Check the whole chain before its first stage; run this one unless that was all."""
        plan = check_chain_of(ctx)
        study = ctx.find_object(Study)
        if study is not None and study.dry_run:
            if plan is not None:
                click.echo(plan.text())
            return None
        return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse what belongs to this command and leave the rest to the next one."""
        end = self._end(ctx, args)
        ctx.allow_interspersed_args = True
        try:
            super().parse_args(ctx, args[:end])
        except click.NoSuchOption as error:
            raise _placed(error, ctx) from error
        except click.BadParameter as error:
            if error.param is not None and error.param.name in (ctx.default_map or {}):
                said = f"{error.message} (in {ctx.meta[FILE]}, unless the command line says it)"
                raise click.BadParameter(said, error.ctx, error.param, error.param_hint) from error
            raise
        ctx.args = [*ctx.args, *args[end:]]
        if not ctx.resilient_parsing:
            ctx.meta.setdefault(CHAIN, []).append(ctx)
        return ctx.args

    def _end(self, ctx: click.Context, args: Sequence[str]) -> int:
        takes_value = {
            name: option.nargs if not (option.is_flag or option.count) else 0
            for option in self.get_params(ctx)
            if isinstance(option, click.Option)
            for name in (*option.opts, *option.secondary_opts)
        }
        arguments = [p for p in self.get_params(ctx) if isinstance(p, click.Argument)]
        endless = any(argument.nargs < 0 for argument in arguments)
        room = len(args) if endless else sum(argument.nargs for argument in arguments)
        given = all(argument.name in (ctx.default_map or {}) for argument in arguments)
        at = 0
        while at < len(args):
            word = args[at]
            if word.startswith("-") and len(word) > 1:
                at += 0 if "=" in word else takes_value.get(word, 0)
            elif room and not (given and _is_command(word, ctx)):
                room -= 1
            else:
                break
            at += 1
        return min(at, len(args))

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does, and the example below it."""
        super().format_help_text(ctx, formatter)
        if self.example:
            formatter.write("\nExample:\n")
            formatter.write("".join(f"  {line}\n" for line in self.example.splitlines()))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings: those without one first, the output's last."""
        groups: dict[str, list[tuple[str, str]]] = {"": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_help = "--help" in parameter.opts
                group = OUTPUT if is_help else getattr(parameter, "group", "")
                groups.setdefault(group, []).append(record)
        for group in sorted(groups, key=lambda name: (name != "", name == OUTPUT)):
            if groups[group]:
                with formatter.section(group or "Options"):
                    formatter.write_dl(groups[group])


class Grouped(click.Option):
    """An option that stands under a heading of its own in the help; the empty one comes first."""

    def __init__(self, *names: Any, group: str = "", **settings: Any):
        super().__init__(*names, **settings)
        self.group = group


class Words(click.Choice):
    """One of several fixed words; another one is answered with the nearest."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the word; another one is a usage error."""
        if value in self.choices:
            return value
        near = difflib.get_close_matches(str(value), self.choices, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        self.fail(f"expected one of {', '.join(self.choices)}, got {value!r}.{hint}", param, ctx)


class CommaList(click.ParamType):
    """Values separated by commas, as a tuple: ``0.01,0.1,0.5``."""

    name = "a,b,..."

    def __init__(self, item: type):
        self.item = item

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple:
        """Return the tuple; a value that is no ``item`` fails with the option's name."""
        words = value if isinstance(value, (tuple, list)) else str(value).split(",")
        words = [word.strip() if isinstance(word, str) else word for word in words]
        try:
            return tuple(self.item(word) for word in words if word != "")
        except (ValueError, TypeError):
            self.fail(f"{value!r} is not a comma-separated list of {self.item.__name__}", param)


def config_options(cls: type, *, skip: Sequence[str] = ()) -> Callable:
    """Return a decorator adding one option per field of the dataclass ``cls``.

    Type, default, help and bounds are those of the field's annotation; see
    `smie_pipe.preprocessing.foundation.options`.
    """

    def decorate(function: Callable) -> Callable:
        for choice in reversed(choices(cls)):
            if choice.name not in skip:
                function = _option(choice)(function)
        return function

    return decorate


def build_config(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """Return ``cls`` filled from click's ``values``; a refused value is a usage error."""
    names = [choice.name for choice in choices(cls)]
    try:
        return cls(**{name: values[name] for name in names if name in values})
    except ValueError as error:
        raise click.UsageError(f"{error}{_from_file(str(error))}") from error


def overwrite_option(function: Callable) -> Callable:
    """Add ``--overwrite``: make an output anew although it is there."""
    return click.option(
        "--overwrite",
        is_flag=True,
        cls=Grouped,
        group=OUTPUT,
        help="Make the output anew although it is there.",
    )(function)


def json_option(function: Callable) -> Callable:
    """Add ``--json``: print the result for machines."""
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        cls=Grouped,
        group=OUTPUT,
        help="Print the result as one line of JSON.",
    )(function)


def report(text: str, values: Mapping[str, Any], as_json: bool) -> None:
    """Print a stage's result on stdout, as text or as one line of JSON; rank 0 only."""
    if is_main():
        click.echo(json.dumps(values, default=str) if as_json else text)


def _placed(error: click.NoSuchOption, ctx: click.Context) -> click.UsageError:
    """Return the error for an option of the group's that stands after a stage."""
    group = ctx.parent
    option = error.option_name.partition("=")[0]
    if group is None or option not in _names_of(group.command):
        return error
    return click.UsageError(
        f"{option} belongs before the first stage: smie-pipe {option} ... {ctx.info_name} ...", ctx
    )


def misplaced(
    error: click.NoSuchOption, ctx: click.Context, words: Sequence[str]
) -> click.UsageError:
    """Return the error for an option of a stage's among ``words`` before the first stage."""
    option = error.option_name.partition("=")[0]
    commands = getattr(ctx.command, "commands", {})
    having = [name for name, command in commands.items() if option in _names_of(command)]
    if not having:
        return error
    stage = next((word for word in words if word in having), having[0])
    return click.UsageError(
        f"{option} belongs to a stage and stands after its name: "
        f"smie-pipe ... {stage} {option} ...",
        ctx,
    )


def _is_command(word: str, ctx: click.Context) -> bool:
    """Whether a word names a stage; a stage whose argument the TOML file gives stops there."""
    return ctx.parent is not None and word in getattr(ctx.parent.command, "commands", {})


def _from_file(message: str) -> str:
    """Say where a refused value stands, if it is not on the command line."""
    ctx = click.get_current_context(silent=True)
    if ctx is None or FILE not in ctx.meta:
        return ""
    there = [name for name in ctx.default_map or {} if f"{name} must" in message]
    return f" ({', '.join(there)}: {ctx.meta[FILE]})" if there else ""


def _names_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def _option(choice: Choice) -> Callable:
    flag = "--" + choice.name.replace("_", "-")
    if choice.type is bool:
        flag += f"/--no-{choice.name.replace('_', '-')}"
    return click.option(
        flag,
        choice.name,
        cls=Grouped,
        group=choice.option.group,
        default=choice.default,
        type=_click_type(choice),
        show_default=not isinstance(choice.default, tuple) and choice.default is not None,
        help=_help(choice),
    )


def _help(choice: Choice) -> str:
    """Return the help; a list's default is shown as one writes it, not in Python's brackets."""
    text = choice.option.help
    if isinstance(choice.default, tuple) and choice.default:
        text += f"  [default: {','.join(map(str, choice.default))}]"
    return text


def _click_type(choice: Choice) -> Any:
    if choice.allowed:
        return Words(choice.allowed)
    if choice.type is Path:
        return click.Path(exists=True, path_type=Path)
    if typing.get_origin(choice.type) is tuple:
        return CommaList(typing.get_args(choice.type)[0])
    return choice.type
