"""A training as a model folder: complete, the same scores elsewhere, damage and misuse named."""

import json
import shutil

import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.digests import digest_json
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.recognition.export import export_model
from smie_pipe.zeroshot.recognition.model_folder import read_model
from smie_pipe.zeroshot.recognition.recognizer import Recognizer

from .conftest import call

CLIPS = np.random.default_rng(0).normal(size=(4, 3, 50, 25, 2)).astype("f4") / 5


@pytest.fixture
def copy(model, tmp_path):
    return shutil.copytree(model, tmp_path / "elsewhere" / "copied")


def test_a_folder_says_what_it_is(model, training):
    config = json.loads((model / "config.json").read_text())
    result = json.loads((training / "result.json").read_text())
    assert config["figures"]["unseen_accuracy"] == result["accuracy"]
    assert config["classes"]["unseen"] == result["classes"]
    assert len(config["classes"]["seen"]) == 6
    assert config["recipe"]["frames"] == 50
    assert config["texts"]["sets"] == ["label"]
    card = (model / "README.md").read_text()
    assert f"{100 * result['accuracy']:.1f} %" in card
    assert "chance" in card and "Nothing was chosen" in card


@pytest.mark.parametrize("method", ["ridge", "prototypes", "smie"])
def test_every_method_exports_to_a_model_of_the_same_scores(run, method, tmp_path):
    export_model(next(run.glob(f"*/{method}*/seed-0")), tmp_path / "model")  # checks itself


def test_a_copy_elsewhere_scores_the_same_to_the_bit(model, copy):
    labels = ["bow deeply", "kick", *Recognizer.load(model).unseen]
    one, other = (Recognizer.load(folder).score(CLIPS, labels) for folder in (model, copy))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "name", ["config.json", "method.safetensors", "labels.safetensors", "features.safetensors"]
)
def test_a_flipped_byte_is_found_in_each_file(copy, name):
    path = copy / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=str(copy)):
        read_model(copy)


@pytest.mark.parametrize("name", ["method.safetensors", "labels.safetensors"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        read_model(copy)


def rewritten(folder, **changes):
    """Write config.json again with changes and a digest that fits, as a forger would."""
    config = json.loads((folder / "config.json").read_text()) | changes
    config.pop("digest")
    (folder / "config.json").write_text(json.dumps({**config, "digest": digest_json(config)}))


def test_a_newer_version_says_to_update(copy):
    rewritten(copy, version=2)
    with pytest.raises(InputError, match="update smie-pipe"):
        read_model(copy)


def test_a_file_outside_the_folder_is_not_read(copy):
    rewritten(copy, files={"../../secret": "0" * 32})
    with pytest.raises(InputError, match="missing"):
        read_model(copy)


@pytest.mark.parametrize(
    ("content", "said"), [("[]", "JSON object"), ("{", "expected JSON"), ("{}", "found other")]
)
def test_other_json_is_refused(tmp_path, content, said):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=said):
        read_model(tmp_path)


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no config.json"):
        read_model(tmp_path)
    with pytest.raises(InputError, match="found nothing"):
        read_model(tmp_path / "nowhere")


def test_nothing_is_replaced_unasked(training, model, tmp_path):
    with pytest.raises(InputError, match="--overwrite"):
        export_model(training, model)
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="is no model folder"):
        export_model(training, tmp_path / "mine", overwrite=True)


def test_a_folder_that_is_no_training_names_those_there_are(run, tmp_path):
    with pytest.raises(InputError, match="seed-0"):
        export_model(run, tmp_path / "out")


def test_clips_made_anew_since_are_noticed(run, training, tmp_path):
    other = shutil.copytree(run, tmp_path / "run")
    at = ("--run", other, "--device", "cpu")
    raw = run.parent / "raw"
    options = ("--dataset", "custom", "--workers", 1, "--turn", "none", "--overwrite")
    call(*at, "preprocess", raw, *options)
    with pytest.raises(InputError, match="is of other clips"):
        export_model(other / training.relative_to(run), tmp_path / "out")


def test_a_training_without_its_method_says_how_to_keep_it(run, training, tmp_path):
    other = shutil.copytree(run, tmp_path / "run") / training.relative_to(run)
    (other / "method.safetensors").unlink()
    with pytest.raises(InputError, match="was not saved"):
        export_model(other, tmp_path / "out")
