"""Variants of clips: within their bounds, the same for the same step, absent bodies absent."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.backbones.config import PretrainConfig
from smie_pipe.backbones.pretraining.augment import (
    augment,
    draw,
    resample,
    rotations,
    there,
)

NOTHING = PretrainConfig(
    augment=True, augment_crop=1, augment_turn=0, augment_tilt=0, augment_scale=0
)
DEFAULT = PretrainConfig(augment=True)
quick = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 10**6)


def clips(count, frames=50, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 3, frames, 25, 2, generator=generator)
    x[::2, ..., 1] = 0
    return x


def variants_of(x, config, *at):
    drawn = draw(len(x), config, *at)
    return augment(x, drawn, np.arange(len(x)))


def test_bounds_of_nothing_change_nothing():
    x = clips(5)
    assert torch.equal(variants_of(x, NOTHING, 0, 0, 0), x)


@quick
@given(seeds, seeds, seeds, st.floats(0.05, 1), st.floats(0, 180), st.floats(0, 0.9))
def test_what_is_drawn_keeps_its_bounds(seed, epoch, step, crop, turn, scale):
    config = dataclasses.replace(
        DEFAULT, augment_crop=crop, augment_turn=turn, augment_tilt=0, augment_scale=scale
    )
    drawn = draw(20, config, seed, epoch, step)
    assert ((drawn.length >= crop) & (drawn.length <= 1)).all()
    assert ((drawn.start >= 0) & (drawn.start + drawn.length <= 1 + 1e-12)).all()
    sizes = np.linalg.norm(drawn.matrix, axis=1)
    assert ((sizes >= 1 - scale - 1e-9) & (sizes <= 1 + scale + 1e-9)).all()
    np.testing.assert_allclose(drawn.matrix[:, 1, 1], sizes[:, 1])  # about y: y stays
    cos = drawn.matrix[:, 0, 0] / sizes[:, 0]
    assert (cos >= np.cos(np.deg2rad(turn)) - 1e-9).all()


@quick
@given(st.lists(st.tuples(*[st.floats(-3, 3)] * 3), min_size=1, max_size=5))
def test_rotations_are_rotations(angles):
    matrix = rotations(np.array(angles))
    np.testing.assert_allclose(
        matrix @ matrix.transpose(0, 2, 1), np.tile(np.eye(3), (len(angles), 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(np.linalg.det(matrix), 1)


def test_each_axis_turns_by_its_own_angle():
    quarter = np.pi / 2
    for axis, (moved, to) in enumerate([(1, 2), (2, 0), (0, 1)]):
        angles = np.zeros((1, 3))
        angles[0, axis] = quarter
        np.testing.assert_allclose(
            rotations(angles)[0] @ np.eye(3)[moved], np.eye(3)[to], atol=1e-12
        )


@quick
@given(seeds, st.integers(1, 60))
def test_bones_of_turned_and_scaled_clips_keep_their_ratios(seed, frames):
    x = clips(3, frames, seed).double()
    config = dataclasses.replace(DEFAULT, augment_crop=1)
    y = variants_of(x, config, seed, 1, 2)
    bone = (x[:, :, :, 3] - x[:, :, :, 4]).norm(dim=1)
    other = (y[:, :, :, 3] - y[:, :, :, 4]).norm(dim=1)
    ratio = other[..., 0] / bone[..., 0]
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    assert ((ratio >= 0.85 - 1e-6) & (ratio <= 1.15 + 1e-6)).all()


@quick
@given(seeds)
def test_absent_bodies_and_frames_stay_absent(seed):
    x = clips(6, seed=seed)
    x[1, :, 20:30, :, 1] = 0  # away for a while
    config = dataclasses.replace(DEFAULT, augment_noise=0.05)
    y = variants_of(x, config, seed, 0, 0)
    assert not y[::2, ..., 1].any()
    joints = (y[1, ..., 1] != 0).any(0).sum(1)  # (T,): all or none of the joints
    assert set(joints.tolist()) <= {0, 25}
    assert 10 <= int((joints == 0).sum()) <= 15
    assert y[..., 0].any(dim=1).all()


def test_a_part_is_stretched_to_the_whole_length():
    x = torch.arange(1.0, 51).view(1, 1, 50, 1, 1).expand(1, 3, 50, 25, 2).clone()
    y = resample(x, np.array([0.2]), np.array([0.5]))[0, 0, :, 0, 0]
    assert (y.diff() >= 0).all()
    assert (y[0], y[-1]) == (11, 35)  # frames 10 to 34, whose values are one more
    torch.testing.assert_close(y.diff()[2:-2], torch.full((45,), 0.5))
    assert there(x).all()


def test_noise_has_the_size_that_is_asked_for():
    x = clips(8)
    config = dataclasses.replace(NOTHING, augment_noise=0.01)
    moved = (variants_of(x, config, 0, 0, 0) - x)[..., 0]
    assert abs(float(moved.std()) / 0.01 - 1) < 0.02
    assert abs(float(moved.mean())) < 1e-4


def test_a_step_gives_the_same_variants_again_and_every_step_others():
    x = clips(4)
    config = dataclasses.replace(DEFAULT, augment_noise=0.01)
    state = torch.get_rng_state()
    first = variants_of(x, config, 3, 1, 2)
    assert torch.equal(first, variants_of(x, config, 3, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    for other in ((4, 1, 2), (3, 2, 2), (3, 1, 3)):
        assert not torch.allclose(first, variants_of(x, config, *other))


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_processes_that_share_a_batch_make_its_variants(noise):
    x = clips(7)
    config = dataclasses.replace(DEFAULT, augment_noise=noise)
    drawn = draw(7, config, 0, 0, 0)
    whole = augment(x, drawn, np.arange(7))
    shares = [augment(x[places], drawn, places) for places in np.array_split(np.arange(7), 3)]
    assert torch.equal(whole, torch.cat(shares))
