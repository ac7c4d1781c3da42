"""Transductive layers: alone a clip keeps its scores, sure answers stay, order and seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.zeroshot.transductive.layers import (
    cache,
    entropies,
    likeliest_entropy,
    prototypes,
    softmax,
    temperature_for,
)


def drawn(clips, classes, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(clips, classes)), rng.normal(size=(clips, 6))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9))
def test_a_clip_alone_keeps_its_answer_and_in_the_cache_its_scores(seed, classes):
    scores, v = drawn(1, classes, seed)
    np.testing.assert_allclose(cache(scores, v, 0), scores / scores.std())
    assert prototypes(scores, v, 0.5).argmax(1) == scores.argmax(1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_right_answers_about_parted_classes_stay(seed):
    rng = np.random.default_rng(seed)
    truth = np.arange(30) % 5
    v = 10 * np.eye(5)[truth] + 0.1 * rng.normal(size=(30, 5))
    scores = np.eye(5)[truth] + 0.1 * rng.random((30, 5))
    assert (prototypes(scores, v, 0.5, share=1.0).argmax(1) == truth).all()
    assert (cache(scores, v, seed).argmax(1) == truth).all()


def test_clips_together_mend_answers_that_are_unsure():
    rng = np.random.default_rng(0)
    truth = np.arange(200) % 4
    v = 3 * np.eye(4)[truth] + 0.3 * rng.normal(size=(200, 4))
    scores = np.eye(4)[truth] + 0.8 * rng.normal(size=(200, 4))
    base = (scores.argmax(1) == truth).mean()
    for found in (prototypes(scores, v, 0.5), cache(scores, v, 0)):
        assert (found.argmax(1) == truth).mean() > base + 0.05


def test_the_cache_is_the_same_for_a_seed_and_another_for_another():
    scores, v = drawn(60, 4)
    assert np.array_equal(cache(scores, v, 3), cache(scores, v, 3))
    assert not np.array_equal(cache(scores, v, 3), cache(scores, v, 4))


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(12)))
def test_prototypes_do_not_depend_on_the_order_of_clips(order):
    scores, v = drawn(12, 3)
    found = prototypes(scores[order], v[order], 0.6)
    np.testing.assert_allclose(found, prototypes(scores, v, 0.6)[order], atol=1e-12)


def test_a_class_that_is_nobodys_answer_scores_least():
    scores, v = drawn(10, 3)
    scores[:, 1] = -9
    assert (prototypes(scores, v, 0.5)[:, 1] == -1).all()


@settings(max_examples=30, deadline=None)
@given(st.floats(0.05, 0.95), st.floats(1e-3, 1e3), st.integers(2, 20))
def test_the_temperature_brings_about_the_entropy_at_any_scale(entropy, scale, classes):
    scores = scale * drawn(40, classes)[0]
    found = entropies(softmax(scores / temperature_for(scores, entropy))).mean()
    assert found == pytest.approx(entropy, abs=1e-3)


def test_entropies_run_from_nothing_to_one():
    p = np.array([[1.0, 0, 0], [1 / 3] * 3])
    np.testing.assert_allclose(entropies(p), [0, 1], atol=1e-12)


def test_the_likeliest_entropy_is_low_for_right_scores_and_high_for_noise():
    truth = np.arange(90) % 3
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(90, 3))
    assert likeliest_entropy(np.eye(3)[truth] + 0.1 * noise, truth) < 0.05
    assert likeliest_entropy(noise, truth) > 0.9
