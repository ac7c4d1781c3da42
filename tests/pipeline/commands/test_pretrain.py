"""``pretrain-backbone`` and what older versions recorded of it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.torch import load_file

from smie_pipe.backbone_choices import modernise
from smie_pipe.backbones.weights import read_metadata
from smie_pipe.cli import cli
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.skeletons.store import write_skeletons
from smie_pipe.run_folder import RunFolder, Task

PRETRAIN = ("pretrain-backbone", "--protocol", "subjects:1", "--epochs", "1", "--batch", "16")
NAMES = ["drink", "eat", "wave", "kick", "hop", "bow"]


@pytest.fixture
def clips(tmp_path):
    """Return a run folder with clips of six classes, half of them by a second subject."""
    clip, rng = np.arange(48), np.random.default_rng(0)
    x = rng.normal(size=(48, 3, 20, 25, 2)).astype("f4") / 9
    x[np.arange(48), clip % 3, :, 3 * (clip % 6), 0] += 1
    x[::2, ..., 1] = 0
    columns = {"label": clip % 6, "subject": clip // 6 % 2 + 1}
    write_skeletons(tmp_path / "skeletons.h5", x, columns, class_names=NAMES, dataset="custom")
    return RunFolder(tmp_path)


def call(run, *words, code=0):
    words = ["--run", run.path, "--device", "cpu", *words]
    result = CliRunner().invoke(cli, list(map(str, words)))
    assert result.exit_code == code, result.output
    return result


def test_several_pretrainings_of_a_split_lie_side_by_side(clips, tmp_path):
    split = "unseen-4-5"
    pretrain = (*PRETRAIN, "--split", "unseen:4,5")
    call(clips, *pretrain)
    first = clips.backbone(split).read_bytes()
    result = call(clips, *pretrain, "--pretrainings", "2", "--json")
    said = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(s["pretraining"], "skipped" in s) for s in said] == [(1, True), (2, False)]
    assert clips.backbone(split).read_bytes() == first
    one, two = (load_file(clips.backbone(split, number)) for number in (1, 2))
    assert not one["data_bn.weight"].equal(two["data_bn.weight"])
    assert read_metadata(clips.backbone(split, 2))["seed"] == 1000
    call(clips, "extract")
    assert clips.pretrainings_with("features.h5") == [(split, 1), (split, 2)]
    texts = tmp_path / "texts.npy"
    np.save(texts, np.random.default_rng(0).normal(size=(6, 8)).astype("f4"))
    call(clips, "zeroshot", "--method", "ridge", "--text-model", texts, "--no-figures")
    entries = json.loads((tmp_path / "results.json").read_text())["results"]
    assert [entry["split"] for entry in entries] == [split, f"{split}/pretraining-2"]
    assert len(list(clips.path.glob(f"{split}/pretraining-2/ridge*/seed-0/result.json"))) == 1


def test_pretrainings_of_ready_weights_are_refused(clips):
    words = (*PRETRAIN, "--split", "unseen:4,5", "--pretrainings", "2", "--weights")
    result = call(clips, *words, clips.skeletons, code=2)
    assert "give either" in result.output


@pytest.fixture
def made(tmp_path):
    """Return a run folder and a task, made by a version that said ``settle``."""
    run = RunFolder(tmp_path)
    run.skeletons.touch()
    old = Task("pretrain-backbone/s", tmp_path / "b", {"settle": True, "compile": False}, {}, 0)
    with run.recording(old):
        old.output.write_bytes(b"weights")
    return run


def test_a_backbone_of_the_version_that_settled_is_taken(made, tmp_path):
    new = Task("pretrain-backbone/s", tmp_path / "b", {"recalibrate": True}, {}, 0, modernise)
    assert made.is_done(new, overwrite=False)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"recalibrate": False}, "made in another way: recalibrate True then, False now; give"),
        ({"recalibrate": True, "lr": 1}, "lr None then, 1 now"),
    ],
)
def test_another_way_is_told_in_todays_words(made, tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        made.is_done(
            Task("pretrain-backbone/s", tmp_path / "b", options, {}, 0, modernise), overwrite=False
        )


def test_a_compiled_training_of_before_is_another_one():
    assert modernise({"compile": True, "settle": False}) == {"compile": True, "recalibrate": False}
    assert json.dumps(modernise({"compile": False})) == "{}"
    old = {"select": "best-on-seen-test"}
    assert modernise(old) == {"keep_epoch": "best-seen-test"}


def test_own_data_train_by_the_small_recipe_and_say_so(clips):
    split = ("pretrain-backbone", "--protocol", "subjects:1", "--split", "unseen:4,5")
    said = call(clips, *split, "--epochs", "1", "--augment-scale", "0.1").output
    assert "recipe small (24 training clips of own data, below 5000): batch 32, 50" in said
    made = read_metadata(clips.backbone("unseen-4-5"))["pretraining"]
    assert (made["batch"], made["epochs"], made["augment"]) == (32, 1, True)
    assert (made["augment_scale"], made["augment_crop"]) == (0.1, 0.7)
    options = clips.records()["pretrain-backbone/unseen-4-5"]["options"]
    assert (options["batch"], options["augment_scale"]) == (32, 0.1)
    result = call(clips, *split, "--recipe", "paper", "--epochs", "1", code=1)
    assert "augment True then, None now" in " ".join(result.output.split())
    result = call(clips, *split, "--recipe", "paper", "--augment-turn", "5", code=2)
    assert "--augment-turn without effect by recipe 'paper'; add --augment" in result.output


def test_unseen_texts_never_enter_the_training_of_a_text_head(clips, tmp_path):
    rows = np.random.default_rng(0).normal(size=(6, 8)).astype("f4")
    (tmp_path / "other").mkdir()
    other = RunFolder(tmp_path / "other")
    (other.path / "skeletons.h5").write_bytes(clips.skeletons.read_bytes())
    words = (*PRETRAIN, "--split", "unseen:4,5", "--align", "--align-text-model")
    np.save(tmp_path / "texts.npy", rows)
    call(clips, *words, tmp_path / "texts.npy")
    rows[4:] = 1e6 * rows[4:] + 7
    np.save(tmp_path / "poisoned.npy", rows)
    call(other, *words, tmp_path / "poisoned.npy")
    one, two = (load_file(run.backbone("unseen-4-5")) for run in (clips, other))
    assert one.keys() == two.keys() and all(one[name].equal(two[name]) for name in one)
    made = read_metadata(clips.backbone("unseen-4-5"))["pretraining"]
    assert (made["align_text"], made["align_centre"]) == ("labels", True)
    call(clips, "extract")
    texts = ("--text-model", tmp_path / "texts.npy", "--no-figures")
    call(clips, "zeroshot", "--method", "align,ridge", *texts)
    entries = json.loads((tmp_path / "results.json").read_text())["results"]
    assert {entry["method"] for entry in entries} == {"align", "ridge"}


def test_a_text_head_for_ready_weights_is_refused(clips):
    words = (*PRETRAIN, "--split", "unseen:4,5", "--align", "--weights", clips.skeletons)
    assert "give either" in " ".join(call(clips, *words, code=2).output.split())
    words = (*PRETRAIN, "--split", "unseen:4,5", "--align-weight", "2")
    assert "--align-weight without effect" in call(clips, *words, code=2).output
