"""From a source of raw recordings to ``skeletons.h5``: workers, one writer, and going on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.clips.from_arrays import imported
from smie_pipe.preprocessing.clips.from_raw import CONTENT, Batch
from smie_pipe.preprocessing.clips.recipe import BODIES
from smie_pipe.preprocessing.clips.tracking import summary
from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.findings import Finding, PreprocessReport
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.options import as_plain
from smie_pipe.preprocessing.foundation.progress import progress
from smie_pipe.preprocessing.journal import PartialWork, remove_leftovers
from smie_pipe.preprocessing.skeletons.store import write_skeletons
from smie_pipe.preprocessing.sources.files import Recording
from smie_pipe.preprocessing.sources.find import Source, describe_source, find_source
from smie_pipe.preprocessing.workers import batch_results

logger = logging.getLogger(__name__)
BATCH_BYTES = 20 * 2**20
PARTIAL_VERSION = 2  # raise it when the same files and options would give other clips


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
    with _said_where(output), PartialWork(output, _key(found, config), shape) as work:
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
    head = [PARTIAL_VERSION, as_plain(config), found.dataset.name, found.dataset.class_ids]
    digest.update(json.dumps(head).encode())
    files = [file for one in found.recordings for file in (one.skeleton, one.labels) if file]
    for file in [*files, *found.files]:
        digest.update(f"{file.path}\0{file.size}\0{file.stamp}\n".encode())
    return digest.hexdigest()


def _work(found: Source, work: PartialWork, config: PreprocessConfig, run: PreprocessRun) -> None:
    """Process the recordings that are still to do."""
    if work.recordings:
        logger.info("going on after %d recordings", work.recordings)
    todo = found.recordings[work.recordings :]
    if found.files:
        results, total = imported(found, config, work.recordings), None
    else:
        batches = _batches(todo, run.batch_files)
        results, total = batch_results(batches, found.dataset, config, run), len(todo)
    steps = _steps(results, work, found.findings, run)
    for _ in progress(steps, total=total, what="preprocess", unit="file"):
        pass


def _steps(
    results: Iterable[Batch], work: PartialWork, before: list[Finding], run: PreprocessRun
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
        size += recording.skeleton.size
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
    skipped = sum(f.severity != "noticed" for f in found.findings)
    if not work.rows:
        report = PreprocessReport(
            output, found.dataset.name, work.recordings + skipped, 0, "", 0.0, findings
        )
        raise InputError(f"{source}: no recording could be used, nothing is written.\n{report}")
    columns = _columns(work.rows)
    protocols = {**_listed_protocols(found, columns), **found.dataset.protocols(columns)}
    digest = write_skeletons(
        output,
        progress(work.clips(), what="write", unit="batch"),
        columns,
        class_names=found.dataset.class_names,
        class_ids=found.dataset.class_ids,
        dataset=found.dataset.name,
        recipe=as_plain(config),
        protocols=protocols,
        findings=findings,
        attrs={"layout": found.layout},
    )
    treatments = [text for text in columns["treatment"].tolist() if text]
    return PreprocessReport(
        output=output,
        dataset=found.dataset.name,
        recordings=work.recordings + skipped,
        clips=len(work.rows),
        digest=digest,
        seconds=time.monotonic() - started,
        findings=findings,
        treatments=summary(treatments),
        treated=len(treatments),
        parts={name: _part_sizes(parts) for name, parts in protocols.items()},
        remark=_remark(found.dataset, work.recordings + skipped),
    )


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    names = [name for name in rows[0] if name != CONTENT]
    return {name: np.array([row[name] for row in rows]) for name in names}


def _listed_protocols(found: Source, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the protocols that lists give: PKU-MMD's by recording, others by clip."""
    names = columns["name"].tolist()
    if found.layout == "pku":
        pairs = zip(columns["recording"].tolist(), columns["view"].tolist(), strict=True)
        names = [f"{recording}-{view}" for recording, view in pairs]
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
