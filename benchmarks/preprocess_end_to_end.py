"""Files a second from raw folder to ``skeletons.h5``, and the memory of all processes together.

    python -m benchmarks.preprocess_end_to_end --files 1000 --workers 1,2

Some hundred simulated recordings of real size (mean 85 frames, a fifth with two bodies) are
written to a temporary folder and hard-linked under as many names as asked, so that the full count
of NTU RGB+D 60 (``--files 56880``) needs no 15 GB. The files are read once before the clock runs
(``warm``). Each run is a process of its own, whose memory and that of its workers is summed from
``/proc`` (proportional share, so that shared pages count once) ten times a second.

``floor`` is what cannot be avoided: reading the bytes, by one process.
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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SAMPLE_S = 0.1
DISTINCT = 300
MEAN_FRAMES = 85

RUN = """
import json, sys
from pathlib import Path
from preprocessing.config import PreprocessConfig, PreprocessRun
from preprocessing.preprocess import preprocess
if __name__ == "__main__":
    source, output, workers = sys.argv[1:]
    report = preprocess(Path(source), Path(output), PreprocessConfig(),
                        PreprocessRun(workers=int(workers)))
    print(json.dumps({"clips": report.clips, "seconds": report.seconds, "digest": report.digest}))
"""


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


def make_files(folder: Path, files: int, distinct: int) -> int:
    """Write ``distinct`` simulated recordings and link them up to ``files``; return the bytes."""
    from preprocessing.simulate import simulate
    from preprocessing.simulate_config import SimulateConfig

    distinct = min(distinct, files)
    config = SimulateConfig(mean_frames=MEAN_FRAMES, max_files=distinct, performers=20)
    simulate(folder, config, workers=len(os.sched_getaffinity(0)))
    made = sorted(folder.glob("*.skeleton"))
    for number in range(len(made), files):
        original = made[number % len(made)]
        copy = original.name.replace("R001", f"R{1 + number // len(made):03d}")
        os.link(original, folder / copy)
    return sum(path.stat().st_size for path in folder.glob("*.skeleton"))


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


def table(runs: Sequence[Measured], floor_s: float, size: int) -> str:
    """Return the figures as a table."""
    files = runs[0].files
    lines = [
        f"{files} files, {size / files / 1e3:.0f} KB each; reading alone {files / floor_s:.0f}/s",
        "workers  files/s  of reading  seconds  processor s  peak MB",
    ]
    lines += [
        f"{run.workers:7d}  {run.rate:7.0f}  {run.rate * floor_s / files:10.2f}  "
        f"{run.seconds:7.1f}  {run.processor_s:11.1f}  {run.peak_bytes / 1e6:7.0f}"
        for run in runs
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, nargs="+", default=[1000])
    parser.add_argument("--workers", default="1,2", help="comma-separated")
    parser.add_argument("--distinct", type=int, default=DISTINCT)
    parser.add_argument("--folder", type=Path, help="where to put the files (default: temporary)")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    figures = []
    for files in options.files:
        with tempfile.TemporaryDirectory(dir=options.folder) as place:
            folder = Path(place) / "raw"
            size = make_files(folder, files, options.distinct)
            read_all(folder)  # warms the system's cache
            floor_s = read_all(folder)
            runs = [measure(folder, int(w), files) for w in options.workers.split(",")]
        same = len({run.digest for run in runs}) == 1
        print(table(runs, floor_s, size), f"the same data: {'yes' if same else 'NO'}", sep="\n")
        figures += [{**vars(run), "files_per_s": run.rate} for run in runs]
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
