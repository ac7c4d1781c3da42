"""Recipes: chosen by the data, overruled by what is given, recorded as what they come to."""

import dataclasses

import pytest

from smie_pipe.backbones.config import PretrainConfig
from smie_pipe.backbones.recipes import (
    RECIPES,
    choose_recipe,
    in_words,
    recorded,
    resolve_recipe,
)
from smie_pipe.preprocessing.foundation.errors import InputError


@pytest.mark.parametrize(
    "asked, dataset, clips, chosen",
    [
        ("auto", "ntu60", 40, "paper"),
        ("auto", "pku51", 40_000, "paper"),
        ("auto", "custom", 4_999, "small"),
        ("auto", "custom", 5_000, "paper"),
        ("paper", "custom", 10, "paper"),
        ("small", "ntu60", 40_000, "small"),
    ],
)
def test_the_data_choose_where_nobody_does(asked, dataset, clips, chosen):
    name, reason = choose_recipe(asked, dataset, clips)
    assert name == chosen
    assert bool(reason) == (asked == "auto" and dataset == "custom")


@pytest.mark.parametrize("asked", ["auto", *RECIPES])
def test_a_set_without_training_clips_is_refused(asked):
    with pytest.raises(InputError, match="no training clip.*--protocol"):
        choose_recipe(asked, "custom", 0)


def test_the_papers_recipe_is_the_default_configuration():
    assert resolve_recipe("paper", {}) == PretrainConfig(batch=128, epochs=150, augment=False)
    assert in_words("small") == "batch 32, 50 epochs, augmented"


def test_what_is_given_counts_before_the_recipe():
    config = resolve_recipe("small", {"batch": 128, "augment_noise": 0.01})
    assert (config.batch, config.epochs, config.augment, config.augment_noise) == (
        128, 50, True, 0.01,
    )  # fmt: skip
    assert not resolve_recipe("small", {"augment": False}).augment


def test_details_of_no_augmentation_are_refused():
    with pytest.raises(InputError, match="--augment-turn without effect .*add --augment"):
        resolve_recipe("paper", {"augment_turn": 10.0})


def test_the_record_leaves_out_what_has_no_effect():
    plain = recorded(PretrainConfig())
    assert plain == recorded(PretrainConfig(augment_turn=5))
    assert not [name for name in plain if name.startswith("augment")]
    full = PretrainConfig(augment=True)
    assert recorded(full)["augment_turn"] == 30
    assert recorded(full).keys() - plain.keys() >= {"augment", "augment_crop"}
    assert dataclasses.asdict(full).items() >= plain.items()
