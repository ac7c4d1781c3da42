"""One small model for all tests here: kinematic features of simulated people, ridge regression."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from smie_pipe.cli import cli


class WordModel:
    """A text model that knows words: texts that share words point alike. No network, no torch."""

    digest = "words"

    def __init__(self, name="words", device="cpu"):
        self.name = name

    def encode(self, texts):
        """Return a row a text: the sum of a random vector a word."""
        return np.stack([sum(self._word(w) for w in text.lower().split()) for text in texts])

    @staticmethod
    def _word(word):
        seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "little")
        return np.random.default_rng(seed).normal(size=16)


@contextmanager
def of_words(cache: Path) -> Iterator[None]:
    """Put the model of words in the place of sentence-transformers, and the cache aside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smie_pipe.zeroshot.texts.embeddings.TextModel", WordModel)
        patch.setattr("smie_pipe.zeroshot.texts.models.TextModel", WordModel)
        patch.setattr("smie_pipe.zeroshot.texts.models.bytes_to_fetch", lambda name: 0)
        patch.setenv("XDG_CACHE_HOME", str(cache))
        yield


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """Where texts embedded by the model of words are kept."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module", autouse=True)
def word_model(cache):
    """Use the model of words in this folder's tests, and in no others of the session."""
    with of_words(cache):
        yield


def call(*words, code=0):
    """Run the program and return click's result."""
    result = CliRunner().invoke(cli, [str(word) for word in words])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


@pytest.fixture(scope="session")
def run(tmp_path_factory, cache) -> Path:
    """A run folder of eight simulated classes, two of them unseen; its raw files in ``raw``."""
    folder = tmp_path_factory.mktemp("recognition")
    amount = ("--classes", 8, "--performers", 4, "--views", 1, "--workers", 1)
    call("simulate", folder / "raw", *amount)
    at = ("--run", folder / "run", "--device", "cpu")
    call(*at, "preprocess", folder / "raw", "--dataset", "custom", "--workers", 1)
    split = ("--split", "unseen:0,5", "--protocol", "subjects:1,3")
    call(*at, "extract", "--features", "kinematic", *split)
    texts = ("--text-model", "words", "--no-figures", "--jobs", 1)
    with of_words(cache):  # set up before any module's fixtures
        call(*at, "zeroshot", "--method", "ridge,prototypes,smie:epochs=2", *texts)
    return folder / "run"


@pytest.fixture(scope="session")
def training(run) -> Path:
    """The folder of ridge regression's training."""
    return next(run.glob("*/ridge*/seed-0"))


@pytest.fixture(scope="session")
def model(training, tmp_path_factory, cache) -> Path:
    """The model folder of that training."""
    out = tmp_path_factory.mktemp("models") / "ridge"
    with of_words(cache):
        call("export-model", training, out)
    return out


@pytest.fixture(scope="session")
def recording(run) -> Path:
    """One raw recording."""
    return sorted((run.parent / "raw").glob("*.skeleton"))[0]
