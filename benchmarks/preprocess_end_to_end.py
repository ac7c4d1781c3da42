"""Files a second from raw folder to ``skeletons.h5``, and the memory of all processes together.

    python -m benchmarks.preprocess_end_to_end --files 1000 --workers 0 1 2

``benchmarks.preprocess`` measures this as well; here it runs alone, for other counts. Some
hundred simulated recordings of real size (mean 85 frames, a fifth with two bodies) are written to
a temporary folder and hard-linked under as many names as asked, so that the full count of NTU
RGB+D 60 (``--files 56880``) needs no 15 GB. The files are read before the clock runs (``warm``).
Each run is a process of its own, whose memory and that of its workers is summed from ``/proc``
(proportional share, so that shared pages count once) ten times a second. 0 workers is the
program's own choice.

``reading`` is what cannot be avoided: reading the bytes, by one process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_S = 0.1
DISTINCT = 320  # eight performers, one in five of the 40 actions has two persons
MEAN_FRAMES = 85
SEED = 2  # its performers are of ordinary tempo: 85 frames in the mean

RUN = """
import json, sys
from pathlib import Path
from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
from smie_pipe.preprocessing.preprocess import preprocess
if __name__ == "__main__":
    source, output, workers = sys.argv[1:]
    report = preprocess(Path(source), Path(output), PreprocessConfig(),
                        PreprocessRun(workers=int(workers)))
    print(json.dumps({"clips": report.clips, "seconds": report.seconds, "digest": report.digest}))
"""


@dataclass(frozen=True)
class Files:
    """What is preprocessed."""

    count: int
    mean_kb: float
    mean_frames: float
    share_of_two: float
    """Files with two bodies or more in at least half of their frames."""
    reading_s: float
    """Seconds that reading all bytes takes."""


@dataclass(frozen=True)
class Measured:
    """One run."""

    workers: int
    files: int
    clips: int
    seconds: float
    """From the start of `preprocess` to the whole output, processes started included."""
    processor_s: float
    """Processor time of all its processes; on a busy machine the steadier figure."""
    peak_bytes: int
    digest: str

    @property
    def rate(self) -> float:
        """Files a second."""
        return self.files / self.seconds


def make_files(folder: Path, count: int, distinct: int = DISTINCT) -> Files:
    """Write ``distinct`` simulated recordings, link them up to ``count``, and read them all."""
    from smie_pipe.preprocessing.simulation.config import SimulateConfig
    from smie_pipe.preprocessing.simulation.simulate import simulate

    distinct = min(distinct, count)
    config = SimulateConfig(
        mean_frames=MEAN_FRAMES, max_files=distinct, performers=20, views=1, seed=SEED
    )
    simulate(folder, config, workers=len(os.sched_getaffinity(0)))
    made = sorted(folder.glob("*.skeleton"))
    for number in range(len(made), count):
        original = made[number % len(made)]
        copy = original.name.replace("R001", f"R{1 + number // len(made):03d}")
        os.link(original, folder / copy)
    frames, two = zip(*map(frames_and_two, made), strict=True)
    size = sum(path.stat().st_size for path in folder.glob("*.skeleton"))
    reading_s = min(read_all(folder) for _ in range(2))
    return Files(count, size / count / 1e3, float(np.mean(frames)), float(np.mean(two)), reading_s)


def frames_and_two(path: Path) -> tuple[int, bool]:
    """Return a file's frames, and whether half of them or more show two bodies."""
    from smie_pipe.preprocessing.raw.ntu import read_skeleton

    raw = read_skeleton(path.read_bytes(), str(path))
    return raw.frames, len(raw.frame) >= 1.5 * raw.frames


def read_all(folder: Path) -> float:
    """Return the seconds that reading all bytes takes."""
    start = time.perf_counter()
    for entry in os.scandir(folder):
        with open(entry.path, "rb", buffering=0) as file:
            file.read()
    return time.perf_counter() - start


def measure(folder: Path, workers: int, files: int) -> Measured:
    """Preprocess the folder in a process of its own, and watch the memory of all processes."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        command = [sys.executable, "-c", RUN, folder, Path(place) / "skeletons.h5", str(workers)]
        before = processor_s()
        program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        peak = 0
        while program.poll() is None:
            peak = max(peak, sum(map(memory_bytes, family(program.pid))))
            time.sleep(SAMPLE_S)
        if program.returncode:
            raise SystemExit(program.returncode)
        assert program.stdout is not None
        result = json.loads(program.stdout.read())
    used = processor_s() - before
    clips, seconds, digest = result["clips"], result["seconds"], result["digest"]
    return Measured(workers, files, clips, seconds, used, peak, digest)


def processor_s() -> float:
    """Return the processor time of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def family(pid: int) -> Iterator[int]:
    """Yield a process and all that it started."""
    yield pid
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(c) for task in tasks for c in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield from family(child)


def memory_bytes(pid: int) -> int:
    """Return a process's proportional share of memory; 0 when it has just ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(s.split()[1]) << 10 for s in text.splitlines() if s.startswith("Pss:")), 0)


def measured(
    count: int, workers: Sequence[int], place: Path | None = None
) -> tuple[Files, list[Measured]]:
    """Measure each number of workers on that many files, in a temporary folder in ``place``."""
    with tempfile.TemporaryDirectory(dir=place) as temporary:
        folder = Path(temporary) / "raw"
        files = make_files(folder, count)
        return files, [measure(folder, number, count) for number in workers]


def as_dict(files: Files, runs: Sequence[Measured]) -> dict[str, object]:
    """Return the figures of one number of files for machines."""
    return {**asdict(files), "runs": [{**asdict(run), "files_per_s": run.rate} for run in runs]}


def table(files: Files, runs: Sequence[Measured]) -> str:
    """Return the figures of one number of files as a table."""
    same = "yes" if len({run.digest for run in runs}) == 1 else "NO"
    lines = [
        f"{files.count} files, mean {files.mean_frames:.0f} frames and {files.mean_kb:.0f} KB, "
        f"{files.share_of_two:.0%} with two bodies; the same data from all runs: {same}",
        "workers  files/s  of reading  seconds  processor s  peak MB",
        f"reading  {files.count / files.reading_s:7.0f}  {1:10.2f}  {files.reading_s:7.1f}",
    ]
    lines += [
        f"{run.workers or 'default':>7}  {run.rate:7.0f}  {files.reading_s / run.seconds:10.2f}  "
        f"{run.seconds:7.1f}  {run.processor_s:11.1f}  {run.peak_bytes / 1e6:7.0f}"
        for run in runs
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[1000])
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, help="where to put the files (default: temporary)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    results = [measured(count, options.workers, options.folder) for count in options.files]
    if options.json:
        print(json.dumps([as_dict(*one) for one in results], indent=1))
    else:
        print("\n\n".join(table(*one) for one in results))


if __name__ == "__main__":
    main()
