"""Options that several stages share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import click

from backbones.distributed import is_main


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
