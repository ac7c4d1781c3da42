"""A study in a TOML file: the run folder, the seed, the device, and each stage's choices."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice

FILE = "pipeline.config_file"
"""Key in click's ``meta``: the TOML file that defaults were read from."""

STUDY = {"run": "folder", "device": "device", "seed": "seed"}
"""The group's options that a file may hold above its tables, and their parameters."""


def read_config(path: Path, group: click.Group) -> dict[str, Any]:
    """Return a TOML file as the defaults of the group's options and of each stage's.

    ``run``, ``device`` and ``seed`` stand above the tables; a table ``[preprocess]`` holds the
    stage's options by their long names, dashes or underscores, and its argument by its name in
    the help: ``source = "raw"``. A list may be written as a list or as on the command line.

    Raises
    ------
    InputError
        If the file is no TOML, names something that is not there, or holds a value that its
        option cannot take; file and key are named.
    """
    content = _parse(path)
    defaults: dict[str, Any] = {}
    for name, value in content.items():
        if name in STUDY:
            parameter = next(p for p in group.params if p.name == STUDY[name])
            defaults[STUDY[name]] = _checked(value, parameter, f"{path}: {name}")
        elif name in group.commands and isinstance(value, dict):
            defaults[name] = _table(value, group.commands[name], f"{path}: [{name}]")
        elif name in group.commands:
            raise InputError(f"{path}: expected a table [{name}], found {value!r}")
        else:
            raise InputError(f"{path}: {_unknown(name, group)}")
    return defaults


def stages_in(path: Path, group: click.Group) -> list[str]:
    """Return the stages that have a table in the file, in the order of the tables."""
    return [name for name in _parse(path) if name in group.commands]


def _unknown(name: str, group: click.Group) -> InputError:
    having = [n for n, command in group.commands.items() if name in _parameters(command)]
    if having:
        return InputError(f"{name!r} belongs into a table: [{having[0]}]")
    return unknown_choice("stage", name, [*group.commands, *STUDY])


def _parse(path: Path) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: expected TOML, found {error}") from error


def _table(table: Mapping[str, Any], command: click.Command, where: str) -> dict[str, Any]:
    known = _parameters(command)
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("_", "-")
        if name not in known:
            raise InputError(f"{where} {unknown_choice('option', key, known)}")
        parameter = known[name]
        values[parameter.name or ""] = _checked(value, parameter, f"{where} {key}")
    return values


def _parameters(command: click.Command) -> dict[str, click.Parameter]:
    """Return a command's long options without their dashes, and its arguments by name."""
    found: dict[str, click.Parameter] = {}
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            found[(parameter.name or "").replace("_", "-")] = parameter
        for text in parameter.opts:
            if text.startswith("--"):
                found[text.removeprefix("--")] = parameter
    return found


def _checked(value: Any, parameter: click.Parameter, where: str) -> Any:
    """Return a value as click takes it; one that cannot be is an InputError."""
    if parameter.multiple and not isinstance(value, list):
        value = [value]
    at_fault = _fault(value, parameter)
    if at_fault:
        raise InputError(f"{where}: {at_fault}, found {value!r}")
    if isinstance(parameter.type, click.Path):
        return value  # whether it is there is looked at when the stage is asked for
    try:
        context = click.Context(click.Command("file"))
        parameter.type_cast_value(context, value)
    except click.BadParameter as error:
        raise InputError(f"{where}: {error.message}") from error
    return value


def _fault(value: Any, parameter: click.Parameter) -> str:
    """Say what was expected where TOML's type of a value is already wrong; else nothing."""
    takes_list = parameter.multiple or parameter.nargs != 1 or _is_list(parameter.type)
    if isinstance(value, list):
        if not takes_list:
            return "expected one value"
        faults = [_fault_of_one(item, parameter) for item in value]
        return next((fault for fault in faults if fault), "")
    return _fault_of_one(value, parameter)


def _fault_of_one(value: Any, parameter: click.Parameter) -> str:
    flag = isinstance(parameter, click.Option) and parameter.is_flag
    if flag:
        return "" if isinstance(value, bool) else "expected true or false"
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return f"expected {_kind(parameter)}"
    if isinstance(value, float) and isinstance(parameter.type, click.types.IntParamType):
        return "expected a whole number"
    if isinstance(parameter.type, click.Path) and not isinstance(value, str):
        return "expected a path"
    return ""


def _is_list(kind: click.ParamType) -> bool:
    return hasattr(kind, "item")


def _kind(parameter: click.Parameter) -> str:
    number = isinstance(parameter.type, (click.types.IntParamType, click.types.FloatParamType))
    return "a number" if number else "a word"
