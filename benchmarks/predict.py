"""How fast a trained model answers, in one run.

python benchmarks/predict.py MODEL RECORDING [LABELS] [ONNX JOINTS.npy]

MODEL is a folder of export-model, RECORDING one file that predict reads, LABELS a list with
commas that the model knows already ("unseen" by default). ONNX and JOINTS are what
docs/onnx_example.py takes. Run it on an idle machine; OMP_NUM_THREADS=1 for one core.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

MINUTES, FPS, REPEATS = 4, 30, 20


def median(work, repeats=REPEATS):
    work()  # once to warm up
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def cold(*words, repeats=5):
    """Return the median seconds of a new process until it ends."""
    return median(lambda: subprocess.run(words, check=True, capture_output=True), repeats)


def main(model, recording, labels="unseen", onnx=None, joints=None):
    import torch

    from smie_pipe import Recognizer

    recognizer = Recognizer.load(model)
    own = {"seen": recognizer.seen, "unseen": recognizer.unseen}
    names = own.get(labels) or [x.strip() for x in labels.split(",")]
    rng = np.random.default_rng(0)
    frames = MINUTES * 60 * FPS
    # A body that drifts at random, over the time that is asked of a long recording.
    long = rng.normal(0, 0.4, (25, 3)) + 0.1 * np.sin(np.arange(frames) / 9)[:, None, None]
    long = long + rng.normal(0, 0.01, (frames, 25, 3))
    print(f"{torch.get_num_threads()} thread(s), {len(names)} labels")
    clip = median(lambda: recognizer.predict(recording, names))
    print(f"one recording, model loaded (limit 50 ms): {1000 * clip:.1f} ms")
    first = cold(
        sys.executable,
        "-m",
        "smie_pipe",
        "predict",
        recording,
        "--model",
        model,
        "--labels",
        labels,
    )
    print(f"first answer of a cold process, known labels (limit 2 s): {first:.2f} s")
    if onnx and joints:
        example = Path(__file__).parents[1] / "docs" / "onnx_example.py"
        said = cold(sys.executable, str(example), onnx, joints)
        print(f"first answer of a cold process with ONNX (limit 0.3 s): {said:.2f} s")
    whole = median(lambda: recognizer.segments(long, names, fps=FPS), 3)
    print(f"{MINUTES} minutes segmented (limit 5 s on two cores): {whole:.2f} s")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
