"""How fast raw files are parsed, beside the floor and beside a plain Python reader, in one run.

    python -m benchmarks.preprocess [--files 1000] [--repeats 15] [--json]

Three readers of the same simulated ``.skeleton`` files, one core, files in the page cache:
reading the bytes only; the line reader that published code has, written out below; ours. The
files have the size of NTU's: 85 frames in the mean, a fifth of them with two bodies. PKU-MMD
text is measured likewise on one recording. Each file counts with the best of its repeats.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from preprocessing.ntu import read_skeleton
from preprocessing.pku import read_pku

MEAN_FRAMES = 85
COLUMNS = ("x", "y", "z", "depthX", "depthY", "colorX", "colorY", "qw", "qx", "qy", "qz", "state")
SHARE_OF_TWO = 0.2
PKU_FRAMES = 1000


def skeleton_bytes(rng: np.random.Generator) -> bytes:
    """Return a file as the sensor writes it: seven digits, some joints without a turn."""
    frames = int(np.clip(rng.normal(MEAN_FRAMES, 25), 30, 300))
    bodies = 1 + int(rng.random() < SHARE_OF_TWO)
    pose = rng.normal(0, 0.4, (bodies, 1, 25, 3)) + [0, 0, 3.2]
    xyz = pose + rng.normal(0, 0.005, (bodies, frames, 25, 3)).cumsum(axis=1)
    lines = [str(frames)]
    for frame in range(frames):
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f"{72057594037931101 + body} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25"]
            lines += [joint_line(*joint, rng) for joint in xyz[body, frame]]
    return ("\r\n".join(lines) + "\r\n").encode()


def joint_line(x: float, y: float, z: float, rng: np.random.Generator) -> str:
    depth = f"{255 + 365 * x / z:.7g} {205 - 365 * y / z:.7g}"
    colour = f"{960 + 1081 * x / z:.7g} {540 - 1081 * y / z:.7g}"
    turn = "0 0 0 0" if rng.random() < 0.3 else " ".join(f"{q:.7g}" for q in rng.normal(0, 0.5, 4))
    return f"{x:.7g} {y:.7g} {z:.7g} {depth} {colour} {turn} {rng.choice(3, p=[0.02, 0.2, 0.78])}"


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


def measure(paths: list[Path], plain: Callable, ours: Callable, repeats: int) -> dict[str, float]:
    """Return speeds in MB/s over the same files, and their ratios."""
    megabytes = sum(path.stat().st_size for path in paths) / 1e6
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
        "megabytes": megabytes,
        "reading_mb_s": speed["reading"],
        "plain_mb_s": speed["plain"],
        "parsing_mb_s": speed["parsing"],
        "reading_and_parsing_mb_s": speed["both"],
        "parsing_to_reading": speed["parsing"] / speed["reading"],
        "reading_and_parsing_to_reading": speed["both"] / speed["reading"],
        "reading_and_parsing_to_plain": speed["both"] / speed["plain"],
    }


def run(files: int, repeats: int) -> dict[str, dict[str, float]]:
    """Write the files to a temporary folder and measure both layouts."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        clips = [Path(folder, f"{number}.skeleton") for number in range(files)]
        for clip in clips:
            clip.write_bytes(skeleton_bytes(rng))
        recording = Path(folder, "0002-L.txt")
        recording.write_bytes(pku_bytes(rng))
        return {
            "NTU .skeleton": measure(clips, plain_skeleton, read_skeleton, repeats),
            "PKU-MMD": measure([recording], plain_pku, read_pku, repeats),
        }


def table(results: dict[str, dict[str, float]]) -> str:
    rows = [("", *results)]
    for key in results["PKU-MMD"]:
        values = [f"{result[key]:.{2 if '_to_' in key else 0}f}" for result in results.values()]
        rows.append((key.replace("_mb_s", ", MB/s").replace("_", " "), *values))
    return "\n".join(f"{row[0]:32}" + "".join(f"{cell:>16}" for cell in row[1:]) for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args()
    results = run(chosen.files, chosen.repeats)
    print(json.dumps(results, indent=2) if chosen.json else table(results))


if __name__ == "__main__":
    main()
