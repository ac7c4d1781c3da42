"""Pretraining: it learns, repeats, survives, and says what is wrong."""

import csv
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from smie_pipe.backbones.config import PretrainConfig, PretrainRun
from smie_pipe.backbones.hardware.distributed import Group
from smie_pipe.backbones.pretraining.checkpoint import (
    checkpoint_path,
    load_checkpoint,
    save_checkpoint,
)
from smie_pipe.backbones.pretraining.metrics import metrics_path
from smie_pipe.backbones.pretraining.pretrain import cosine, pretrain
from smie_pipe.backbones.pretraining.state import TrainingError
from smie_pipe.backbones.weights import load_backbone, read_metadata
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.skeletons.store import SkeletonFile

SEEN = (0, 1, 3)
CONFIG = PretrainConfig(epochs=2, batch=8)


def train(skeletons, output, config=CONFIG, **changes):
    options = {"seen": SEEN, "split": "mine", "protocol": "subjects:1", **changes}
    return pretrain(skeletons, output, config, **options)


def assert_equal_weights(one, other):
    one, other = load_file(one), load_file(other)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def rows(output):
    with open(metrics_path(output), newline="") as file:
        return list(csv.DictReader(file))


def test_it_learns_what_can_be_learnt(small_skeletons, tmp_path):
    output = tmp_path / "split" / "backbone.safetensors"
    report = train(small_skeletons(96), output, PretrainConfig(epochs=6, batch=8, dropout=0))
    assert report.clips == 48
    assert report.classes == 3
    assert report.seen_test_clips == 24
    assert report.train_accuracy > 0.9
    assert report.seen_test_accuracy > 0.8
    log = rows(output)
    assert [int(row["epoch"]) for row in log] == list(range(1, 7))
    assert float(log[-1]["loss"]) < float(log[0]["loss"]) / 2
    assert sorted(file.name for file in output.parent.iterdir()) == [
        "backbone.safetensors",
        "pretrain_metrics.csv",
    ]
    assert "seen-class test accuracy" in str(report)


def test_the_backbone_says_what_it_was_trained_on(small_skeletons, tmp_path):
    output = tmp_path / "backbone.safetensors"
    report = train(small_skeletons(), output, seed=3)
    facts = read_metadata(output)
    assert facts["seen"] == [0, 1, 3]
    assert facts["unseen"] == [2]
    assert (facts["split"], facts["protocol"], facts["dataset"]) == (
        "mine",
        "subjects:1",
        "custom",
    )
    assert facts["class_names"] == ["drink", "eat", "wave", "kick"]
    assert (facts["seed"], facts["trained_elsewhere"]) == (3, False)
    assert facts["pretraining"]["batch"] == 8
    assert facts["seen_test_accuracy"] == report.seen_test_accuracy
    model, _ = load_backbone(output)
    assert model(torch.zeros(2, 3, 8, 25, 2)).shape == (2, 256)


def test_clips_of_unseen_classes_and_of_the_test_part_change_nothing(small_skeletons, tmp_path):
    def spoil(x):
        clip = np.arange(len(x))
        x[(clip % 4 == 2) | (clip // 4 % 3 == 2)] = 7.0
        return x

    train(small_skeletons(), tmp_path / "a.safetensors")
    train(small_skeletons(name="other.h5", spoil=spoil), tmp_path / "b.safetensors")
    assert_equal_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors")


def test_a_seed_gives_the_same_weights_wherever_clips_lie(small_skeletons, tmp_path):
    skeletons = small_skeletons()
    before = torch.get_rng_state()
    train(skeletons, tmp_path / "a.safetensors", seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)  # the caller's own random state must not matter
    train(skeletons, tmp_path / "b.safetensors", seed=5, run=PretrainRun(resident="no"))
    assert_equal_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    train(skeletons, tmp_path / "c.safetensors", seed=6)
    with pytest.raises(AssertionError):
        assert_equal_weights(tmp_path / "a.safetensors", tmp_path / "c.safetensors")


KILLED = """
import os, signal, sys
from pathlib import Path
from smie_pipe.backbones.config import PretrainConfig, PretrainRun
from smie_pipe.backbones.hardware.distributed import Group
from smie_pipe.backbones.pretraining.pretrain import pretrain

left, moment, rename = int(sys.argv[3]), sys.argv[4], os.replace

def rename_or_die(source, target):
    global left
    if "checkpoint" in Path(target).name:
        left -= 1
        if left == 0 and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
    rename(source, target)
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = rename_or_die
pretrain(
    Path(sys.argv[1]), Path(sys.argv[2]), PretrainConfig(epochs=2, batch=8), seen=(0, 1, 3),
    split="mine", protocol="subjects:1", run=PretrainRun(checkpoint_steps=1),
)
"""


@pytest.mark.parametrize(
    "checkpoint, moment",
    [
        (6, "before"),  # while the second step of the second epoch is being saved
        pytest.param(2, "after", marks=pytest.mark.slow),
        pytest.param(4, "after", marks=pytest.mark.slow),  # the end of the first epoch
        pytest.param(8, "after", marks=pytest.mark.slow),  # all done, only not written
    ],
)
def test_killed_training_goes_on_to_the_same_weights(
    small_skeletons, tmp_path, checkpoint, moment, repository
):
    skeletons, output = small_skeletons(), tmp_path / "killed" / "backbone.safetensors"
    command = [sys.executable, "-c", KILLED, skeletons, output, str(checkpoint), moment]
    assert subprocess.run(command, cwd=repository).returncode == -signal.SIGKILL
    assert not output.exists()
    assert checkpoint_path(output).exists()
    train(skeletons, output, run=PretrainRun(checkpoint_steps=1))
    train(skeletons, tmp_path / "whole.safetensors")
    assert_equal_weights(output, tmp_path / "whole.safetensors")
    assert [row["loss"] for row in rows(output)] == [
        row["loss"] for row in rows(tmp_path / "whole.safetensors")
    ]
    assert sorted(file.name for file in output.parent.iterdir()) == [
        "backbone.safetensors",
        "pretrain_metrics.csv",
    ]


@pytest.mark.parametrize("nth", [2, 5])
def test_augmented_training_goes_on_to_the_same_weights(
    small_skeletons, tmp_path, failing_at, monkeypatch, nth
):
    config = PretrainConfig(epochs=2, batch=8, augment=True, augment_noise=0.01)
    skeletons, run = small_skeletons(), PretrainRun(checkpoint_steps=1)
    failing_at(nth)
    with pytest.raises(TrainingError):
        train(skeletons, tmp_path / "a" / "b.safetensors", config, run=run)
    monkeypatch.undo()
    train(skeletons, tmp_path / "a" / "b.safetensors", config, run=run)
    train(skeletons, tmp_path / "b.safetensors", config, run=PretrainRun(resident="no"))
    assert_equal_weights(tmp_path / "a" / "b.safetensors", tmp_path / "b.safetensors")
    train(skeletons, tmp_path / "plain.safetensors", PretrainConfig(epochs=2, batch=8))
    with pytest.raises(AssertionError):
        assert_equal_weights(tmp_path / "b.safetensors", tmp_path / "plain.safetensors")


@pytest.fixture
def failing_at(monkeypatch):
    """Return a function that makes the loss NaN at the n-th step from now."""

    def arrange(nth):
        from smie_pipe.backbones.pretraining import pretrain as stage

        calls = []

        def loss(*args, **options):
            calls.append(1)
            value = torch.nn.functional.cross_entropy(*args, **options)
            return value * float("nan") if len(calls) == nth else value

        monkeypatch.setattr(stage, "cross_entropy", loss)

    yield arrange


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(
    small_skeletons, tmp_path, failing_at, monkeypatch
):
    skeletons, output = small_skeletons(), tmp_path / "backbone.safetensors"
    failing_at(5)
    words = r"nan in epoch 2, step 2 of 3, on 8 clips: clip\d+, .*pretrain_checkpoint.safetensors "
    words += "keeps"
    with pytest.raises(TrainingError, match=words):
        train(skeletons, output)
    assert not output.exists()
    monkeypatch.undo()
    train(skeletons, output)
    train(skeletons, tmp_path / "whole.safetensors")
    assert_equal_weights(output, tmp_path / "whole.safetensors")


def test_broken_clips_are_named(small_skeletons, tmp_path):
    def spoil(x):
        x[4] = np.nan
        return x

    skeletons = small_skeletons(count=12, spoil=spoil)
    with pytest.raises(TrainingError, match="clip000004 holds? values that are not finite"):
        train(skeletons, tmp_path / "backbone.safetensors")


def test_a_checkpoint_of_another_configuration_is_refused(small_skeletons, tmp_path, failing_at):
    skeletons, output = small_skeletons(), tmp_path / "backbone.safetensors"
    failing_at(5)
    with pytest.raises(TrainingError):
        train(skeletons, output)
    other = PretrainConfig(epochs=2, batch=8, lr=1e-3)
    words = r"another configuration: lr was 0.005, is 0.001; seed was 0, is 1\. .*--overwrite"
    with pytest.raises(InputError, match=words):
        train(skeletons, output, other, seed=1)
    assert checkpoint_path(output).exists()
    report = train(skeletons, output, other, seed=1, resume=False)
    assert report.epochs == 2
    assert not checkpoint_path(output).exists()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from smie_pipe.backbones.config import PretrainConfig
from smie_pipe.backbones.pretraining.pretrain import pretrain

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))
try:
    pretrain(Path(sys.argv[1]), Path(sys.argv[2]), PretrainConfig(epochs=1, batch=8),
             seen=(0, 1, 3), split="mine", protocol="subjects:1")
except OSError:
    sys.exit(7)
"""


@pytest.mark.slow
def test_a_full_disk_ends_training_as_such(small_skeletons, tmp_path, repository):
    output = tmp_path / "full" / "backbone.safetensors"
    command = [sys.executable, "-c", FULL_DISK, small_skeletons(), output]
    assert subprocess.run(command, cwd=repository).returncode == 7
    assert [file.name for file in output.parent.iterdir()] == ["pretrain_metrics.csv"]


def test_a_file_that_is_no_checkpoint_is_refused(small_skeletons, tmp_path):
    output = tmp_path / "backbone.safetensors"
    checkpoint_path(output).write_bytes(b"something else")
    with pytest.raises(InputError, match="expected a checkpoint of this version"):
        train(small_skeletons(), output)


def test_a_damaged_checkpoint_is_refused(small_skeletons, tmp_path):
    path, group = tmp_path / "c.safetensors", Group(0, 1, torch.device("cpu"))
    identity, rng = {"lr": 5e-3}, np.random.default_rng(0)
    content = {"model": {"w": torch.randn(50)}, "epoch": 3, "history": [{"loss": 0.25}]}
    save_checkpoint(path, identity, content)
    whole = path.read_bytes()
    for place in rng.integers(8, len(whole), 150):
        broken = bytearray(whole)
        broken[place] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        try:
            found = load_checkpoint(path, identity, group)
        except InputError as error:
            assert "--overwrite to begin anew" in str(error)
            continue
        torch.testing.assert_close(found, content, rtol=0, atol=0)
    path.write_bytes(whole[:-4] + b"0000")
    with pytest.raises(InputError, match="is damaged: its tensors are not those"):
        load_checkpoint(path, identity, group)


def test_a_checkpoint_is_safetensors(small_skeletons, tmp_path, failing_at):
    output = tmp_path / "backbone.safetensors"
    failing_at(5)
    with pytest.raises(TrainingError):
        train(small_skeletons(), output)
    assert load_file(checkpoint_path(output))


@pytest.mark.parametrize(
    "tree",
    [
        {"identity": {"lr": 5e-3, "name": "a", "none": None}, "on": True, "loss": float("inf")},
        {"identity": {}, "state": {0: {"step": torch.tensor(3.0)}, 7: {"m": torch.randn(2, 3)}}},
        {"identity": {}, "groups": [{"betas": (0.9, 0.999), "params": [0, 1]}], "empty": []},
        {
            "identity": {},
            "rng": torch.arange(5, dtype=torch.uint8),
            "turned": torch.ones(2, 3).t(),
        },
    ],
)
def test_a_checkpoint_gives_back_what_it_was_given(tmp_path, tree):
    path, content = tmp_path / "c.safetensors", {k: v for k, v in tree.items() if k != "identity"}
    save_checkpoint(path, tree["identity"], content)
    loaded = load_checkpoint(path, tree["identity"], Group(0, 1, torch.device("cpu")))
    torch.testing.assert_close(loaded, content, rtol=0, atol=0)
    assert repr(loaded) == repr(content)


def test_recalibration_measures_what_evaluation_meets(small_skeletons, tmp_path):
    skeletons = small_skeletons()
    for name, recalibrate in (("recalibrated", True), ("trailing", False)):
        config = PretrainConfig(epochs=1, batch=24, recalibrate=recalibrate)
        train(skeletons, tmp_path / f"{name}.safetensors", config)
    recalibrated, trailing = (
        load_file(tmp_path / f"{n}.safetensors") for n in ("recalibrated", "trailing")
    )
    with SkeletonFile(skeletons) as file:
        chosen = np.isin(file.label, SEEN) & (file.protocol("subjects:1") == 1)
        x = torch.from_numpy(file.x[:][chosen])
    x = x.permute(0, 4, 3, 1, 2).reshape(48, 75, 8)  # clip and body, joint and coordinate, frame
    expected = x.transpose(0, 1).reshape(75, -1).mean(1)
    torch.testing.assert_close(
        recalibrated["data_bn.running_mean"], expected, rtol=1e-4, atol=1e-4
    )
    assert (trailing["data_bn.running_var"] > 0.9).all()
    weight = "st_gcn_networks.3.tcn.2.weight"
    assert torch.equal(recalibrated[weight], trailing[weight])


def test_the_best_epoch_on_the_test_clips_can_be_kept_and_is_named_so(small_skeletons, tmp_path):
    output = tmp_path / "backbone.safetensors"
    config = PretrainConfig(epochs=3, batch=8, keep_epoch="best-seen-test")
    report = train(small_skeletons(), output, config)
    accuracies = [float(row["seen_test_accuracy"]) for row in rows(output)]
    assert report.seen_test_accuracy == max(accuracies)
    assert report.epoch_kept == 1 + accuracies.index(max(accuracies))
    assert "optimistic" in str(report)
    assert read_metadata(output)["pretraining"]["keep_epoch"] == "best-seen-test"
    assert read_metadata(output)["epoch"] == report.epoch_kept


def test_the_last_epoch_is_kept_whatever_the_test_says(small_skeletons, tmp_path):
    skeletons = small_skeletons()
    train(skeletons, tmp_path / "a.safetensors")
    report = train(skeletons, tmp_path / "b.safetensors", run=PretrainRun(seen_test_every=1))
    assert report.epoch_kept == 2
    assert_equal_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors")
    assert all(row["seen_test_accuracy"] for row in rows(tmp_path / "b.safetensors"))


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"seen": []}, r"at least two seen classes to train on, got \[\]"),
        ({"seen": [1]}, "at least two seen classes"),
        ({"seen": [1, 1, 2]}, "each seen class once"),
        ({"seen": [0, 1, 59]}, r"has 4 classes \(labels 0 to 3\), .* go to 59; choose a split of"),
        ({"protocol": "xview"}, "unknown protocol .*'xview'"),
        ({"protocol": "cameras:1"}, "without a training clip: wave; choose another protocol"),
    ],
)
def test_wrong_classes_and_protocols_are_named(small_skeletons, tmp_path, changes, words):
    clip = np.arange(48)
    columns = {"label": clip % 4, "subject": clip // 4 % 3, "camera": 1 + (clip % 4 == 2)}
    options = {"seen": [0, 1, 2], **changes}
    with pytest.raises(InputError, match=words):
        train(small_skeletons(columns=columns), tmp_path / "backbone.safetensors", **options)


def test_a_seen_class_without_any_clip_is_left_out(small_skeletons, tmp_path, caplog):
    skeletons = small_skeletons(class_names=["drink", "eat", "wave", "kick", "hop"])
    report = train(skeletons, tmp_path / "backbone.safetensors", seen=[0, 1, 4])
    assert "no clip of 1 seen classes: hop" in caplog.text
    assert report.classes == 2
    facts = read_metadata(tmp_path / "backbone.safetensors")
    assert (facts["seen"], facts["unseen"]) == ([0, 1], [2, 3])


def test_too_little_memory_is_said_before_training(small_skeletons, tmp_path, monkeypatch):
    from smie_pipe.backbones.hardware import memory

    monkeypatch.setattr(memory, "available_bytes", lambda device: 5 * 2**20)
    monkeypatch.setattr(memory, "SMALLEST_CLAIM", 0)
    with pytest.raises(InputError, match=r"step of 24 clips needs about .* use --batch \d+ or"):
        train(small_skeletons(), tmp_path / "backbone.safetensors", PretrainConfig(epochs=1))


def test_bf16_trains_too(small_skeletons, tmp_path):
    config = PretrainConfig(epochs=1, batch=8, precision="bf16")
    report = train(small_skeletons(), tmp_path / "backbone.safetensors", config)
    assert np.isfinite(report.loss)
    weights = load_file(tmp_path / "backbone.safetensors")
    assert {w.dtype for w in weights.values()} <= {torch.float32, torch.int64}


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_gpu_gives_the_same_weights_twice(small_skeletons, tmp_path, precision):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    skeletons, config = small_skeletons(), PretrainConfig(epochs=2, batch=8, precision=precision)
    for name, resident in (("a", "yes"), ("b", "no")):
        run = PretrainRun(resident=resident, checkpoint_steps=2)
        train(skeletons, tmp_path / f"{name}.safetensors", config, device="cuda", run=run)
    assert_equal_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors")


@pytest.mark.slow
def test_shift_gcn_trains_by_the_same_code(small_skeletons, tmp_path):
    config = PretrainConfig(backbone="shift-gcn", epochs=1, batch=8)
    report = train(small_skeletons(), tmp_path / "backbone.safetensors", config)
    assert np.isfinite(report.loss)
    assert read_metadata(tmp_path / "backbone.safetensors")["backbone"] == "shift-gcn"


def test_tensorboard_missing_gives_the_install_line(small_skeletons, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r'pip install "smie-pipe\[log\]"'):
        train(small_skeletons(), tmp_path / "b.safetensors", run=PretrainRun(tensorboard=True))


@pytest.mark.slow
def test_tensorboard_events_are_written(small_skeletons, tmp_path):
    pytest.importorskip("tensorboard")
    train(small_skeletons(), tmp_path / "b.safetensors", run=PretrainRun(tensorboard=True))
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


def test_the_cosine_starts_at_the_step_size_and_nears_zero():
    assert cosine(5e-3, 0, 150) == 5e-3
    assert cosine(5e-3, 75, 150) == pytest.approx(2.5e-3)
    assert 0 < cosine(5e-3, 149, 150) < 1e-6
