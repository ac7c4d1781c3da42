"""Prototypes: each closed-form step against its definition, left-out classes against refitting."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData, fit
from smie_pipe.zeroshot.methods.prototypes import Prototypes, discriminant_space
from smie_pipe.zeroshot.methods.registry import build_method
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

CPU = torch.device("cpu")


def study(seed=0, classes=12, unseen=4, clips=9, width=16, style=2.0, loss=0.5, views=3):
    """Return texts of all classes, training data of the seen ones and clips of the unseen ones.

    A class is a latent vector of 8. Each text set is a linear image of it of which a share
    ``loss`` is left out; a clip is another one, with noise along class-independent directions.
    """
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(classes + unseen, 8))
    tables = []
    for _ in range(views):
        kept = rng.permutation(8) >= round(8 * loss)
        tables.append(torch.as_tensor((z * kept) @ rng.normal(size=(8, 20))))
    texts = ClassTexts.of_views(tables)
    a, b = rng.normal(size=(8, width)), rng.normal(size=(4, width))
    label = np.arange((classes + unseen) * clips) % (classes + unseen)
    v = z[label] @ a + style * rng.normal(size=(len(label), 4)) @ b
    v = torch.as_tensor(v + 0.3 * rng.normal(size=v.shape))
    seen = label < classes
    data = TrainingData(v[seen], None, label[seen], texts.take(range(classes)))
    return texts, data, v[~seen], torch.as_tensor(label[~seen] - classes)


def accuracy(method, texts, v, label, classes=12):
    unseen = texts.take(range(classes, len(texts)))
    return float((method.score(v, unseen).argmax(1) == label).float().mean())


def mean_accuracy(change=lambda texts: texts, method=Prototypes, **choices):
    found = []
    for seed in range(6):
        texts, data, v, label = study(seed, **choices)
        texts = change(texts)
        data = TrainingData(data.v, None, data.label, texts.take(range(12)))
        found.append(accuracy(fit(method(), data, seed=0, device=CPU), texts, v, label))
    return np.mean(found)


@pytest.mark.parametrize("rho", [0.03, 0.5, 1.0])
def test_within_class_covariance_is_whitened(rho):
    _, data, _, _ = study(width=6)
    mean, basis = discriminant_space(data.v, data.label, rho)
    x = (data.v - mean) @ basis
    within = sum(torch.cov(x[data.label == c].T, correction=0) for c in range(12)) / 12
    raw = sum(torch.cov(data.v[data.label == c].T, correction=0) for c in range(12)) / 12
    shrunk = (1 - rho) * raw + rho * raw.trace() / 6 * torch.eye(6)
    # B'(W_rho)B is the identity, so B'WB is what the isotropic part leaves of it
    torch.testing.assert_close(basis.T @ shrunk @ basis, torch.eye(6, dtype=torch.float64))
    assert torch.linalg.eigvalsh(within).max() <= 1 / max(1 - rho, 1e-9) + 1e-6


def test_the_space_spans_the_class_means_and_weighs_classes_alike():
    _, data, _, _ = study(classes=5)
    mean, basis = discriminant_space(data.v, data.label, 0.1)
    assert basis.shape == (16, 4)
    means = torch.stack([data.v[data.label == c].mean(0) for c in range(5)])
    torch.testing.assert_close(mean, means.mean(0))
    again = torch.cat([data.v, data.v[data.label == 2]])
    label = torch.cat([data.label, data.label[data.label == 2]])
    other, same = discriminant_space(again, label, 0.1)
    torch.testing.assert_close(other, mean)
    torch.testing.assert_close(same @ same.T, basis @ basis.T)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 500), st.integers(1, 8), st.sampled_from(["rbf", "linear"]))
def test_left_out_classes_are_predicted_as_by_refitting_without_them(seed, count, kernel):
    texts, data, _, _ = study(seed % 7)
    method = fit(Prototypes(kernel=kernel), data, seed=0, device=CPU)
    left = np.random.default_rng(seed).permutation(12)[:count]
    kept = np.setdiff1d(np.arange(12), left)
    gram = method._kernel(method.texts)
    penalised = gram[kept][:, kept] + 0.3 * torch.eye(len(kept), dtype=torch.float64)
    solved = torch.linalg.solve(penalised, method.means[kept])
    refitted = gram[left][:, kept] @ solved
    torch.testing.assert_close(method.left_out(left), refitted, atol=1e-8, rtol=0)


def test_the_loss_is_that_of_classes_left_out_one_at_a_time():
    _, data, _, _ = study()
    method = Prototypes()
    ((told),) = list(method.train(data, seed=0, device=CPU))
    errors = [float((method.left_out([c]) - method.means[c]).square().sum()) for c in range(12)]
    assert told["loss"] == pytest.approx(np.mean(errors))


def test_a_heavy_penalty_takes_every_prototype_to_the_mean_of_the_classes():
    texts, data, v, _ = study()
    method = fit(Prototypes(lam=1e9), data, seed=0, device=CPU)
    assert float(method.prototypes(texts.take(range(12, 16))).abs().max()) < 1e-6


def test_a_seen_class_keeps_its_own_mean_wherever_it_stands():
    texts, data, _, _ = study()
    method = fit(Prototypes(), data, seed=0, device=CPU)
    found = method.prototypes(texts.take([13, 3, 0]))
    torch.testing.assert_close(found[1:], method.means[[3, 0]])
    torch.testing.assert_close(found[:1], method.prototypes(texts.take([13])))


def test_classes_and_text_sets_in_another_order_change_nothing():
    texts, data, v, _ = study()
    order = torch.as_tensor(np.random.default_rng(1).permutation(12))
    back = torch.argsort(order)
    turned = ClassTexts.of_views(texts.views[::-1])
    other = TrainingData(data.v, None, back[data.label], turned.take(order))
    unseen = range(12, 16)
    one = fit(Prototypes(), data, seed=0, device=CPU).score(v, texts.take(unseen))
    two = fit(Prototypes(), other, seed=0, device=CPU).score(v, turned.take(unseen))
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


def test_the_same_input_gives_the_same_bits_whatever_the_seed():
    texts, data, v, _ = study()
    one, two = (fit(Prototypes(), data, seed=s, device=CPU).score(v, texts) for s in (0, 1))
    assert torch.equal(one, two)


def test_the_score_is_the_plain_distance():
    texts, data, v, _ = study()
    method = fit(Prototypes(), data, seed=0, device=CPU)
    apart = method.project(v)[:, None] - method.prototypes(texts)[None]
    expected = -apart.square().sum(2).float()
    torch.testing.assert_close(method.score(v, texts), expected, rtol=1e-4, atol=1e-4)


def test_each_ingredient_earns_its_place_where_it_should():
    """On data made so: strong style, texts that each lose half. It says nothing of real data."""
    whole = mean_accuracy()
    assert whole > 0.6  # chance is 0.25
    assert whole > mean_accuracy(lambda texts: ClassTexts(texts.views[0])) + 0.1
    assert whole > mean_accuracy(method=lambda: Prototypes(rho=1.0)) + 0.05


def test_clips_of_a_class_all_alike_leave_nothing_to_whiten_by():
    texts, data, v, _ = study(clips=1)
    assert fit(Prototypes(), data, seed=0, device=CPU).score(v, texts).isfinite().all()


def test_a_seen_class_without_clips_is_predicted_like_an_unseen_one():
    texts, data, v, _ = study()
    few = data.label != 3
    data = TrainingData(data.v[few], None, data.label[few], data.texts)
    method = fit(Prototypes(), data, seed=0, device=CPU)
    assert method.means.shape[0] == 11
    assert method.score(v, texts).isfinite().all()


def test_other_texts_than_those_trained_with_are_refused():
    texts, data, v, _ = study()
    method = fit(Prototypes(), data, seed=0, device=CPU)
    with pytest.raises(InputError, match="width 20, 20, 20 and is to score texts of width 60"):
        method.score(v, ClassTexts(texts.sentence))


@pytest.mark.parametrize("option", ["rho=0", "rho=1.5", "lam=-1", "kernel=cosine"])
def test_impossible_options_are_refused(option):
    name, _, value = option.partition("=")
    with pytest.raises(InputError, match=f"prototypes.{name}"):
        build_method("prototypes", {name: value})
