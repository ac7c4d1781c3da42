"""Pretraining: a backbone and a linear classifier on the seen classes, from random weights.

SMIE, section 4.2: Adam at 5e-3, cosine over 150 epochs, batches of 128, cross-entropy. The
classifier has the seen classes only and is thrown away; the last epoch is kept. Beyond the paper:
random variants of clips (`augment`) and a text head (`smie_pipe.backbones.text_head`), both off by
default.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from smie_pipe.backbones.clips import Clips, on_device, open_clips
from smie_pipe.backbones.config import PretrainConfig, PretrainRun
from smie_pipe.backbones.hardware.distributed import join
from smie_pipe.backbones.hardware.memory import check_training_fits, memory_explained
from smie_pipe.backbones.hardware.precision import autocast, dtype_of, repeatable
from smie_pipe.backbones.hardware.shared_layers import parallel
from smie_pipe.backbones.pretraining.augment import augment, draw
from smie_pipe.backbones.pretraining.checkpoint import checkpoint_path, remove_checkpoint
from smie_pipe.backbones.pretraining.evaluation import (
    check_finite,
    finish_epoch,
    recalibrated,
    seen_test_accuracy,
)
from smie_pipe.backbones.pretraining.metrics import TensorBoard, metrics_path, write_metrics
from smie_pipe.backbones.pretraining.state import (
    Classifier,
    Job,
    State,
    begin,
    check_shares,
    identify,
    own_randomness,
    restore,
    save,
)
from smie_pipe.backbones.subsets import Parts, choose_parts
from smie_pipe.backbones.weights import save_backbone
from smie_pipe.preprocessing.foundation.errors import InputError

CHECK_EVERY = 50  # steps between looks at the losses: each look makes a GPU wait


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
    texts: np.ndarray | None = None,
) -> PretrainReport:
    """Train a backbone on the seen classes of a protocol's training part and write it.

    Beside ``output`` appear ``pretrain_metrics.csv``, a line an epoch, and while training lasts
    ``pretrain_checkpoint.safetensors``. Interrupted, the same call goes on from there and ends
    with the weights of an uninterrupted one, on a CPU to the bit. Under torchrun all processes
    call it alike.

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
    texts
        For a text head (``config.align``): a row for each label of ``seen``, in order, (S, D).

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
    group, parts = join(device), choose_parts(skeletons, seen, protocol)
    table = _text_table(config, parts, seen, texts)
    identity = identify(config, parts, split, protocol, seed, table)
    job = Job(Path(output), config, run or PretrainRun(), parts, seed, group, identity, table)
    check_shares(job)
    if not resume and group.is_main:
        remove_checkpoint(checkpoint_path(job.output))
    with own_randomness(seed, group), repeatable(config.precision), _memory_explained(job):
        state = begin(job)
        restore(job, state)
        clips, tests = _open_sources(job, state)
        _train(job, state, clips, tests)
        model, epoch, accuracy = _keep(job, state, clips, tests)
    if group.is_main:
        _write(job, state, model, split, protocol, epoch, accuracy)
        remove_checkpoint(checkpoint_path(job.output))
    group.wait()
    return _report(job, state, epoch, accuracy, time.perf_counter() - began)


def _text_table(
    config: PretrainConfig, parts: Parts, seen: Sequence[int], texts: np.ndarray | None
) -> Tensor | None:
    """Return the texts of the seen classes that have clips, None without a text head."""
    if not config.align:
        return None
    table = None if texts is None else torch.as_tensor(np.asarray(texts, np.float32))
    if table is None or table.ndim != 2 or len(table) != len(seen):
        found = "none" if table is None else f"shape {tuple(table.shape)}"
        raise InputError(f"a text head needs {len(seen)} texts, a row a seen class; found {found}")
    if not table.isfinite().all() or not table.any(dim=1).all():
        raise InputError("a text head needs finite texts, and none of zeros alone")
    return table[[list(seen).index(label) for label in parts.seen]]


def _train(job: Job, state: State, clips: Clips, tests: Clips | None) -> None:
    """Forward, loss, backward, step, log, save: until the last epoch is done."""
    config, group, device = job.config, job.group, job.group.device
    targets = torch.from_numpy(job.parts.targets("seen_train")).to(device)
    model = parallel(state.model, group)
    board = _board(job, state)
    bar = _bar(job, state)
    while state.epoch < config.epochs:
        order = job.order(state.epoch)
        mine = [group.share(positions) for positions in order[state.step :]]
        answers = [targets[positions] for positions in on_device(mine, device)]
        lr = cosine(config.lr, state.epoch, config.epochs)
        for settings in state.optimiser.param_groups:
            settings["lr"] = lr
        state.model.train()
        resumed = time.perf_counter() - state.seconds
        for x, y in zip(clips.batches(mine), answers, strict=True):
            if config.augment:
                x = variants(job, state, x, len(order[state.step]))
            with autocast(config.precision, device):
                outputs = model(x.to(dtype_of(config.precision)))
            loss, logits = loss_of(outputs.to(state.losses.dtype), y, job)
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
                check_finite(job, state, order)
            if job.run.checkpoint_steps and state.step % job.run.checkpoint_steps == 0:
                check_finite(job, state, order)
                save(job, state)
        losses = check_finite(job, state, order)
        state.seconds = time.perf_counter() - resumed
        row = finish_epoch(job, state, losses, order, lr, clips, tests)
        if group.is_main:
            write_metrics(metrics_path(job.output), state.history)
        if board is not None:
            board.add(row)
        save(job, state)
    bar.close()
    if board is not None:
        board.close()


def loss_of(outputs: Tensor, y: Tensor, job: Job) -> tuple[Tensor, Tensor]:
    """Return the sum of the clips' losses, and the classifier's scores (N, classes)."""
    logits = outputs[:, : len(job.parts.seen)]
    loss = cross_entropy(logits, y, reduction="sum")
    if job.texts is not None:
        cosines = outputs[:, len(job.parts.seen) :] / job.config.align_temperature
        loss = loss + job.config.align_weight * cross_entropy(cosines, y, reduction="sum")
    return loss, logits


def variants(job: Job, state: State, x: Tensor, count: int) -> Tensor:
    """Return this process's clips of the step, of ``count`` in all, each changed at random."""
    drawn = draw(count, job.config, job.seed, state.epoch, state.step)
    return augment(x, drawn, job.group.share(np.arange(count)))


def cosine(lr: float, epoch: int, epochs: int) -> float:
    """Return the step size of an epoch (from 0): ``lr`` in the first, falling towards zero."""
    return lr * (1 + math.cos(math.pi * epoch / epochs)) / 2


def _open_sources(job: Job, state: State) -> tuple[Clips, Clips | None]:
    """Open the clips to train on and those of the seen-class test; check the memory left."""
    path, rows, device = job.parts.path, job.parts.rows, job.group.device
    clips = open_clips(path, rows["seen_train"], device, job.run.resident)
    often = job.run.seen_test_every or job.config.keep_epoch != "last"
    resident = job.run.resident if often else "no"
    tests = (
        open_clips(path, rows["seen_test"], device, resident) if len(rows["seen_test"]) else None
    )
    first = next(iter(clips.batches([np.arange(1)])))[0].to(dtype_of(job.config.precision))
    largest = max(len(job.group.share(positions)) for positions in job.order(0))
    check_training_fits(state.model, first, largest)
    return clips, tests


def _memory_explained(job: Job) -> AbstractContextManager[None]:
    return memory_explained(
        f"a training step of {job.config.batch} clips on {job.group.device}",
        f"Give --batch {max(1, job.config.batch // 2)} or less, or --resident no",
    )


def _bar(job: Job, state: State) -> Generator[int, None, None]:
    """Return what is to be advanced once a step."""
    left = range(state.epoch * job.steps + state.step, job.config.epochs * job.steps)
    # One more, so that the bar's last advance does not end the iterator.
    return job.group.progress(
        itertools.chain(left, [0]), total=len(left), what="pretrain", unit="step"
    )


def _board(job: Job, state: State) -> TensorBoard | None:
    if not (job.run.tensorboard and job.group.is_main):
        return None
    return TensorBoard(job.output.with_name("tensorboard"), state.epoch + 1)


def _keep(
    job: Job, state: State, clips: Clips, tests: Clips | None
) -> tuple[Classifier, int, float | None]:
    """Return the model to be written, its epoch and its accuracy on seen test clips."""
    if state.best is not None:
        state.model.load_state_dict(state.best["weights"])
        return state.model, state.best["epoch"], state.best["accuracy"]
    model = recalibrated(job, state.model, clips)
    return model, state.epoch, seen_test_accuracy(job, model, tests)


def _write(
    job: Job,
    state: State,
    model: Classifier,
    split: str,
    protocol: str,
    epoch: int,
    accuracy: float | None,
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
        "saw": [job.parts.class_names[label] for label in job.parts.seen],
        "saw_unseen": [],
    }
    write_metrics(metrics_path(job.output), state.history)
    head = None if model.text_head is None else model.text_head.float()
    save_backbone(job.output, model.backbone.float(), metadata, text_head=head)


def _report(
    job: Job, state: State, epoch: int, accuracy: float | None, seconds: float
) -> PretrainReport:
    kept = state.history[epoch - 1]
    clips, trained_s = len(job.parts.rows["seen_train"]), sum(r["seconds"] for r in state.history)
    return PretrainReport(
        output=job.output,
        clips=clips,
        classes=len(job.parts.seen),
        epochs=job.config.epochs,
        epoch_kept=epoch,
        selected=job.config.keep_epoch,
        loss=kept["loss"],
        train_accuracy=kept["train_accuracy"],
        seen_test_accuracy=accuracy,
        seen_test_clips=len(job.parts.rows["seen_test"]),
        seconds=seconds,
        clips_per_s=clips * len(state.history) / trained_s,
    )
