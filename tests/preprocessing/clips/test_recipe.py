import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.preprocessing.body import SHOULDER_LEFT, SHOULDER_RIGHT, SPINE_SHOULDER
from smie_pipe.preprocessing.clips.recipe import (
    centred,
    prepare,
    resample,
    turned,
    without_empty_frames,
)


def random_bodies(seed, bodies=2, frames=30):
    """Bodies whose joints wander: a new step of 1 cm standard deviation each frame."""
    rng = np.random.default_rng(seed)
    start = rng.normal(0, 0.5, (bodies, 1, 25, 3)) + [0, 0, 3]
    return start + rng.normal(0, 0.01, (bodies, frames, 25, 3)).cumsum(axis=1)


@pytest.mark.parametrize("frames", [2, 7, 50])
def test_even_motion_stays_even(frames):
    bodies = np.zeros((1, 10, 25, 3))
    bodies[..., 0] = np.arange(10)[None, :, None]  # 1 m a frame along x
    x = resample(bodies, frames)[0, :, 0, 0]
    expected = np.clip((np.arange(frames) + 0.5) * 10 / frames - 0.5, 0, 9)
    np.testing.assert_allclose(x, expected, rtol=1e-12)


def test_resample_agrees_with_torch():
    torch = pytest.importorskip("torch")
    bodies = random_bodies(1, frames=37)
    rows = torch.from_numpy(bodies.transpose(0, 2, 3, 1).reshape(2, 75, 37))
    expected = torch.nn.functional.interpolate(rows, size=50, mode="linear", align_corners=False)
    got = resample(bodies, 50).transpose(0, 2, 3, 1).reshape(2, 75, 50)
    np.testing.assert_allclose(got, expected.numpy(), atol=1e-12)


def test_empty_frames_are_dropped_wherever_they_are():
    bodies = random_bodies(2, frames=12)
    gaps = bodies.copy()
    gaps[:, [0, 4, 5, 11]] = np.nan
    gaps[1, 7] = np.nan  # only one body is missing: the frame stays
    kept = [1, 2, 3, 6, 7, 8, 9, 10]
    np.testing.assert_array_equal(without_empty_frames(gaps)[0], bodies[0, kept])


def test_a_gap_never_shrinks_a_body():
    bodies = centred(random_bodies(3, frames=20))
    bodies[1, 8:] = np.nan
    second = resample(bodies, 50)[1]
    there = ~np.isnan(second[:, 0, 0])
    assert there.tolist() == [(i + 0.5) * 20 / 50 - 0.5 <= 7.5 for i in range(50)]
    size = np.linalg.norm(bodies[1, :8, SHOULDER_LEFT], axis=-1)
    got = np.linalg.norm(second[there, SHOULDER_LEFT], axis=-1)
    assert got.min() > 0.95 * size.min()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.tuples(*[st.floats(-3, 3)] * 3))
def test_a_clip_does_not_depend_on_where_the_performer_stands(seed, place):
    bodies = random_bodies(seed)
    np.testing.assert_allclose(
        prepare(bodies, 50), prepare(bodies + np.array(place), 50), atol=1e-5
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(-np.pi, np.pi))
def test_exact_turn_undoes_any_turn_of_the_performer(seed, angle):
    bodies = random_bodies(seed)
    cos, sin = np.cos(angle), np.sin(angle)
    seen = bodies @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    np.testing.assert_allclose(prepare(bodies, 50, "exact"), prepare(seen, 50, "exact"), atol=5e-3)


@pytest.mark.parametrize("turn", ["recipe", "exact"])
def test_shoulders_end_up_along_x(turn):
    line = np.array([0.3, 0.0, 0.2])
    bodies = np.zeros((1, 4, 25, 3))
    bodies[:, :, SHOULDER_RIGHT] = line
    for sign in (1, -1):
        bodies[:, :, SHOULDER_RIGHT, 2] = sign * line[2]
        got = turned(bodies, turn)[0, 0, SHOULDER_RIGHT]
        np.testing.assert_allclose(got, [np.hypot(0.3, 0.2), 0, 0], atol=2e-2)


def test_an_absent_second_body_is_zeros_and_the_first_is_centred():
    clip = prepare(random_bodies(4, bodies=1), 50)
    assert clip.shape == (3, 50, 25, 2) and clip.dtype == np.float32
    assert not clip[..., 1].any()
    assert not clip[:, :, SPINE_SHOULDER].any()


def test_no_frames():
    with pytest.raises(ValueError, match="found none"):
        prepare(np.full((2, 3, 25, 3), np.nan), 50)
