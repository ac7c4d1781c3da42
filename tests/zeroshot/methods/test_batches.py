"""SMIE's batches: every clip once, negatives of another class, always."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.zeroshot.methods.batches import (
    batches,
    epoch_of_batches,
    other_class,
    pick,
    picked_by_product,
    roll,
)

few = settings(max_examples=60, deadline=None, derandomize=True)
labels = st.lists(st.integers(0, 4), min_size=2, max_size=40).filter(lambda x: len(set(x)) > 1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@few
@given(labels, st.integers(1, 12), st.integers(1, 3), st.integers(0, 5))
def test_every_clip_comes_once_and_no_negative_shares_its_class(label, size, count, seed):
    label = torch.tensor(label)
    epoch = list(epoch_of_batches(label, size, "other-class", count, generator(seed)))
    assert torch.cat([b.clips for b in epoch]).sort().values.tolist() == list(range(len(label)))
    for batch in epoch:
        rows = torch.cat([batch.clips, batch.extra])
        assert batch.negatives.shape == (len(batch.clips), count)
        assert (label[rows[batch.negatives]] != batch.label[:, None]).all()
        assert torch.equal(batch.label, label[batch.clips])


def test_negatives_come_from_the_batch_unless_it_has_one_class():
    label = torch.tensor([0, 0, 0, 1])
    for seed in range(20):
        for batch in epoch_of_batches(label, 2, "other-class", 1, generator(seed)):
            one_class = (batch.label == batch.label[0]).all()
            assert len(batch.extra) == (2 if one_class else 0)


def test_negatives_are_drawn_evenly():
    label = torch.tensor([0, 0, 1, 2, 2])
    drawn = other_class(label[:1], label, 30_000, generator())
    share = torch.bincount(drawn[0], minlength=5) / 30_000
    torch.testing.assert_close(share, torch.tensor([0, 0, 1, 1, 1]) / 3, atol=0.015, rtol=0)


def test_roll_takes_the_next_clip_whatever_its_class():
    assert roll(4, 1).tolist() == [[1], [2], [3], [0]]
    assert roll(3, 2).tolist() == [[1, 2], [2, 0], [0, 1]]


@pytest.mark.parametrize(
    "clips, size, sizes", [(10, 4, [4, 4, 2]), (9, 4, [4, 5]), (1, 4, [1]), (8, 4, [4, 4])]
)
def test_a_single_clip_left_over_joins_the_batch_before(clips, size, sizes):
    assert [len(b) for b in batches(clips, size, generator())] == sizes


def test_same_seed_same_batches():
    first, second = batches(50, 8, generator(1)), batches(50, 8, generator(1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(torch.cat(first), torch.cat(batches(50, 8, generator(2))))


@pytest.mark.parametrize("how", [pick, picked_by_product])
def test_rows_are_picked_exactly_and_their_gradients_add_up(how):
    rows, index = torch.randn(4, 5, requires_grad=True), torch.tensor([2, 0, 2, 2])
    out = how(rows, index)
    assert torch.equal(out, rows[index])
    out.backward(torch.ones(4, 5))
    assert rows.grad[:, 0].tolist() == [1, 0, 3, 0]
