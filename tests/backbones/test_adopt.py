"""Ready-made weights: taken as they are, with all that is known of what they have seen."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from smie_pipe.backbones.adopt import adopt_weights, among, check_unseen, classes_seen
from smie_pipe.backbones.config import ExtractConfig, PretrainConfig
from smie_pipe.backbones.features.extract import extract
from smie_pipe.backbones.features.store import read_features
from smie_pipe.backbones.networks.registry import build
from smie_pipe.backbones.pretraining.pretrain import pretrain
from smie_pipe.backbones.weights import load_backbone, read_metadata, save_backbone
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.skeletons.store import SkeletonFile

CONFIG = ExtractConfig(masked_frames=3)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_trained_elsewhere_are_taken_as_they_are(small_skeletons, tmp_path, suffix):
    skeletons, weights = small_skeletons(), tmp_path / f"elsewhere{suffix}"
    model = build("stgcn").eval()
    state = {**model.state_dict(), "fc.weight": torch.zeros(60, 256), "fc.bias": torch.zeros(60)}
    torch.save(state, weights) if suffix == ".pt" else save_file(state, weights)
    output = tmp_path / "backbone.safetensors"
    options = {"seen": [0, 1, 3], "split": "mine", "protocol": "subjects:1"}
    facts = adopt_weights(weights, "stgcn", output, skeletons=skeletons, **options)
    assert facts["trained_elsewhere"] is True
    assert set(read_metadata(output)["weights"]["aside"]) == {"fc.weight", "fc.bias"}
    extract(skeletons, output, tmp_path / "features.h5", CONFIG)
    features = read_features(tmp_path / "features.h5")
    assert features.attrs["trained_elsewhere"] is True
    with SkeletonFile(skeletons) as file, torch.no_grad():
        v = model(torch.from_numpy(file.x[:][features.row]))
    np.testing.assert_allclose(features.v, v.numpy(), rtol=1e-4, atol=1e-6)


def test_weights_of_another_network_are_refused(small_skeletons, tmp_path):
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "other.pt")
    options = {"seen": [0, 1, 3], "split": "mine", "protocol": "subjects:1"}
    output = tmp_path / "backbone.safetensors"
    with pytest.raises(InputError, match="missing"):
        adopt_weights(
            tmp_path / "other.pt", "stgcn", output, skeletons=small_skeletons(), **options
        )
    assert not output.exists()


@pytest.fixture
def trained(small_skeletons, tmp_path):
    """Return a skeletons file and a backbone of its classes drink, eat and kick."""
    skeletons, path = small_skeletons(), tmp_path / "trained.safetensors"
    options = {"seen": [0, 1, 3], "split": "first", "protocol": "subjects:1"}
    pretrain(skeletons, path, PretrainConfig(epochs=1, batch=24), **options)
    return skeletons, path


def adopt(trained, output, **changes):
    skeletons, path = trained
    options = {"seen": [0, 1, 3], "split": "second", "protocol": "subjects:1", **changes}
    return adopt_weights(path, "stgcn", output, skeletons=skeletons, **options)


def test_a_backbone_that_saw_an_unseen_class_is_refused(trained, tmp_path):
    words = "trained on 1 of the 2 classes that are unseen in second: kick.*--allow-seen-unseen"
    with pytest.raises(InputError, match=words):
        adopt(trained, tmp_path / "b.safetensors", seen=[0, 1])
    assert not (tmp_path / "b.safetensors").exists()


def test_what_a_backbone_has_seen_stays_with_it_through_any_number_of_hands(trained, tmp_path):
    first, second = tmp_path / "b.safetensors", tmp_path / "c.safetensors"
    facts = adopt(trained, first, seen=[0, 2], allow_seen_unseen=True)
    assert facts["saw"] == ["drink", "eat", "kick"]
    assert facts["saw_unseen"] == ["eat", "kick"]
    assert not facts["trained_elsewhere"]
    extract(trained[0], first, tmp_path / "f.h5", CONFIG)
    assert read_features(tmp_path / "f.h5").attrs["saw_unseen"] == "eat, kick"
    with pytest.raises(InputError, match="unseen in second: drink, kick"):
        adopt((trained[0], first), second, seen=[1, 2])
    clean = adopt((trained[0], first), second)
    assert (clean["saw"], clean["saw_unseen"]) == (["drink", "eat", "kick"], [])
    assert torch.equal(
        load_backbone(second)[0].data_bn.weight, load_backbone(trained[1])[0].data_bn.weight
    )


def test_classes_are_the_same_by_name_in_another_dataset(trained, small_skeletons, tmp_path):
    names = ["bow", " Kick", "drink", "hop"]
    other = small_skeletons(name="other.h5", class_names=names, dataset="mine")
    with pytest.raises(InputError, match="unseen in second:  Kick, drink"):
        adopt((other, trained[1]), tmp_path / "b.safetensors", seen=[0, 3])


def test_files_of_before_say_it_by_their_seen_labels(tmp_path):
    path, names = tmp_path / "b.safetensors", {"class_names": ["a", "b", "c"], "seen": [0, 2]}
    save_backbone(path, build("stgcn"), {**names, "trained_elsewhere": False})
    assert classes_seen(path) == ["a", "c"]
    save_backbone(path, build("stgcn"), {**names, "trained_elsewhere": True})
    assert classes_seen(path) is None
    check_unseen(path, ["a"], split="x")


def test_another_kind_of_backbone_is_named(trained, tmp_path):
    skeletons, path = trained
    options = {"seen": [0, 1, 3], "split": "second", "protocol": "subjects:1"}
    with pytest.raises(InputError, match="kind stgcn, asked for is shift-gcn; give --backbone st"):
        adopt_weights(path, "shift-gcn", tmp_path / "b", skeletons=skeletons, **options)


def test_another_protocol_is_warned_of(trained, tmp_path, caplog):
    adopt(trained, tmp_path / "b.safetensors", protocol="subjects:2")
    assert "trained by protocol subjects:1, here is subjects:2" in caplog.text


@given(st.lists(st.text(max_size=6)), st.lists(st.text(max_size=6)))
def test_among_finds_what_both_have(names, others):
    found = among(names, others)
    assert set(found) <= set(names)
    assert set(names) & set(others) <= set(found)
    assert among(names, []) == []
