"""A run folder with every part a report reads, made in a moment and without any training."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.skeletons.store import write_skeletons
from smie_pipe.run_folder import RunFolder, Task
from smie_pipe.zeroshot.evaluate import measure
from smie_pipe.zeroshot.trials.results import Result, Results

CLASSES = ("salute", "throw", "hand waving", "falling", "pickup", "jump up")
METHODS = ("smie", "ridge")
SPLIT = "random-3-seed0"


def make_run(
    path: Path,
    *,
    clips=60,
    classes=CLASSES,
    unseen=3,
    methods=METHODS,
    seed=0,
    persons=1,
    names=None,
) -> Path:
    """Make skeletons, pretraining metrics, results and run.json; the last classes are unseen."""
    rng = np.random.default_rng(seed)
    label = np.arange(clips) % len(classes)
    run = RunFolder(path)
    path.mkdir(parents=True)
    _write_clips(run.skeletons, rng, label, classes, persons, names)
    _recorded(
        run, "preprocess", run.skeletons, {"dataset": "custom", "frames": 50}, {"raw files": "0"}
    )
    skeletons = run.records()["preprocess"]["output"]["digest"]
    metrics = path / SPLIT / "pretrain_metrics.csv"
    metrics.parent.mkdir()
    metrics.write_text("epoch,loss,lr,seen_test_accuracy\n1,2.5,0.1,\n2,1.5,0.05,0.4\n3,1.25,0,\n")
    for key, output in (
        ("pretrain-backbone", run.backbone(SPLIT)),
        ("extract", run.features(SPLIT)),
    ):
        output.write_bytes(key.encode())
        _recorded(run, f"{key}/{SPLIT}", output, {"epochs": 3}, {"skeletons": skeletons})
    rows = np.flatnonzero(label >= len(classes) - unseen)
    entries = [
        _result(path, rng, method, rows, label[rows] - (len(classes) - unseen), classes[-unseen:])
        for method in methods
    ]
    Results(path).merge(entries).write()
    inputs = {SPLIT: run.records()[f"extract/{SPLIT}"]["output"]["digest"]}
    _recorded(run, "zeroshot", path / "results.json", {"method": list(methods)}, inputs)
    return path


def _write_clips(path, rng, label, classes, persons, names):
    x = np.zeros((len(label), 3, 50, 25, 2), np.float32)
    x[:, 1, :, :, :persons] = np.linspace(-1, 1, 25)[None, None, :, None]
    x[..., :persons] += rng.normal(0, 0.1, (*x.shape[:-1], persons))
    columns = {"label": label, "subject": label % 4 + 1, "camera": label % 2 + 1}
    if names is not None:
        columns["name"] = names
    findings = [
        Finding(
            "bad", "raw/bad.skeleton", 7, "expected a number", "raw/bad.skeleton:7: no number"
        ),
        Finding("odd", "raw/odd.skeleton", 0, "labels overlap", severity="noticed"),
    ]
    write_skeletons(path, x, columns, class_names=classes, findings=findings)


def _recorded(run, key, output, options, inputs):
    with run.recording(Task(key, output, options, inputs, seed=0), device="cpu"):
        pass


def _result(path, rng, method, rows, truth, classes):
    scores = rng.normal(0, 1, (len(rows), len(classes)))
    scores[np.arange(len(rows)), truth] += 1.0
    found = measure(scores, truth)
    folder = f"{SPLIT}/{method}_all-minilm-l6-v2/seed-0"
    (path / folder).mkdir(parents=True)
    arrays = {"scores": scores.astype(np.float32), "truth": truth, "row": rows}
    save_file(arrays, path / folder / "scores.safetensors")
    (path / folder / "history.csv").write_text("epoch,loss\n1,1.5\n2,0.5\n")
    result = Result(
        dataset="custom",
        split=SPLIT,
        backbone="stgcn",
        protocol="subjects:1,3",
        mask="key-frames",
        method=method,
        variant=method,
        options={},
        changed={},
        text="labels",
        text_model="all-minilm-l6-v2",
        text_width=384,
        select="last",
        chosen=None,
        seed=0,
        folder=folder,
        classes=list(classes),
        clips=len(rows),
        accuracy=found.accuracy,
        class_mean=found.class_mean,
        chance=found.chance,
        top=list(found.top),
        confusion=found.confusion.tolist(),
        epochs=2,
        losses={"loss": 0.5},
        seconds={"train": 1.0},
        optimistic=None,
        gzsl=None,
        device="cpu",
        digest="d",
    )
    (path / folder / "result.json").write_text(json.dumps(asdict(result)))
    return result
