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

from preprocessing.errors import InputError
from preprocessing.progress import progress

LAYOUTS = ("ntu", "pku")
Job = TypeVar("Job")


@dataclass(frozen=True)
class SimulateConfig:
    """What ``simulate`` writes; the defaults make about a thousand clips."""

    layout: str = "ntu"
    """ntu (a file a clip) or pku (recordings of several minutes with labels and split lists)."""
    classes: int | tuple[str, ...] | None = 40
    """How many (the first of ``motions.MOTIONS``, one in five with two persons), their names, or
    None for all."""
    performers: int = 8
    """People, each of own build, tempo and manner."""
    views: int = 3
    """Cameras that see every clip."""
    repetitions: int = 1
    """How often each performer does each action."""
    setups: int = 4
    """Places the cameras were set up in; performers are spread over them."""
    seed: int = 0
    """Of everything; a clip does not depend on which others are written."""
    noise: float = 1.0
    """Scale of the sensor's errors; 0 is exact."""
    dropout: float = 0.15
    """Chance that a clip loses all bodies for a few frames."""
    phantom: float = 0.05
    """Chance that a clip shows a body that is none."""
    switch: float = 0.05
    """Chance that bodies change id or order within a clip."""
    mean_frames: float | None = None
    """Stretch all clips alike to this mean length, as far as ``frames`` allows. By default each
    action takes its natural time."""
    frames: tuple[int, int] = (40, 150)
    """Shortest and longest clip."""
    max_files: int | None = None
    """Keep the first so many files of a list that goes through the classes fastest."""

    def __post_init__(self) -> None:
        faults = [*self._counts(), *self._ranges()]
        if faults:
            raise InputError("cannot simulate: " + "; ".join(faults))

    def _counts(self) -> Iterator[str]:
        if self.layout not in LAYOUTS:
            yield f"layout must be one of {', '.join(LAYOUTS)}, got {self.layout!r}"
        fewest = 2 if self.layout == "pku" else 1  # the split lists need a test performer
        if not fewest <= self.performers <= 999:
            yield f"performers must be {fewest} to 999, got {self.performers}"
        for name, most in (("views", 3), ("repetitions", 999), ("setups", 999)):
            if not 1 <= getattr(self, name) <= most:
                yield f"{name} must be 1 to {most}, got {getattr(self, name)}"
        if self.max_files is not None and self.max_files < 1:
            yield f"max_files must be at least 1, got {self.max_files}"
        if self.seed < 0:
            yield f"seed must not be negative, got {self.seed}"

    def _ranges(self) -> Iterator[str]:
        for name in ("dropout", "phantom", "switch"):
            if not 0 <= getattr(self, name) <= 1:
                yield f"{name} is a chance, 0 to 1, got {getattr(self, name)}"
        if not 0 <= self.noise <= 3:
            yield f"noise must be 0 to 3, got {self.noise}"
        if not 2 <= self.frames[0] <= self.frames[1]:
            yield f"frames must be (shortest, longest), at least 2, got {self.frames}"
        if self.mean_frames is not None and self.mean_frames < 2:
            yield f"mean_frames must be at least 2, got {self.mean_frames}"


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
    from preprocessing import simulate_ntu, simulate_pku  # numpy, scipy: not for ``--help``
    from preprocessing.scenes import choose_classes

    start = time.perf_counter()
    classes = choose_classes(config.classes)
    write = {"ntu": simulate_ntu.write, "pku": simulate_pku.write}[config.layout]
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
