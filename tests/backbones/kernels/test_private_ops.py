"""Private operators are probed when first used, and nothing hangs on them."""

import subprocess
import sys

import pytest
import torch

from smie_pipe.backbones.kernels import batchnorm, private_ops
from smie_pipe.backbones.kernels.batchnorm import WeightedBatchNorm

PROBES = ("onednn_linear", "batch_norm_moments", "batch_norm_gradient")


@pytest.mark.parametrize("name", PROBES)
def test_importing_probes_nothing(name):
    code = (
        "from smie_pipe.backbones.kernels import matmul, batchnorm, private_ops\n"
        f"assert private_ops.{name}.cache_info().currsize == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def missing():
    raise AttributeError("not in this torch")


def test_an_operator_that_fails_or_answers_otherwise_is_left_alone():
    right = lambda x: 2 * x  # noqa: E731
    assert private_ops._working(lambda: right, lambda op, x: op(x), lambda x: x + x) is right
    assert private_ops._working(lambda: right, lambda op, x: op(x), lambda x: x) is None
    assert private_ops._working(missing, lambda op, x: op(x), lambda x: x) is None
    assert private_ops._working(lambda: right, lambda op, x: op(x, x), lambda x: x) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normalisation_without_private_operators_is_the_same(monkeypatch, dtype):
    def outcome():
        torch.manual_seed(0)
        bn = WeightedBatchNorm(6).to(dtype)
        x = torch.randn(5, 4, 3, 6, dtype=dtype, requires_grad=True)
        y = bn.weighted(x, torch.tensor(7))
        (y * torch.randn_like(y)).sum().backward()
        return [y.detach(), x.grad, bn.weight.grad, bn.bias.grad, bn.running_mean, bn.running_var]

    with torch.random.fork_rng():
        fast = outcome()
        monkeypatch.setattr(batchnorm, "batch_norm_moments", lambda: None)
        monkeypatch.setattr(batchnorm, "batch_norm_gradient", lambda: None)
        public = outcome()
    torch.testing.assert_close(fast, public, rtol=1e-4, atol=1e-5)
