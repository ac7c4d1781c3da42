"""A simulated Kinect v2 that writes raw files as NTU RGB+D and PKU-MMD distribute them.

The actions, their names and the people are made up by ``motions``, ``acting`` and
``kinematics``; ``sensor`` sees them; ``kinect_text`` writes what it saw. Everything follows
from one seed, and every clip from its own part of it: a performer's second waving looks the
same whichever other classes, views or performers are written beside it.
"""

from __future__ import annotations

import csv
import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.progress import progress
from smie_pipe.preprocessing.simulation.config import SimulateConfig

Job = TypeVar("Job")


@dataclass(frozen=True)
class SimulateReport:
    """What was written: skeleton files, classes, bytes of all files, and the time it took."""

    output: Path
    files: int
    classes: int
    bytes: int
    seconds: float

    def __str__(self) -> str:
        megabytes = self.bytes / 1e6
        return (
            f"{self.files} simulated skeleton files of {self.classes} classes, "
            f"{megabytes:.0f} MB, in {self.output} ({self.seconds:.1f} s)"
        )


def simulate(output: Path, config: SimulateConfig, *, workers: int = 1) -> SimulateReport:
    """Write a folder of simulated raw recordings with its ``classes.csv``.

    Parameters
    ----------
    output
        Folder to make; it appears when all is written, so an interrupted run leaves nothing.
        Layout ntu: ``SsssCcccPpppRrrrAaaa.skeleton``. Layout pku: ``skeleton/``, ``label/``
        and ``split/``. Both: ``classes.csv`` with ids from 1, as in names and labels.
    config
        What to write.
    workers
        Processes; the files do not depend on their number.

    Returns
    -------
    SimulateReport
        What was written.

    Raises
    ------
    InputError
        If ``output`` exists and is not an empty folder, or a class is not known.
    """
    from smie_pipe.preprocessing.simulation import (  # numpy, scipy: not for ``--help``
        write_ntu,
        write_pku,
    )
    from smie_pipe.preprocessing.simulation.scenes import choose_classes

    start = time.perf_counter()
    classes = choose_classes(config.classes)
    write = {"ntu": write_ntu.write, "pku": write_pku.write}[config.layout]
    with _whole_folder(output) as folder:
        files = write(folder, config, classes, partial(_each, workers))
        _write_classes(folder / "classes.csv", classes)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return SimulateReport(output, files, len(classes), size, time.perf_counter() - start)


def _each(workers: int, write: Callable[[Job], int], jobs: Sequence[Job]) -> int:
    """Write every job, in this process or in several, under a bar; return the number of files."""
    if workers <= 1 or len(jobs) < 2:
        return sum(progress(map(write, jobs), total=len(jobs), what="simulate", unit="file"))
    # Processes are started afresh, not forked: a fork of a process with threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        chunk = max(1, min(16, len(jobs) // (4 * workers)))
        done = pool.map(write, jobs, chunksize=chunk)
        return sum(progress(done, total=len(jobs), what="simulate", unit="file"))


def _write_classes(path: Path, classes: Sequence[str]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "name"])
        writer.writerows(enumerate(classes, start=1))


@contextmanager
def _whole_folder(output: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``output`` and rename it to ``output`` on success."""
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(
            f"{output}: expected a folder that is empty or does not exist yet, found "
            f"{'files in it' if output.is_dir() else 'a file'}; give another one or empty it"
        )
    temporary = output.with_name(f".{output.name}.simulate.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if output.exists():
            output.rmdir()
        temporary.rename(output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
