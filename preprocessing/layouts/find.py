"""What lies under a source: which recordings, of which layout and dataset, with which labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset, custom, dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.progress import progress
from smie_pipe.preprocessing.layouts.base import Files, Layout, Recording, Splits
from smie_pipe.preprocessing.layouts.registry import layouts
from smie_pipe.preprocessing.sources.files import RawFile, walk
from smie_pipe.preprocessing.sources.label_list import (
    LABEL_LIST,
    LabelList,
    read_label_lists,
)

CLASSES = "classes.csv"
CLASSES_BYTES = 4 * 2**20
LISTS = (CLASSES, LABEL_LIST)
"""Lists that belong to recordings of any layout, beside them."""
_SHOWN = 5


@dataclass(frozen=True)
class Source:
    """All that was found under a source."""

    layout: Layout
    dataset: Dataset | None
    """Whose classes the labels are; None where no labels are asked for."""
    recordings: Sequence[Recording]
    findings: Sequence[Finding] = ()
    """What was wrong or left out before any recording was read."""
    splits: Splits = field(default_factory=dict)
    """What lists say, for protocols that no rule gives."""


@dataclass(frozen=True)
class _Found:
    """The files under a source, sorted."""

    source: Path
    of_layout: Mapping[str, list[RawFile]]
    lists: Mapping[str, list[RawFile]]
    others: Sequence[RawFile]
    findings: Sequence[Finding]


def find_source(source: Path, config: PreprocessConfig, *, labelled: bool = True) -> Source:
    """Look through ``source`` and return what there is to read.

    Parameters
    ----------
    source
        A folder, searched to any depth; zip archives in it are read in place. Or one archive or
        file.
    config
        Layout and dataset, both found out where ``auto``, and where PKU-MMD's folders are.
    labelled
        Whether each recording must say its action, in its name or in a list. Where it need not,
        any name will do, and neither a dataset nor labels are looked for.

    Raises
    ------
    InputError
        If there are no recordings, two layouts at once, or a list that cannot be read.
    """
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; expected raw recordings there")
    found = _sorted(source, progress(walk(source), what=f"look through {source}", unit="file"))
    layout = _layout(found, config.layout)
    labels, known = _labels(found, layout, config) if labelled else (LabelList(), None)
    files = Files(found.of_layout[layout.name], found.others, labels)
    listing = layout.recordings(files, known, config)
    findings = [*found.findings, *listing.findings]
    return Source(layout, known, listing.recordings, findings, listing.splits)


def may_be_input(name: str) -> bool:
    """Return whether a file of that name can decide what is read; an output never does."""
    lower = name.lower()
    listed = lower.endswith(".zip") or lower in LISTS
    return listed or any(layout.may_read(name) for layout in layouts().values())


def _sorted(source: Path, files: Iterable[RawFile | Finding]) -> _Found:
    """Sort files by the layout that they belong to."""
    of_layout: dict[str, list[RawFile]] = defaultdict(list)
    lists: dict[str, list[RawFile]] = defaultdict(list)
    others: list[RawFile] = []
    findings: list[Finding] = []
    for file in files:
        if isinstance(file, Finding):
            findings.append(file)
        elif file.name.lower() in LISTS:
            lists[file.name.lower()].append(file)
        else:
            name = next((n for n, layout in layouts().items() if layout.recognises(file)), None)
            (others if name is None else of_layout[name]).append(file)
    return _Found(source, of_layout, lists, others, findings)


def _layout(found: _Found, given: str) -> Layout:
    present = [name for name in layouts() if found.of_layout.get(name)]
    if given != "auto" and given in present:
        return layouts()[given]
    if given == "auto" and len(present) == 1:
        return layouts()[present[0]]
    if given == "auto" and present:
        raise InputError(
            f"{found.source}: found files of several layouts ({', '.join(present)}); choose one "
            f"with --layout, or give the folder that holds only that one"
        )
    raise InputError(_nothing_found(found, given))


def _nothing_found(found: _Found, given: str) -> str:
    expected = {name: layout.expects for name, layout in layouts().items()}
    wanted = expected.get(given, "; ".join(expected.values()))
    groups = (*found.of_layout.values(), *found.lists.values(), found.others)
    paths = [file.path for group in groups for file in group]
    there = f"{len(paths)} other files, such as {paths[0]}" if paths else "no files"
    trouble = "".join(f"\n{finding.detail}" for finding in found.findings[:_SHOWN])
    return f"{found.source}: no raw recordings. Expected {wanted}; found {there}.{trouble}"


def _labels(found: _Found, layout: Layout, config: PreprocessConfig) -> tuple[LabelList, Dataset]:
    """Return what label lists say, and the dataset whose classes the labels are."""
    lists = _lists(found, LABEL_LIST)
    labels, known = read_label_lists(lists, _given_dataset(found, config))
    if known is None:
        known = _usual_dataset(found, layout, config)
        labels, _ = read_label_lists(lists, known)
    return labels, known


def _given_dataset(found: _Found, config: PreprocessConfig) -> Dataset | None:
    """Return the dataset that an option or a ``classes.csv`` names."""
    file = _classes_file(found, config)
    if file is not None and config.dataset in ("auto", "custom"):
        return custom(file.read(CLASSES_BYTES), file.path)
    return dataset(config.dataset) if config.dataset not in ("auto", "custom") else None


def _usual_dataset(found: _Found, layout: Layout, config: PreprocessConfig) -> Dataset:
    """Return the dataset that the files' names speak of where nothing else does."""
    if config.dataset == "custom":
        raise InputError(
            f"{found.source}: no {CLASSES}. Own recordings need one with the heading id,name and "
            f"a line for each action number in the file names or label files; or a {LABEL_LIST} "
            f"(file,label) with the names of their actions."
        )
    usual = layout.dataset(found.of_layout[layout.name])
    if usual is not None:
        return dataset(usual)
    raise InputError(
        f"{found.source}: {layout.name} do not say whose actions they are; name the dataset with "
        f"--dataset, or give their names with --classes"
    )


def _classes_file(found: _Found, config: PreprocessConfig) -> RawFile | None:
    """Return the ``classes.csv`` given, found, or lying beside a source that is one file."""
    if config.classes is not None:
        return _only_file(Path(config.classes))
    lists = _lists(found, CLASSES) if config.dataset in ("auto", "custom") else []
    if len(lists) > 1:
        paths = ", ".join(file.path for file in lists[:_SHOWN])
        raise InputError(
            f"{found.source}: found {len(lists)} {CLASSES} ({paths}), expected one; name the one "
            f"to use with --classes"
        )
    return lists[0] if lists else None


def _lists(found: _Found, name: str) -> list[RawFile]:
    """Return the lists of a name under a source, or beside a source that is one file."""
    beside = found.source.parent / name
    there = found.lists.get(name, [])
    if not there and found.source.is_file() and beside.is_file():
        return [_only_file(beside)]
    return there


def _only_file(path: Path) -> RawFile:
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a {CLASSES} with the heading id,name")
    return RawFile.at(path)


def describe_source(found: Source) -> str:
    """Return one line on what was found, for the log."""
    kinds = Counter(finding.severity for finding in found.findings)
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    archives = {one.file.folder for one in found.recordings if one.file.offset >= 0}
    where = f", {_counted(len(archives), 'archive')} read in place" if archives else ""
    count = sum(one.count for one in found.recordings)
    known = found.dataset
    own = known is not None and known.name == "custom"
    title = " with classes of your own" if own else f" of {known.title}" if known else ""
    what = f"{_counted(count, 'recording')}{title} in {found.layout.name} layout"
    return f"{what}{where}{'; ' + said if said else ''}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
