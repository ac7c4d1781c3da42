"""SMIE: golden losses, equations by hand, options, and that it learns."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData, fit
from smie_pipe.zeroshot.methods.batches import Batch, roll
from smie_pipe.zeroshot.methods.estimator import Estimator
from smie_pipe.zeroshot.methods.registry import method_options
from smie_pipe.zeroshot.methods.smie import (
    SMIE,
    PairScores,
    SMIEWithoutTemporal,
    infonce,
    jsd,
    mutual_information,
    pair_scores,
    total_loss,
)
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

SMALL = {"epochs": 3, "batch": 16, "hidden1": 12, "hidden2": 8}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def golden(shared):
    """Numbers of the public code on random features: FACTS, section 9; weights included."""
    with np.load(shared / "golden" / "smie.npz") as z:
        stored = {name: torch.as_tensor(z[name]) for name in z.files}
    state = {name[2:]: x for name, x in stored.items() if name.startswith("w/")}
    return stored, Estimator.from_plain(state, stored["visual"].shape[1])


@torch.no_grad()
def golden_scores(stored, net):
    label, none = stored["label"], torch.empty(0, dtype=torch.long)
    batch = Batch(torch.arange(len(label)), label, none, roll(len(label), 1))
    return pair_scores(net, stored["visual"], stored["masked"], stored["table"], batch)


def test_mutual_information_meets_the_public_codes(golden):
    m, m_hat = mutual_information(golden_scores(*golden), "jsd")
    assert math.isclose(m, golden[0]["m"], rel_tol=1e-5)
    assert math.isclose(m_hat, golden[0]["m_hat"], rel_tol=1e-5)


@pytest.mark.parametrize("beta", ["0.01", "0.1", "0.5", "1.0"])
def test_loss_meets_the_public_codes(golden, beta):
    m, m_hat = mutual_information(golden_scores(*golden), "jsd")
    loss = total_loss(m, m_hat, float(beta), 0.5)
    assert math.isclose(loss, golden[0][f"L_beta_{beta}"], rel_tol=1e-5)


def test_scores_meet_the_public_codes(golden):
    stored, net = golden
    method = SMIE()
    method.net = net
    # The stored features are normalised already; to normalise again changes them by 1e-3.
    method.layer_norm = "train"
    scores = method.score(stored["visual"], ClassTexts(stored["table"]))
    torch.testing.assert_close(scores, stored["scores"], rtol=1e-5, atol=1e-5)


def random_batch(classes=4, clips=10, extra=0, negatives=1):
    label = torch.arange(clips) % classes
    rows = torch.randint(0, clips + extra, (clips, negatives))
    return Batch(torch.randperm(clips), label, torch.arange(extra), rows)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("extra, negatives", [(0, 1), (3, 1), (2, 3)])
def test_shared_parts_give_what_pairs_give_one_by_one(masked, extra, negatives):
    torch.manual_seed(0)
    net = Estimator(5, 7, 9, 6).double()
    v, v_masked, table = (torch.randn(n, d).double() for n, d in ((10, 5), (10, 5), (4, 7)))
    batch = random_batch(extra=extra, negatives=negatives)
    scores = pair_scores(net, v, v_masked if masked else None, table, batch)
    rows = torch.cat([batch.clips, batch.extra])
    a = table[batch.label]
    exact = {"rtol": 0, "atol": 1e-6, "check_dtype": False}  # scores leave in float32
    torch.testing.assert_close(scores.positive, net(v[batch.clips], a), **exact)
    false = torch.stack([net(v[rows[n]], a) for n in batch.negatives.T], dim=1)
    torch.testing.assert_close(scores.negative, false, **exact)
    if masked:
        torch.testing.assert_close(scores.masked, net(v_masked[batch.clips], a), **exact)
    else:
        assert scores.masked is None


def test_jsd_by_hand():
    # T = 0 everywhere: -log 2 - log 2.
    zero = torch.zeros(5)
    torch.testing.assert_close(jsd(zero, zero[:, None]), torch.tensor(-2 * math.log(2)))
    assert jsd(torch.full((3,), 50.0), torch.full((3, 1), -50.0)) > -1e-6  # its upper bound, 0


def test_infonce_by_hand():
    # Equal scores tell nothing: log S - log S = 0. A sure positive gives log S.
    zero = torch.zeros(5)
    assert abs(float(infonce(zero, zero[:, None].expand(5, 3)))) < 1e-6
    sure = infonce(zero + 50, zero[:, None].expand(5, 3))
    assert math.isclose(sure, math.log(4), rel_tol=1e-6)


def test_masked_estimate_uses_the_same_negatives():
    scores = PairScores(torch.randn(6), torch.randn(6), torch.randn(6, 1))
    m, m_hat = mutual_information(scores, "jsd")
    gap = -F.softplus(-scores.positive).mean() + F.softplus(-scores.masked).mean()
    torch.testing.assert_close(m - m_hat, gap)


@pytest.mark.parametrize("gap, hinge", [(0.3, 0.0), (0.04, 0.06), (-0.2, 0.3)])
def test_temporal_constraint_asks_for_a_lead_of_beta(gap, hinge):
    m = torch.tensor(-1.0)
    loss = total_loss(m, m - gap, beta=0.1, lam=0.5)
    assert math.isclose(loss, 1.0 + 0.5 * hinge, rel_tol=1e-6)


@pytest.fixture
def data():
    """36 clips of 3 classes, 8-d visual, 6-d text."""
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(36, 8, generator=generator)
    masked = v + 0.3 * torch.randn(36, 8, generator=generator)
    texts = ClassTexts(torch.randn(3, 6, generator=generator))
    return TrainingData(v, masked, torch.arange(36) % 3, texts)


def state_after(data, **options):
    method = fit(SMIE(**{**SMALL, **options}), data, seed=2, device="cpu")
    return torch.cat([p.detach().flatten() for p in method.net.parameters()])


def test_same_seed_same_model_other_seed_another(data):
    first = fit(SMIE(**SMALL), data, seed=1, device="cpu")
    torch.rand(5)  # the global state must not matter
    again = fit(SMIE(**SMALL), data, seed=1, device="cpu")
    other = fit(SMIE(**SMALL), data, seed=2, device="cpu")
    scores = [m.score(data.v, data.texts) for m in (first, again, other)]
    assert torch.equal(scores[0], scores[1]) and not torch.equal(scores[0], scores[2])


@pytest.mark.parametrize(
    "change",
    [
        {"negatives": "roll"},
        {"estimator": "infonce", "infonce_negatives": 3},
        {"layer_norm": "none"},
        {"temporal": False},
        {"beta": -9.0},
        {"lam": 0.0},
        {"lr": 1e-3},
        {"warmup": 0.7},
    ],
)
def test_every_training_option_changes_the_model(data, change):
    changed = state_after(data, **change)
    assert changed.isfinite().all() and not torch.equal(changed, state_after(data))


@pytest.mark.parametrize("estimator", ["jsd", "infonce"])
def test_without_temporal_constraint_masked_clips_play_no_part(data, estimator):
    alone = TrainingData(data.v, None, data.label, data.texts)
    options = {"temporal": False, "estimator": estimator}
    assert torch.equal(state_after(data, **options), state_after(alone, **options))


def test_epochs_report_loss_and_both_estimates(data):
    epochs = list(SMIE(**SMALL).train(data, seed=0, device=CPU))
    assert len(epochs) == 3
    assert all(list(e) == ["loss", "m", "m_hat"] for e in epochs)
    for e in epochs:
        least = -e["m"] + 0.5 * max(0.0, 0.1 - (e["m"] - e["m_hat"]))
        assert e["loss"] >= least - 1e-5  # a mean of hinges is no less than the hinge of means
    alone = list(SMIEWithoutTemporal(**SMALL).train(data, seed=0, device=CPU))
    assert list(alone[0]) == ["loss", "m"]


def test_learning_rate_warms_up_then_falls_along_a_cosine():
    rate = [SMIE()._rate(epoch) for epoch in range(100)]
    assert rate[0] == pytest.approx(1 / 15) and rate[14] == rate[15] == 1.0
    assert rate[15:] == sorted(rate[15:], reverse=True)
    assert rate[15 + 42] == pytest.approx(0.5 * (1 + math.cos(math.pi * 42 / 85)))
    assert 0 < rate[99] < 1e-3


@pytest.mark.parametrize(
    "where, trained_as, tested_as", [("both", 1, 1), ("train", 1, 0), ("none", 0, 0)]
)
def test_layer_norm_at_test(data, where, trained_as, tested_as):
    method = fit(SMIE(**SMALL, layer_norm=where), data, seed=0, device="cpu")
    moved = 3 * data.v + 5  # what LayerNorm takes away
    same = torch.allclose(
        method.score(moved, data.texts), method.score(data.v, data.texts), atol=1e-4
    )
    assert same == bool(tested_as)
    shifted = TrainingData(moved, None, data.label, data.texts)
    options = {"layer_norm": where, "temporal": False}
    assert torch.allclose(
        state_after(shifted, **options), state_after(data, **options), atol=1e-3
    ) == bool(trained_as)


def test_masked_clips_are_asked_for_before_any_work(data):
    alone = TrainingData(data.v, None, data.label, data.texts)
    with pytest.raises(InputError, match="hold no masked clips.*'smie-wo-l2'"):
        next(SMIE().train(alone, seed=0, device=CPU))
    fit(SMIEWithoutTemporal(**SMALL), alone, seed=0, device="cpu")


def test_bf16_training_stays_near_float32(data):
    exact, rounded = state_after(data), state_after(data, precision="bf16")
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(rounded, exact, rtol=0, atol=2e-3)


def test_wrong_options_name_the_choices():
    with pytest.raises(InputError, match="'rol'. Did you mean 'roll'"):
        SMIE(negatives="rol")
    with pytest.raises(InputError, match="smie-wo-l2.epochs: expected a number above 0, got 0"):
        SMIEWithoutTemporal(epochs=0)


@pytest.mark.parametrize(
    "dataset, lr, beta", [("ntu60", 1e-5, 0.1), ("ntu120", 1e-4, 0.5), ("pku51", 1e-5, 0.01),
                          ("custom", 1e-4, 0.1)]
)  # fmt: skip
def test_the_papers_settings_go_by_dataset(dataset, lr, beta):
    options = method_options("smie", {}, dataset)
    assert (options["lr"], options["beta"], options["lam"]) == (lr, beta, 0.5)
    assert method_options("smie", {"beta": "1"}, dataset)["beta"] == 1.0


def test_a_margin_that_is_kept_trains_like_no_margin(data):
    """Backward skips the masked clips then; the model must be that of lambda 0."""
    torch.testing.assert_close(state_after(data, beta=-9.0), state_after(data, lam=0.0))
