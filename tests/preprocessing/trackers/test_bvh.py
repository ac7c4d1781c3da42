"""Positions of a BVH against scipy's rotations, chain by chain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from smie_pipe.preprocessing.trackers.readers.bvh import Joint, positions


@settings(max_examples=25, deadline=None)
@given(st.permutations("xyz"), st.integers(0, 2**32 - 1))
def test_a_chain_of_turns_is_what_scipy_makes_of_it(order, seed):
    rng = np.random.default_rng(seed)
    turns = tuple(f"{axis}rotation" for axis in order)
    places = ("xposition", "yposition", "zposition")
    joints = [
        Joint("root", -1, (0, 0, 0), places + turns),
        Joint("middle", 0, (1, 2, 3), turns),
        Joint("end", 1, (0, -2, 1)),
    ]
    angles, root = rng.uniform(-180, 180, (4, 2, 3)), rng.normal(0, 1, (4, 3))
    motion = np.concatenate([root, angles.reshape(4, 6)], axis=1)
    found = positions(joints, motion)
    first, second = (
        Rotation.from_euler("".join(order).upper(), angles[:, n], degrees=True) for n in (0, 1)
    )
    middle = root + first.apply((1, 2, 3))
    np.testing.assert_allclose(found[:, 0], root)
    np.testing.assert_allclose(found[:, 1], middle, atol=1e-9)
    np.testing.assert_allclose(found[:, 2], middle + (first * second).apply((0, -2, 1)), atol=1e-9)


def test_a_quarter_turn_on_paper():
    joints = [Joint("root", -1, channels=("zrotation",)), Joint("end", 0, (1, 0, 0))]
    found = positions(joints, np.array([[90.0]]))
    assert found[0, 1] == pytest.approx([0, 1, 0])
