"""Motion attention on motions whose answer is known on paper, and against public code."""

import numpy as np
import pytest
import torch

from smie_pipe.backbones.features.key_frames import (
    drop_key_frames,
    kept_frames,
    motion_attention,
    take_frames,
)


def clip_with_steps(steps):
    """One clip in which all joints move along x by ``steps[t]`` between frames t and t + 1."""
    x = torch.zeros(1, 3, len(steps) + 1, 25, 2)
    x[:, 0] = torch.tensor([0.0, *np.cumsum(steps)])[:, None, None]
    return x


def test_shares_follow_the_squared_steps_to_both_sides():
    q = motion_attention(clip_with_steps([1.0, 2.0, 0.0, 0.0]))
    # p is proportional to 1, 1 + 4, 4 + 0, 0 + 0, 0
    torch.testing.assert_close(q, torch.tensor([[0.1, 0.5, 0.4, 0.0, 0.0]]))


def test_matches_a_loop_over_frames():
    x = torch.randn(2, 3, 7, 25, 2, generator=torch.Generator().manual_seed(0)).double()
    p = torch.zeros(2, 7).double()
    for k in range(7):
        for neighbour in (k - 1, k + 1):
            if 0 <= neighbour < 7:
                p[:, k] += (x[:, :, neighbour] - x[:, :, k]).square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(motion_attention(x), p / p.sum(dim=1, keepdim=True))


def test_a_motionless_clip_gets_equal_shares():
    x = torch.ones(2, 3, 4, 25, 2)
    x[1, :, 2] = 5
    q = motion_attention(x)
    torch.testing.assert_close(q[0], torch.full((4,), 0.25))
    assert q[1].argmax() == 2
    assert q.isfinite().all()


def test_kept_frames_stand_in_order_of_time():
    q = torch.tensor([[0.1, 0.5, 0.0, 0.3, 0.05]])
    assert kept_frames(q, 2).tolist() == [[0, 2, 4]]
    assert kept_frames(q, 0).tolist() == [[0, 1, 2, 3, 4]]


def test_of_equal_frames_the_earlier_goes_first():
    assert kept_frames(torch.full((1, 5), 0.2), 2).tolist() == [[2, 3, 4]]


@pytest.mark.parametrize("masked", [-1, 5, 50])
def test_an_impossible_number_of_masked_frames_is_refused(masked):
    with pytest.raises(ValueError, match="fewer than the 5 frames"):
        kept_frames(torch.rand(1, 5), masked)


def test_take_frames_reads_each_clip_its_own_frames():
    x = torch.arange(2 * 3 * 4 * 25 * 2, dtype=torch.float32).view(2, 3, 4, 25, 2)
    taken = take_frames(x, torch.tensor([[0, 3], [1, 2]]))
    torch.testing.assert_close(taken[0], x[0][:, [0, 3]])
    torch.testing.assert_close(taken[1], x[1][:, [1, 2]])


def test_dropping_key_frames_leaves_the_quiet_ones():
    x = clip_with_steps([0.0] * 30 + [1.0] * 19)
    dropped = drop_key_frames(x, 15)
    assert dropped.shape == (1, 3, 35, 25, 2)
    # Frames 31 to 48 have a step on both sides; the first 15 of them go.
    torch.testing.assert_close(dropped[0, 0, :31, 0, 0], torch.zeros(31))
    torch.testing.assert_close(dropped[0, 0, 31:, 0, 0], torch.arange(16.0, 20.0))


def test_golden_attention_and_kept_frames(shared):
    # golden/stgcn.npz: public SMIE code on six real NTU files.
    golden = np.load(shared / "golden/stgcn.npz")
    q = motion_attention(torch.from_numpy(golden["x"]))
    np.testing.assert_allclose(q.numpy(), golden["attention"], atol=1e-7)
    np.testing.assert_array_equal(kept_frames(q).numpy(), golden["kept_frames"])
