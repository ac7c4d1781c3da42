"""SA-DVAE: an aligned autoencoder without its rest; its schedule; when the critic learns."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData
from smie_pipe.zeroshot.methods.cadavae import AlignedVAEs
from smie_pipe.zeroshot.methods.registry import build_method
from smie_pipe.zeroshot.methods.sadvae import SADVAE, DisentangledVAEs, weights
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

QUICK = {"cycle": 10, "batch": 8, "semantic": 4, "rest": 2, "lr": 1e-2}


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def data():
    return TrainingData(rows(40, 10), None, torch.arange(40) % 5, ClassTexts(rows(5, 12, seed=1)))


@torch.no_grad()
def test_without_a_rest_it_is_the_aligned_autoencoder():
    ours, aligned = DisentangledVAEs(10, 12, 4, 0), AlignedVAEs(10, [12], 4)
    pairs = [
        (aligned.visual.encoder, ours.visual_encoder),
        (aligned.visual.decoder, ours.visual_decoder),
        (aligned.texts[0].encoder, ours.text_encoder),
        (aligned.texts[0].decoder, ours.text_decoder),
    ]
    for to, of in pairs:
        to.load_state_dict(of.state_dict())
    v, text, noise = rows(6, 10), rows(6, 12, seed=1), rows(2, 6, 4, seed=2)
    at = ours.latents(v, text, noise)
    found = (*ours.errors(v, text, at, summed=True), at.kl + at.text_kl)
    torch.testing.assert_close(found, aligned.losses(v, [text], noise))


def test_the_schedule_of_the_public_code():
    n = 1700
    at = [weights(i / n, 2) for i in (0, 0.6 * n, 0.8 * n, n - 1)]
    expected = [(0, 0, 0), (0.0007, 0, 0), (0.012, 0, 0), (0.0233, 0.0113, 1)]
    for found, wanted in zip(at, expected, strict=True):
        assert found == pytest.approx(wanted, abs=5e-5)


@given(st.floats(0, 1), st.integers(0, 1))
def test_the_critics_weight_is_nothing_in_the_first_two_rounds(share, cycle):
    assert weights(share, cycle)[1] == 0


def test_the_critic_is_untouched_in_the_first_two_rounds_and_learns_in_the_third(data):
    method = SADVAE(**QUICK, critic_every=1)
    rounds = method.train(data, seed=0, device=torch.device("cpu"))
    next(rounds)
    before = [p.clone() for p in method.critic.parameters()]
    next(rounds)
    assert all(map(torch.equal, before, method.critic.parameters()))
    next(rounds)
    assert not all(map(torch.equal, before, method.critic.parameters()))


def test_the_critics_step_leaves_the_encoders_alone(data):
    method = SADVAE(**QUICK)
    next(method.train(data, seed=0, device=torch.device("cpu")))
    at = method.net.latents(data.v, data.texts.sentence[data.label], rows(2, 40, 6))
    method.net.zero_grad()
    method.critic.loss(at, torch.Generator().manual_seed(0)).backward()
    assert all(p.grad is None for p in method.net.parameters())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_decoders_with_a_relu_are_never_negative(seed):
    net = DisentangledVAEs(5, 7, 3, 2, relu=True)
    assert float(net.decode_texts(rows(4, 3, seed=seed)).detach().amin()) >= 0
    assert float(net.decode(rows(4, 5, seed=seed)).detach().amin()) >= 0


@pytest.mark.parametrize("noise, width", [("scalar", 1), ("vector", 6)])
def test_noise_is_one_number_a_sample_or_one_a_dimension(noise, width, data):
    method = SADVAE(**QUICK, noise=noise)
    next(method.train(data, seed=0, device=torch.device("cpu")))
    assert method._noise(3, torch.Generator()).shape == (2, 3, width)


def test_the_papers_data_sets_keep_the_published_passes():
    assert build_method("sa-dvae", dataset="ntu60").passes == 1
    assert build_method("sa-dvae", dataset="ntu120").rest == 32
    assert build_method("sa-dvae", dataset="custom").passes > 1


@pytest.mark.parametrize("option", ["errors", "noise"])
def test_impossible_options_are_told(option):
    with pytest.raises(InputError, match=f"unknown sa-dvae.{option} 'none'"):
        SADVAE(**{option: "none"})
