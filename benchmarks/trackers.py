"""What a model loses on the files of another body tracker, measured on recordings of a Kinect.

    python -m benchmarks.trackers RUN --split random:5:1:4 --protocol subjects:1,3,5,7
        [--features kinematic|backbone] [--rebuilt FOLDER] [--joints zed-18,h36m-17]
        [--method smie,ridge] [--seeds 3] [--text-model all-mpnet-base-v2] [--json]

RUN is a run folder with ``skeletons.h5``; for ``--features backbone`` it also has a backbone
pretrained on each split. Every clip is reduced to the joints of each tracker and rebuilt by the
one rule; then the same test clips of unseen classes are scored

- by the model trained on the full body, which meets a rebuilt one for the first time;
- by a model trained on rebuilt clips. With kinematic features it is trained here; a backbone
  must lie in FOLDER/JOINTS, where ``preprocess --joints JOINTS`` and ``pretrain-backbone`` with
  the same split made it.

The Kinect's noise and its lost joints stay in the clips: this is the loss by the joints that a
tracker lacks, not by the tracker.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from smie_pipe.backbones.config import ExtractConfig
from smie_pipe.backbones.features.extract import extract
from smie_pipe.backbones.features.joined import ClipFeatures
from smie_pipe.backbones.features.store import FeatureSet, read_features
from smie_pipe.backbones.weights import load_backbone
from smie_pipe.preprocessing.skeletons.store import SkeletonFile
from smie_pipe.preprocessing.trackers.joints.kinds import JOINT_SETS
from smie_pipe.preprocessing.trackers.joints.reduce import reduced_clip
from smie_pipe.preprocessing.trackers.joints.skeletons import skeleton
from smie_pipe.zeroshot.evaluate import measure
from smie_pipe.zeroshot.methods.base import fit
from smie_pipe.zeroshot.methods.registry import build_method
from smie_pipe.zeroshot.splits import resolve
from smie_pipe.zeroshot.texts.class_texts import ClassTexts
from smie_pipe.zeroshot.texts.embeddings import class_texts
from smie_pipe.zeroshot.training.train import seen_training_data

BATCH = 64


def reduce_file(source: Path, output: Path, joints: str) -> Path:
    """Write a copy of a ``skeletons.h5`` whose clips have only what such joints tell."""
    shutil.copy(source, output)
    with h5py.File(output, "r+") as file:
        clips = file["x"]
        for first in range(0, len(clips), BATCH):
            part = slice(first, first + BATCH)
            clips[part] = reduced_clip(clips[part], joints)
        file.attrs["digest"] = f"{file.attrs['digest']}-{joints}"
    return output


def features(
    skeletons: Path, backbone: Path | None, classes: dict[str, Any], folder: Path
) -> FeatureSet:
    """Return the features of a split: of a backbone, or kinematic ones where there is none."""
    kind = ExtractConfig(features="kinematic" if backbone is None else "backbone")
    given = classes if backbone is None else None
    extract(skeletons, backbone, folder / "features.h5", kind, classes=given)
    return read_features(folder / "features.h5")


def met_anew(full: FeatureSet, reduced: Path, backbone: Path | None) -> FeatureSet:
    """Return the rebuilt clips as the model of the full body sees them."""
    made = ClipFeatures.restore(str(full.attrs["source"]), full.made)
    network = None
    with h5py.File(reduced) as file:
        x = file["x"][:][full.row]
        place = file["place"][:][full.row] if "place" in file else None
    if backbone is not None:
        model = load_backbone(backbone, torch.device("cpu"))[0].eval()
        parts = torch.from_numpy(x).split(BATCH)
        with torch.no_grad():
            network = torch.cat([model(part) for part in parts]).numpy()
    v = made.from_clips(None if backbone else x, network, place)
    return dataclasses.replace(full, v=np.asarray(v, np.float32))


def accuracies(
    train: FeatureSet, tests: dict[str, FeatureSet], texts: ClassTexts, spec: str, seeds: int
) -> dict[str, list[float]]:
    """Train on one set of features; return the unseen accuracy in % on others, by seed."""
    data = seen_training_data(train, texts)
    found: dict[str, list[float]] = {name: [] for name in tests}
    for seed in range(seeds):
        method = fit(build_method(spec, dataset="custom"), data, seed=seed, device="cpu")
        for name, test in tests.items():
            clips = test.take("unseen_test")
            truth = np.searchsorted(test.unseen, clips.label)
            scores = method.score(torch.as_tensor(clips.v), texts.take(test.unseen))
            found[name].append(100 * measure(scores.detach().cpu().numpy(), truth).accuracy)
    return found


def measured(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield a row for each split, method, set of joints and way of training."""
    skeletons = args.run / "skeletons.h5"
    with SkeletonFile(skeletons) as file:
        names, dataset = list(file.class_names), file.dataset
    texts = class_texts(names, model=args.text_model)
    for split in resolve(args.split, dataset, names):
        classes = {
            "split": split.name,
            "protocol": args.protocol,
            "seen": split.seen(len(names)),
            "unseen": split.unseen,
        }
        own = args.run / split.name / "backbone.safetensors"
        backbone = own if args.features == "backbone" else None
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            full = features(skeletons, backbone, classes, folder)
            tests = {"full": full}
            rebuilt = {}
            for joints in args.joints:
                reduced = reduce_file(skeletons, folder / f"{joints}.h5", joints)
                tests[joints] = met_anew(full, reduced, backbone)
                other = args.rebuilt and args.rebuilt / joints / split.name / own.name
                if backbone is None:
                    rebuilt[joints] = features(reduced, None, classes, folder)
                elif other and other.is_file():
                    rebuilt[joints] = features(reduced, other, classes, folder)
                reduced.unlink()
        for spec in args.method:
            found = accuracies(full, tests, texts, spec, args.seeds)
            for joints, values in found.items():
                yield _row(split.name, spec, joints, "full body", values)
            for joints, own_features in rebuilt.items():
                again = accuracies(own_features, {joints: own_features}, texts, spec, args.seeds)
                yield _row(split.name, spec, joints, "rebuilt clips", again[joints])


def _row(split: str, method: str, joints: str, trained: str, values: list[float]) -> dict:
    return {
        "split": split,
        "method": method,
        "joints": joints,
        "trained on": trained,
        "accuracy": values,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the mean over splits and seeds, a line for each set of joints."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = [
        "joints          made up  " + "".join(f"{m + ' (full, rebuilt)':>26}" for m in methods)
    ]
    for joints in dict.fromkeys(row["joints"] for row in rows):
        cells = []
        for method in methods:
            pair = [
                [v for row in rows
                 if (row["method"], row["joints"], row["trained on"]) == (method, joints, trained)
                 for v in row["accuracy"]]
                for trained in ("full body", "rebuilt clips")
            ]  # fmt: skip
            cells.append("".join(f"{np.mean(v):13.1f}" if v else f"{'-':>13}" for v in pair))
        made_up = "" if joints == "full" else str(len(skeleton(joints).made_up))
        lines.append(f"{joints:<16}{made_up:>7}  " + "".join(cells))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--split", default="random:5:1")
    parser.add_argument("--protocol", default="xsub")
    parser.add_argument("--features", choices=("backbone", "kinematic"), default="kinematic")
    parser.add_argument("--rebuilt", type=Path)
    parser.add_argument("--joints", default=",".join(JOINT_SETS[:-1]))
    parser.add_argument("--method", default="smie,ridge")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--text-model", default="all-mpnet-base-v2")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.joints, args.method = args.joints.split(","), args.method.split(",")
    rows = list(measured(args))
    print(json.dumps(rows) if args.json else table(rows))


if __name__ == "__main__":
    main()
