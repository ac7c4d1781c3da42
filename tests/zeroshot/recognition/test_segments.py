"""Windows, paths and runs, against recomputed answers and hand-made recordings."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.recognition import segments as module
from smie_pipe.zeroshot.recognition.segments import (
    BACKGROUND,
    SegmentConfig,
    decode,
    margins,
    moment_scores,
    runs,
    still_moments,
    windows,
)

CONFIG = SegmentConfig()


@given(st.integers(2, 9000), st.floats(1, 120), st.floats(0.1, 2))
@settings(max_examples=200, deadline=None)
def test_windows_lie_in_the_recording_and_every_moment_has_one_of_each_length(frames, fps, stride):
    config = SegmentConfig(stride_s=stride, mean_length_s=10)
    found = windows(frames, fps, config)
    assert (found.first >= 0).all() and (found.last <= frames).all()
    assert (found.last - found.first >= 2).all()
    assert np.bincount(found.moment).tolist() == [3] * found.moments


@pytest.mark.parametrize(("frames", "fps", "said"), [(1, 30, "2 frames"), (60, 0, "frame rate")])
def test_windows_need_frames_and_a_rate(frames, fps, said):
    with pytest.raises(InputError, match=said):
        windows(frames, fps, CONFIG)


def test_scores_are_averaged_over_lengths_and_centred_on_the_recording():
    found = windows(60, 30, SegmentConfig(lengths_s=(1.0, 2.0)))  # four moments, eight windows
    scores = np.arange(16.0).reshape(8, 2)
    by_hand = (scores - scores.mean(0)).reshape(2, 4, 2).mean(0)
    np.testing.assert_allclose(moment_scores(scores, found), by_hand)
    given_centre = moment_scores(scores, found, centre=np.zeros(2))
    np.testing.assert_allclose(given_centre, scores.reshape(2, 4, 2).mean(0))


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(1, 3), st.floats(-3, 0))
@settings(max_examples=60, deadline=None)
def test_the_path_is_the_best_of_all(seed, steps, states, change):
    emission = np.random.default_rng(seed).normal(size=(steps, states))

    def total(path):
        changes = sum(a != b for a, b in itertools.pairwise(path))
        return sum(emission[t, s] for t, s in enumerate(path)) + change * changes

    best = max(total(path) for path in itertools.product(range(states), repeat=steps))
    assert total(module._best_path(emission, change).tolist()) == pytest.approx(best)


def test_two_actions_with_stillness_between_are_two_segments():
    margin = np.array([[2.0, -2.0]] * 6 + [[0.1, -0.1]] * 4 + [[-2.0, 2.0]] * 6)
    still = np.zeros(16, dtype=bool)
    still[6:10] = True
    path = decode(margin, still, CONFIG, background=0.5)
    assert path.tolist() == [0] * 6 + [BACKGROUND] * 4 + [1] * 6
    found = runs(path, margin, ["bow", "kick"], seconds=8.0, config=CONFIG)
    assert [(s.label, s.start_s, s.end_s, s.score) for s in found] == [
        ("bow", 0.0, 3.0, 2.0),
        ("kick", 5.0, 8.0, 2.0),
    ]


def test_a_single_contrary_moment_does_not_break_a_segment():
    margin = np.array([[1.0, -1.0]] * 5 + [[-0.3, 0.3]] + [[1.0, -1.0]] * 5)
    path = decode(margin, np.zeros(11, dtype=bool), CONFIG, background=0.0)
    assert set(path.tolist()) == {0}


def test_a_margin_below_that_of_background_is_no_action():
    margin = np.full((8, 2), [0.2, -0.2])
    assert set(decode(margin, np.zeros(8, bool), CONFIG, background=0.5)) == {BACKGROUND}


def test_gaps_shorter_than_told_are_closed():
    config = SegmentConfig(merge_gap_s=0.6)
    path = np.array([0, 0, BACKGROUND, 0, 0, 1])
    found = runs(path, np.ones((6, 2)), ["a", "b"], seconds=3.0, config=config)
    assert [(s.label, s.start_s, s.end_s) for s in found] == [("a", 0, 2.5), ("b", 2.5, 3.0)]


def test_one_label_keeps_its_own_score_as_margin():
    scores = np.array([[1.0], [-1.0]])
    np.testing.assert_array_equal(margins(scores), scores)
    np.testing.assert_allclose(margins(1000 * scores), scores)


def test_stillness_is_of_all_bodies_and_takes_absent_ones_for_still():
    joints = np.zeros((61, 2, 25, 3))
    joints[30:, 0, :, 0] = 0.05 * np.arange(31)[:, None]  # moves in the second second only
    joints[:, 1] = np.nan
    assert still_moments(joints, 30, 2, 0.004).tolist() == [True, False]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"lengths_s": ()}, "at least one length"),
        ({"stride_s": 0.0}, "stride_s must be above 0"),
        ({"mean_length_s": 0.2}, "above stride_s"),
    ],
)
def test_choices_are_checked(bad, said):
    with pytest.raises(InputError, match=said):
        SegmentConfig(**bad)
