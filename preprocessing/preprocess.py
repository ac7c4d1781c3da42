"""From a source of raw recordings to ``skeletons.h5``: workers, one writer, and going on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from smie_pipe.preprocessing.body import BODIES, JOINTS
from smie_pipe.preprocessing.clips.from_raw import CONTENT, ClipBatch
from smie_pipe.preprocessing.clips.recipe import PLACE
from smie_pipe.preprocessing.clips.tracking import summary
from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding, PreprocessReport
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.options import as_plain
from smie_pipe.preprocessing.foundation.progress import progress
from smie_pipe.preprocessing.journal import PartialWork, remove_leftovers
from smie_pipe.preprocessing.layouts.base import Recording
from smie_pipe.preprocessing.layouts.find import Source, describe_source, find_source
from smie_pipe.preprocessing.skeletons.store import write_skeletons
from smie_pipe.preprocessing.workers import batch_results

logger = logging.getLogger(__name__)
BATCH_BYTES = 20 * 2**20
PARTIAL_VERSION = 4  # raise it when the same files and options would give other clips


def preprocess(
    source: Path,
    output: Path,
    config: PreprocessConfig | None = None,
    run: PreprocessRun | None = None,
) -> PreprocessReport:
    """Read all raw recordings under ``source`` and write them as one ``skeletons.h5``.

    Rows are in order of name, and the data are the same whatever the number of workers, on a
    cluster, and after any number of interruptions. Work done is kept in ``OUTPUT.partial`` until
    the output is whole; the same call goes on from there.

    Parameters
    ----------
    source
        Folder, archive or file, see `find_source`.
    output
        The file to write; it is replaced when the new one is whole.
    config
        What the file shall hold.
    run
        How the work is done.

    Returns
    -------
    PreprocessReport
        With every recording that was left out, and why; ``exit_code`` is 1 if any was damaged.

    Raises
    ------
    InputError
        If there is nothing to read, nothing readable, or more damage than ``run`` allows; and if
        a worker process is killed.
    OSError
        If the disk is full, or a folder may not be written.
    """
    config, run = config or PreprocessConfig(), run or PreprocessRun()
    started = time.monotonic()
    if output.is_dir():
        raise InputError(f"{output}: expected the name of a file to write, found a folder")
    found = find_source(source, config)
    logger.info("%s: %s", source, describe_source(found))
    shape = (3, config.frames, len(JOINTS), BODIES)
    place = (config.frames, BODIES, PLACE)
    with _said_where(output), PartialWork(output, _key(found, config), shape, place) as work:
        remove_leftovers(output)
        _check_damage([*found.findings, *work.findings], run)
        _work(found, work, config, run)
        report = _write(source, output, found, work, config, started)
        work.discard()
    return report


@contextlib.contextmanager
def _said_where(output: Path) -> Iterator[None]:
    """Add to a refused write, which names no file, what was being written, and how to go on."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.strerror:
            error.filename = str(output)
            error.strerror += "; the work done is kept, and the same command goes on"
        raise


def _key(found: Source, config: PreprocessConfig) -> str:
    """Return a digest of all that decides the clips: options, classes, and the files' state."""
    digest = hashlib.sha256()
    known = _dataset(found)
    head = [PARTIAL_VERSION, as_plain(config), known.name, known.class_ids]
    digest.update(json.dumps(head).encode())
    for one in found.recordings:
        for file in filter(None, (one.file, one.labels)):
            digest.update(f"{file.path}\0{file.size}\0{file.stamp}\n".encode("utf-8", "replace"))
        digest.update(f"{one.listed}\0{one.rows}\n".encode())
    return digest.hexdigest()


def _dataset(found: Source) -> Dataset:
    assert found.dataset is not None  # since labels were asked for
    return found.dataset


def _work(found: Source, work: PartialWork, config: PreprocessConfig, run: PreprocessRun) -> None:
    """Process the recordings that are still to do."""
    if work.recordings:
        logger.info("going on after %d recordings", work.recordings)
    todo = _after(found.recordings, work.recordings)
    batches = _batches(todo, run.batch_files)
    if not found.layout.in_workers:
        run = replace(run, workers=1, scheduler=None)
    results = batch_results(batches, found.layout, _dataset(found), config, run)
    total = sum(one.count for one in todo)
    steps = _steps(results, work, found.findings, run)
    for _ in progress(steps, total=total, what="preprocess", unit="file"):
        pass


def _after(recordings: Sequence[Recording], done: int) -> Sequence[Recording]:
    """Return the recordings after the first ``done``; batches end between two of them."""
    for i, recording in enumerate(recordings):
        if done <= 0:
            return recordings[i:]
        done -= recording.count
    return []


def _steps(
    results: Iterable[ClipBatch], work: PartialWork, before: Sequence[Finding], run: PreprocessRun
) -> Iterator[None]:
    """Keep each batch as it comes, and yield once a recording, for the bar."""
    for batch in results:
        work.append(batch)
        if any(finding.severity == "damaged" for finding in batch.findings):
            _check_damage([*before, *work.findings], run)
        yield from [None] * batch.recordings


def _batches(recordings: Sequence[Recording], files: int) -> list[Sequence[Recording]]:
    """Cut the list so that a batch has at most ``files`` recordings and about 20 MB."""
    batches, first, size = [], 0, 0
    for i, recording in enumerate(recordings):
        size += recording.file.size
        if i + 1 - first == files or size >= BATCH_BYTES:
            batches.append(recordings[first : i + 1])
            first, size = i + 1, 0
    return [*batches, recordings[first:]] if first < len(recordings) else batches


def _check_damage(findings: Sequence[Finding], run: PreprocessRun) -> None:
    damaged = [finding for finding in findings if finding.severity == "damaged"]
    if damaged and run.strict:
        raise InputError(f"{damaged[0].detail}\nStopped at the first damaged file (--strict).")
    if run.max_bad is not None and len(damaged) > run.max_bad:
        shown = "\n".join(finding.detail for finding in damaged[-5:])
        raise InputError(
            f"{len(damaged)} damaged files, more than --max-bad {run.max_bad}; the last:\n"
            f"{shown}\nThe work done is kept: the same command with a higher bound goes on."
        )


def _write(
    source: Path,
    output: Path,
    found: Source,
    work: PartialWork,
    config: PreprocessConfig,
    started: float,
) -> PreprocessReport:
    """Write the output from the finished batches, and report."""
    findings = [*found.findings, *work.findings, *_equal_clips(work.rows)]
    known = _dataset(found)
    skipped = sum(f.severity != "noticed" for f in found.findings)
    if not work.rows:
        report = PreprocessReport(
            output, known.name, work.recordings + skipped, 0, "", 0.0, findings
        )
        raise InputError(
            f"{source}: no recording could be used, nothing is written.\n{report.left_out()}"
        )
    columns = _columns(work.rows)
    protocols = {**_listed_protocols(found, columns), **known.protocols(columns)}
    digest = write_skeletons(
        output,
        progress(work.clips(), what="write", unit="batch"),
        columns,
        class_names=known.class_names,
        class_ids=known.class_ids,
        dataset=known.name,
        recipe=as_plain(config),
        protocols=protocols,
        findings=findings,
        place=work.places(),
        attrs={"layout": found.layout.name},
    )
    treatments = [text for text in columns["treatment"].tolist() if text]
    return PreprocessReport(
        output=output,
        dataset=known.name,
        recordings=work.recordings + skipped,
        clips=len(work.rows),
        digest=digest,
        seconds=time.monotonic() - started,
        findings=findings,
        treatments=summary(treatments),
        treated=len(treatments),
        parts={name: _part_sizes(parts) for name, parts in protocols.items()},
        remark=_remark(known, work.recordings + skipped),
    )


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Return the rows as columns; a clip that lacks one gets 0 or no text there."""
    kinds = {name: type(value) for row in rows for name, value in row.items() if name != CONTENT}
    return {name: _column(rows, name, kind) for name, kind in kinds.items()}


def _column(rows: Sequence[dict[str, Any]], name: str, kind: type) -> np.ndarray:
    values = [row.get(name, kind()) for row in rows]
    # as objects: numpy's own texts would all be as long as the longest
    return np.array(values, dtype=object) if kind is str else np.array(values)


def _listed_protocols(found: Source, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the protocols that lists give."""
    names = found.layout.listed_names(columns)
    return {
        protocol: np.array([parts.get(name, -1) for name in names], np.int8)
        for protocol, parts in found.splits.items()
    }


def _equal_clips(rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """Return a finding for each clip whose content an earlier one has under another name."""
    first: dict[str, str] = {}
    findings = []
    for row in rows:
        earlier = first.setdefault(row[CONTENT], row["name"])
        if earlier != row["name"]:
            reason = "the same content as another clip"
            detail = f"{row['name']}: the same content as {earlier}"
            findings.append(Finding(row["name"], "", 0, reason, detail, "noticed"))
    return findings


def _part_sizes(parts: np.ndarray) -> tuple[int, int, int]:
    return int((parts == 1).sum()), int((parts == 0).sum()), int((parts == -1).sum())


def _remark(known: Dataset, there: int) -> str:
    """Compare with what is known of the whole dataset."""
    if known.recordings is None or known.missing is None:
        return ""
    if there != known.recordings:
        return f"{there} of the {known.recordings} recordings of {known.title} are there."
    return f"All of {known.title} is there; others use {known.recordings - known.missing} clips."
