"""A compiler that is missing is said to be; other errors stay what they are."""

import pytest
from torch._dynamo.exc import TorchDynamoException

from backbones.compiled import compiling_explained
from preprocessing.errors import InputError


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
