"""How fast raw files are parsed, and how many files a second go from raw folder to output.

    python -m benchmarks.preprocess [--files 1000] [--end-to-end 1000 4000 16000] [--json]

First, on one core: reading the bytes only, from the system's page cache and from the disk; the
line reader that published code has, written out below; ours. The ``.skeleton`` files have the
size of NTU's: 85 frames in the mean, a fifth of them with two bodies. PKU-MMD text is measured
likewise, on recordings of 3000 frames. There are more bytes of either than a processor's cache
holds, and each file counts with the best of its repeats. Files are read from the disk after the
system was told to forget them; a virtual machine's host may remember them.

Then ``benchmarks.preprocess_end_to_end`` for each number of files: files a second for the
program's own choice of workers, for 1, 2, ... of them, and the peak memory of all processes.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks import preprocess_end_to_end as end_to_end
from smie_pipe.preprocessing.raw.ntu import read_skeleton
from smie_pipe.preprocessing.raw.pku import read_pku

MEAN_FRAMES = 85
COLUMNS = ("x", "y", "z", "depthX", "depthY", "colorX", "colorY", "qw", "qx", "qy", "qz", "state")
SHARE_OF_TWO = 0.2
PKU_FRAMES, PKU_RECORDINGS = 3000, 20
END_TO_END = (1000, 4000, 16_000)


def skeleton_bytes(rng: np.random.Generator) -> bytes:
    """Return a file as the sensor writes it: seven digits, some joints without a turn."""
    frames = int(np.clip(rng.normal(MEAN_FRAMES, 25), 30, 300))
    bodies = 1 + int(rng.random() < SHARE_OF_TWO)
    pose = rng.normal(0, 0.4, (bodies, 1, 25, 3)) + [0, 0, 3.2]
    xyz = pose + rng.normal(0, 0.005, (bodies, frames, 25, 3)).cumsum(axis=1)
    turn = rng.normal(0, 0.5, (bodies, frames, 25, 4))
    turn[rng.random((bodies, frames, 25)) < 0.3] = 0
    state = rng.choice(3, (bodies, frames, 25), p=[0.02, 0.2, 0.78])
    lines = [str(frames)]
    for frame in range(frames):
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f"{72057594037931101 + body} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25"]
            joints = (part[body, frame].tolist() for part in (xyz, turn, state))
            lines += map(joint_line, *joints)
    return ("\r\n".join(lines) + "\r\n").encode()


def joint_line(xyz: list[float], turn: list[float], state: int) -> str:
    x, y, z = xyz
    depth = f"{255 + 365 * x / z:.7g} {205 - 365 * y / z:.7g}"
    colour = f"{960 + 1081 * x / z:.7g} {540 - 1081 * y / z:.7g}"
    return f"{x:.7g} {y:.7g} {z:.7g} {depth} {colour} {' '.join(f'{q:.7g}' for q in turn)} {state}"


def pku_bytes(rng: np.random.Generator) -> bytes:
    """Return a recording whose second body is there half of the time."""
    bodies = rng.normal([0, 0, 3], 0.5, (PKU_FRAMES, 2, 25, 3))
    bodies[: PKU_FRAMES // 2, 1] = 0
    rows = bodies.reshape(PKU_FRAMES, 150)
    return "".join(" ".join(f"{n:.6f}" for n in row) + "\n" for row in rows).encode()


def plain_skeleton(path: Path) -> list:
    """Read as published code does: line by line, every column of every joint as a float."""
    with open(path) as file:
        frames = []
        for _ in range(int(file.readline())):
            bodies = []
            for _ in range(int(file.readline())):
                body = {"info": [float(field) for field in file.readline().split()], "joints": []}
                for _ in range(int(file.readline())):
                    values = map(float, file.readline().split())
                    body["joints"].append(dict(zip(COLUMNS, values, strict=True)))
                bodies.append(body)
            frames.append(bodies)
    return frames


def plain_pku(path: Path) -> np.ndarray:
    """Read a PKU-MMD recording likewise."""
    with open(path) as file:
        return np.array([[float(field) for field in line.split()] for line in file])


def seconds(reads: dict[str, Callable[[Path], object]], paths: list[Path], repeats: int) -> dict:
    """Return the time of each reader over all paths: the sum of the shortest time of each path.

    The readers take turns over all paths, so that no file is still in the processor's cache from
    the repeat before. A first round warms up.
    """
    times = {name: np.full(len(paths), np.inf) for name in reads}
    for repeat in range(repeats + 1):
        for name, read in reads.items():
            for place, path in enumerate(paths):
                start = time.perf_counter()
                read(path)
                taken = time.perf_counter() - start
                if repeat:
                    times[name][place] = min(times[name][place], taken)
    return {name: each.sum() for name, each in times.items()}


def from_disk_s(paths: list[Path], repeats: int = 3) -> float:
    """Return the time of reading files that the system has been told to forget."""
    best = np.full(len(paths), np.inf)
    for _ in range(repeats):
        for place, path in enumerate(paths):
            forget(path)
            start = time.perf_counter()
            path.read_bytes()
            best[place] = min(best[place], time.perf_counter() - start)
    return float(best.sum())


def forget(path: Path) -> None:
    """Write a file's bytes to the disk and drop them from the system's cache."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def measure(paths: list[Path], plain: Callable, ours: Callable, repeats: int) -> dict[str, float]:
    """Return speeds in MB/s over the same files, and their ratios."""
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
    disk_s = from_disk_s(paths)
    held = {path: path.read_bytes() for path in paths}
    readers = {
        "reading": Path.read_bytes,
        "parsing": lambda path: ours(held[path], ""),
        "both": lambda path: ours(path.read_bytes(), ""),
    }
    taken = seconds(readers, paths, repeats) | seconds({"plain": plain}, paths, 2)
    speed = {name: megabytes / time_s for name, time_s in taken.items()}
    return {
        "files": len(paths),
        "mean_kb": megabytes * 1e3 / len(paths),
        "reading_from_disk_mb_s": megabytes / disk_s,
        "reading_from_page_cache_mb_s": speed["reading"],
        "plain_reader_mb_s": speed["plain"],
        "parsing_mb_s": speed["parsing"],
        "reading_and_parsing_mb_s": speed["both"],
        "parsing_to_plain_reader": speed["parsing"] / speed["plain"],
        "reading_and_parsing_to_plain_reader": speed["both"] / speed["plain"],
        "parsing_to_reading_from_disk": speed["parsing"] * disk_s / megabytes,
        "parsing_to_reading_from_page_cache": speed["parsing"] / speed["reading"],
    }


def parsing(files: int, repeats: int) -> dict[str, dict[str, float]]:
    """Write the files to a temporary folder and measure both layouts."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        clips = [Path(folder, f"{number}.skeleton") for number in range(files)]
        for clip in clips:
            clip.write_bytes(skeleton_bytes(rng))
        recordings = [Path(folder, f"{number:04d}-L.txt") for number in range(PKU_RECORDINGS)]
        for recording in recordings:
            recording.write_bytes(pku_bytes(rng))
        return {
            "NTU .skeleton": measure(clips, plain_skeleton, read_skeleton, repeats),
            "PKU-MMD": measure(recordings, plain_pku, read_pku, repeats),
        }


def table(results: dict[str, dict[str, float]]) -> str:
    """Return the figures of parsing as a table."""
    rows = [("one core", *results)]
    for key in results["PKU-MMD"]:
        values = [f"{result[key]:.{2 if '_to_' in key else 0}f}" for result in results.values()]
        rows.append((key.replace("_mb_s", ", MB/s").replace("_", " "), *values))
    return "\n".join(f"{row[0]:40}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=1000, help="to parse on one core")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument(
        "--end-to-end",
        type=int,
        nargs="*",
        default=END_TO_END,
        help="numbers of files",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    workers = [0, *(2**power for power in range(cores.bit_length()))]  # 0: as the program chooses
    parsed = parsing(chosen.files, chosen.repeats)
    if not chosen.json:
        print(table(parsed), flush=True)
    whole = []
    for count in chosen.end_to_end:
        files, runs = end_to_end.measured(count, workers)
        whole.append(end_to_end.as_dict(files, runs))
        if not chosen.json:
            print("", end_to_end.table(files, runs), sep="\n", flush=True)
    if chosen.json:
        print(json.dumps({"parsing": parsed, "end_to_end": whole}, indent=2))


if __name__ == "__main__":
    main()
