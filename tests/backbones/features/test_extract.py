"""Extraction: the right clips, the right frames, and a refusal of what does not belong."""

import numpy as np
import pytest
import torch

from smie_pipe.backbones.config import ExtractConfig, ExtractRun
from smie_pipe.backbones.features.extract import extract, mask_clips, random_order
from smie_pipe.backbones.features.key_frames import drop_key_frames
from smie_pipe.backbones.features.store import read_features
from smie_pipe.backbones.networks.registry import build
from smie_pipe.backbones.subsets import PARTS
from smie_pipe.backbones.weights import load_backbone, save_backbone
from smie_pipe.preprocessing.foundation.digests import is_digest_of
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.skeletons.store import SkeletonFile

CONFIG = ExtractConfig(masked_frames=3)
FACTS = {
    "dataset": "custom",
    "class_names": ["drink", "eat", "wave", "kick"],
    "split": "mine",
    "protocol": "subjects:1",
    "seen": [0, 1, 3],
    "unseen": [2],
}


@pytest.fixture
def backbone(tmp_path):
    """Return an untrained ST-GCN whose normalisation does something, as a file."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build("stgcn").train()
        model(torch.randn(4, 3, 8, 25, 2))
    save_backbone(tmp_path / "backbone.safetensors", model, FACTS)
    return tmp_path / "backbone.safetensors"


def test_every_clip_of_the_protocol_gets_its_features(small_skeletons, backbone, tmp_path):
    skeletons, output = small_skeletons(), tmp_path / "features.h5"
    report = extract(skeletons, backbone, output, CONFIG, run=ExtractRun(batch=7))
    features = read_features(output)
    assert features.counts() == {"seen_train": 24, "seen_test": 12, "unseen_test": 4}
    assert (report.seen_train, report.seen_test, report.unseen_test) == (24, 12, 4)
    with SkeletonFile(skeletons) as file:
        x, label, trains = file.x[:], file.label, file.protocol("subjects:1")
    np.testing.assert_array_equal(features.label, label[features.row])
    assert (trains[features.take("seen_train").row] == 1).all()
    assert (trains[features.take("unseen_test").row] == 0).all()
    model, _ = load_backbone(backbone)
    clips = torch.from_numpy(x[features.row])
    with torch.no_grad():
        whole, masked = model(clips), model(drop_key_frames(clips, 3))
    torch.testing.assert_close(torch.from_numpy(features.v), whole, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.from_numpy(features.v_masked), masked, rtol=1e-4, atol=1e-5)


def test_the_file_says_what_made_it(small_skeletons, backbone, tmp_path):
    extract(small_skeletons(), backbone, tmp_path / "features.h5", CONFIG)
    features = read_features(tmp_path / "features.h5")
    expected = {
        "dataset": "custom", "backbone": "stgcn", "split": "mine", "protocol": "subjects:1",
        "P": 3, "mask": "key-frames", "random_frames": 0, "trained_elsewhere": False,
        "saw_unseen": "",
    }  # fmt: skip
    assert expected.items() <= features.attrs.items()
    assert is_digest_of(features.attrs["backbone_digest"], backbone)
    assert (features.seen, features.unseen) == ([0, 1, 3], [2])
    assert features.class_names == FACTS["class_names"]


def test_a_backbone_that_has_seen_unseen_classes_marks_the_features(
    small_skeletons, tmp_path, caplog
):
    facts = {**FACTS, "saw_unseen": ["wave", "kick"]}
    save_backbone(tmp_path / "b.safetensors", build("stgcn"), facts)
    extract(small_skeletons(), tmp_path / "b.safetensors", tmp_path / "f.h5", CONFIG)
    assert read_features(tmp_path / "f.h5").attrs["saw_unseen"] == "wave, kick"
    assert "trained on classes unseen here: wave, kick; not zero-shot" in caplog.text


def test_batches_change_nothing(small_skeletons, backbone, tmp_path):
    skeletons, random = small_skeletons(), ExtractConfig(2, "key-frames+random", random_frames=2)
    for name, run in (("a", ExtractRun(batch=5)), ("b", ExtractRun(batch=99, resident="yes"))):
        extract(skeletons, backbone, tmp_path / name, random, run=run)
    a, b = read_features(tmp_path / "a"), read_features(tmp_path / "b")
    np.testing.assert_allclose(a.v, b.v, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(a.v_masked, b.v_masked, rtol=1e-4, atol=1e-5)


def test_random_frames_follow_the_seed():
    def order(seed):
        config = ExtractConfig(15, "key-frames+random", random_frames=15, seed=seed)
        return random_order(6, 50, config)

    frames = order(1)
    assert frames.shape == (6, 20)
    assert (frames.diff(dim=1) > 0).all()
    assert frames.min() >= 0
    assert frames.max() < 35
    assert torch.equal(frames, order(1))
    assert not torch.equal(frames, order(2))
    assert random_order(6, 50, ExtractConfig()) is None


def test_masked_clips_keep_their_order_of_time():
    x = torch.arange(50.0).view(1, 1, 50, 1, 1).expand(2, 3, 50, 25, 2).clone()
    x[:, :, 20] += 30
    config = ExtractConfig(15, "key-frames+random")
    cut = mask_clips(x, 15, random_order(2, 50, config))
    assert cut.shape == (2, 3, 20, 25, 2)
    assert (cut[:, 0, :, 0, 0].diff(dim=1) > 0).all()
    assert mask_clips(x, 15).shape == (2, 3, 35, 25, 2)


@pytest.mark.parametrize(
    "config, words",
    [
        (ExtractConfig(), "drops 15 of a clip's 8 frames.*smaller --masked-frames"),
        (
            ExtractConfig(3, "key-frames+random", 4),
            "drops 7 of a clip's 8 frames.*--random-frames",
        ),
    ],
)
def test_a_mask_that_leaves_nothing_is_refused(small_skeletons, backbone, tmp_path, config, words):
    with pytest.raises(InputError, match=words):
        extract(small_skeletons(), backbone, tmp_path / "features.h5", config)
    assert not (tmp_path / "features.h5").exists()


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"dataset": "ntu60"}, r"backbone of custom with 4 classes, .* holds ntu60 with 4"),
        (
            {"class_names": ["drink", "eat", "bow", "kick"]},
            "label 2 is 'wave' there and 'bow' here",
        ),
        ({"class_names": ["drink", "eat", "wave", "kick", "hop"]}, "holds custom with 5"),
        ({"columns": {"label": np.arange(48) % 4, "camera": [1] * 48}}, "unknown protocol"),
    ],
)
def test_a_backbone_of_other_data_is_refused(small_skeletons, backbone, tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        extract(small_skeletons(**changes), backbone, tmp_path / "features.h5", CONFIG)


def test_a_protocol_without_unseen_test_clips_is_refused(small_skeletons, backbone, tmp_path):
    clip = np.arange(48)
    columns = {"label": clip % 4, "subject": np.where(clip % 4 == 2, 1, clip // 4 % 3 // 2 + 1)}
    with pytest.raises(InputError, match=r"no test clip of the unseen classes \(wave\)"):
        extract(small_skeletons(columns=columns), backbone, tmp_path / "f.h5", CONFIG)


def test_features_of_other_clips_are_told(small_skeletons, tmp_path, caplog):
    facts = {**FACTS, "skeletons": "another digest"}
    save_backbone(tmp_path / "b.safetensors", build("stgcn"), facts)
    extract(small_skeletons(), tmp_path / "b.safetensors", tmp_path / "f.h5", CONFIG)
    assert "was trained on other clips" in caplog.text


def test_a_backbone_that_says_nothing_is_refused(small_skeletons, tmp_path):
    save_backbone(tmp_path / "b.safetensors", build("stgcn"), {"dataset": "custom"})
    with pytest.raises(InputError, match="does not say its class_names, protocol, seen"):
        extract(small_skeletons(), tmp_path / "b.safetensors", tmp_path / "f.h5", CONFIG)


def test_bf16_features_are_near(small_skeletons, backbone, tmp_path):
    skeletons = small_skeletons()
    extract(skeletons, backbone, tmp_path / "a.h5", CONFIG)
    extract(skeletons, backbone, tmp_path / "b.h5", ExtractConfig(3, precision="bf16"))
    a, b = read_features(tmp_path / "a.h5"), read_features(tmp_path / "b.h5")
    assert np.corrcoef(a.v.ravel(), b.v.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("part", PARTS)
def test_parts_are_written_one_after_the_other(small_skeletons, backbone, tmp_path, part):
    extract(small_skeletons(), backbone, tmp_path / "features.h5", CONFIG)
    rows = read_features(tmp_path / "features.h5").take(part).row
    assert (np.diff(rows) > 0).all()
