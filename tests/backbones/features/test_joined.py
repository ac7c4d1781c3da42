"""Kinematic and joined features: made without a backbone, scaled by seen training clips alone."""

import dataclasses

import numpy as np
import pytest

from smie_pipe.backbones.clips import ClipReader
from smie_pipe.backbones.config import ExtractConfig
from smie_pipe.backbones.features.extract import extract
from smie_pipe.backbones.features.joined import ClipFeatures
from smie_pipe.backbones.features.key_frames import drop_key_frames
from smie_pipe.backbones.features.store import read_features
from smie_pipe.backbones.kinematics.quantities import COLUMNS
from smie_pipe.backbones.networks.registry import build
from smie_pipe.backbones.weights import save_backbone
from smie_pipe.preprocessing.foundation.errors import InputError

CLASSES = {"split": "mine", "protocol": "subjects:1", "seen": (0, 2, 3), "unseen": (1,)}
KINEMATIC = ExtractConfig(masked_frames=3, features="kinematic")


def made(skeletons, folder, config=KINEMATIC, backbone=None):
    classes = None if backbone else CLASSES
    extract(skeletons, backbone, folder / "features.h5", config, classes=classes)
    return read_features(folder / "features.h5")


def backbone_of(skeletons, path):
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile

    with SkeletonFile(skeletons) as file:
        facts = {"dataset": file.dataset, "class_names": file.class_names}
    save_backbone(path, build("stgcn"), {**facts, **CLASSES})
    return path


def test_no_backbone_is_needed(small_skeletons, tmp_path):
    found = made(small_skeletons(), tmp_path)
    assert found.v.shape == (len(found), len(COLUMNS)) and found.attrs["source"] == "kinematic"
    assert found.attrs["backbone"] == "kinematic" and "backbone_digest" not in found.attrs
    assert (found.seen, found.unseen) == ([0, 2, 3], [1])
    training = found.take("seen_train")
    np.testing.assert_allclose(training.v.mean(0), 0, atol=0.5)  # some numbers are cut at 5
    assert not np.array_equal(found.v, found.v_masked)


@pytest.mark.parametrize("source", ["kinematic", "both"])
def test_the_file_says_how_to_make_the_features_of_another_clip(small_skeletons, tmp_path, source):
    import torch

    skeletons = small_skeletons()
    backbone = backbone_of(skeletons, tmp_path / "b.safetensors") if source == "both" else None
    config = dataclasses.replace(KINEMATIC, features=source, components=5)
    found = made(skeletons, tmp_path, config, backbone)
    x = ClipReader(skeletons).read(found.row)
    restored = ClipFeatures.restore(str(found.attrs["source"]), found.made)
    network = None
    if backbone:
        from smie_pipe.backbones.weights import load_backbone

        with torch.no_grad():
            network = load_backbone(backbone)[0](torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(restored.from_clips(x, network), found.v, atol=1e-3)
    if not backbone:
        hidden = drop_key_frames(torch.from_numpy(x), 3).numpy()
        np.testing.assert_allclose(restored.from_clips(hidden), found.v_masked, atol=1e-3)


def test_places_are_used_where_they_are_kept_and_missed_where_not(
    small_skeletons, tmp_path, caplog
):
    import logging

    place = np.random.default_rng(0).normal(size=(48, 8, 2, 4)).astype("f4")
    placed, bare = small_skeletons(place=place, name="p.h5"), small_skeletons()
    with caplog.at_level(logging.WARNING, logger="smie_pipe"):
        found = made(placed, tmp_path)
        without = made(placed, tmp_path, dataclasses.replace(KINEMATIC, room=False))
        assert not caplog.records
        missing = made(bare, tmp_path)
    assert [r for r in caplog.records if "does not say where bodies were" in r.getMessage()]
    assert np.array_equal(without.v, missing.v)
    column = COLUMNS.index("rise of head")
    assert found.v[:, column].any() and not without.v[:, column].any()
    x, where = ClipReader(placed).read(found.row), place[found.row]
    restored = ClipFeatures.restore("kinematic", found.made)
    np.testing.assert_allclose(restored.from_clips(x, place=where), found.v, atol=1e-3)


def test_both_blocks_weigh_the_same(small_skeletons, tmp_path):
    skeletons = small_skeletons()
    backbone = backbone_of(skeletons, tmp_path / "b.safetensors")
    config = dataclasses.replace(KINEMATIC, features="both", components=9)
    found = made(skeletons, tmp_path, config, backbone)
    assert found.v.shape[1] == 256 + 9 and found.attrs["backbone"] == "stgcn+kinematic"
    restored = ClipFeatures.restore("both", found.made)
    block = np.ones((4, 256)) / np.where(restored.backbone.factor, restored.backbone.factor, 1)
    v = restored.join(restored.backbone.mean + block, np.zeros((4, len(COLUMNS))))
    present = (restored.backbone.factor != 0).mean()
    assert np.square(v[:, :256]).sum(1) == pytest.approx(present * 265 / 2)


def test_unseen_and_test_clips_have_no_part_in_the_scaling(small_skeletons, tmp_path):
    def spoil(x):
        clip = np.arange(len(x))
        tested = (clip % 4 == 1) | (clip // 4 % 3 == 2)
        x[tested] = x[tested] * 3 + 0.1 * np.sin(np.arange(25))[:, None]
        return x

    clean = made(small_skeletons(), tmp_path)
    other = made(small_skeletons(spoil=spoil, name="other.h5"), tmp_path)
    assert np.array_equal(clean.take("seen_train").v, other.take("seen_train").v)
    assert not np.array_equal(clean.take("seen_test").v, other.take("seen_test").v)


def test_random_frames_are_dropped_for_kinematics_as_for_the_backbone(small_skeletons, tmp_path):
    config = dataclasses.replace(KINEMATIC, mask="key-frames+random", random_frames=2)
    one, again = (made(small_skeletons(), tmp_path, config) for _ in range(2))
    assert np.array_equal(one.v_masked, again.v_masked)
    assert not np.array_equal(one.v_masked, made(small_skeletons(), tmp_path).v_masked)


def test_joined_features_without_a_backbone_are_refused(small_skeletons, tmp_path):
    config = dataclasses.replace(KINEMATIC, features="both")
    with pytest.raises(InputError, match="need a backbone"):
        extract(small_skeletons(), None, tmp_path / "f.h5", config, classes=CLASSES)


def test_a_state_of_another_source_is_refused():
    with pytest.raises(InputError, match="source 'geometry'"):
        ClipFeatures.restore("geometry", {})
    with pytest.raises(InputError, match="lack"):
        ClipFeatures.restore("kinematic", {})
    assert ClipFeatures.restore("backbone", {}).join(np.ones((1, 2)), None).shape == (1, 2)
