"""Search and ONNX through a model folder with a backbone, made by hand: no training, no texts."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from smie_pipe.backbones.networks.registry import build
from smie_pipe.backbones.weights import save_backbone
from smie_pipe.cli import cli
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData, fit
from smie_pipe.zeroshot.methods.devise import DeViSE
from smie_pipe.zeroshot.methods.saved import save_method
from smie_pipe.zeroshot.onnx.export import TOLERANCE, difference, run_onnx, trial_clips
from smie_pipe.zeroshot.recognition.model_folder import write_model
from smie_pipe.zeroshot.recognition.recognizer import Recognizer
from smie_pipe.zeroshot.recognition.search import search
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

NAMES = ["bow", "kick", "wave", "sit", "jump", "turn"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of six classes, two of them unseen: random ST-GCN, DeViSE on its features."""
    place = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    network = build("stgcn", hidden=4).eval()
    facts = {"dataset": "custom", "class_names": NAMES, "seen": [0, 1, 2, 3], "unseen": [4, 5],
             "split": "unseen-4-5", "protocol": "xsub"}  # fmt: skip
    save_backbone(place / "backbone.safetensors", network, facts)
    vectors = np.random.default_rng(0).normal(size=(6, 1, 12)).astype(np.float32)
    with torch.no_grad():
        v = network(torch.from_numpy(trial_clips(50, 40)))
    texts = ClassTexts(torch.from_numpy(vectors[:4, 0]))
    data = TrainingData(v, None, torch.arange(40) % 4, texts)
    method = fit(DeViSE(epochs=1), data, seed=0, device="cpu")
    save_method(place / "method.safetensors", method, "devise", {"epochs": 1}, {})
    config = {
        "recipe": asdict(PreprocessConfig()),
        "features": {"source": "backbone", "width": 256, "backbone": "stgcn"},
        "method": {"method": "devise", "options": {"epochs": 1}},
        "texts": {"sets": ["label"], "model": "texts.npy", "model_digest": "", "width": 12,
                  "combine": "views", "parts_of_speech": False, "labels": NAMES},
        "classes": {"all": NAMES, "seen": NAMES[:4], "unseen": NAMES[4:]},
        "calibration": {"unit": 0.5, "none_below": 0.1, "background": 0.1},
        "figures": {},
        "data": {"dataset": "custom"},
        "cite": "",
        "terms": "",
    }  # fmt: skip
    copies = {name: place / name for name in ("backbone.safetensors", "method.safetensors")}
    out = place / "exported"
    write_model(out, json.loads(json.dumps(config, default=str)),
                {"labels.safetensors": {"vectors": vectors}}, copies, "# card\n")  # fmt: skip
    return out


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Six arrays of people who move at random, and one that nobody is in."""
    place = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(3)
    for k in range(6):
        joints = rng.normal(0, 0.4, (25, 3)) + rng.normal(0, 0.02, (90, 25, 3)).cumsum(0)
        np.save(place / f"r{k}.npy", joints)
    np.save(place / "empty.npy", np.full((90, 25, 3), np.nan))
    return place


def call(*words, code=0):
    result = CliRunner().invoke(cli, ["--device", "cpu", *map(str, words)])
    assert result.exit_code == code, result.output + repr(result.exception)
    return result


def test_a_recording_ranks_by_what_the_text_has_over_the_other_classes(folder, recordings):
    model = Recognizer.load(folder)
    for k in range(6):
        (hit,), faults = search(model, "kick", recordings / f"r{k}.npy")
        ranking = model.predict(recordings / f"r{k}.npy", NAMES).ranking
        scores = {one.label: one.score for one in ranking}
        rest = np.mean([scores[name] for name in NAMES if name != "kick"])
        assert hit.score == pytest.approx(scores["kick"] - rest, abs=1e-4) and not faults


def test_windows_say_when_and_stay_inside_the_recording(folder, recordings):
    model = Recognizer.load(folder)
    (hit,), _ = search(model, "kick", recordings / "r0.npy", when=True)
    assert 0 <= hit.start_s < hit.end_s <= 3.0
    (slow,), _ = search(model, "kick", recordings / "r0.npy", when=True, fps=10)
    assert slow.end_s <= 9.0


def test_a_recording_without_a_body_is_said_and_the_others_go_on(folder, recordings):
    model = Recognizer.load(folder)
    for when in (False, True):
        hits, faults = search(model, "kick", recordings / "empty.npy", when=when)
        assert not hits and "0 of 90 frames hold a body" in faults[0]


def test_the_command_ranks_and_tells_machines(folder, recordings):
    said = call("search", "kick", recordings / "r1.npy", "--model", folder, "--json")
    values = json.loads(said.stdout)
    assert values["searched"] == 1 and values["hits"][0]["recording"] == "r1"
    shown = call("search", "kick", recordings / "r1.npy", "--model", folder, "--when").stdout
    assert "'kick' in 1 recordings" in shown and " s\n" in shown and "score: 0 where" in shown
    failed = call("search", "kick", recordings / "empty.npy", "--model", folder, code=1)
    assert "left out: empty" in failed.output and "no recording could be searched" in failed.output


@pytest.mark.parametrize(
    "text, where, message",
    [
        (" ", "r0.npy", "the text to search for is empty"),
        ("kick", "none", "no such file or folder"),
        ("someone flies", "r0.npy", "knows only its own labels"),
    ],
)
def test_misuse_of_search(folder, recordings, text, where, message):
    words = ("search", text, recordings / where, "--model", folder)
    assert message in call(*words, code=1).output


# ONNX through the folder ------------------------------------------------------------------------


@pytest.mark.parametrize("labels", [[], ["--labels", "a", "--labels-file", __file__]])
def test_export_onnx_wants_labels_once(folder, tmp_path, labels):
    said = call("export-onnx", folder, tmp_path / "m.onnx", *labels, code=2).output
    assert "give either --labels or --labels-file" in said


def test_export_onnx_replaces_nothing_unasked(folder, tmp_path):
    (tmp_path / "m.onnx").write_text("mine")
    said = call("export-onnx", folder, tmp_path / "m.onnx", "--labels", "seen", code=1).output
    assert "exists; give --overwrite" in said and (tmp_path / "m.onnx").read_text() == "mine"


def test_export_onnx_refuses_other_features(folder, tmp_path):
    model = Recognizer.load(folder)
    model._network = None
    with pytest.raises(InputError, match="cannot be written as ONNX"):
        model.export_onnx(tmp_path / "m.onnx", NAMES)


@pytest.mark.slow
def test_export_onnx_writes_the_models_scores(folder, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs the extra onnx")
    path = tmp_path / "m.onnx"
    said = json.loads(call("export-onnx", folder, path, "--labels", "unseen", "--json").stdout)
    assert said["labels"] == ["jump", "turn"] and said["bytes"] == path.stat().st_size
    clips = trial_clips(50, 3)
    ours = Recognizer.load(folder).score(clips, ["jump", "turn"])
    assert difference(run_onnx(path, clips), ours) <= TOLERANCE
