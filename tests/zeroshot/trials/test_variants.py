import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.config import TextSource, ZeroShotConfig
from smie_pipe.zeroshot.methods.registry import METHODS, groups
from smie_pipe.zeroshot.trials.variants import parse, variants


def _names(dataset="custom", **choices):
    return [v.name for v in variants(ZeroShotConfig(**choices), dataset)]


def test_all_is_every_method_there_is():
    assert _names(method=("all",)) == list(groups()["all"])
    assert set(METHODS) - set(groups()["all"]) == {"align"}  # it needs a backbone of its own


def test_ablation_changes_one_thing_at_a_time():
    found = variants(ZeroShotConfig(method=("ablation",)), "ntu60")
    assert [len(v.changed) for v in found] == [0, 0, 1, 1, 1, 1]
    assert found[2].options["negatives"] == "roll"


def test_a_method_asked_for_twice_is_trained_once():
    assert _names(method=("smie", "ridge", "smie", "smie:beta=0.1")) == ["smie", "ridge"]


def test_beta_sweeps_smie_alone_and_its_default_keeps_the_plain_name():
    found = _names(method=("smie", "devise"), beta=(0.01, 0.1, 1.0))
    assert found == ["smie_beta-0.01", "smie", "smie_beta-1.0", "devise"]


def test_a_sweep_leaves_the_ablation_at_one_beta():
    found = _names(method=("ablation",), beta=(0.01, 0.1))
    assert [name for name in found if "beta" in name] == ["smie_beta-0.01"]
    assert _names(method=("smie:lam=1",), beta=(0.01, 0.1)) == [
        "smie_beta-0.01_lam-1.0",
        "smie_lam-1.0",
    ]


def test_defaults_follow_the_dataset():
    assert variants(ZeroShotConfig(), "ntu120")[0].options["beta"] == 0.5
    assert _names("ntu120", beta=(0.5,)) == ["smie"]
    assert _names("ntu60", beta=(0.5,)) == ["smie_beta-0.5"]


def test_options_of_the_stage_reach_the_methods_that_have_them():
    config = ZeroShotConfig(method=("all",), epochs=7)
    for variant in variants(config, "custom"):
        if "epochs" in variant.options:
            assert variant.options["epochs"] == 7


def test_options_of_one_method_go_before_those_of_the_stage():
    found = variants(ZeroShotConfig(method=("smie:epochs=3",), epochs=7), "custom")[0]
    assert found.options["epochs"] == 3


@pytest.mark.parametrize(
    "asked, spec, options",
    [
        ("smie", "smie", {}),
        ("smie:beta=0.5:lr=1e-4", "smie", {"beta": "0.5", "lr": "1e-4"}),
        ("own.module:Own:a-b=1", "own.module:Own", {"a_b": "1"}),
        ("dir/own.py:Own", "dir/own.py:Own", {}),
    ],
)
def test_a_request_is_taken_apart(asked, spec, options):
    assert parse(asked) == (spec, options)


@pytest.mark.parametrize(
    "asked, message",
    [
        ("smi", "unknown method 'smi'. Did you mean 'smie'?"),
        ("smie:bta=1", "Did you mean 'beta'"),
        ("smie:beta=much", "beta"),
        ("smie:beta=1:beta=2", "given twice"),
        ("smie:estimator=jds", "Did you mean 'jsd'"),
        ("devise:lr=-1", "expected a number above 0, got -1.0"),
    ],
)
def test_what_is_not_there_is_named(asked, message):
    with pytest.raises(InputError) as error:
        variants(ZeroShotConfig(method=(asked,)), "custom")
    assert message in str(error.value)


def test_without_masked_clips_smie_runs_without_its_constraint(caplog):
    config = ZeroShotConfig(method=("smie", "smie-wo-l2", "ridge"))
    assert [v.name for v in variants(config, "custom", masked=False)] == ["smie-wo-l2", "ridge"]
    assert "no masked clips" in caplog.text


def test_every_text_with_every_model():
    config = ZeroShotConfig(text=("labels", "descriptions"), text_model=("a", "b"))
    assert config.sources() == [
        TextSource("labels", "a"),
        TextSource("descriptions", "a"),
        TextSource("labels", "b"),
        TextSource("descriptions", "b"),
    ]


def test_all_faults_of_a_configuration_come_in_one_message():
    with pytest.raises(InputError) as error:
        ZeroShotConfig(method=(), seeds=0, held_out_share=0.7, beta=(-1.0,), epochs=0)
    for word in ("method", "seeds", "held_out_share", "beta", "epochs"):
        assert word in str(error.value)
