"""CADA-VAE: rounds that follow the number of clips, and FS-VAE's crossed loss."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.fft import dct, idct

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData, fit
from smie_pipe.zeroshot.methods.cadavae import CADAVAE, AlignedVAEs, cycle_of, forever, weights
from smie_pipe.zeroshot.methods.registry import build_method
from smie_pipe.zeroshot.texts.class_texts import ClassTexts


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 400), st.integers(2, 64), st.integers(1, 4))
def test_a_round_passes_over_every_clip_as_often_as_said(clips, batch, passes):
    method = CADAVAE(batch=batch, passes=passes)
    stream = forever(clips, batch, torch.Generator().manual_seed(0))
    drawn = torch.cat([next(stream) for _ in range(cycle_of(method, clips))])
    assert drawn.bincount(minlength=clips).amin() >= passes
    assert cycle_of(CADAVAE(batch=batch, cycle=7), clips) == 7


@pytest.mark.parametrize("name", ["cada-vae", "synse"])
def test_the_papers_data_sets_keep_the_published_batches(name):
    assert build_method(name, dataset="ntu60").cycle == 1700
    assert build_method(name, dataset="ntu120").cycle == 1900
    assert build_method(name, dataset="custom").cycle == 0


def test_the_schedule_ends_alike_for_any_number_of_batches():
    assert weights(0) == (0, 0)
    assert weights(0.999999) == pytest.approx((0.1 * 700 / 3000, 1), abs=1e-4)
    assert weights(1000 / 1700) == (0, 0)


@pytest.mark.parametrize(
    "options, said",
    [({"crossed": "calibrate"}, "Did you mean 'calibrated'"), ({"cycle": -1}, "0 or a number")],
)
def test_impossible_options_are_told_before_any_work(options, said):
    with pytest.raises(InputError, match=said):
        CADAVAE(**options)


@torch.no_grad()
def test_calibrated_terms_are_a_half_each_where_errors_do_not_differ():
    net = AlignedVAEs(5, [4], 3)
    v, text, z = rows(6, 5), rows(6, 4, seed=1), rows(6, 3, seed=2)
    itself = torch.arange(6)
    rebuilt = net.visual.decoder(z)  # clips that are rebuilt without an error
    assert float(net.crossed(rebuilt, [text], z, z, itself)) == pytest.approx(1.0)
    assert float(net.crossed(v, [text], z, z, itself)) > 1.0  # the text term is a half still


def test_calibrated_is_scored_and_differs_from_plain():
    texts = ClassTexts(rows(4, 6))
    data = TrainingData(rows(40, 8), None, torch.arange(40) % 4, texts)
    few = {"cycles": 1, "cycle": 20, "samples": 5, "steps": 5, "latent": 4, "lr": 1e-2}
    plain, calibrated = (
        fit(CADAVAE(**few, crossed=way, crossed_weight=1e4), data, seed=0, device="cpu").score(
            data.v, texts
        )
        for way in ("plain", "calibrated")
    )
    assert calibrated.isfinite().all() and not torch.equal(plain, calibrated)


def test_the_cosine_transform_left_out_of_fs_vae_is_one_linear_map_of_the_feature():
    scale, encoder = rows(16, seed=1).double().numpy(), rows(16, 4, seed=2).double().numpy()
    x = rows(9, 16).double().numpy()

    def filtered(x):
        return idct(scale * dct(x, norm="ortho"), norm="ortho") @ encoder

    one_map = filtered(torch.eye(16).double().numpy())
    assert abs(filtered(x) - x @ one_map).max() < 1e-10
