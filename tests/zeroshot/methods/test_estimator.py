"""T with its first layer split, against the plain form."""

import pytest
import torch
import torch.nn.functional as F

from smie_pipe.zeroshot.methods.base import seeded
from smie_pipe.zeroshot.methods.estimator import Estimator


def plain(state, v, a):
    """T as the paper has it: a perceptron on the concatenation."""
    x = torch.cat([v, a], dim=-1)
    x = F.relu(F.linear(x, state["l0.weight"], state["l0.bias"]))
    x = F.relu(F.linear(x, state["l1.weight"], state["l1.bias"]))
    return F.linear(x, state["l2.weight"], state["l2.bias"])[..., 0]


def random_state(visual, text, hidden1=8, hidden2=6, dtype=torch.float32):
    shapes = {"l0": (hidden1, visual + text), "l1": (hidden2, hidden1), "l2": (1, hidden2)}
    state = {}
    for name, shape in shapes.items():
        state[f"{name}.weight"] = torch.randn(shape, dtype=dtype)
        state[f"{name}.bias"] = torch.randn(shape[0], dtype=dtype)
    return state


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_split_form_equals_plain_form(dtype, tolerance):
    torch.manual_seed(0)
    state = random_state(5, 7, dtype=dtype)
    net = Estimator.from_plain(state, 5)
    v, a = torch.randn(9, 5, dtype=dtype), torch.randn(9, 7, dtype=dtype)
    expected = plain(state, v, a)
    torch.testing.assert_close(
        net(v, a), expected, rtol=0, atol=tolerance * float(expected.abs().max())
    )


def test_split_form_has_the_plain_forms_gradients():
    torch.manual_seed(0)
    state = random_state(5, 7, dtype=torch.float64)
    net = Estimator.from_plain(state, 5)
    v, a = torch.randn(9, 5).double(), torch.randn(9, 7).double()
    net(v, a).square().sum().backward()
    state = {name: x.requires_grad_() for name, x in state.items()}
    plain(state, v, a).square().sum().backward()
    first = torch.cat([net.visual.weight.grad, net.text.weight.grad], dim=1)
    torch.testing.assert_close(first, state["l0.weight"].grad)
    torch.testing.assert_close(net.text.bias.grad, state["l0.bias"].grad)
    torch.testing.assert_close(net.second.weight.grad, state["l1.weight"].grad)
    torch.testing.assert_close(net.third.bias.grad, state["l2.bias"].grad)


def test_initial_weights_are_those_of_one_joint_layer():
    with seeded(4):
        net = Estimator(6, 10, 12, 5)
    with seeded(4):
        joint = torch.nn.Linear(16, 12)
    split = torch.cat([net.visual.weight, net.text.weight], dim=1)
    assert torch.equal(split, joint.weight) and torch.equal(net.text.bias, joint.bias)


def test_gradient_by_finite_differences():
    torch.manual_seed(1)
    net = Estimator(3, 4, 6, 5).double()
    v = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    a = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(net, (v, a))


def test_every_parameter_gets_a_gradient():
    net = Estimator(3, 4, 6, 5)
    net(torch.randn(8, 3), torch.randn(8, 4)).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in net.parameters())
