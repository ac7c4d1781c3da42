import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.gzsl.gate import GateInputs, SeenClassifier, fit_gate, gate_inputs
from smie_pipe.zeroshot.gzsl.stacking import Margins, at, curve, harmonic, joined, margins_of


def _problem(seed=0, clips=300, lean=1.5):
    """Scores against 6 seen and 4 unseen classes, with a lean to the seen ones."""
    rng = np.random.default_rng(seed)
    unseen = np.arange(10) >= 6
    truth = rng.integers(0, 10, clips)
    scores = rng.normal(size=(clips, 10)) + 2 * np.eye(10)[truth] + lean * ~unseen
    return scores, truth, unseen


def _brute(scores, truth, unseen, gamma):
    """S and U as the definition says: take gamma off seen scores, then argmax."""
    right = (scores - gamma * ~unseen).argmax(1) == truth
    seen_clip = ~unseen[truth]
    return right[seen_clip].mean(), right[~seen_clip].mean()


@pytest.mark.parametrize("gamma", [-1.0, 0.0, 0.7, 1.5, 4.0])
def test_stacking_is_argmax_after_taking_gamma_off(gamma):
    scores, truth, unseen = _problem()
    S, U = _brute(scores, truth, unseen, gamma)
    found = at(margins_of(scores, truth, unseen), gamma)
    assert (found["S"], found["U"]) == pytest.approx((S, U))
    assert found["H"] == pytest.approx(2 * S * U / (S + U) if S + U else 0)


def test_curve_has_every_case_that_there_is():
    scores, truth, unseen = _problem(clips=40)
    found = curve(margins_of(scores, truth, unseen))
    for gamma, S, U in zip(found.gamma, found.S, found.U, strict=True):
        assert _brute(scores, truth, unseen, gamma) == pytest.approx((S, U))
    fine = {_brute(scores, truth, unseen, g) for g in np.linspace(-8, 12, 4001)}
    assert fine <= set(zip(found.S, found.U, strict=True))


def test_curve_is_monotone_and_its_area_that_of_its_corners():
    found = curve(margins_of(*_problem()))
    assert (np.diff(found.S) <= 0).all() and (np.diff(found.U) >= 0).all()
    assert found.S[-1] == 0 and found.U[0] == 0
    slabs = [
        (found.S[i] - found.S[i + 1]) * (found.U[i] + found.U[i + 1]) / 2
        for i in range(len(found.S) - 1)
    ]
    assert found.area() == pytest.approx(sum(slabs))
    assert 0 < found.area() < found.S[0] * found.U[-1]


def test_area_of_perfect_scores_is_one():
    truth = np.repeat(np.arange(4), 5)
    unseen = np.array([False, False, True, True])
    assert curve(margins_of(np.eye(4)[truth], truth, unseen)).area() == pytest.approx(1)


def test_best_gamma_undoes_the_lean():
    found = curve(margins_of(*_problem(clips=4000, lean=3.0)))
    gamma = found.best_gamma()
    assert gamma == pytest.approx(3.0, abs=0.5)
    best = harmonic(found.S, found.U).max()
    assert at(margins_of(*_problem(clips=4000, lean=3.0)), gamma)["H"] == pytest.approx(best)


def test_equal_leads_fall_on_one_side():
    c = Margins(np.zeros(4), np.ones(4, bool), np.ones(4, bool), np.array([1, 1, 0, 0], bool))
    found = curve(c)
    assert found.S.tolist() == [1, 0] and found.U.tolist() == [0, 1]
    assert found.area() == pytest.approx(0.5)


def test_one_kind_of_clip_is_no_contest():
    with pytest.raises(InputError, match="found 5 and 0"):
        margins_of(np.eye(6)[:5], np.arange(5), np.arange(6) == 5)


def test_harmonic_of_nothing_is_nothing():
    assert harmonic(0.0, 0.0) == 0
    assert harmonic(0.5, 0.5) == pytest.approx(0.5)


def _gate_problem(seed):
    """Like ``_problem``, with a seen classifier that is sure on seen clips only."""
    scores, truth, unseen = _problem(seed, clips=600, lean=4.0)
    rng = np.random.default_rng(seed + 100)
    logits = rng.normal(size=(600, 6))
    known = truth < 6
    logits[known] += 6 * np.eye(6)[truth[known]]
    return gate_inputs(scores, logits, truth, unseen)


def test_gate_tells_seen_from_unseen_by_how_sure_the_seen_classifier_is():
    gate = fit_gate(_gate_problem(0), unseen_classes=4)
    fresh = _gate_problem(1)
    found = gate.margins(fresh)
    guessed_seen = found.margin >= gate.threshold
    assert (guessed_seen == fresh.is_seen).mean() > 0.85
    plain = at(margins_of(*_problem(1, clips=600, lean=4.0)), 0.0)
    assert at(found, gate.threshold)["H"] > plain["H"] + 0.2


def test_gate_works_with_another_number_of_unseen_classes():
    gate = fit_gate(_gate_problem(0), unseen_classes=2)
    assert gate.top == 2 and gate.weight.shape == (4,)
    fresh = _gate_problem(1)
    fewer = GateInputs(
        fresh.unseen_scores[:, :2],
        fresh.seen_logits,
        fresh.right_if_seen,
        fresh.right_if_unseen,
        fresh.is_seen,
    )
    assert np.isfinite(gate.margins(fewer).margin).all()


def test_gate_does_not_care_for_the_unit_of_scores():
    plain, scaled = _gate_problem(0), _gate_problem(0)
    object.__setattr__(scaled, "unseen_scores", plain.unseen_scores * 1e4)
    a, b = fit_gate(plain, 4), fit_gate(scaled, 4)
    np.testing.assert_allclose(a.margins(plain).margin, b.margins(scaled).margin, rtol=1e-6)


def test_joined_keeps_every_clip_in_order():
    a, b = margins_of(*_problem(0, clips=30)), margins_of(*_problem(1, clips=20))
    both = joined([a, b])
    np.testing.assert_array_equal(both.margin, np.r_[a.margin, b.margin])
    assert both.is_seen.shape == (50,)


@pytest.mark.parametrize("classes", [2, 5])
def test_seen_classifier_learns_what_is_linear(classes):
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(classes), 40)
    v = rng.normal(size=(classes, 8))[label] * 3 + rng.normal(size=(len(label), 8)) + 100
    logits = SeenClassifier(v, label).logits(v)
    assert logits.shape == (len(label), classes)
    assert (logits.argmax(1) == label).mean() > 0.95
