"""ONNX: each method's plain form, the file and its metadata, and the example without torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from smie_pipe.backbones.networks.registry import build
from smie_pipe.preprocessing.clips.recipe import prepare
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData, fit
from smie_pipe.zeroshot.methods.registry import METHODS, build_method, method_options
from smie_pipe.zeroshot.onnx.export import (
    TOLERANCE,
    difference,
    export_onnx,
    run_onnx,
    trial_clips,
)
from smie_pipe.zeroshot.onnx.scorers import label_scorer
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

QUICK = {"epochs": 2, "cycles": 1, "cycle": 3, "samples": 5, "steps": 5, "hidden1": 24, "space": 8}
QUICK |= {"width": 8, "draws": 2}
EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "onnx_example.py"
LABELS = ["bow", "kick", "drink", "wave", "sit", "trinken, im Stehen"]
RECIPE = {"frames": 50, "turn": "recipe"}


def rows(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def texts():
    return ClassTexts(
        rows(6, 20), rows(6, 7, seed=1), rows(6, 9, seed=2), (rows(6, 11), rows(6, 9))
    )


@pytest.fixture(scope="module")
def train(texts):
    v = rows(40, 256)
    head = {"weight": rows(20, 256), "bias": rows(20), "centre": rows(20, seed=5) / 9}
    head["texts"] = texts.sentence
    masked = v + 0.1 * rows(40, 256, seed=3)
    data = TrainingData(v, masked, torch.arange(40) % 6, texts, head=head)

    def trained(name, **given):
        known = method_options(name)
        options = {k: x for k, x in QUICK.items() if k in known} | given
        return fit(build_method(name, options), data, seed=3, device="cpu")

    return trained


@pytest.mark.parametrize("name", METHODS)
def test_the_plain_form_gives_the_methods_scores(name, train, texts):
    method, v = train(name), rows(9, 256, seed=8)
    for labels in (texts, texts.take([4, 1])):
        scorer = label_scorer(method, labels)
        with torch.no_grad():
            assert difference(scorer(v).numpy(), method.score(v, labels).numpy()) < 1e-6


def test_smie_without_normalisation_at_test(train, texts):
    method, v = train("smie", layer_norm="train"), rows(9, 256, seed=8)
    with torch.no_grad():
        ours = method.score(v, texts).numpy()
        assert difference(label_scorer(method, texts)(v).numpy(), ours) < 1e-6


def test_scores_can_be_asked_for_where_gradients_are_off(train, texts):
    method = train("cada-vae")
    with torch.no_grad():
        off = method.score(rows(3, 256), texts)
    assert torch.equal(off, method.score(rows(3, 256), texts))


def test_a_method_nobody_wrote_a_plain_form_of_is_refused(texts):
    class Mine:
        name = "mine"

    with pytest.raises(InputError, match="method mine cannot be written as ONNX"):
        label_scorer(Mine(), texts)


def test_difference_is_relative_above_one():
    assert difference(np.array([[200.0, 0.5]]), np.array([[100.0, 0.4]])) == 1
    assert difference(np.array([0.5]), np.array([0.4])) == pytest.approx(0.1)


# The file -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(train, texts, tmp_path_factory):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs the extra onnx")
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    torch.manual_seed(0)
    backbone, method = build("stgcn", hidden=4).eval(), train("smie")
    apart = export_onnx(path, backbone, method, texts, LABELS, RECIPE, {"cite": "SMIE"})
    return path, backbone, method, apart


def test_any_number_of_clips_gets_our_scores(exported, texts):
    path, backbone, method, apart = exported
    assert apart <= TOLERANCE
    for count in (1, 2, 7):
        clips = trial_clips(50, count)
        with torch.no_grad():
            ours = method.score(backbone(torch.from_numpy(clips)), texts).numpy()
        assert difference(run_onnx(path, clips), ours) <= TOLERANCE


def test_the_file_says_what_it_is(exported):
    import onnxruntime

    session = onnxruntime.InferenceSession(exported[0])
    said = session.get_modelmeta().custom_metadata_map
    assert json.loads(said["labels"]) == LABELS
    assert json.loads(said["recipe"]) == RECIPE and len(json.loads(said["joints"])) == 25
    assert said["format"] == "smie-pipe onnx" and said["version"] == "1" and said["cite"] == "SMIE"
    assert sorted(path.name for path in exported[0].parent.iterdir()) == ["model.onnx"]


@pytest.mark.parametrize("bodies", [1, 2])
def test_the_example_needs_no_torch_and_says_the_same(exported, texts, tmp_path, bodies):
    path, backbone, method, _ = exported
    joints = np.random.default_rng(1).normal(0, 0.3, (71, bodies, 25, 3)).cumsum(0) / 9
    joints[:5, bodies - 1] = np.nan
    joints[30:40, 0] = np.nan
    np.save(tmp_path / "joints.npy", joints[:, 0] if bodies == 1 else joints)
    blocked = (
        "import sys, runpy; sys.modules.update(torch=None, smie_pipe=None);"
        f"sys.argv = ['example', {str(path)!r}, {str(tmp_path / 'joints.npy')!r}];"
        f"runpy.run_path({str(EXAMPLE)!r})"
    )
    done = subprocess.run([sys.executable, "-c", blocked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    clip = torch.from_numpy(prepare(joints.swapaxes(0, 1), 50))
    with torch.no_grad():
        ours = method.score(backbone(clip[None]), texts)[0].numpy()
    said = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    assert [label for _, label in said] == [LABELS[k] for k in np.argsort(-ours)]
    found = np.array([float(score) for score, _ in said])
    np.testing.assert_allclose(found, np.sort(ours)[::-1], atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ridge"])
def test_shift_gcn(name, train, texts, tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="needs the extra onnx")
    torch.manual_seed(0)
    backbone = build("shift-gcn").eval()
    export_onnx(tmp_path / "m.onnx", backbone, train(name), texts, LABELS, RECIPE)


def test_a_missing_extra_is_named(monkeypatch, train, texts, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"onnx, onnxscript, onnxruntime: pip install"):
        export_onnx(tmp_path / "m.onnx", build("stgcn"), train("ridge"), texts, LABELS, RECIPE)


def test_a_file_with_other_scores_is_not_left_behind(
    monkeypatch, exported, train, texts, tmp_path
):
    module = "smie_pipe.zeroshot.onnx.export"
    monkeypatch.setattr(f"{module}._write", lambda *a: a[-1].write_bytes(b""))
    monkeypatch.setattr(f"{module}.run_onnx", lambda path, clips: np.ones((len(clips), 6)))
    with pytest.raises(InputError, match="not written: its scores would differ"):
        export_onnx(tmp_path / "m.onnx", exported[1], exported[2], texts, LABELS, RECIPE)
    assert not list(tmp_path.iterdir())
