"""Raw recordings as bodies over frames, from any file or folder, labelled or not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError, SkeletonFormatError
from smie_pipe.preprocessing.layouts.base import Layout, RawClip, Recording
from smie_pipe.preprocessing.layouts.find import find_source
from smie_pipe.preprocessing.sources.files import DamagedArchive


@dataclass(frozen=True, eq=False)
class Reading:
    """What came of reading one recording."""

    name: str
    """Of the recording; of what could not be listed, where nothing could be read."""
    clips: Sequence[RawClip] = ()
    """Its labelled actions, or the recording as a whole; none where it is damaged."""
    findings: Sequence[Finding] = ()
    """What was wrong."""


def read_recordings(
    source: Path, config: PreprocessConfig | None = None, *, whole: bool = False
) -> Iterator[Reading]:
    """Yield the recordings under ``source``, whatever their names, with or without labels.

    Parameters
    ----------
    source
        A file, folder or archive that `preprocess` reads.
    config
        Its options; of use here are ``layout`` and PKU-MMD's folders.
    whole
        Leave label files aside: each recording is one clip.

    Yields
    ------
    Reading
        In order of name. The bodies of a clip are as the file has them (`choose_bodies` picks
        the persons); in layouts of ready-made arrays they are finished clips. A damaged
        recording has findings and no clips, and the next one follows.

    Raises
    ------
    InputError
        If there is nothing to read at all, or two layouts at once.
    """
    config = config or PreprocessConfig()
    found = find_source(Path(source), config, labelled=False)
    for finding in found.findings:
        yield Reading(finding.name, findings=[finding])
    for recording in found.recordings:
        if whole:
            recording = replace(recording, labels=None)
        yield read_recording(found.layout, recording, None, config)


def read_recording(
    layout: Layout, recording: Recording, known: Dataset | None, config: PreprocessConfig
) -> Reading:
    """Return what one recording holds; what is wrong with it becomes a finding.

    Raises
    ------
    RuntimeError
        If this program is at fault, with the name of the file.
    """
    try:
        clips, findings = layout.clips(recording, known, config)
    except (InputError, OSError) as error:
        return Reading(recording.name, findings=[_fault(recording, error)])
    except Exception as error:
        raise RuntimeError(f"{recording.file.path}: a fault of this program") from error
    return Reading(recording.name, clips, findings)


def _fault(recording: Recording, error: InputError | OSError) -> Finding:
    """Return what to record of a recording that cannot be read."""
    path = recording.file.path
    if isinstance(error, SkeletonFormatError):
        reason = f"expected {_without_numbers(error.expected)}"
        return Finding(recording.name, error.path, error.line, reason, str(error))
    if isinstance(error, OSError):
        path = str(error.filename or path)
        reason = f"cannot be read: {error.strerror or type(error).__name__}"
        return Finding(recording.name, path, 0, reason, f"{path}: {reason}")
    reason = "damaged archive" if isinstance(error, DamagedArchive) else "cannot be used"
    return Finding(recording.name, path, 0, reason, str(error))


def _without_numbers(expected: str) -> str:
    """Return the message without what differs from file to file, so that it can be counted.

    The fields of joint 2 of body 1 of frame 7 are those of a joint.
    """
    number = r"(joint|body|frame) [0-9]+( of (body|frame) [0-9]+)*( of [0-9]+)?"
    short = re.sub(rf"\b(of|for) {number}", r"\1 a \2", expected)
    return re.sub(r" after [0-9]+ frames?", "", short)
