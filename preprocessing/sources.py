"""What lies under a source: which recordings, of which dataset, with which labels and lists."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from preprocessing.config import PreprocessConfig
from preprocessing.datasets import Dataset, custom, dataset
from preprocessing.errors import InputError, SkeletonFormatError
from preprocessing.files import RawFile, walk
from preprocessing.ntu import parse_name
from preprocessing.pku import parse_recording, read_split_list
from preprocessing.progress import progress
from preprocessing.store import Finding

NTU_SUFFIX = ".skeleton"
ARRAY_NAMES = ("train_position.npy", "val_position.npy")
PICKLE_SUFFIXES = (".pkl", ".pickle")
HEADER_LINES = 3  # of the official list of missing skeletons
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording to read: an NTU clip, or a PKU-MMD recording with its label file."""

    name: str
    skeleton: RawFile
    labels: RawFile | None = None


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
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    """PKU-MMD: for each protocol the recordings listed, 1 train and 0 test."""
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
        _add_pku(found, files["pku"] + files["text"], config)
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
    if name in ARRAY_NAMES or name in ("train_label.pkl", "val_label.pkl"):
        return "arrays"
    if name.endswith(PICKLE_SUFFIXES):
        return "pyskl"
    if name.endswith(".txt"):
        return "pku" if _pku_name(file) else "text"
    return "classes" if name == "classes.csv" else "other"


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
    if config.dataset == "custom" or (config.dataset == "auto" and classes is not None):
        return custom(classes or (source if source.is_dir() else source.parent) / "classes.csv")
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
) -> Path | None:
    if config.classes is not None:
        return Path(config.classes)
    lists = files.get("classes", []) if config.dataset in ("auto", "custom") else []
    if len(lists) > 1 or any(file.offset >= 0 for file in lists):
        paths = ", ".join(file.path for file in lists[:_SHOWN])
        raise InputError(
            f"{source}: found {len(lists)} classes.csv ({paths}), expected one, and that not in "
            f"an archive; name the one to use with --classes"
        )
    if lists:
        return Path(lists[0].path)
    beside = source.parent / "classes.csv"
    return beside if source.is_file() and beside.is_file() else None


def _action(file: RawFile) -> int:
    match = re.search(r"A([0-9]{3,9})$", file.stem)
    return int(match[1]) if match else 0


# --- NTU RGB+D ---------------------------------------------------------------------------------


def _add_ntu(found: Source, files: list[RawFile], config: PreprocessConfig) -> None:
    missing = read_missing_list(Path(config.missing_list)) if config.missing_list else set()
    for file in _without_duplicates(files, found.findings):
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


def _without_duplicates(files: Iterable[RawFile], findings: list[Finding]) -> list[RawFile]:
    """Return one file for each name, in order of name; the others become findings."""
    kept: dict[str, RawFile] = {}
    for file in sorted(files, key=lambda file: (file.stem, file.path)):
        first = kept.setdefault(file.stem, file)
        if first is not file:
            same = first.size == file.size
            reason = "duplicate recording" + ("" if same else " of another size")
            detail = f"{file.path}: the same name as {first.path}, which is used"
            severity = "excluded" if same else "damaged"
            findings.append(Finding(file.stem, file.path, 0, reason, detail, severity))
    return list(kept.values())


# --- PKU-MMD -----------------------------------------------------------------------------------


def _pku_name(file: RawFile) -> bool:
    try:
        parse_recording(file.stem)
    except InputError:
        return False
    return True


def _is_split(file: RawFile) -> bool:
    return file.name.lower().startswith("cross")


def _pku_role_by_folder(file: RawFile) -> str:
    """Return skeleton, label or split by the nearest folder whose name says so."""
    for parent in file.parents:
        for role in ("skeleton", "label", "split"):
            if role in parent.lower():
                return role
    return ""


def _pku_role(file: RawFile, config: PreprocessConfig) -> str:
    """Return what a text file is: by the folders given, by its folder's name, by its content."""
    given = {
        "skeleton": config.skeleton_dir,
        "label": config.label_dir,
        "split": config.split_dir,
    }
    for role, folder in given.items():
        if folder is not None and Path(file.path).resolve().is_relative_to(Path(folder).resolve()):
            return role
    role = "split" if _is_split(file) else _pku_role_by_folder(file) or _role_by_content(file)
    return "" if given.get(role) else role  # the folder given for this role is another one


def _role_by_content(file: RawFile) -> str:
    try:
        return "label" if b"," in file.read() else "skeleton"
    except (OSError, InputError):
        return "skeleton"  # where its reader will say what is wrong


def _add_pku(found: Source, files: list[RawFile], config: PreprocessConfig) -> None:
    for folder in (config.skeleton_dir, config.label_dir, config.split_dir):
        if folder is not None and not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder, given for PKU-MMD")
        if folder is not None:
            files = [*files, *_new_files(files, walk(Path(folder), found.findings))]
    roles: dict[str, list[RawFile]] = defaultdict(list)
    for file in files:
        roles[_pku_role(file, config)].append(file)
    labels = {file.stem: file for file in _named(roles["label"], found.findings)}
    for file in _named(roles["skeleton"], found.findings):
        label = labels.pop(file.stem, None)
        if label is None:
            found.findings.append(_alone(file, "skeleton file without label file"))
        else:
            found.recordings.append(Recording(file.stem, file, label))
    found.findings += [_alone(f, "label file without skeleton file") for f in labels.values()]
    found.splits = _splits(roles["split"], found.findings)
    found.findings += _listing_findings(found)


def _new_files(files: list[RawFile], more: Iterable[RawFile]) -> list[RawFile]:
    have = {Path(file.path).resolve() for file in files}
    return [f for f in more if f.name.endswith(".txt") and Path(f.path).resolve() not in have]


def _named(files: list[RawFile], findings: list[Finding]) -> list[RawFile]:
    """Return the files that are named as recordings, once each; the others become findings."""
    good = [file for file in files if _pku_name(file)]
    for file in files:
        if not _pku_name(file) and not _is_note(file):
            detail = f"{file.path}: expected a name such as 0002-L.txt or A10N08-L.txt"
            findings.append(Finding(file.stem, file.path, 0, "name of another form", detail))
    return _without_duplicates(good, findings)


def _is_note(file: RawFile) -> bool:
    return re.match(r"read.?me|action|licen[cs]e", file.stem, re.IGNORECASE) is not None


def _alone(file: RawFile, reason: str) -> Finding:
    detail = f"{file.path}: {reason} of that name; its actions are not in the output"
    return Finding(file.stem, file.path, 0, reason, detail, severity="excluded")


def _splits(files: list[RawFile], findings: list[Finding]) -> dict[str, dict[str, int]]:
    """Return the recordings of each protocol; lists of Part I and Part II are put together."""
    splits: dict[str, dict[str, int]] = {}
    for file in files:
        protocol = _protocol(file)
        if not protocol:
            continue
        try:
            train, test = read_split_list(file.read(), file.path)
        except (InputError, OSError) as error:
            findings.append(_unusable_list(file, protocol, error))
            continue
        parts = splits.setdefault(protocol, {})
        listed = {**dict.fromkeys(train, 1), **dict.fromkeys(test, 0)}
        contrary = [one for one in listed if parts.get(one, listed[one]) != listed[one]]
        if contrary:
            raise InputError(
                f"{file.path}: lists {contrary[0]} otherwise than another list of {protocol}; "
                f"leave one of them out, or give the folder with --split-dir"
            )
        parts.update(listed)
    return splits


def _protocol(file: RawFile) -> str:
    name = file.name.lower()
    return "xsub" if "sub" in name else "xview" if "view" in name else ""


def _unusable_list(file: RawFile, protocol: str, error: Exception) -> Finding:
    """Return the finding for a list without use; one with an empty part is no damage."""
    empty = isinstance(error, SkeletonFormatError) and error.found == "none"
    line = error.line if isinstance(error, SkeletonFormatError) else 0
    reason = f"split list {'with an empty part' if empty else 'that cannot be read'}"
    detail = f"{error}; there is no protocol {protocol} without it"
    severity = "noticed" if empty else "damaged"
    return Finding(file.stem, file.path, line, reason, detail, severity)


def _listing_findings(found: Source) -> list[Finding]:
    """Return recordings in no list, and listed ones that are not there."""
    have = {recording.name: recording for recording in found.recordings}
    findings = []
    for protocol, parts in sorted(found.splits.items()):
        for name in sorted(have.keys() - parts.keys()):
            path = have[name].skeleton.path
            reason = f"in no list of {protocol}"
            detail = f"{path}: {reason}; its clips neither train nor test there"
            findings.append(Finding(name, path, 0, reason, detail, severity="noticed"))
        for name in sorted(parts.keys() - have.keys()):
            reason = f"listed in {protocol}, but not found"
            findings.append(Finding(name, "", 0, reason, severity="noticed"))
    return findings


def describe_source(found: Source) -> str:
    """Return one line on what was found, for the log."""
    kinds = Counter(finding.severity for finding in found.findings)
    said = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    archives = {r.skeleton.folder for r in found.recordings if r.skeleton.offset >= 0}
    where = f", {len(archives)} archives read in place" if archives else ""
    return (
        f"{len(found.recordings)} recordings of {found.dataset.title} in {found.layout} layout"
        f"{where}{'; ' + said if said else ''}"
    )
