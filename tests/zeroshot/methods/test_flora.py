"""Flora: nearest class before the flow has learnt; its minimiser; neighbours among the seen."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData, fit, normalise, scaled
from smie_pipe.zeroshot.methods.flora import NEARLY, Flora, attuned, flow_loss
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

QUICK = {"epochs": 2, "cycle": 6, "batch": 8, "width": 12}


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def data():
    texts = ClassTexts(rows(5, 9, seed=1))
    return TrainingData(rows(40, 10), None, torch.arange(40) % 5, texts)


@pytest.fixture(scope="module")
def unseen():
    return ClassTexts(rows(4, 9, seed=3))


def trained(data, **options):
    return fit(Flora(**QUICK | options), data, seed=0, device="cpu")


def test_a_flow_that_says_nothing_gives_the_nearest_class_exactly(data, unseen):
    method = trained(data)
    torch.nn.init.zeros_(method.net.flow.last.weight)
    torch.nn.init.zeros_(method.net.flow.last.bias)
    classes, _ = method.class_latents(unseen)
    with torch.no_grad():
        clips = method.net.visual(normalise(data.v))[0]
    nearest = torch.cdist(clips, NEARLY * classes[0]).argmin(1)
    assert torch.equal(method.score(data.v, unseen).argmax(1), nearest)
    method.flow = False
    assert torch.equal(method.score(data.v, unseen).argmax(1), nearest)


def test_the_flow_counts_once_it_has_learnt(data, unseen):
    method = trained(data, lr=1e-2)
    with_it = method.score(data.v, unseen)
    method.flow = False
    assert not torch.allclose(with_it, method.score(data.v, unseen))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_flows_loss_is_least_at_the_pushed_mean(seed):
    u, other = rows(1, 6, seed=seed).double(), rows(1, 6, seed=seed + 1).double()
    w = ((u - 0.1 * other) / 0.9).requires_grad_()
    loss = flow_loss(w, u, other)
    loss.backward()
    assert float(w.grad.abs().max()) < 1e-12
    assert float(flow_loss(w.detach() + 0.1, u, other)) > float(loss.detach())


def test_without_tau_texts_are_as_they_were(data, unseen):
    method = trained(data, tau=0.0)
    assert torch.equal(method._attuned(unseen.sentence), scaled(unseen.sentence))


def test_neighbours_are_seen_classes_unless_all_are_asked_for(data, unseen):
    method = trained(data, nearest=1)
    alone = method.score(data.v, unseen.take([2]))
    torch.testing.assert_close(method.score(data.v, unseen)[:, [2]], alone)
    method.neighbours, method.nearest = "all", 8
    assert not torch.allclose(method.score(data.v, unseen)[:, [2]], alone)


def test_a_class_is_no_neighbour_of_itself():
    texts = torch.eye(3)
    assert torch.equal(attuned(texts, texts[:1], 1.0, 2)[0], texts[0])
    near = torch.nn.functional.normalize(torch.tensor([[1.0, 0.5, 0]]), dim=1)
    expected = near + 0.5 * (near[0, 0] * texts[0] + near[0, 1] * texts[1])
    torch.testing.assert_close(attuned(near, texts[:2], 1.0, 2), expected)


def test_drawn_latents_are_the_same_for_every_batch_size(data, unseen):
    method = trained(data, draws=3)
    whole = method.score(data.v, unseen)
    parts = torch.cat([method.score(x, unseen) for x in data.v.split(7)])
    torch.testing.assert_close(whole, parts)
    assert torch.equal(whole, method.score(data.v, unseen))
    method.draws = 0
    assert not torch.allclose(whole, method.score(data.v, unseen))


@pytest.mark.parametrize(
    "options, said",
    [({"tau": -1.0}, "flora.tau"), ({"neighbours": "sen"}, "Did you mean 'seen'")],
)
def test_impossible_options_are_told(options, said):
    with pytest.raises(InputError, match=said):
        Flora(**options)
