"""Pretraining: a backbone and a linear classifier on the seen classes, from random weights.

SMIE, section 4.2: Adam at 5e-3, cosine over 150 epochs, batches of 128, cross-entropy. The
classifier has the seen classes only and is thrown away; the last epoch is kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from backbones.checkpoint import (
    checkpoint_path,
    load_checkpoint,
    remove_checkpoint,
    save_checkpoint,
)
from backbones.config import PretrainConfig, PretrainRun
from backbones.data import Clips, in_batches, open_clips, shuffled_batches
from backbones.distributed import Group, join
from backbones.memory import check_training_fits, memory_explained
from backbones.metrics import Row, TensorBoard, metrics_path, write_metrics
from backbones.parallel import parallel
from backbones.parts import Parts, choose_parts
from backbones.precision import autocast, dtype_of, repeatable
from backbones.registry import FEATURES, build
from backbones.weights import load_foreign, save_backbone
from preprocessing.errors import InputError

logger = logging.getLogger(__name__)

CHECK_EVERY = 50  # steps between looks at the losses: each look makes a GPU wait
TEST_BATCH = 256


class TrainingError(InputError):
    """Training cannot go on; the message says where it stopped and what is kept."""


@dataclass(frozen=True)
class PretrainReport:
    """What came of a pretraining.

    ``seen_test_accuracy`` (share of the seen classes' test clips that the classifier names
    rightly, None without such clips) is measured on the epoch that was kept. It is optimistic
    where that epoch was ``selected`` by it.
    """

    output: Path
    clips: int
    classes: int
    epochs: int
    epoch_kept: int
    selected: str
    loss: float
    train_accuracy: float
    seen_test_accuracy: float | None
    seen_test_clips: int
    seconds: float
    clips_per_s: float

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain values for JSON."""
        return {**dataclasses.asdict(self), "output": str(self.output)}

    def __str__(self) -> str:
        """Return the figures in words."""
        test = self.seen_test_accuracy
        tested = (
            "no test clips of seen classes"
            if test is None
            else f"seen-class test accuracy {test:.1%} of {self.seen_test_clips} clips"
        )
        chosen = "" if self.selected == "last" else " (optimistic: the epoch was chosen by it)"
        return (
            f"{self.clips} clips of {self.classes} classes, {self.epochs} epochs in "
            f"{self.seconds:.0f} s; loss {self.loss:.3f}, training accuracy "
            f"{self.train_accuracy:.1%}, {tested}{chosen} -> {self.output}"
        )


class Classifier(nn.Module):
    """A backbone and a linear map from its features to the seen classes."""

    def __init__(self, backbone: nn.Module, classes: int):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return a score for each seen class, (N, classes), of clips (N, C, T, V, M)."""
        return self.head(self.backbone(x))


@dataclass(frozen=True, eq=False)
class _Job:
    """What stays the same throughout a training."""

    output: Path
    config: PretrainConfig
    run: PretrainRun
    parts: Parts
    seed: int
    group: Group
    identity: dict[str, Any]

    @property
    def steps(self) -> int:
        """Return the steps of an epoch."""
        return -(-len(self.parts.rows["seen_train"]) // self.config.batch)

    def order(self, epoch: int) -> list[np.ndarray]:
        """Return the whole group's batches of an epoch."""
        count = len(self.parts.rows["seen_train"])
        return shuffled_batches(count, self.config.batch, self.seed, epoch)


@dataclass(eq=False)
class _State:
    """What training changes; with the random states, what a checkpoint holds."""

    model: Classifier
    optimiser: torch.optim.Optimizer
    losses: Tensor
    """Mean loss of each step of this epoch so far, this process's share of it."""
    correct: Tensor
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    """Of this epoch so far."""
    history: list[Row] = field(default_factory=list)
    best: dict[str, Any] | None = None


def pretrain(
    skeletons: Path,
    output: Path,
    config: PretrainConfig,
    *,
    seen: Sequence[int],
    split: str,
    protocol: str,
    device: str | torch.device = "cpu",
    seed: int = 0,
    resume: bool = True,
    run: PretrainRun | None = None,
    init: Path | None = None,
) -> PretrainReport:
    """Train a backbone on the seen classes of a protocol's training part and write it.

    Beside ``output`` appear ``pretrain_metrics.csv``, a line an epoch, and while training lasts
    ``pretrain_checkpoint.pt``. Interrupted, the same call goes on from there and ends with the
    weights of an uninterrupted one, on a CPU to the bit. Under torchrun all processes call it
    alike.

    Parameters
    ----------
    skeletons, output
        The file to read, and the safetensors file to write.
    seen
        Labels to train on; no clip of another is read.
    split
        The name of that choice, for the record.
    protocol
        Which clips train, as ``SkeletonFile.protocol`` takes it.
    device
        ``cpu`` or ``cuda``.
    seed
        Of weights, order and dropout. The same on the same machine: the same weights.
    resume
        False throws an earlier checkpoint away.
    run
        Choices that do not decide the result.
    init
        Weights to start from instead of random ones, as ``load_foreign`` takes them.

    Raises
    ------
    InputError
        If the classes or the protocol do not fit the file, if a checkpoint of another
        configuration is there, or if memory is too small.
    TrainingError
        If the loss is no longer finite; the last good checkpoint stays.

    Notes
    -----
    Public code has a classifier over all classes, though no sample of the unseen ones comes,
    and keeps the epoch that is best on the seen classes' test clips (``select``).
    """
    began = time.perf_counter()
    run, group = run or PretrainRun(), join(device)
    job = _prepare(skeletons, output, config, seen, split, protocol, seed, run, group, init)
    place = checkpoint_path(output)
    if not resume and group.is_main:
        remove_checkpoint(place)
    with _own_randomness(seed, group), repeatable(config.precision):
        state = _begin(job, init)
        saved = load_checkpoint(place, job.identity, group)
        if saved is not None:
            _restore(job, state, saved)
        with _memory_explained(job):
            clips, tests = _open_sources(job, state)
            _train(job, state, clips, tests)
            epoch, accuracy = _keep(job, state, tests)
    if group.is_main:
        _write(job, state, split, protocol, epoch, accuracy)
        remove_checkpoint(place)
    group.wait()
    return _report(job, state, epoch, accuracy, time.perf_counter() - began)


def _train(job: _Job, state: _State, clips: Clips, tests: Clips | None) -> None:
    """Forward, loss, backward, step, log, save: until the last epoch is done."""
    config, group, device = job.config, job.group, job.group.device
    targets = torch.from_numpy(job.parts.targets("seen_train")).to(device)
    model = parallel(state.model, group)
    model = torch.compile(model) if config.compile else model
    board = _board(job, state)
    bar = _bar(job, state)
    while state.epoch < config.epochs:
        order = job.order(state.epoch)
        mine = [group.share(positions) for positions in order[state.step :]]
        lr = cosine(config.lr, state.epoch, config.epochs)
        for settings in state.optimiser.param_groups:
            settings["lr"] = lr
        state.model.train()
        resumed = time.perf_counter() - state.seconds
        for x, positions in zip(clips.batches(mine), mine, strict=True):
            y = targets[torch.from_numpy(positions).to(device)]
            with autocast(config.precision, device):
                logits = model(x.to(dtype_of(config.precision)))
            loss = cross_entropy(logits.to(state.losses.dtype), y, reduction="sum")
            loss = loss / len(order[state.step])
            state.optimiser.zero_grad(set_to_none=True)
            (loss * group.size).backward()  # gradients are averaged over the processes
            state.optimiser.step()
            state.losses[state.step] = loss.detach()
            state.correct += (logits.detach().argmax(1) == y).sum()
            state.step += 1
            state.seconds = time.perf_counter() - resumed
            next(bar)
            if state.step % CHECK_EVERY == 0:
                _check_finite(job, state, order)
            if job.run.checkpoint_steps and state.step % job.run.checkpoint_steps == 0:
                _save(job, state, order)
        row = _finish_epoch(job, state, order, lr, tests)
        if group.is_main:
            write_metrics(metrics_path(job.output), state.history)
        if board is not None:
            board.add(row)
        _save(job, state, order)
    if board is not None:
        board.close()


def cosine(lr: float, epoch: int, epochs: int) -> float:
    """Return the step size of an epoch (from 0): ``lr`` in the first, falling towards zero."""
    return lr * (1 + math.cos(math.pi * epoch / epochs)) / 2


def _finish_epoch(
    job: _Job, state: _State, order: list[np.ndarray], lr: float, tests: Clips | None
) -> Row:
    """Take stock of the epoch, and make the state that of the next one's start."""
    losses = _check_finite(job, state, order)
    sizes = torch.tensor([len(positions) for positions in order], device=losses.device)
    clips, epoch = int(sizes.sum()), state.epoch + 1
    every = 1 if job.config.select != "last" else job.run.seen_test_every
    measured = bool(every) and (epoch % every == 0 or epoch == job.config.epochs)
    row: Row = {
        "epoch": epoch,
        "loss": float((losses * sizes).sum() / clips),
        "train_accuracy": int(job.group.total(state.correct)) / clips,
        "lr": lr,
        "seconds": round(state.seconds, 3),
        "clips_per_s": round(clips / state.seconds, 1),
        "seen_test_accuracy": _seen_test_accuracy(job, state, tests) if measured else None,
    }
    state.history.append(row)
    if job.config.select != "last":
        _remember_best(state, row)
    state.epoch, state.step, state.seconds = epoch, 0, 0.0
    state.losses.zero_()
    state.correct.zero_()
    logger.debug("epoch %d of %d: %s", epoch, job.config.epochs, row)
    return row


def _remember_best(state: _State, row: Row) -> None:
    """Keep this epoch's weights if no earlier one did as well on the seen test clips."""
    accuracy = row["seen_test_accuracy"] or 0.0
    if state.best is None or accuracy > state.best["accuracy"]:
        weights = {k: v.detach().clone() for k, v in state.model.backbone.state_dict().items()}
        state.best = {"epoch": row["epoch"], "accuracy": accuracy, "weights": weights}


@torch.no_grad()
def _seen_test_accuracy(job: _Job, state: _State, tests: Clips | None) -> float | None:
    """Return the share of seen classes' test clips named rightly, each counted once."""
    if tests is None:
        return None
    device, precision = job.group.device, job.config.precision
    targets = torch.from_numpy(job.parts.targets("seen_test")).to(device)
    share = job.group.share(np.arange(len(targets)))
    mine = [share[batch] for batch in in_batches(len(share), TEST_BATCH)]
    correct = torch.zeros((), dtype=torch.int64, device=device)
    state.model.eval()
    for x, positions in zip(tests.batches(mine), mine, strict=True):
        with autocast(precision, device):
            logits = state.model(x.to(dtype_of(precision)))
        correct += (logits.argmax(1) == targets[torch.from_numpy(positions).to(device)]).sum()
    return int(job.group.total(correct)) / len(targets)


def _check_finite(job: _Job, state: _State, order: list[np.ndarray]) -> Tensor:
    """Return the whole group's loss of each step so far, or stop if one is not finite."""
    losses = job.group.total(state.losses)
    wrong = (~torch.isfinite(losses[: state.step])).nonzero().flatten()
    if len(wrong):
        raise TrainingError(_not_finite(job, state, int(wrong[0]), order, float(losses[wrong[0]])))
    return losses


def _not_finite(job: _Job, state: _State, step: int, order: list[np.ndarray], loss: float) -> str:
    names = job.parts.name[job.parts.rows["seen_train"][order[step]]]
    place = checkpoint_path(job.output)
    kept = f"{place} keeps the last good state" if place.is_file() else "nothing was saved before"
    return (
        f"the loss became {loss} in epoch {state.epoch + 1}, step {step + 1} of {len(order)}, on "
        f"{len(names)} clips: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}; {kept}. "
        f"Give a smaller --lr than {job.config.lr:g} (with --overwrite), or float32 for bf16"
    )


def _prepare(
    skeletons: Path,
    output: Path,
    config: PretrainConfig,
    seen: Sequence[int],
    split: str,
    protocol: str,
    seed: int,
    run: PretrainRun,
    group: Group,
    init: Path | None,
) -> _Job:
    parts = choose_parts(skeletons, seen, protocol)
    identity = {
        **dataclasses.asdict(config),
        "seen": parts.seen,
        "split": split,
        "protocol": protocol,
        "dataset": parts.dataset,
        "skeletons": parts.digest,
        "seed": seed,
        "init": hashlib.sha256(Path(init).read_bytes()).hexdigest() if init else "",
    }
    job = _Job(Path(output), config, run, parts, seed, group, identity)
    smallest = min(len(positions) for positions in job.order(0))
    if smallest < group.size:
        raise InputError(
            f"{group.size} processes cannot share a batch of {smallest} clips; start fewer, or "
            "give a larger --batch"
        )
    return job


@contextmanager
def _own_randomness(seed: int, group: Group) -> Iterator[None]:
    """Seed torch for the block, and leave the caller's random state as it was."""
    devices = [group.device] if group.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def _begin(job: _Job, init: Path | None) -> _State:
    """Return the state before the first step; the same in every process."""
    config, device = job.config, job.group.device
    options = {"dropout": config.dropout} if config.backbone == "stgcn" else {}
    model = Classifier(build(config.backbone, **options), len(job.parts.seen))
    if init is not None:
        load_foreign(model.backbone, Path(init))
    model.to(device, dtype_of(config.precision))
    freeze_idle_biases(model)
    if device.type == "cuda" and job.group.size > 1:
        torch.cuda.manual_seed(job.seed * job.group.size + job.group.rank)
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    return _State(
        model,
        torch.optim.Adam(trained, lr=config.lr, fused=device.type == "cuda"),
        losses=torch.zeros(job.steps, dtype=dtype_of(config.precision), device=device),
        correct=torch.zeros((), dtype=torch.int64, device=device),
    )


def freeze_idle_biases(model: nn.Module) -> None:
    """Take the biases that batch normalisation subtracts again out of training.

    Their gradient is zero but for rounding errors, which Adam would scale up to whole steps: the
    bias would wander, the running mean after it, and two runs that differ in the order of a
    sum (one process or two) would part here first.
    """
    for layers in model.modules():
        if isinstance(layers, nn.Sequential):
            for layer, following in zip(layers, list(layers)[1:], strict=False):
                normed = isinstance(following, nn.BatchNorm1d | nn.BatchNorm2d)
                if normed and isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
                    layer.bias.requires_grad_(False)


def _open_sources(job: _Job, state: _State) -> tuple[Clips, Clips | None]:
    """Open the clips to train on and those of the seen-class test; check the memory left."""
    path, rows, device = job.parts.path, job.parts.rows, job.group.device
    clips = open_clips(path, rows["seen_train"], device, job.run.resident)
    often = job.run.seen_test_every or job.config.select != "last"
    resident = job.run.resident if often else "no"
    tests = (
        open_clips(path, rows["seen_test"], device, resident) if len(rows["seen_test"]) else None
    )
    first = next(iter(clips.batches([np.arange(1)])))[0].to(dtype_of(job.config.precision))
    check_training_fits(state.model, first, -(-job.config.batch // job.group.size))
    return clips, tests


def _memory_explained(job: _Job) -> Any:
    return memory_explained(
        f"a training step of {job.config.batch} clips on {job.group.device}",
        f"Give --batch {max(1, job.config.batch // 2)} or less, or --resident no",
    )


def _bar(job: _Job, state: _State) -> Iterator[int]:
    """Return what is to be advanced once a step."""
    left = range(state.epoch * job.steps + state.step, job.config.epochs * job.steps)
    # One more, so that the bar's last advance does not end the iterator.
    return job.group.progress([*left, 0], total=len(left), what="pretrain", unit="step")


def _board(job: _Job, state: _State) -> TensorBoard | None:
    if not (job.run.tensorboard and job.group.is_main):
        return None
    return TensorBoard(job.output.with_name("tensorboard"), state.epoch + 1)


def _save(job: _Job, state: _State, order: list[np.ndarray]) -> None:
    """Save a checkpoint, unless a loss was not finite."""
    losses = _check_finite(job, state, order)
    content = {
        "model": state.model.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "randomness": _random_states(job.group),
        "epoch": state.epoch,
        "step": state.step,
        "seconds": state.seconds,
        "losses": losses,
        "correct": job.group.total(state.correct),
        "history": state.history,
        "best": state.best,
    }
    if job.group.is_main:
        save_checkpoint(checkpoint_path(job.output), job.identity, content)


def _restore(job: _Job, state: _State, saved: dict[str, Any]) -> None:
    """Go back to where a checkpoint was saved."""
    state.model.load_state_dict(saved["model"])
    state.optimiser.load_state_dict(saved["optimiser"])
    for name in ("epoch", "step", "seconds", "history", "best"):
        setattr(state, name, saved[name])
    if job.group.is_main:  # the others' shares of what was counted are in its sum
        state.losses.copy_(saved["losses"])
        state.correct.copy_(saved["correct"])
    _set_random_states(job, state, saved["randomness"])
    logger.info(
        "going on from %s: epoch %d of %d, step %d",
        checkpoint_path(job.output), state.epoch + 1, job.config.epochs, state.step + 1,
    )  # fmt: skip


def _random_states(group: Group) -> dict[str, Tensor]:
    """Return torch's random states of every process, (processes, bytes), by kind of device."""
    states = {"cpu": group.gather(torch.get_rng_state())}
    if group.device.type == "cuda":
        states["cuda"] = group.gather(torch.cuda.get_rng_state(group.device))
    return states


def _set_random_states(job: _Job, state: _State, states: dict[str, Tensor]) -> None:
    """Set them back; where the processes are others than then, GPUs get new ones."""
    torch.set_rng_state(states["cpu"][0])  # the CPU's are the same in every process
    if job.group.device.type != "cuda":
        return
    if len(states.get("cuda", ())) == job.group.size:
        torch.cuda.set_rng_state(states["cuda"][job.group.rank], job.group.device)
    else:
        torch.cuda.manual_seed(hash((job.seed, state.epoch, state.step, job.group.rank)))


def _keep(job: _Job, state: _State, tests: Clips | None) -> tuple[int, float | None]:
    """Leave the weights to be written in the model; return their epoch and test accuracy."""
    if state.best is not None:
        state.model.backbone.load_state_dict(state.best["weights"])
        return state.best["epoch"], state.best["accuracy"]
    return state.epoch, _seen_test_accuracy(job, state, tests)


def _write(
    job: _Job, state: _State, split: str, protocol: str, epoch: int, accuracy: float | None
) -> None:
    """Write the backbone with all that decided it."""
    metadata = {
        "dataset": job.parts.dataset,
        "class_names": job.parts.class_names,
        "split": split,
        "protocol": protocol,
        "seen": job.parts.seen,
        "unseen": job.parts.unseen,
        "seed": job.seed,
        "skeletons": job.parts.digest,
        "pretraining": dataclasses.asdict(job.config),
        "epoch": epoch,
        "seen_test_accuracy": accuracy,
        "trained_elsewhere": False,
    }
    write_metrics(metrics_path(job.output), state.history)
    save_backbone(job.output, state.model.backbone.float(), metadata)


def _report(
    job: _Job, state: _State, epoch: int, accuracy: float | None, seconds: float
) -> PretrainReport:
    kept = state.history[epoch - 1]
    clips, trained_s = len(job.parts.rows["seen_train"]), sum(r["seconds"] for r in state.history)
    return PretrainReport(
        output=job.output,
        clips=clips,
        classes=len(job.parts.seen),
        epochs=job.config.epochs,
        epoch_kept=epoch,
        selected=job.config.select,
        loss=kept["loss"],
        train_accuracy=kept["train_accuracy"],
        seen_test_accuracy=accuracy,
        seen_test_clips=len(job.parts.rows["seen_test"]),
        seconds=seconds,
        clips_per_s=clips * len(state.history) / trained_s,
    )
