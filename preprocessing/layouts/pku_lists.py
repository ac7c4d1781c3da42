"""PKU-MMD as it is given out: which text file is what, which belong together, who is listed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError, SkeletonFormatError
from smie_pipe.preprocessing.layouts.base import Listing, Recording, Splits, without_label
from smie_pipe.preprocessing.raw.pku import parse_recording, read_split_list
from smie_pipe.preprocessing.sources.files import RawFile, only_files, without_duplicates
from smie_pipe.preprocessing.sources.label_list import LabelList


def is_named(file: RawFile) -> bool:
    """Return whether the file is named as a recording of PKU-MMD, or its label file, is."""
    try:
        parse_recording(file.stem)
    except InputError:
        return False
    return True


def _is_split(file: RawFile) -> bool:
    return file.name.lower().startswith("cross")


def _role_by_folder(file: RawFile) -> str:
    """Return skeleton, label or split by the nearest folder whose name says so."""
    for parent in file.parents:
        for role in ("skeleton", "label", "split"):
            if role in parent.lower():
                return role
    return ""


def _role(file: RawFile, config: PreprocessConfig) -> str:
    """Return what a text file is: by the folders given, by its folder's name, by its content."""
    given = {
        "skeleton": config.skeleton_dir,
        "label": config.label_dir,
        "split": config.split_dir,
    }
    for role, folder in given.items():
        if folder is not None and Path(file.path).resolve().is_relative_to(Path(folder).resolve()):
            return role
    role = "split" if _is_split(file) else _role_by_folder(file) or _role_by_content(file)
    return "" if given.get(role) else role  # the folder given for this role is another one


def _role_by_content(file: RawFile) -> str:
    try:
        return "label" if b"," in file.read() else "skeleton"
    except (OSError, InputError):
        return "skeleton"  # where its reader will say what is wrong


def pku_recordings(
    own: Sequence[RawFile],
    others: Sequence[RawFile],
    labels: LabelList,
    known: Dataset | None,
    config: PreprocessConfig,
) -> Listing:
    """Return the recordings that have labels, and the split lists.

    Parameters
    ----------
    own
        Text files named as recordings, which label files are, too, or beginning with a frame.
    others
        All other text files.
    labels
        Labels of recordings that show one action as a whole.
    known
        None where recordings without label are wanted, too.
    config
        Folders given as options are searched as well; they alone hold what they are given for.

    Returns
    -------
    Listing
        With findings for files without partner, lists without use, recordings in no list.

    Raises
    ------
    InputError
        If a folder given as an option is not there, or two lists contradict each other.
    """
    frames = [file for file in own if not is_named(file)]
    texts = [*(file for file in own if is_named(file)), *others]
    more, findings = _files_of_options([*frames, *texts], config)
    roles: dict[str, list[RawFile]] = defaultdict(list)
    for file in [*texts, *more]:
        roles[_role(file, config)].append(file)
    skeletons, strange = _named(roles["skeleton"], set())
    skeletons += frames
    with_actions, stranger = _named(roles["label"], {file.stem for file in skeletons})
    findings += [*strange, *stranger]
    recordings, odd = _paired(skeletons, with_actions, labels, known)
    splits, unusable = _splits(roles["split"])
    findings += [*odd, *unusable, *_listing_findings(recordings, splits)]
    return Listing(recordings, findings, splits)


def _files_of_options(
    files: list[RawFile], config: PreprocessConfig
) -> tuple[list[RawFile], list[Finding]]:
    more: list[RawFile] = []
    findings: list[Finding] = []
    for folder in (config.skeleton_dir, config.label_dir, config.split_dir):
        if folder is not None and not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder, given for PKU-MMD")
        if folder is not None:
            found, troubles = only_files(Path(folder))
            more += _new_files([*files, *more], found)
            findings += troubles
    return more, findings


def _new_files(files: list[RawFile], more: Iterable[RawFile]) -> list[RawFile]:
    have = {Path(file.path).resolve() for file in files}
    return [f for f in more if f.name.endswith(".txt") and Path(f.path).resolve() not in have]


def _paired(
    skeletons: list[RawFile], label_files: list[RawFile], labels: LabelList, known: Dataset | None
) -> tuple[list[Recording], list[Finding]]:
    """Return skeleton files with the label file of their name; one without any is a finding.

    Where labels.csv alone names the classes, the numbers in label files mean none of them.
    """
    with_actions, findings = without_duplicates([] if labels.names_classes else label_files)
    label_of = {file.stem: file for file in with_actions}
    unique, twice = without_duplicates(skeletons)
    findings += twice
    recordings = []
    for file in unique:
        label, listed = label_of.pop(file.stem, None), labels.of(file)
        if label is None and listed is None and known is not None:
            why = "skeleton file without label file"
            own = labels.names_classes or not is_named(file)
            findings.append(without_label(file.stem, file.path, why) if own else _alone(file, why))
        else:
            recordings.append(Recording(file.stem, file, label, listed))
    findings += [_alone(file, "label file without skeleton file") for file in label_of.values()]
    return recordings, findings


def _named(
    files: Iterable[RawFile], stems: Collection[str]
) -> tuple[list[RawFile], list[Finding]]:
    """Return the files named as recordings, or in one of these ways; findings for the others."""
    good, findings = [], []
    for file in files:
        if is_named(file) or file.stem in stems:
            good.append(file)
        elif not _is_note(file):
            detail = f"{file.path}: expected a name such as 0002-L.txt or A10N08-L.txt"
            findings.append(Finding(file.stem, file.path, 0, "name of another form", detail))
    return good, findings


def _is_note(file: RawFile) -> bool:
    return re.match(r"read.?me|action|licen[cs]e", file.stem, re.IGNORECASE) is not None


def _alone(file: RawFile, reason: str) -> Finding:
    detail = f"{file.path}: {reason} of that name; its actions are not in the output"
    return Finding(file.stem, file.path, 0, reason, detail, severity="excluded")


def _splits(files: list[RawFile]) -> tuple[Splits, list[Finding]]:
    """Return the recordings of each protocol; lists of Part I and Part II are put together."""
    splits: dict[str, dict[str, int]] = {}
    findings: list[Finding] = []
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
    return splits, findings


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


def _listing_findings(recordings: list[Recording], splits: Splits) -> list[Finding]:
    """Return recordings in no list, and listed ones that are not there."""
    have = {recording.name: recording for recording in recordings}
    findings = []
    for protocol, parts in sorted(splits.items()):
        for name in sorted(have.keys() - parts.keys()):
            path = have[name].file.path
            reason = f"in no list of {protocol}"
            detail = f"{path}: {reason}; its clips neither train nor test there"
            findings.append(Finding(name, path, 0, reason, detail, severity="noticed"))
        for name in sorted(parts.keys() - have.keys()):
            reason = f"listed in {protocol}, but not found"
            findings.append(Finding(name, "", 0, reason, severity="noticed"))
    return findings
