"""Small synthetic studies: classes whose texts are a linear image of what their clips show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from smie_pipe.backbones.features.store import FeatureFile, FeatureSet, write_features
from smie_pipe.zeroshot.config import TextSource
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

CLASSES, WIDTH, TEXT = 12, 16, 24
CLIPS = {"seen_train": 20, "seen_test": 6, "unseen_test": 10}


@dataclass
class SmallStudy:
    """Features files of some splits, as ``run_experiments`` takes them, and the class texts."""

    run_dir: Path
    features: dict[str, Path]
    texts: dict[TextSource, ClassTexts]
    sets: dict[str, FeatureSet]

    @property
    def files(self) -> dict[str, FeatureFile]:
        """The features as ``run_experiments`` takes them."""
        return {split: FeatureFile(path) for split, path in self.features.items()}

    def rewrite(self, split: str, **changed) -> None:
        """Write a split's features again with some fields changed."""
        self.sets[split] = replace(self.sets[split], **changed)
        write_features(self.features[split], self.sets[split])


def text_head(v, label, sentence) -> dict[str, torch.Tensor]:
    """Return a text head by least squares, as training a backbone with one would leave it."""
    texts = torch.nn.functional.normalize(torch.as_tensor(sentence).float(), dim=1)
    v, label = torch.as_tensor(v).float(), torch.as_tensor(label)
    x = torch.cat([v, torch.ones(len(v), 1)], 1).double()
    target = (texts - texts.mean(0)).double()[label]
    ridge = x.T @ x + 1e-3 * len(x) * torch.eye(x.shape[1])
    found = torch.linalg.solve(ridge, x.T @ target).float().T
    return {
        "weight": found[:, :-1].contiguous(), "bias": found[:, -1].contiguous(),
        "texts": texts, "centre": texts.mean(0),
    }  # fmt: skip


@pytest.fixture(scope="session")
def with_head():
    """Return what adds a text head to training data."""

    def add(data):
        head = text_head(data.v, data.label, data.texts.sentence)
        return replace(data, head=head)

    return add


@pytest.fixture
def small_study(tmp_path):
    """Build a study of 12 classes with 20 / 6 / 10 clips each in their parts.

    A clip is its class's random prototype (16-d) and as much noise again; a text is a fixed
    linear image (24-d) of the prototype, so that unseen classes can be named.
    """

    def build(unseen: dict[str, list[int]] | None = None, noise: float = 1.0) -> SmallStudy:
        unseen = unseen or {"fold-1": [0, 3, 7]}
        rng = np.random.default_rng(5)
        prototypes = rng.normal(size=(CLASSES, WIDTH))
        words = torch.as_tensor(prototypes @ rng.normal(size=(WIDTH, TEXT)), dtype=torch.float32)
        study = SmallStudy(
            tmp_path / "run", {}, {TextSource(): ClassTexts(words, words[:, :9], words[:, 9:])}, {}
        )
        for split, labels in unseen.items():
            study.features[split] = study.run_dir / split / "features.h5"
            study.sets[split] = _features(split, labels, prototypes, noise, rng, words)
            study.rewrite(split)
        return study

    return build


def _features(split, unseen, prototypes, noise, rng, words) -> FeatureSet:
    label, part = [], []
    for k in range(CLASSES):
        for number, (name, count) in enumerate(CLIPS.items()):
            if (name == "unseen_test") == (k in unseen):
                label += [k] * count
                part += [number] * count
    label = np.array(label)
    v = prototypes[label] + noise * rng.normal(size=(len(label), WIDTH))
    masked = v + 0.3 * rng.normal(size=v.shape)
    seen = [k for k in range(CLASSES) if k not in unseen]
    trains = np.array(part) == 0
    head = text_head(v[trains], np.searchsorted(seen, label[trains]), words[seen])
    return FeatureSet(
        v=v.astype(np.float32),
        v_masked=masked.astype(np.float32),
        label=label,
        row=np.arange(len(label)) + 100,
        part=np.array(part, np.int8),
        class_names=[f"action {k}" for k in range(CLASSES)],
        seen=seen,
        unseen=sorted(unseen),
        attrs={"dataset": "custom", "split": split, "backbone": "stgcn", "protocol": "xsub"},
        made={f"text_head.{name}": t.numpy() for name, t in head.items()},
    )
