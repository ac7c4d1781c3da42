"""What lies under a source: which recordings, of which dataset, with which labels and lists."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset, custom, dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.progress import progress
from smie_pipe.preprocessing.raw.ntu import NTU_SUFFIX, parse_name
from smie_pipe.preprocessing.sources.files import RawFile, Recording, walk, without_duplicates
from smie_pipe.preprocessing.sources.pku_lists import Splits, is_recording, pku_recordings

ARRAY_NAMES = ("train_position.npy", "val_position.npy")
LABEL_NAMES = ("train_label.pkl", "val_label.pkl", "train_label.json", "val_label.json")
PICKLE_SUFFIXES = (".pkl", ".pickle")
HEADER_LINES = 3  # of the official list of missing skeletons
_SHOWN = 5


@dataclass
class Source:
    """All that was found under a source."""

    layout: str
    """``ntu``, ``pku``, ``arrays`` or ``pyskl``."""
    dataset: Dataset
    recordings: list[Recording] = field(default_factory=list)
    """Sorted by name."""
    findings: list[Finding] = field(default_factory=list)
    """What was wrong or left out before any recording was read."""
    splits: Splits = field(default_factory=dict)
    """What lists say, for protocols that no rule gives."""
    files: list[RawFile] = field(default_factory=list)
    """Arrays or pickles, for those layouts."""


def find_source(source: Path, config: PreprocessConfig) -> Source:
    """Look through ``source`` and return what there is to read.

    Parameters
    ----------
    source
        A folder, searched to any depth; zip archives in it are read in place. Or one archive or
        file.
    config
        Layout and dataset, both found out where ``auto``, and where PKU-MMD's folders are.

    Raises
    ------
    InputError
        If there are no recordings, two layouts at once, or a list that cannot be read.
    """
    if not source.exists():
        raise InputError(f"{source}: no such file or folder; expected raw recordings there")
    findings: list[Finding] = []
    listing = progress(walk(source, findings), what=f"look through {source}", unit="file")
    files = _by_layout(listing)
    layout = _layout(files, config.layout, source, findings)
    known = _dataset(source, layout, files, config)
    found = Source(layout=layout, dataset=known, findings=findings)
    if layout == "ntu":
        _add_ntu(found, files["ntu"], config)
    elif layout == "pku":
        texts = files["pku"] + files["text"]
        found.recordings, found.splits = pku_recordings(texts, config, findings)
    else:
        found.files = files[layout]
    return found


def _by_layout(files: Iterable[RawFile]) -> dict[str, list[RawFile]]:
    """Sort files by the layout that their names belong to."""
    sorted_files: dict[str, list[RawFile]] = defaultdict(list)
    for file in files:
        sorted_files[_kind(file)].append(file)
    return sorted_files


def _kind(file: RawFile) -> str:
    name = file.name.lower()
    if name.endswith(NTU_SUFFIX):
        return "ntu"
    if name in (*ARRAY_NAMES, *LABEL_NAMES):
        return "arrays"
    if name.endswith(PICKLE_SUFFIXES):
        return "pyskl"
    if name.endswith(".txt"):
        return "pku" if is_recording(file) else "text"
    return "classes" if name == "classes.csv" else "other"


def may_be_input(name: str) -> bool:
    """Return whether a file of that name can decide what is read; an output never does."""
    lower = name.lower()
    suffixes = (NTU_SUFFIX, ".txt", ".zip", *PICKLE_SUFFIXES)
    return lower.endswith(suffixes) or lower in (*ARRAY_NAMES, *LABEL_NAMES, "classes.csv")


def _layout(
    files: dict[str, list[RawFile]], given: str, source: Path, findings: list[Finding]
) -> str:
    present = [name for name in ("ntu", "pku", "arrays", "pyskl") if files.get(name)]
    if given != "auto" and given in present:
        return given
    if given == "auto" and len(present) == 1:
        return present[0]
    if given == "auto" and present:
        raise InputError(
            f"{source}: found files of several layouts ({', '.join(present)}); choose one with "
            f"--layout, or give the folder that holds only that one"
        )
    raise InputError(_nothing_found(files, given, source, findings))


def _nothing_found(
    files: dict[str, list[RawFile]], given: str, source: Path, findings: list[Finding]
) -> str:
    expected = {
        "ntu": "NTU files (SsssCcccPpppRrrrAaaa.skeleton)",
        "pku": "PKU-MMD files (0002-L.txt or A10N08-L.txt with labels)",
        "arrays": "arrays (train_position.npy, val_position.npy)",
        "pyskl": "a pickle of annotations (.pkl)",
    }
    wanted = expected.get(given, "; ".join(expected.values()))
    paths = [file.path for group in files.values() for file in group]
    found = f"{len(paths)} other files, such as {paths[0]}" if paths else "no files"
    trouble = "".join(f"\n{finding.detail}" for finding in findings[:_SHOWN])
    return f"{source}: no raw recordings. Expected {wanted}; found {found}.{trouble}"


def _dataset(
    source: Path, layout: str, files: dict[str, list[RawFile]], config: PreprocessConfig
) -> Dataset:
    classes = _classes_file(source, files, config)
    if classes is not None and config.dataset in ("auto", "custom"):
        return custom(classes.read(), classes.path)
    if config.dataset == "custom":
        raise InputError(
            f"{source}: no classes.csv. Own recordings need one with the heading id,name and a "
            f"line for each action number in the file names or label files."
        )
    if config.dataset != "auto":
        return dataset(config.dataset)
    if layout == "pku":
        return dataset("pku51")
    if layout == "ntu":
        newer = any(_action(file) > 60 for file in files["ntu"])
        return dataset("ntu120" if newer else "ntu60")
    raise InputError(
        f"{source}: {layout} do not say whose actions they are; name the dataset with --dataset, "
        f"or give their names with --classes"
    )


def _classes_file(
    source: Path, files: dict[str, list[RawFile]], config: PreprocessConfig
) -> RawFile | None:
    """Return the ``classes.csv`` given, found, or lying beside a source that is one file."""
    if config.classes is not None:
        return _only_file(Path(config.classes))
    lists = files.get("classes", []) if config.dataset in ("auto", "custom") else []
    if len(lists) > 1:
        paths = ", ".join(file.path for file in lists[:_SHOWN])
        raise InputError(
            f"{source}: found {len(lists)} classes.csv ({paths}), expected one; name the one to "
            f"use with --classes"
        )
    beside = source.parent / "classes.csv"
    if not lists and source.is_file() and beside.is_file():
        return _only_file(beside)
    return lists[0] if lists else None


def _only_file(path: Path) -> RawFile:
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected a classes.csv with the heading id,name")
    return next(walk(path, []))


def _action(file: RawFile) -> int:
    match = re.search(r"A([0-9]{3,9})$", file.stem)
    return int(match[1]) if match else 0


def _add_ntu(found: Source, files: list[RawFile], config: PreprocessConfig) -> None:
    missing = read_missing_list(Path(config.missing_list)) if config.missing_list else set()
    for file in without_duplicates(files, found.findings):
        finding = _ntu_fault(file, found.dataset, missing)
        if finding is None:
            found.recordings.append(Recording(file.stem, file))
        else:
            found.findings.append(finding)


def _ntu_fault(file: RawFile, known: Dataset, missing: set[str]) -> Finding | None:
    """Return why a recording is not read, judged by its name."""
    try:
        name = parse_name(file.stem)
    except InputError as error:
        return Finding(file.stem, file.path, 0, "name of another form", f"{file.path}: {error}")
    if file.stem in missing:
        reason = "in the official list of missing skeletons"
        return Finding(file.stem, file.path, 0, reason, severity="excluded")
    if known.setups is not None and name.setup > known.setups:
        reason = f"setup above {known.setups}, not of {known.name}"
        return Finding(file.stem, file.path, 0, reason, severity="excluded")
    if known.label(name.action) is None:
        return wrong_class(file.stem, file.path, 0, name.action, known)
    return None


def wrong_class(name: str, path: str, line: int, action: int, known: Dataset) -> Finding:
    """Return the finding for an action number that is no class of the dataset."""
    where = f"{path}:{line}" if line else path
    ids = known.class_ids
    detail = (
        f"{where}: expected an action of {known.title}, {len(ids)} numbers from {min(ids)} to "
        f"{max(ids)}, found {action}; choose another --dataset, or list it in classes.csv"
    )
    return Finding(name, path, line, "class number that the dataset does not have", detail)


def read_missing_list(path: Path) -> set[str]:
    """Return the names in an official list of missing skeletons.

    Raises
    ------
    InputError
        If there is no list, or a line after the three of its heading is no recording's name.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the official list of missing skeletons")
    names = set()
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    for number, line in enumerate(lines[HEADER_LINES:], HEADER_LINES + 1):
        stem = line.strip().removesuffix(NTU_SUFFIX)
        if not stem:
            continue
        try:
            parse_name(stem)
        except InputError:
            raise InputError(
                f"{path}:{number}: expected the name of a recording (after {HEADER_LINES} lines "
                f"of heading), found {line.strip()[:40]!r}"
            ) from None
        names.add(stem)
    if not names:
        raise InputError(
            f"{path}: expected {HEADER_LINES} lines of heading, then a name a line, found none"
        )
    return names


def describe_source(found: Source) -> str:
    """Return one line on what was found, for the log."""
    kinds = Counter(finding.severity for finding in found.findings)
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    archives = {r.skeleton.folder for r in found.recordings if r.skeleton.offset >= 0}
    where = f", {len(archives)} archives read in place" if archives else ""
    what = f"{len(found.recordings)} recordings of {found.dataset.title} in {found.layout} layout"
    if found.files:
        what = f"clips of {found.dataset.title} in {', '.join(file.name for file in found.files)}"
    return f"{what}{where}{'; ' + said if said else ''}"
