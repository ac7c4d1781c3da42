"""Sum up run folders of real recordings: means over splits, and paired gains over splits.

``python -m benchmarks.real_recordings RUN...`` prints, for each folder, a row a combination of
features, method and texts (mean and deviation over splits of the means over backbones and
seeds), then what the texts and the methods gain on the same splits, with the standard error
over splits. Splits of one data set share classes, so even that is too narrow.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from smie_pipe.zeroshot.trials.results import read_results

Row = tuple[str, str, str]  # features, method, texts


def by_split(run: Path) -> dict[Row, dict[str, float]]:
    """Return the unseen accuracy in % of each combination on each split."""
    found: dict[Row, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for entry in read_results(run).entries:
        texts = "label" if entry.text == "labels" else "three texts"
        row = (entry.backbone, entry.variant, texts)
        found[row][entry.split.partition("/")[0]].append(100 * entry.accuracy)
    return {
        row: {split: float(np.mean(values)) for split, values in splits.items()}
        for row, splits in found.items()
    }


def gain(one: dict[str, float], other: dict[str, float]) -> str:
    """Return by how much ``one`` is above ``other`` on the splits that both have."""
    both = sorted(set(one) & set(other))
    apart = np.array([one[split] - other[split] for split in both])
    error = apart.std(ddof=1) / len(apart) ** 0.5
    better, worse = int((apart > 0).sum()), int((apart < 0).sum())
    return f"{apart.mean():+5.1f} ± {error:.1f}  ({better} up, {worse} down of {len(apart)})"


def summary(run: Path) -> str:
    """Return the rows and gains of one run folder as text."""
    rows = by_split(run)
    lines = [f"== {run.name}: unseen accuracy %, mean ± deviation over splits"]
    for (features, method, texts), splits in sorted(rows.items()):
        values = np.array(list(splits.values()))
        spread = values.std(ddof=1) if len(values) > 1 else float("nan")
        name = f"{features:<18} {method:<14} {texts:<12}"
        lines.append(f"{name} {values.mean():5.1f} ± {spread:4.1f}  {len(values)} splits")
    pairs = [
        (f"three texts - label, {features}, {method}", (features, method, "three texts"), row)
        for row in rows
        for features, method, texts in [row]
        if texts == "label"
    ]
    pairs += [
        (f"{method} - ridge, {features}, {texts}", row, (features, "ridge", texts))
        for row in rows
        for features, method, texts in [row]
        if method != "ridge"
    ]
    for name, one, other in sorted(pairs):
        if one in rows and other in rows and len(set(rows[one]) & set(rows[other])) > 1:
            lines.append(f"{name:<52} {gain(rows[one], rows[other])}")
    return "\n".join(lines)


def main() -> None:
    """Print the summary of each run folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    print("\n\n".join(summary(run) for run in parser.parse_args().runs))


if __name__ == "__main__":
    main()
