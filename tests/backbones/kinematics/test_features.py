"""Kinematic features: scaled by training clips alone, kept with what makes them again."""

import numpy as np
import pytest

from smie_pipe.backbones.kinematics.features import KinematicFeatures, Scaling
from smie_pipe.backbones.kinematics.quantities import COLUMNS
from smie_pipe.preprocessing.foundation.errors import InputError


def numbers(n=40, seed=0):
    return np.random.default_rng(seed).normal(3, 2, size=(n, len(COLUMNS)))


def test_training_clips_come_out_with_mean_0_and_deviation_1():
    scaled = Scaling.of(numbers()).apply(numbers())
    np.testing.assert_allclose(scaled.mean(0), 0, atol=0.05)
    np.testing.assert_allclose(scaled.std(0), 1, atol=0.05)


def test_what_never_changes_and_what_is_not_defined_become_0():
    v = numbers()
    v[:, 0], v[:20, 1], v[:, 2] = 7.0, np.nan, np.nan
    scaling = Scaling.of(v)
    scaled = scaling.apply(v)
    assert (scaled[:, 0] == 0).all() and (scaled[:20, 1] == 0).all() and (scaled[:, 2] == 0).all()
    assert scaled[20:, 1].mean() == pytest.approx(0, abs=0.05)  # by the clips that have it
    assert scaling.apply(v + 1000).max() <= 5


def test_no_more_axes_than_clips_and_always_the_same_signs():
    made = KinematicFeatures.of(numbers(6), components=50)
    assert made.width == 6
    features = KinematicFeatures.of(numbers(), components=9)
    assert features.apply(numbers(5, 1)).shape == (5, 9)
    again = KinematicFeatures.of(numbers()[::-1], components=9)
    np.testing.assert_allclose(
        features.apply(numbers(5, 1)), again.apply(numbers(5, 1)), atol=1e-4
    )


@pytest.mark.parametrize("components", [0, 7])
def test_the_state_makes_the_same_features_again(components):
    features = KinematicFeatures.of(numbers(), components)
    again = KinematicFeatures.restore(features.state())
    assert np.array_equal(features.apply(numbers(5, 1)), again.apply(numbers(5, 1)))


def test_the_state_of_another_version_is_refused():
    state = KinematicFeatures.of(numbers()).state()
    with pytest.raises(InputError, match="other quantities"):
        KinematicFeatures.restore({**state, "names": np.frombuffer(b"[]", np.uint8)})
    with pytest.raises(InputError, match="lack mean"):
        KinematicFeatures.restore({name: a for name, a in state.items() if name != "mean"})
