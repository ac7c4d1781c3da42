"""The text head: trained on seen texts alone, kept in the backbone's file and in features.h5."""

import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from smie_pipe.backbones.adopt import adopt_weights
from smie_pipe.backbones.config import ExtractConfig, PretrainConfig, PretrainRun
from smie_pipe.backbones.features.extract import extract
from smie_pipe.backbones.features.store import read_features
from smie_pipe.backbones.pretraining import pretrain as stage
from smie_pipe.backbones.pretraining.pretrain import pretrain
from smie_pipe.backbones.text_head import TextHead, cosines
from smie_pipe.backbones.weights import load_backbone, load_text_head, read_metadata
from smie_pipe.preprocessing.foundation.errors import InputError

SEEN = (0, 1, 3)
CONFIG = PretrainConfig(epochs=2, batch=8, align=True)


@pytest.fixture
def texts():
    return np.random.default_rng(0).normal(size=(3, 6)).astype("f4") + 2


def train(skeletons, output, config=CONFIG, **changes):
    options = {"seen": SEEN, "split": "mine", "protocol": "subjects:1", **changes}
    return pretrain(skeletons, output, config, **options)


def same(one, other):
    one, other = load_file(one), load_file(other)
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


def test_a_head_gives_cosines_with_centred_texts(texts):
    head = TextHead(4, torch.from_numpy(texts), centred=True)
    assert torch.allclose(head.texts.norm(dim=1), torch.ones(3))
    assert torch.allclose(head.centre, head.texts.mean(0))
    v = torch.randn(5, 4)
    found = head(v)
    assert found.shape == (5, 3)
    y, centred = head.map(v), head.texts - head.centre
    expected = (y @ centred.T) / y.norm(dim=1, keepdim=True) / centred.norm(dim=1)
    torch.testing.assert_close(found, expected)
    plain = TextHead(4, torch.from_numpy(texts), centred=False)
    assert not plain.centre.any()
    torch.testing.assert_close(cosines(plain.texts, plain.texts).diagonal(), torch.ones(3))


def test_it_learns_to_point_at_the_texts_and_travels_with_the_features(
    small_skeletons, tmp_path, texts
):
    skeletons, weights = small_skeletons(96), tmp_path / "b.safetensors"
    config = dataclasses.replace(CONFIG, epochs=6, dropout=0)
    train(skeletons, weights, config, texts=texts)
    head = load_text_head(weights)
    assert {name: tuple(t.shape) for name, t in head.items()} == {
        "weight": (6, 256), "bias": (6,), "texts": (3, 6), "centre": (6,),
    }  # fmt: skip
    assert read_metadata(weights)["pretraining"]["align_temperature"] == 0.1
    extract(skeletons, weights, tmp_path / "f.h5", ExtractConfig(masked_frames=3))
    features = read_features(tmp_path / "f.h5")
    for name, value in head.items():
        np.testing.assert_array_equal(features.made[f"text_head.{name}"], value.numpy())
    test = features.take("seen_test")
    mapped = torch.from_numpy(test.v) @ head["weight"].T + head["bias"]
    answer = cosines(mapped, head["texts"] - head["centre"]).argmax(1).numpy()
    assert (np.array(SEEN)[answer] == test.label).mean() > 0.7


def test_the_classifier_is_not_disturbed_where_there_is_no_head(small_skeletons, tmp_path, texts):
    plain = dataclasses.replace(CONFIG, align=False, epochs=1)
    train(small_skeletons(), tmp_path / "a.safetensors", plain)
    train(small_skeletons(), tmp_path / "b.safetensors", plain, texts=texts)
    assert same(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert load_text_head(tmp_path / "a.safetensors") == {}
    light = dataclasses.replace(CONFIG, align_weight=1e-12, epochs=1)
    train(small_skeletons(), tmp_path / "c.safetensors", light, texts=texts)
    weight = "st_gcn_networks.3.tcn.2.weight"
    one, other = (load_file(tmp_path / f"{name}.safetensors")[weight] for name in "ac")
    torch.testing.assert_close(one, other, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "change", [{"align_weight": 3.0}, {"align_temperature": 0.5}, {"align_centre": False}]
)
def test_each_choice_has_an_effect(small_skeletons, tmp_path, texts, change):
    skeletons = small_skeletons(24)
    for name, config in (("a", CONFIG), ("b", dataclasses.replace(CONFIG, **change))):
        config = dataclasses.replace(config, epochs=1)
        train(skeletons, tmp_path / f"{name}.safetensors", config, texts=texts)
    assert not same(tmp_path / "a.safetensors", tmp_path / "b.safetensors")


def test_interrupted_training_goes_on_to_the_same_head(
    small_skeletons, tmp_path, texts, monkeypatch
):
    skeletons, run = small_skeletons(), PretrainRun(checkpoint_steps=1)
    calls = []

    def stop(*given):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(*given)

    real = stage.loss_of
    monkeypatch.setattr(stage, "loss_of", stop)
    with pytest.raises(KeyboardInterrupt):
        train(skeletons, tmp_path / "a" / "b.safetensors", run=run, texts=texts)
    monkeypatch.undo()
    with pytest.raises(InputError, match="another configuration: texts was"):
        train(skeletons, tmp_path / "a" / "b.safetensors", run=run, texts=texts + 1)
    train(skeletons, tmp_path / "a" / "b.safetensors", run=run, texts=texts)
    train(skeletons, tmp_path / "b.safetensors", texts=texts)
    assert same(tmp_path / "a" / "b.safetensors", tmp_path / "b.safetensors")


def test_a_seen_class_without_clips_takes_its_text_along(small_skeletons, tmp_path):
    names = ["drink", "eat", "wave", "kick", "hop"]
    texts = np.eye(4, dtype="f4")
    weights = tmp_path / "b.safetensors"
    train(small_skeletons(class_names=names), weights, texts=texts, seen=[3, 4, 0, 1])
    assert torch.equal(load_text_head(weights)["texts"], torch.eye(4)[[2, 3, 0]])


@pytest.mark.parametrize(
    "given, words",
    [
        (None, "needs 3 texts, a row a seen class; found none"),
        (np.ones((4, 6)), r"needs 3 texts.*found shape \(4, 6\)"),
        (np.full((3, 6), np.nan), "finite texts"),
        (np.zeros((3, 6)), "none of zeros alone"),
    ],
)
def test_texts_that_do_not_fit_are_refused(small_skeletons, tmp_path, given, words):
    with pytest.raises(InputError, match=words):
        train(small_skeletons(), tmp_path / "b.safetensors", texts=given)


def test_a_backbone_taken_over_for_another_split_leaves_its_head(small_skeletons, tmp_path, texts):
    skeletons, first = small_skeletons(), tmp_path / "a.safetensors"
    train(skeletons, first, texts=texts)
    options = {"seen": [0, 1, 3], "split": "other", "protocol": "subjects:1"}
    adopt_weights(first, "stgcn", tmp_path / "b.safetensors", skeletons=skeletons, **options)
    assert load_text_head(tmp_path / "b.safetensors") == {}
    one, other = (load_backbone(tmp_path / f"{name}.safetensors")[0] for name in "ab")
    assert torch.equal(one.data_bn.weight, other.data_bn.weight)


@pytest.mark.parametrize("precision", ["bf16", "float64"])
def test_cosines_are_not_rounded_to_half_precision(texts, precision):
    kind = torch.float64 if precision == "float64" else torch.float32
    head = TextHead(4, torch.from_numpy(texts), centred=True).to(kind)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        assert head(torch.randn(5, 4, dtype=kind)).dtype == kind
