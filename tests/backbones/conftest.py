"""A small skeletons.h5 for the tests of pretraining and extraction."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from smie_pipe.preprocessing.skeletons.store import write_skeletons

FRAMES = 8


def moving_clips(count: int, classes: int, seed: int = 0) -> np.ndarray:
    """Return clips in which a joint of its own swings for each class; every third has two bodies.

    Class k moves joint 3 k along axis k mod 3, with a phase and an extent that vary.
    """
    rng = np.random.default_rng(seed)
    x = rng.normal(scale=1e-3, size=(count, 3, FRAMES, 25, 2)).astype("f4")
    time = np.linspace(0, 2 * np.pi, FRAMES)
    for clip in range(count):
        label = clip % classes
        swing = rng.uniform(0.5, 1) * np.sin(time + rng.uniform(0, 1))
        x[clip, label % 3, :, 3 * label, 0] += swing
    x[np.arange(count) % 3 > 0, ..., 1] = 0
    return x


@pytest.fixture
def small_skeletons(tmp_path) -> Callable[..., Path]:
    """Return a writer of a skeletons.h5 of four classes; every third round of clips is subject 2.

    ``spoil`` changes the clips before they are written; all else goes to ``write_skeletons``.
    """

    def write(count: int = 48, name: str = "skeletons.h5", **changes) -> Path:
        classes = 4
        clip = np.arange(count)
        spoil = changes.pop("spoil", lambda x: x)
        fields = {
            "x": spoil(moving_clips(count, classes)),
            "columns": {"label": clip % classes, "subject": clip // classes % 3 // 2 + 1},
            "class_names": ["drink", "eat", "wave", "kick"],
            "dataset": "custom",
        }
        fields |= changes
        write_skeletons(tmp_path / name, fields.pop("x"), fields.pop("columns"), **fields)
        return tmp_path / name

    return write


@pytest.fixture(scope="session")
def repository() -> Path:
    """Return the root of the checkout, from where subprocesses find the packages."""
    return Path(__file__).resolve().parents[2]
