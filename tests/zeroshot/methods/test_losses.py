"""Shared losses against values worked out by hand or written as plain loops."""

import math

import torch

from smie_pipe.zeroshot.methods.losses import hardest_triplets, mmd, rank_hinge, squared_distances


def test_rank_hinge_by_hand():
    scores = torch.tensor([[1.0, 0.95, 0.0], [0.0, 0.5, 0.5]])
    # clip 0: 0.1 - 1 + 0.95 = 0.05; clip 1 (class 2): 0.1 - 0.5 + 0.5 = 0.1
    loss = rank_hinge(scores, torch.tensor([0, 2]), 0.1)
    torch.testing.assert_close(loss, torch.tensor((0.05 + 0.1) / 2))


def test_rank_hinge_spares_classes_that_count_as_the_same():
    scores, label = torch.tensor([[0.0, 5.0, -5.0]]), torch.tensor([0])
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    assert rank_hinge(scores, label, 0.3) > 5
    assert rank_hinge(scores, label, 0.3, same) == 0


def test_mmd_is_zero_for_equal_samples_and_two_for_far_ones():
    x = torch.randn(6, 3)
    assert abs(float(mmd(x, x, 32.0))) < 1e-6
    one, other = torch.zeros(2, 3), torch.full((2, 3), 9.0)
    torch.testing.assert_close(mmd(one, other, 32.0), torch.tensor(2.0))


def test_mmd_kernel_is_exp_of_squared_distance():
    x, y = torch.zeros(1, 2), torch.tensor([[0.1, 0.2]])
    expected = 2 - 2 * math.exp(-32 * 0.05)
    torch.testing.assert_close(mmd(x, y, 32.0), torch.tensor(expected))


def test_squared_distances_equal_differences():
    p, q = torch.randn(4, 3).double(), torch.randn(5, 3).double()
    plain = (p[:, None] - q).square().sum(-1)
    torch.testing.assert_close(squared_distances(p, q), plain)


def test_hardest_triplets_equal_a_plain_loop():
    x, group = torch.randn(9, 4).double(), torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 3])
    terms = []
    for i in range(9):
        distance = (x - x[i]).norm(dim=1)
        same = (group == group[i]) & (torch.arange(9) != i)
        if same.any():
            excess = 0.3 + distance[same].max() - distance[group != group[i]].min()
            terms.append(max(0.0, float(excess)))
    result = hardest_triplets(x, group, 0.3)
    assert math.isclose(float(result), sum(terms) / len(terms), rel_tol=1e-6)


def test_hardest_triplets_of_one_group_or_of_loners_are_zero_with_a_gradient():
    for group in (torch.zeros(3).long(), torch.arange(3)):
        x = torch.randn(3, 2, requires_grad=True)
        loss = hardest_triplets(x, group, 0.3)
        loss.backward()
        assert loss == 0 and x.grad.isfinite().all()
