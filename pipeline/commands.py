"""All commands, in the order of the help text."""

from __future__ import annotations

import click

from pipeline.extract import extract
from pipeline.info import info
from pipeline.preprocess import preprocess
from pipeline.pretrain import pretrain_backbone

COMMANDS: tuple[click.Command, ...] = (preprocess, pretrain_backbone, extract, info)
