"""Which splits of a run folder the names on the command line stand for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from smie_pipe.backbones.pretrainings import split_and_number
from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.run_folder import RunFolder
from smie_pipe.study import Study

if TYPE_CHECKING:
    from smie_pipe.plan import Plan
    from smie_pipe.zeroshot.splits import Split

SHOWN = 6
GROUPS = ("subjects", "cameras", "setups")
"""What a list of training clips may go by: ``subjects:1,3,5``."""


def stand_for(
    names: Sequence[str], present: Sequence[str], dataset: str, class_names: Sequence[str]
) -> list[str]:
    """Return the splits that the names stand for, each once: ``ntu60-smie`` is its three folds.

    All forms of ``smie_pipe.zeroshot.splits.resolve`` are understood, and groups of splits of
    the user's own by those ``present``. A name that stands for nothing comes back as it is.
    """
    from smie_pipe.zeroshot.splits import resolve
    from smie_pipe.zeroshot.trials.summaries import split_set

    found: list[str] = []
    for name in names:
        if name in present:
            found.append(name)
            continue
        try:
            found += [split.name for split in resolve(name, dataset, class_names)]
        except InputError:
            found += [split for split in present if split_set(split) == name] or [name]
    return list(dict.fromkeys(found))


def choose_splits(run: RunFolder, names: Sequence[str], filename: str, stage: str) -> list[str]:
    """Return the splits to work on: those named, or all that have ``filename``.

    Raises
    ------
    InputError
        If a named split has no such file, or none has; it says which stage to run.
    """
    present = run.splits_with(filename)
    missing = [name for name in names if name not in present]
    if missing and present:
        raise unknown_choice(f"split in {run.path}", missing[0], present)
    if not present:
        run.require(run.path / "SPLIT" / filename, stage)
    return list(names) or present


def resolve_splits(study: Study, specs: Sequence[str]) -> list[Split]:
    """Return the splits that ``specs`` name for the run folder's dataset, each once."""
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile
    from smie_pipe.zeroshot.splits import resolve

    run = study.run
    with SkeletonFile(run.require(run.skeletons, "preprocess")) as clips:
        dataset, names, ids = clips.dataset, clips.class_names, clips.class_ids.tolist()
    found = [split for spec in specs for split in resolve(spec, dataset, names, ids)]
    return list({split.name: split for split in found}.values())


def check_protocol(plan: Plan, name: str) -> None:
    """Refuse a protocol that the clips do not have, before they are made where that is known.

    Raises
    ------
    InputError
        If the clips are there and have none of that name, or it cannot be one at all.
    """
    if not plan.clips_anew:
        from smie_pipe.preprocessing.skeletons.store import SkeletonFile

        with SkeletonFile(plan.study.run.skeletons) as clips:
            clips.protocol(name)
        return
    kind, _, numbers = name.partition(":")
    if numbers and kind in GROUPS and all(n.strip().isdigit() for n in numbers.split(",")):
        return
    if name not in plan.protocols:
        known = [*plan.protocols, *(f"{kind}:1,2" for kind in GROUPS)]
        raise unknown_choice(f"protocol of {plan.dataset}", name, known)


def meant(plan: Plan, names: Sequence[str], filename: str, stage: str) -> list[str]:
    """Return the folders that have ``filename``, or will, of the splits that are named, or all.

    Raises
    ------
    InputError
        If a named split will have none, or none will; it says which stage makes it.
    """
    present, run = plan.splits_with(filename), plan.study.run
    if not present:
        run.require(run.path / "SPLIT" / filename, stage)
    splits = sorted({split_and_number(name)[0] for name in present})
    wanted = stand_for(names, splits, plan.dataset or "", plan.class_names) if names else splits
    missing = [name for name in wanted if name not in splits]
    if missing:
        raise unknown_choice(f"split in {run.path}", missing[0], splits)
    return [name for name in present if split_and_number(name)[0] in wanted]


def unseen_said(split: Split, class_names: Sequence[str], class_ids: Sequence[int]) -> str:
    """Return in one line which classes a split leaves unseen, the first few by name and id."""
    few = [f"{class_names[label]} (A{class_ids[label]:03d})" for label in split.unseen[:SHOWN]]
    more = len(split.unseen) - len(few)
    return f"{split.name}: unseen are {', '.join(few)}{f' and {more} more' if more else ''}"
