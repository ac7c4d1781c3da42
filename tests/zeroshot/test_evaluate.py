import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.evaluate import Difference, measure, paired_difference, ranks


def test_measures_of_a_case_counted_by_hand():
    scores = np.array([[3, 1, 0], [0, 2, 1], [0, 1, 0.5], [1, 0, 2.0], [5, 4, 3]])
    truth = np.array([0, 1, 2, 2, 1])
    found = measure(scores, truth)
    assert found.confusion.tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    assert found.accuracy == pytest.approx(3 / 5)
    assert found.class_mean == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert found.chance == pytest.approx(1 / 3)
    assert found.top == pytest.approx((3 / 5, 1, 1))


def test_accuracy_is_per_sample_not_a_mean_of_batch_means():
    # 128 right and 1 wrong: batches of 128 would give (1 + 0) / 2.
    scores = np.tile([1.0, 0.0], (129, 1))
    truth = np.r_[np.zeros(128, int), 1]
    assert measure(scores, truth).accuracy == pytest.approx(128 / 129)


def test_equal_scores_rank_as_argmax_takes_them():
    scores = np.zeros((3, 3))
    assert ranks(scores, np.array([0, 1, 2])).tolist() == [0, 1, 2]


def test_a_class_without_clips_is_refused():
    with pytest.raises(InputError, match=r"\[1\] have no test clip"):
        measure(np.eye(3), np.array([0, 2, 2]))


def test_scores_that_are_not_finite_are_refused():
    scores = np.eye(3)
    scores[1, 1] = np.nan
    with pytest.raises(InputError, match="1 of 3 clips.*diverged.*lr"):
        measure(scores, np.arange(3))


def test_difference_without_spread_has_no_interval():
    ones, zeros = np.ones(50), np.zeros(50)
    assert paired_difference([ones], [zeros]) == Difference(1.0, 1.0, 1.0)


def test_interval_is_that_of_drawing_clips_one_by_one():
    rng = np.random.default_rng(0)
    ours = [rng.integers(0, 6, n) / 5 for n in (60, 200)]
    theirs = [rng.integers(0, 6, n) / 5 for n in (60, 200)]
    found = paired_difference(ours, theirs, draws=20_000)
    plain = []
    for _ in range(5000):
        rows = [rng.integers(0, len(a), len(a)) for a in ours]
        per_split = [(a[r] - b[r]).mean() for a, b, r in zip(ours, theirs, rows, strict=True)]
        plain.append(np.mean(per_split))
    low, high = np.percentile(plain, [2.5, 97.5])
    mean = np.mean([(a - b).mean() for a, b in zip(ours, theirs, strict=True)])
    assert found.mean == pytest.approx(mean)
    assert found.low == pytest.approx(low, abs=0.006)
    assert found.high == pytest.approx(high, abs=0.006)


def test_splits_count_the_same_whatever_their_size():
    found = paired_difference([np.ones(10), np.zeros(1000)], [np.zeros(10), np.zeros(1000)])
    assert found.mean == pytest.approx(0.5)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        ours, theirs = rng.random(80) < 0.6, rng.random(80) < 0.5
        found = paired_difference([ours * 1.0], [theirs * 1.0], seed=seed, draws=800)
        covered += found.low <= 0.1 <= found.high
    assert 0.89 < covered / 200 < 0.99
