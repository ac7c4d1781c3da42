"""``smie-pipe help``: the help of the program or of one command."""

from __future__ import annotations

import click

from smie_pipe.preprocessing.foundation.errors import unknown_choice
from smie_pipe.stage import Stage


@click.command("help", cls=Stage, example="smie-pipe help zeroshot")
@click.argument("command", required=False)
@click.pass_context
def help_command(ctx: click.Context, command: str | None) -> None:
    """Print the help of COMMAND, or of the whole program."""
    parent = ctx.find_root()
    commands: dict[str, click.Command] = getattr(parent.command, "commands", {})
    if command is None:
        click.echo(parent.get_help())
        return
    if command not in commands:
        raise click.UsageError(str(unknown_choice("command", command, commands)), ctx)
    chosen = commands[command]
    click.echo(chosen.get_help(click.Context(chosen, parent=parent, info_name=command)))
