"""The unit of scores and the thresholds, on scores whose answer is known."""

import numpy as np
import pytest

from smie_pipe.zeroshot.recognition.calibration import calibrate, of_groups, threshold


def test_the_threshold_tells_two_groups_apart():
    value, kept, refused = threshold(np.array([2.0, 3.0]), np.array([0.0, 1.0]))
    assert 1.0 < value <= 2.0
    assert (kept, refused) == (1.0, 1.0)


def test_groups_that_do_not_differ_give_a_coin_toss():
    same = np.random.default_rng(0).normal(size=1000)
    _, kept, refused = threshold(same, same)
    assert kept + refused == pytest.approx(1.0, abs=0.02)


def test_surely_named_clips_are_kept_and_strangers_refused():
    rng = np.random.default_rng(0)
    label = np.arange(300) % 10
    scores = 0.1 * rng.normal(size=(300, 10)) + 3 * np.eye(10)[label]
    found = calibrate(scores, label)
    assert found.kept > 0.95 and found.refused > 0.95
    assert found.labels == 5


def test_units_do_not_depend_on_the_scale_of_scores():
    rng = np.random.default_rng(0)
    label = np.arange(100) % 8
    scores = rng.normal(size=(100, 8)) + np.eye(8)[label]
    one, other = calibrate(scores, label), calibrate(1000 * scores, label)
    assert other.unit == pytest.approx(1000 * one.unit)
    assert other.none_below == pytest.approx(one.none_below)


def test_too_few_classes_refuse_nothing():
    found = calibrate(np.random.default_rng(0).normal(size=(9, 3)), np.arange(9) % 3)
    assert (found.none_below, found.kept) == (0.0, 1.0)
    assert of_groups([], 0).unit == 1.0
