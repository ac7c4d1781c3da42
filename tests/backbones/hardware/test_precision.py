"""A compiler that is missing is said to be; other errors stay what they are."""

import pytest
import torch
from torch._dynamo.exc import TorchDynamoException

from smie_pipe.backbones.hardware.precision import compiled, compiling_explained
from smie_pipe.preprocessing.foundation.errors import InputError


def test_a_failing_compiler_gives_one_message():
    words = r"--compile: .*could not build the network \(no g\+\+\).*leave --compile out"
    with pytest.raises(InputError, match=words), compiling_explained(True):
        raise TorchDynamoException("no g++\nand much more")


@pytest.mark.parametrize(
    "wanted, error", [(False, TorchDynamoException("x")), (True, RuntimeError("shapes"))]
)
def test_other_errors_pass(wanted, error):
    with pytest.raises(type(error)) as caught, compiling_explained(wanted):
        raise error
    assert caught.value is error


def test_what_the_compiler_cannot_build_is_refused():
    model, cpu = torch.nn.Identity(), torch.device("cpu")
    assert compiled(model, cpu, wanted=False, backbone="stgcn") is model
    with pytest.raises(InputError, match="cannot build stgcn on a CPU.*leave --compile out"):
        compiled(model, cpu, wanted=True, backbone="stgcn")
