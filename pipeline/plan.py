"""What a chain of stages will do, looked at before the first of them starts.

Each stage has a check, called with the plan and its own options. It refuses what is known to
fail, notes what the stage will make, so that the next one's check counts on it, and adds a step
with an estimate. The figures that estimates rest on are those of docs/performance.md.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from smie_pipe.backbones.pretrainings import pretraining_name
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.run_folder import Task
from smie_pipe.study import Study

if TYPE_CHECKING:
    from smie_pipe.zeroshot.splits import Split

logger = logging.getLogger(__name__)

CHAIN = "pipeline.chain"
"""Key in click's ``meta``: the contexts of the chain's stages, in their order."""
CLIP_BYTES = 50 * 25 * 3 * 2 * 4
"""A stored clip of 50 frames, 25 joints, two bodies, in float32."""
START_S = 5.0
"""To start a stage: libraries loaded, the first pages read."""
MEASURED = "rate measured on two cores of an AMD EPYC (docs/performance.md)"


_DONE = ("made already", "", "")


@dataclass(frozen=True)
class Step:
    """A stage, or one split's part of it: whether it runs, and what it will take.

    ``seconds``, ``memory`` and ``disk`` (bytes) are estimates; None where there is no basis.
    """

    stage: str
    what: str
    runs: bool = True
    seconds: float | None = None
    memory: float | None = None
    disk: float | None = None
    basis: str = ""


@dataclass
class Plan:
    """What is known of a chain before it runs; each check reads and adds to it."""

    study: Study
    steps: list[Step] = field(default_factory=list)
    dataset: str | None = None
    class_names: Sequence[str] = ()
    class_ids: Sequence[int] = ()
    clips: int | None = None
    clips_anew: bool = False
    """Whether `preprocess` of this chain makes the clips, so that none can be looked at yet."""
    protocols: Sequence[str] = ()
    """Official protocols of clips that are not made yet."""
    made: dict[str, set[str]] = field(default_factory=dict)
    """For each file name the splits that will have one."""

    def know_clips(self) -> bool:
        """Read dataset, classes and number of clips from ``skeletons.h5``, unless known."""
        if self.dataset is None and self.study.run.skeletons.is_file():
            from smie_pipe.preprocessing.skeletons.store import SkeletonFile

            with SkeletonFile(self.study.run.skeletons) as clips:
                self.dataset, self.class_names = clips.dataset, clips.class_names
                self.class_ids, self.clips = clips.class_ids.tolist(), len(clips.label)
        return self.dataset is not None

    def training_clips(self, split: Split) -> float:
        """Return about how many clips train: half of those of seen classes."""
        share = 1 - len(split.unseen) / max(1, len(self.class_names))
        return (self.clips or 0) * share / 2

    def will_make(self, filename: str, split: str) -> None:
        """Note that a split will have a file."""
        self.made.setdefault(filename, set()).add(split)

    def splits_with(self, filename: str) -> list[str]:
        """Return the folders of splits and their pretrainings that have a file, or will."""
        there = {pretraining_name(*pair) for pair in self.study.run.pretrainings_with(filename)}
        return sorted({*there, *self.made.get(filename, ())})

    def runs(self, task: Task, *, overwrite: bool, anew: bool = False) -> bool:
        """Return whether a task will be run; InputError where what is there is of another making.

        ``anew``: an input will be made anew before, so that nothing can be said but that.
        """
        if overwrite or not task.output.exists():
            return True
        return anew or not self.study.run.is_made(task)

    def check_disk(self) -> None:
        """Refuse a chain whose outputs will not fit on the disk.

        Raises
        ------
        InputError
            With what is needed and what is free.
        """
        folder = self.study.folder
        needed = sum(step.disk or 0 for step in self.steps if step.runs)
        if folder is None or not needed:
            return
        there = next(path for path in (folder, *folder.resolve().parents) if path.is_dir())
        free = shutil.disk_usage(there).free
        if needed > free:
            raise InputError(
                f"{folder}: the chain will write about {size(needed)}, {size(free)} are free on "
                "that disk; make room, or give a --run folder on another"
            )

    def text(self) -> str:
        """Return the plan as a table, with what its estimates rest on."""
        rows = [("stage", "what", "time", "memory", "disk")]
        for step in self.steps:
            figures = (duration(step.seconds), size(step.memory), size(step.disk))
            rows.append((step.stage, step.what, *(figures if step.runs else _DONE)))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        padded = [[f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)] for row in rows]
        lines = ["  ".join(row).rstrip() for row in padded]
        seconds = [step.seconds or 0 for step in self.steps if step.runs]
        lines += ["", f"In all about {duration(sum(seconds))}. Estimates rest on:"]
        basis = dict.fromkeys(f"  {s.stage}: {s.basis}" for s in self.steps if s.runs and s.basis)
        return "\n".join([*lines, *basis])


def check_chain_of(ctx: click.Context) -> Plan | None:
    """Check all stages of the chain that ``ctx`` is a stage of, once; return the plan then."""
    chain: list[click.Context] = ctx.meta.pop(CHAIN, [])
    study = ctx.find_object(Study)
    checks = ((stage, getattr(stage.command, "check", None)) for stage in chain)
    checked = [(stage, check) for stage, check in checks if check is not None]
    if not checked or study is None:
        return None
    plan = Plan(study)
    for stage, check in checked:
        with stage.scope(cleanup=False):
            check(plan, dict(stage.params))
    plan.check_disk()
    return plan


def duration(seconds: float | None) -> str:
    """Return a time as one says it: ``40 s``, ``12 min``, ``10 h``."""
    if seconds is None:
        return "not known"
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 else "1 s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count: float | None) -> str:
    """Return bytes as one says them."""
    if count is None:
        return ""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"


Params = dict[str, Any]
