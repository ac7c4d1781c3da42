"""A trained model with a fixed list of labels as one ONNX file.

Finished clips in, one score a label out; the number of clips is free. Labels, the recipe by
which clips are made, and the joints stand in the file's metadata, so that nothing else is
needed to use it.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smie_pipe.backbones.networks.base import Backbone
from smie_pipe.backbones.networks.exportable import exportable
from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.clips.recipe import BODIES
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.zeroshot.methods.base import Method
from smie_pipe.zeroshot.onnx.scorers import LabelScorer, label_scorer
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

FORMAT = "smie-pipe onnx"
VERSION = 1
TOLERANCE = 1e-5
"""How far the scores of the file may be from ours, as a share of their size where above 1."""


class ClipScorer(nn.Module):
    """Backbone and method in one: clips (N, 3, T, 25, 2) to scores (N, K)."""

    def __init__(self, backbone: nn.Module, scorer: LabelScorer):
        super().__init__()
        self.backbone, self.scorer = backbone, scorer

    def forward(self, clips: Tensor) -> Tensor:
        """Return one score a label for each clip."""
        return self.scorer(self.backbone(clips))


def export_onnx(
    path: Path,
    backbone: Backbone,
    method: Method,
    texts: ClassTexts,
    labels: Sequence[str],
    recipe: Mapping[str, Any],
    facts: Mapping[str, Any] | None = None,
) -> float:
    """Write the model as one ONNX file, and return how far its scores are from ours.

    Parameters
    ----------
    path
        The file; it appears when it is whole and its scores are right.
    backbone, method
        Trained, on the CPU.
    texts, labels
        Texts of the labels as the method is given them, and the labels themselves.
    recipe
        How clips are made: ``frames`` and ``turn`` of ``PreprocessConfig``, and the rest of it.
    facts
        More for the metadata, plain JSON values by name.

    Returns
    -------
    float
        Largest difference on trial clips between onnxruntime's scores and ours, as in
        `difference`.

    Raises
    ------
    InputError
        If the extra ``onnx`` is not installed, if backbone or method cannot be exported, or if
        the file's scores differ from ours.
    """
    _need("onnx", "onnxscript", "onnxruntime")
    frames = int(recipe["frames"])
    network = ClipScorer(exportable(backbone, frames), label_scorer(method, texts)).eval()
    said = {
        "format": FORMAT,
        "version": VERSION,
        "labels": list(labels),
        "recipe": dict(recipe),
        "joints": list(JOINTS),
        **(facts or {}),
    }
    trial = trial_clips(frames)
    with replace_when_whole(path) as temporary:
        _write(network, trial, said, temporary)
        with torch.no_grad():
            ours = method.score(backbone(torch.from_numpy(trial)), texts).numpy()
        apart = difference(run_onnx(temporary, trial), ours)
        if not apart <= TOLERANCE:
            raise InputError(
                f"{path}: not written: its scores would differ from the model's by {apart:.1e}, "
                f"more than {TOLERANCE:.0e}; please report it with the versions of torch and onnx"
            )
    return apart


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference of two tables of scores, relative where they exceed 1."""
    return float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max(initial=0))


def run_onnx(path: Path, clips: np.ndarray) -> np.ndarray:
    """Return the scores (N, K) that onnxruntime gives for clips (N, 3, T, 25, 2)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path.read_bytes(), options)
    return session.run(["scores"], {"clips": clips})[0]


def trial_clips(frames: int, count: int = 5) -> np.ndarray:
    """Return clips of random movement, (count, 3, frames, 25, 2) float32, for comparison.

    Every second has one body only.
    """
    rng = np.random.default_rng(0)
    steps = rng.normal(0, 0.02, (count, 3, frames, len(JOINTS), BODIES)).cumsum(2)
    clips = steps + rng.normal(0, 0.4, (count, 3, 1, len(JOINTS), BODIES))
    clips[::2, ..., 1] = 0
    return clips.astype(np.float32)


def _write(network: nn.Module, trial: np.ndarray, said: Mapping[str, Any], path: Path) -> None:
    count = torch.export.Dim("count")
    with _quiet():
        program = torch.onnx.export(
            network,
            (torch.from_numpy(trial),),
            dynamo=True,
            input_names=["clips"],
            output_names=["scores"],
            dynamic_shapes=({0: count},),
            optimize=True,
        )
    assert program is not None
    for name, value in said.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        program.model.metadata_props[name] = text
    program.save(str(path), external_data=False)


def _need(*packages: str) -> None:
    from importlib.util import find_spec

    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise InputError(f"writing ONNX needs {', '.join(missing)}: pip install 'smie-pipe[onnx]'")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress lines and the warnings of its own making off the screen."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
