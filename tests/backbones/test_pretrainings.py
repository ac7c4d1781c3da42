"""How a split's backbones are told apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smie_pipe.backbones.pretrainings import (
    pretraining_name,
    pretraining_seed,
    split_and_number,
)

names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)


@given(names, st.integers(1, 10**6))
def test_a_name_gives_its_split_and_number_back(split, number):
    assert split_and_number(pretraining_name(split, number)) == (split, number)


@given(st.integers(0, 999), st.integers(1, 50), st.integers(0, 999), st.integers(1, 50))
def test_no_two_pretrainings_share_a_seed(seed, number, other, another):
    same = (seed, number) == (other, another)
    assert (pretraining_seed(seed, number) == pretraining_seed(other, another)) == same


def test_the_first_is_what_there_was_before():
    assert pretraining_name("ntu60-smie-1", 1) == "ntu60-smie-1"
    assert pretraining_seed(3, 1) == 3
    assert split_and_number("ntu60-smie-1") == ("ntu60-smie-1", 1)
    with pytest.raises(ValueError, match="from 1"):
        pretraining_name("a", 0)


@pytest.mark.parametrize(
    "name", ["a/pretraining-1", "a/pretraining-02", "a/devise", "pretraining-2"]
)
def test_other_folders_are_no_pretrainings(name):
    assert split_and_number(name) == (name, 1)
