"""Whether a model names clips of unseen classes by other words than their names.

python benchmarks/paraphrases.py RECORDINGS PARAPHRASES.csv PERFORMERS MODEL... [--text-model DIR]

RECORDINGS is a folder of .skeleton files with classes.csv, named as NTU's; PARAPHRASES has the
columns class and paraphrase, the same number of paraphrases for each class; PERFORMERS are those
that were not trained on: 2,4,6,8.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from smie_pipe import Recognizer
from smie_pipe.preprocessing.datasets import read_classes
from smie_pipe.preprocessing.raw.ntu import parse_name


def paraphrases(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found[row["class"]].append(row["paraphrase"])
    return dict(found)


def clips(folder: Path, classes: list[str], performers: set[int]) -> list[tuple[Path, str]]:
    table = folder / "classes.csv"
    names = dict(zip(*read_classes(table.read_bytes(), str(table)), strict=True))
    found = []
    for path in sorted(folder.glob("*.skeleton")):
        said = parse_name(path.stem)
        if said.performer in performers and names[said.action] in classes:
            found.append((path, names[said.action]))
    return found


def right(model: Recognizer, chosen: list[tuple[Path, str]], meant: dict[str, str]) -> np.ndarray:
    """Whether each clip's first label means its class, (clips,)."""
    named = model.predict_all([path for path, _ in chosen], list(meant), strict=True)
    return np.array([meant[p.label] == true for p, (_, true) in zip(named, chosen, strict=True)])


def wilson(share: float, count: int, z: float = 1.96) -> tuple[float, float]:
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2) / (1 + z * z / count)
    return middle - half, middle + half


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("paraphrases", type=Path)
    parser.add_argument("performers")
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--text-model")
    args = parser.parse_args()
    said = paraphrases(args.paraphrases)
    performers = {int(x) for x in args.performers.split(",")}
    chosen = clips(args.recordings, list(said), performers)
    count = min(map(len, said.values()))
    asked = {"class names, with their built-in texts": {name: name for name in said}}
    for k in range(count):
        asked[f"paraphrase {k + 1} alone"] = {texts[k]: name for name, texts in said.items()}
    asked["all paraphrases, either counts"] = {t: name for name, ts in said.items() for t in ts}
    print(f"{len(chosen)} clips of {len(said)} classes, chance {100 / len(said):.1f} %")
    for folder in args.models:
        model = Recognizer.load(folder, text_model=args.text_model)
        known = [name for name in said if name in model.seen]
        if known:
            raise SystemExit(f"{folder} was trained on {', '.join(known)}")
        for title, meant in asked.items():
            hits = right(model, chosen, meant)
            low, high = wilson(hits.mean(), len(hits))
            print(
                f"{folder.name}: {title}: {100 * hits.mean():.1f} % "
                f"(95 % interval {100 * low:.1f} to {100 * high:.1f})"
            )


if __name__ == "__main__":
    main()
