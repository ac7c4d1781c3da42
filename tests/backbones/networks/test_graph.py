"""The adjacency that ST-GCN's weights are made for."""

import numpy as np

from smie_pipe.backbones.networks.graph import CENTRE, JOINTS, adjacency
from smie_pipe.preprocessing.body import BONES


def test_every_joint_hangs_on_the_centre_by_24_bones():
    parent = dict(BONES)
    assert len(BONES) == JOINTS - 1
    for joint in range(JOINTS):
        steps = 0
        while joint != CENTRE:
            joint, steps = parent[joint], steps + 1
            assert steps < JOINTS


def test_columns_of_the_sum_add_up_to_one():
    np.testing.assert_allclose(adjacency().sum(axis=(0, 1)), 1, rtol=1e-6)


def test_the_subsets_part_the_linked_pairs():
    graph = adjacency()
    assert ((graph != 0).sum(axis=0) <= 1).all()
    assert (graph[0] != 0).sum() == JOINTS
    assert (graph != 0).sum() == JOINTS + 2 * len(BONES)


def test_the_centre_is_read_as_the_nearer_joint():
    graph = adjacency()
    np.testing.assert_allclose(graph[2, CENTRE, 1], 1 / 3)  # joint 1 reads itself, 20 and 0
    np.testing.assert_allclose(graph[1, 0, 1], 1 / 3)
    assert graph[2, :, CENTRE].sum() == 0


def test_golden_adjacency(shared):
    # golden/stgcn.npz: the matrix of public ST-GCN code; exact.
    np.testing.assert_array_equal(adjacency(), np.load(shared / "golden/stgcn.npz")["A"])
