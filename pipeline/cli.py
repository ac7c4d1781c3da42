"""The command ``smie-pipe``: a chain of stages from raw Kinect v2 files to a zero-shot score."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import click

from smie_pipe.backbones.hardware.distributed import is_main
from smie_pipe.commands.demo import demo
from smie_pipe.commands.describe_classes import describe_classes
from smie_pipe.commands.evaluate_segments import evaluate_segments
from smie_pipe.commands.export import export
from smie_pipe.commands.export_model import export_model
from smie_pipe.commands.export_onnx import export_onnx
from smie_pipe.commands.extract import extract
from smie_pipe.commands.help import help_command
from smie_pipe.commands.import_features import import_features
from smie_pipe.commands.info import info
from smie_pipe.commands.inspect import inspect
from smie_pipe.commands.predict import predict
from smie_pipe.commands.preprocess import preprocess
from smie_pipe.commands.pretrain import pretrain_backbone
from smie_pipe.commands.report import report
from smie_pipe.commands.results import compare, gather, remove, tables
from smie_pipe.commands.search import search
from smie_pipe.commands.simulate import simulate
from smie_pipe.commands.view import view
from smie_pipe.commands.zeroshot import zeroshot
from smie_pipe.config_file import FILE, read_config, stages_in
from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.stage import misplaced
from smie_pipe.study import FAILED, Study

# In the order of the help text.
COMMANDS: tuple[click.Command, ...] = (
    preprocess,
    pretrain_backbone,
    extract,
    zeroshot,
    demo,
    simulate,
    tables,
    compare,
    gather,
    remove,
    report,
    inspect,
    view,
    export_model,
    predict,
    search,
    export_onnx,
    evaluate_segments,
    export,
    import_features,
    describe_classes,
    info,
    help_command,
)

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 99}


class Pipeline(click.Group):
    """The group: turns errors meant for the user into one message and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chain; InputError and OSError end it with their message."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except InputError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error
        except KeyboardInterrupt:
            click.echo("interrupted; the same command goes on from what is whole", err=True)
            raise

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words before the first stage; a stage's option there is told its place."""
        try:
            return super().parse_args(ctx, [*args, *self._stages_of_file(ctx, args)])
        except click.NoSuchOption as error:
            raise misplaced(error, ctx, args) from error

    def _stages_of_file(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return the stages that the TOML file has tables of, where the words name none."""
        given, stages, _ = self.make_parser(ctx).parse_args(args=list(args))
        path = given.get("config")
        return stages_in(Path(path), self) if path and not stages and Path(path).is_file() else []

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of the pipeline."""
        return list(self.commands)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find a command; an unknown one is a usage error that offers the nearest."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise click.UsageError(str(unknown_choice("command", args[0], self.commands)), ctx)
        return super().resolve_command(ctx, args)


EPILOG = """\b
Completion of commands, options and their words in bash (zsh, fish alike):
  eval "$(_SMIE_PIPE_COMPLETE=bash_source smie-pipe)"
"""


@click.group(cls=Pipeline, chain=True, context_settings=CONTEXT, epilog=EPILOG)
@click.option(
    "--run",
    "--run-folder",  # torchrun would take --run for the beginning of an option of its own
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Run folder: one study's files, each stage's output and run.json.",
)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda[:N]",
    help="Where to run.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of every random choice.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, path: take_config(ctx, path),
    help="TOML file of a study: run, seed and device, then a table per stage: [preprocess] "
    "source = 'raw'. The command line goes before it; without a stage there, all that have a "
    "table run.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check the whole chain and print what each stage would do, take and need; run nothing.",
)
@click.option("-v", "--verbose", count=True, help="Say more on stderr.")
@click.option("-q", "--quiet", is_flag=True, help="Say only warnings and errors on stderr.")
@click.version_option(package_name="smie-pipe")
@click.pass_context
def cli(
    ctx: click.Context,
    folder: Path | None,
    device: str,
    seed: int,
    dry_run: bool,
    verbose: int,
    quiet: bool,
) -> None:
    """Zero-shot skeleton action recognition, from raw Kinect v2 files to a score.

    The stages are chained: each reads what the one before wrote into the run folder, and skips
    what is already made in the same way.

    \b
      smie-pipe --run runs/ntu60 preprocess RAW --dataset ntu60 \\
          pretrain-backbone --split ntu60-smie-1 extract zeroshot --method smie
    """  # noqa: D301
    speak(verbose, quiet)
    ctx.obj = Study(folder, device, seed, dry_run)


@cli.result_callback()
@click.pass_context
def finish(ctx: click.Context, *_: Any, **__: Any) -> None:
    """Exit with 1 after the whole chain if a stage met damaged files."""
    if ctx.meta.get(FAILED):
        ctx.exit(1)


for command in COMMANDS:
    cli.add_command(command)


def take_config(ctx: click.Context, path: Path | None) -> None:
    """Take a TOML file's values as the defaults of the group and its stages."""
    if path is not None:
        try:
            ctx.default_map = read_config(path, cli)
        except InputError as error:
            raise click.ClickException(str(error)) from error
        ctx.meta[FILE] = path


class _BesideBars(logging.StreamHandler):
    """Writes log lines above a progress bar, not through it."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm = sys.modules.get("tqdm")
        if tqdm is None:
            super().emit(record)
        else:
            tqdm.tqdm.write(self.format(record), file=sys.stderr)


def speak(verbose: int, quiet: bool) -> None:
    """Set what is said on stderr: warnings with ``-q``, else facts, with ``-v`` details."""
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    if not is_main():
        level = logging.ERROR
    handler = _BesideBars(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("smie_pipe").setLevel(level)


def main() -> None:
    """Run the command line."""
    cli(prog_name="smie-pipe")
