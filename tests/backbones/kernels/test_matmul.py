"""Products by oneDNN: those of torch, and their gradients."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from smie_pipe.backbones.kernels import matmul as products
from smie_pipe.backbones.kernels.matmul import MANY_INPUTS, MANY_ROWS, Linear, bmm, linear, matmul

few = settings(max_examples=40, deadline=None, derandomize=True)
sizes = st.integers(1, 70)


def gradients(result, *inputs):
    torch.manual_seed(1)
    return torch.autograd.grad(result, inputs, torch.randn(result.shape).to(result))


def agree(ours, theirs, *shapes):
    """Compare in single precision with the same function in double."""
    torch.manual_seed(0)
    exact = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    single = [x.detach().float().requires_grad_() for x in exact]
    got, expected = ours(*single), theirs(*exact)
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), expected, rtol=1e-4, atol=1e-4)
    pairs = zip(gradients(got, *single), gradients(expected, *exact), strict=True)
    for one, other in pairs:
        scale = max([1.0, *other.abs().flatten().tolist()])
        torch.testing.assert_close(one.double() / scale, other / scale, rtol=0, atol=1e-5)


@few
@given(sizes, sizes, sizes)
def test_linear_is_torchs(rows, inputs, outputs):
    agree(linear, functional.linear, (rows, inputs), (outputs, inputs), (outputs,))


@pytest.mark.parametrize("rows", [1, MANY_ROWS - 1, MANY_ROWS])
def test_any_number_of_rows(rows):
    agree(linear, functional.linear, (rows, 8), (4, 8), (4,))
    agree(matmul, torch.mm, (rows, 8), (8, 4))
    agree(matmul, torch.mm, (4, 8), (8, rows))


@pytest.mark.parametrize("inputs", [MANY_INPUTS - 1, MANY_INPUTS])
def test_batches_of_products(inputs):
    agree(bmm, torch.bmm, (3, 7, inputs), (3, inputs, 5))


def test_more_than_two_dimensions_and_no_bias():
    agree(linear, functional.linear, (2, 3, 4, 8), (5, 8))


def test_matrices_that_do_not_lie_in_order():
    agree(
        lambda a, b: matmul(a.t(), b.t()),
        lambda a, b: a.t() @ b.t(),
        (8, 6),
        (5, 8),
    )


def test_double_precision_and_autocast_go_torchs_way():
    layer, x = Linear(8, 4), torch.randn(3, 8)
    double = linear(x.double(), layer.weight.double(), layer.bias.double())
    assert torch.equal(
        double, functional.linear(x.double(), layer.weight.double(), layer.bias.double())
    )
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(x), functional.linear(x, layer.weight, layer.bias))
        assert layer(x).dtype == torch.bfloat16


@pytest.mark.parametrize("rows, inputs", [(0, 8), (3, 0)])
def test_nothing_to_sum_up(rows, inputs):
    agree(linear, functional.linear, (rows, inputs), (4, inputs), (4,))


def test_onednn_can_be_switched_off(monkeypatch):
    layer, x = Linear(8, 4), torch.randn(3, 8)
    with monkeypatch.context() as off:
        off.setattr(torch.backends.mkldnn, "enabled", False)
        assert torch.equal(layer(x), functional.linear(x, layer.weight, layer.bias))
        assert not products._is_ours(x, layer.weight)
    assert products._is_ours(x, layer.weight) == (products.onednn_linear() is not None)


def test_shapes_that_do_not_fit_are_named_by_torch():
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        linear(torch.zeros(3, 5), torch.zeros(2, 4))
    with pytest.raises(RuntimeError, match="batch"):
        bmm(torch.zeros(2, 3, MANY_INPUTS), torch.zeros(3, MANY_INPUTS, 2))


def test_only_what_is_wanted_is_differentiated():
    x, weight = torch.randn(3, 8), torch.randn(4, 8, requires_grad=True)
    linear(x, weight).sum().backward()
    assert x.grad is None
    assert weight.grad is not None


def test_without_the_private_operator_torch_does_it(monkeypatch):
    monkeypatch.setattr(products, "onednn_linear", lambda: None)
    agree(linear, functional.linear, (9, 8), (4, 8), (4,))
    agree(bmm, torch.bmm, (3, 7, MANY_INPUTS), (3, MANY_INPUTS, 5))
