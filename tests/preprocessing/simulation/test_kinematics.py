"""Bones keep their lengths whatever a body is asked to do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from smie_pipe.preprocessing.body import BONES, HEAD, JOINTS, SPINE_BASE
from smie_pipe.preprocessing.simulation.kinematics import (
    ARM,
    LEG,
    RIGHT,
    Build,
    Channels,
    HandTask,
    bone_lengths,
    make_build,
    mirror,
    pose,
    rotation,
    two_bones,
    with_bone_lengths,
)

points = arrays(float, (4, 3), elements=st.floats(-2, 2, width=32))


def at_ease(frames=3, **changes):
    """A body that stands, with some channels set."""
    channels = Channels(frames)
    for name, value in changes.items():
        getattr(channels, name)[...] = value
    return pose(Build(), channels)


def test_standing_body_has_the_height_and_the_sides_of_a_person_before_a_kinect():
    body = at_ease()[0]
    left, right = JOINTS.index("shoulder_left"), JOINTS.index("shoulder_right")
    assert body[left, 0] < 0 < body[right, 0]
    assert 1.5 < body[HEAD, 1] < 1.7
    assert 0 <= body[:, 1].min() < 0.06
    assert body[LEG[RIGHT][3], 2] < body[LEG[RIGHT][2], 2], "the toes point to the camera"
    assert body[ARM[RIGHT][3], 1] < body[SPINE_BASE, 1], "the hands hang"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 99), points, points, points, st.floats(0, 1))
def test_bones_keep_their_lengths_whatever_is_asked(seed, bend, pelvis, hand, weight):
    build = make_build(np.random.default_rng(seed))
    channels = Channels(4)
    channels.bend[:], channels.pelvis[:], channels.head[:] = bend, pelvis, pelvis
    channels.feet[:, 0], channels.turn[:] = hand, bend[:, 0]
    channels.hands[RIGHT].append(HandTask("floor", hand, np.full(4, weight)))
    moved, still = pose(build, channels), pose(build, Channels(4))
    np.testing.assert_allclose(bone_lengths(moved), bone_lengths(still), atol=1e-9)
    assert np.isfinite(moved).all()


def test_bones_of_the_graph_are_constant_too():
    """The graph hangs finger tips on thumbs; a hand is rigid, so these do not stretch either."""
    channels = Channels(5)
    channels.hands[RIGHT].append(HandTask("head", np.zeros(3), np.linspace(0, 1, 5)))
    body = pose(Build(), channels)
    ends = np.array(BONES)
    length = np.linalg.norm(body[:, ends[:, 0]] - body[:, ends[:, 1]], axis=-1)
    np.testing.assert_allclose(length, np.broadcast_to(length[0], length.shape), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(points, points, points, st.floats(0.1, 0.5), st.floats(0.1, 0.5))
def test_limb_keeps_its_lengths_and_points_to_the_target(start, target, pole, first, second):
    middle, end = two_bones(start, target, (first, second), pole)
    np.testing.assert_allclose(np.linalg.norm(middle - start, axis=-1), first, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(end - middle, axis=-1), second, atol=1e-9)
    span = np.linalg.norm(target - start, axis=-1)
    near = (span < 0.99 * (first + second)) & (span > 1.3 * abs(first - second) + 0.05)
    np.testing.assert_allclose(end[near], target[near], atol=1e-6)


def test_limb_reaches_a_near_target_and_stretches_towards_a_far_one():
    start, pole = np.zeros((2, 3)), np.array([[0, 0, -1.0]] * 2)
    target = np.array([[0.3, 0, 0], [5.0, 0, 0]])
    middle, end = two_bones(start, target, (0.25, 0.25), pole)
    np.testing.assert_allclose(end[0], target[0], atol=1e-9)
    np.testing.assert_allclose(middle[0], [0.15, 0, -0.2], atol=1e-9)
    np.testing.assert_allclose(end[1], [0.4995, 0, 0], atol=1e-3)


@pytest.mark.parametrize(
    "bend, joint, axis, sign",
    [((0.5, 0, 0), HEAD, 2, -1), ((0, 0.5, 0), HEAD, 0, 1), ((0, 0, 0.5), ARM[RIGHT][0], 2, -1)],
)
def test_bend_goes_forward_to_the_right_and_twists_to_the_left(bend, joint, axis, sign):
    moved = at_ease(bend=bend)[0, joint, axis] - at_ease()[0, joint, axis]
    assert sign * moved > 0.05


def test_mirror_swaps_the_sides_and_twice_is_nothing():
    body = at_ease(bend=(0.1, 0.2, 0.3))
    np.testing.assert_allclose(mirror(mirror(body)), body)
    flipped = mirror(body)
    np.testing.assert_allclose(flipped[:, ARM[0][3]], body[:, ARM[1][3]] * (-1, 1, 1))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_rotation_is_right_handed(axis):
    turn = rotation(axis, np.array([np.pi / 2]))[0]
    unit = np.eye(3)
    np.testing.assert_allclose(turn @ unit[(axis + 1) % 3], unit[(axis + 2) % 3], atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)


def test_bone_lengths_are_put_back():
    body = at_ease(frames=4)
    squeezed = body * (1.0, 0.7, 1.3)
    restored = with_bone_lengths(squeezed, bone_lengths(body[0]))
    np.testing.assert_allclose(bone_lengths(restored), bone_lengths(body), atol=1e-9)


def test_people_differ_in_build():
    builds = [make_build(np.random.default_rng(k)) for k in range(20)]
    assert np.ptp([b.height for b in builds]) > 0.15
    assert np.ptp([b.arm / b.height for b in builds]) > 0.02
