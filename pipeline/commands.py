"""All commands, in the order of the help text."""

from __future__ import annotations

import click

from pipeline.demo import demo
from pipeline.export import export
from pipeline.extract import extract
from pipeline.import_features import import_features
from pipeline.info import info
from pipeline.inspect import inspect
from pipeline.preprocess import preprocess
from pipeline.pretrain import pretrain_backbone
from pipeline.simulate import simulate
from pipeline.zeroshot import zeroshot

COMMANDS: tuple[click.Command, ...] = (
    preprocess,
    pretrain_backbone,
    extract,
    zeroshot,
    demo,
    simulate,
    inspect,
    export,
    import_features,
    info,
)
