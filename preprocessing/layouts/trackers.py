"""Files of other body trackers: one recording a file, rebuilt as the body of a Kinect v2.

Which tracker wrote a file is told by its content. Its action is told by a name as NTU's
(``S001C001P001R001A001.json``) or by ``labels.csv``.
"""

from __future__ import annotations

from collections.abc import Sequence

from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.layouts.base import RawClip, Recording
from smie_pipe.preprocessing.layouts.ntu import Ntu, facts_of_name
from smie_pipe.preprocessing.raw.ntu import parse_name
from smie_pipe.preprocessing.sources.files import RawFile
from smie_pipe.preprocessing.trackers.read import (
    TrackerOptions,
    TrackerReading,
    read_tracker_bytes,
)
from smie_pipe.preprocessing.trackers.readers.sources import HEAD_BYTES, recognise_bytes

OWN_OUTPUTS = ("run.json", "result.json", "results.json", "config.json", "metrics.csv")
"""What this program writes; a run folder may lie beside the recordings."""
WHOLE = (".npz",)
"""Endings of files whose first bytes do not tell what they hold."""


class Trackers(Ntu):
    """Azure Kinect, ZED, MediaPipe, BVH and others, see `trackers.joints.kinds.TITLES`."""

    name = "trackers"
    expects = "files of another body tracker (Azure or ZED JSON, CSV, TRC, BVH, .npy, ...)"
    patterns = (
        "*.json", "*.jsonl", "*.ndjson", "*.csv", "*.tsv", "*.trc", "*.bvh", "*.npy", "*.npz",
        "*.nc", "*.c3d",
    )  # fmt: skip

    def may_read(self, name: str) -> bool:
        """Return whether a file of that name can be a tracker's: an output of ours never is."""
        return name.lower() not in OWN_OUTPUTS and super().may_read(name)

    def recognises(self, file: RawFile) -> bool:
        """Return whether a file is some tracker's, by its first bytes; flat poses count as well.

        Reading those says why they are of no use.
        """
        if not self.may_read(file.name):
            return False
        try:
            whole = file.name.lower().endswith(WHOLE)
            data = file.read() if whole else file.head(HEAD_BYTES)
            return recognise_bytes(file.name, data) is not None
        except InputError:
            return True
        except OSError:
            return False

    def dataset(self, files: Sequence[RawFile]) -> str | None:
        """Return NTU's, where all files are named as NTU's are; None elsewhere."""
        try:
            for file in files:
                parse_name(file.stem)
        except InputError:
            return None
        return super().dataset(files)

    def clips(
        self, recording: Recording, known: Dataset | None, config: PreprocessConfig
    ) -> tuple[list[RawClip], list[Finding]]:
        """Return the one clip of a file, and what looks wrong or is made up in it."""
        file = recording.file
        reading = read_tracker_bytes(file.read(), file.path, tracker_options(config))
        facts = facts_of_name(recording.name)
        action = _action(recording.name)
        label = known.label(action) if known and action else None
        if recording.listed:
            label = recording.listed.label
            facts["subject"] = recording.listed.subject
        clip = RawClip(recording.name, reading.raw, label, action, facts)
        return [clip], findings_of(recording.name, reading)


def tracker_options(config: PreprocessConfig) -> TrackerOptions:
    """Return what a stage's options say of trackers' files."""
    return TrackerOptions(
        source=config.tracker,
        fps=config.fps,
        axes=config.axes,
        unit=config.unit,
        level=config.level,
        mirror=config.mirror,
        markers=config.markers,
    )


def findings_of(name: str, reading: TrackerReading) -> list[Finding]:
    """Return what the self-check says, and how many joints are made up; all of it noticed only."""
    path = reading.raw.path
    found = [
        Finding(name, path, 0, f"looks {_kind(fault)}", f"{path}: {fault}", "noticed")
        for fault in reading.faults
    ]
    if reading.made_up:
        made_up = f"{len(reading.made_up)} of 25 joints made up ({reading.skeleton})"
        detail = f"{path}: {made_up}: {', '.join(reading.made_up)}"
        found.append(Finding(name, path, 0, made_up, detail, "noticed"))
    return found


def _kind(fault: str) -> str:
    kind = fault.partition(":")[0]
    return {"unit": "of another unit", "rate": "of another rate"}.get(kind, kind)


def _action(stem: str) -> int | None:
    try:
        return parse_name(stem).action
    except InputError:
        return None
