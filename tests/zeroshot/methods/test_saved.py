"""Trained methods written and read: the same scores to the bit, damage found, no code run."""

import json
from dataclasses import dataclass

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from smie_pipe.backbones.tensor_files import pack, unpack
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData, fit
from smie_pipe.zeroshot.methods.registry import METHODS, build_method, method_options
from smie_pipe.zeroshot.methods.saved import KEY, load_method, save_method
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

SHORT = {
    "epochs": 2,
    "cycles": 1,
    "cycle": 4,
    "steps": 5,
    "latent": 4,
    "width": 8,
    "draws": 2,
    "batch": 16,
}
FACTS = {"text": "labels"}


def texts(classes, seed):
    draw = torch.Generator().manual_seed(seed)
    tables = [torch.randn(classes, width, generator=draw) for width in (12, 9, 9, 7, 5)]
    return ClassTexts(*tables[:3], views=tuple(tables[3:]))


@pytest.fixture(scope="module")
def data(with_head):
    draw = torch.Generator().manual_seed(1)
    v = torch.randn(40, 10, generator=draw)
    return with_head(TrainingData(v, v + 0.1, torch.arange(40) % 5, texts(5, 2)))


def trained(name, data):
    known = method_options(name)
    options = known | {key: value for key, value in SHORT.items() if key in known}
    method = build_method(name, options)
    return fit(method, data, seed=3, device="cpu"), options


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_comes_back_to_the_same_scores_to_the_bit(name, data, tmp_path):
    method, options = trained(name, data)
    path = tmp_path / "method.safetensors"
    assert save_method(path, method, name, options, FACTS)
    v, unseen = torch.randn(30, 10), texts(4, 9)
    assert torch.equal(load_method(path).score(v, unseen), method.score(v, unseen))
    one_by_one = torch.cat([load_method(path).score(row[None], unseen) for row in v])
    torch.testing.assert_close(one_by_one, method.score(v, unseen), rtol=1e-4, atol=1e-4)


@pytest.fixture
def ridge(data, tmp_path):
    method, options = trained("ridge", data)
    path = tmp_path / "method.safetensors"
    save_method(path, method, "ridge", options, FACTS)
    return path


def changed(path, change=lambda tensors, metadata: None):
    """Write the file again with other content and the old digest."""
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
    tensors = load_file(path)
    change(tensors, metadata)
    save_file(tensors, path, metadata)
    return path


def test_one_changed_number_is_found(ridge):
    changed(ridge, lambda tensors, _: tensors["weight"].add_(1e-12))
    with pytest.raises(InputError, match="damaged"):
        load_method(ridge)


def test_changed_settings_are_found(ridge):
    def change(_, metadata):
        metadata[KEY] = metadata[KEY].replace('"alpha": 1.0', '"alpha": 2.0')

    changed(ridge, change)
    with pytest.raises(InputError, match="damaged"):
        load_method(ridge)


def test_a_newer_version_says_to_update(ridge):
    tensors, facts = unpack(ridge.read_bytes(), KEY)
    ridge.write_bytes(pack(tensors, KEY, {**facts, "version": 2}))
    with pytest.raises(InputError, match="update smie-pipe"):
        load_method(ridge)


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\x80\x04pickle"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="expected a method saved"):
        load_method(path)


def test_other_weights_are_refused(tmp_path):
    save_file({"w": torch.zeros(2)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="expected a method saved"):
        load_method(tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="no such file"):
        load_method(tmp_path / "nothing.safetensors")


OWN = """
import torch
from dataclasses import dataclass
from smie_pipe.zeroshot.methods.saved import MethodState

@dataclass
class Own:
    name = "own"
    k: int = 1
    def train(self, data, *, seed, device):
        self.mean = data.v.mean(0)
        yield {"loss": 0.0}
    def score(self, v, texts):
        return (v - self.mean)[:, :1] * torch.ones(len(texts))
    def state(self):
        return MethodState({"mean": self.mean})
    def restore(self, state):
        self.mean = state.tensors["mean"]
"""


def test_an_own_method_comes_back_by_its_file_only(data, tmp_path):
    file = tmp_path / "own.py"
    file.write_text(OWN)
    method = fit(build_method(f"{file}:Own"), data, seed=0, device="cpu")
    path = tmp_path / "method.safetensors"
    assert save_method(path, method, f"{file}:Own", {"k": 1}, FACTS)
    with safe_open(path, "pt") as saved:
        assert str(tmp_path) not in json.dumps(saved.metadata())
    with pytest.raises(InputError, match="--own-method"):
        load_method(path)
    v, unseen = torch.randn(3, 10), texts(2, 1)
    again = load_method(path, own=f"{file}:Own")
    assert torch.equal(again.score(v, unseen), method.score(v, unseen))


@dataclass
class Unsavable:
    name = "unsavable"

    def train(self, data, *, seed, device):
        yield {"loss": 0.0}

    def score(self, v, texts):
        return torch.zeros(len(v), len(texts))


def test_a_method_without_state_is_not_saved(tmp_path):
    path = tmp_path / "method.safetensors"
    assert not save_method(path, Unsavable(), "file.py:Unsavable", {}, FACTS)
    assert not path.exists()
