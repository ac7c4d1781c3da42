"""The state of a training: how it begins, how it is saved and found again."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smie_pipe.backbones.clips import shuffled_batches
from smie_pipe.backbones.config import PretrainConfig, PretrainRun
from smie_pipe.backbones.hardware.distributed import Group
from smie_pipe.backbones.hardware.precision import dtype_of
from smie_pipe.backbones.networks.base import Backbone, freeze_idle
from smie_pipe.backbones.networks.registry import backbone_class
from smie_pipe.backbones.pretraining.checkpoint import (
    checkpoint_path,
    load_checkpoint,
    save_checkpoint,
)
from smie_pipe.backbones.pretraining.metrics import Row
from smie_pipe.backbones.subsets import Parts
from smie_pipe.backbones.tensor_files import digest_tensors
from smie_pipe.backbones.text_head import TextHead
from smie_pipe.preprocessing.foundation.errors import InputError

logger = logging.getLogger(__name__)


class TrainingError(InputError):
    """Training cannot go on; the message says where it stopped and what is kept."""


class Classifier(nn.Module):
    """A backbone, a linear map from its features to the seen classes, and maybe a text head."""

    def __init__(self, backbone: Backbone, classes: int):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(backbone.features, classes)
        self.text_head: TextHead | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Return a score for each seen class, (N, classes), of clips (N, C, T, V, M).

        In training with a text head the cosines follow them in the same rows, (N, 2 classes):
        one tensor, as wrappers for several processes want it.
        """
        features = self.backbone(x)
        scores = self.head(features)
        if self.text_head is None or not self.training:
            return scores
        cosines = self.text_head(features)  # in single precision under autocast, too
        return torch.cat([scores.to(cosines.dtype), cosines], dim=1)


@dataclass(frozen=True, eq=False)
class Job:
    """What stays the same throughout a training."""

    output: Path
    config: PretrainConfig
    run: PretrainRun
    parts: Parts
    seed: int
    group: Group
    identity: dict[str, Any]
    texts: Tensor | None = None
    """Of the seen classes, in the order of ``parts.seen``, (S, D); only for a text head."""

    @property
    def steps(self) -> int:
        """Return the steps of an epoch."""
        return -(-len(self.parts.rows["seen_train"]) // self.config.batch)

    def order(self, epoch: int) -> list[np.ndarray]:
        """Return the whole group's batches of an epoch."""
        count = len(self.parts.rows["seen_train"])
        return shuffled_batches(count, self.config.batch, self.seed, epoch)


@dataclass(eq=False)
class State:
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


def identify(
    config: PretrainConfig,
    parts: Parts,
    split: str,
    protocol: str,
    seed: int,
    texts: Tensor | None = None,
) -> dict[str, Any]:
    """Return all that decides the weights, as plain values: two trainings alike in it are one."""
    return {
        **dataclasses.asdict(config),
        "seen": parts.seen,
        "split": split,
        "protocol": protocol,
        "dataset": parts.dataset,
        "skeletons": parts.digest,
        "seed": seed,
        "texts": "" if texts is None else digest_tensors({"texts": texts}),
    }


def check_shares(job: Job) -> None:
    """Raise ``InputError`` if a batch has fewer clips than there are processes."""
    smallest = min(len(positions) for positions in job.order(0))
    if smallest < job.group.size:
        raise InputError(
            f"{job.group.size} processes cannot share a batch of {smallest} clips; start fewer, "
            "or give a larger --batch"
        )


@contextmanager
def own_randomness(seed: int, group: Group) -> Iterator[None]:
    """Seed torch for the block, and leave the caller's random state as it was."""
    devices = [group.device] if group.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def begin(job: Job) -> State:
    """Return the state before the first step; the same in every process."""
    config, device = job.config, job.group.device
    kind = backbone_class(config.backbone)
    model = Classifier(kind(**kind.options(config)), len(job.parts.seen))
    if job.texts is not None:
        width = model.backbone.features
        with torch.random.fork_rng(devices=[]):  # dropout draws as it would without a head
            model.text_head = TextHead(width, job.texts, centred=config.align_centre)
    model.to(device, dtype_of(config.precision))
    freeze_idle(model.backbone)
    if device.type == "cuda" and job.group.size > 1:
        torch.cuda.manual_seed(job.seed * job.group.size + job.group.rank)
    trained = [weights for weights in model.parameters() if weights.requires_grad]
    return State(
        model,
        torch.optim.Adam(trained, lr=config.lr, fused=device.type == "cuda"),
        losses=torch.zeros(job.steps, dtype=dtype_of(config.precision), device=device),
        correct=torch.zeros((), dtype=torch.int64, device=device),
    )


def save(job: Job, state: State) -> None:
    """Save a checkpoint; whoever calls has made sure that the losses are finite."""
    content = {
        "model": state.model.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "randomness": _random_states(job.group),
        "epoch": state.epoch,
        "step": state.step,
        "seconds": state.seconds,
        "losses": job.group.total(state.losses),
        "correct": job.group.total(state.correct),
        "history": state.history,
        "best": state.best,
    }
    if job.group.is_main:
        save_checkpoint(checkpoint_path(job.output), job.identity, content)


def restore(job: Job, state: State) -> None:
    """Go back to where the checkpoint was saved, if there is one.

    Raises
    ------
    InputError
        If it is one of another configuration.
    """
    saved = load_checkpoint(checkpoint_path(job.output), job.identity, job.group)
    if saved is None:
        return
    state.model.load_state_dict(saved["model"])
    state.optimiser.load_state_dict(saved["optimiser"])
    for name in ("epoch", "step", "seconds", "history", "best"):
        setattr(state, name, saved[name])
    if job.group.is_main:  # the others' shares of what was counted are in its sum
        state.losses.copy_(saved["losses"])
        state.correct.copy_(saved["correct"])
    _set_random_states(job, state, saved["randomness"])
    place, epochs = checkpoint_path(job.output), job.config.epochs
    if state.epoch < epochs:
        at = state.epoch + 1, epochs, state.step + 1
        logger.info("going on from %s: epoch %d of %d, step %d", place, *at)
    else:
        logger.info("going on from %s: all %d epochs are done", place, epochs)


def _random_states(group: Group) -> dict[str, Tensor]:
    """Return torch's random states of every process, (processes, bytes), by kind of device."""
    states = {"cpu": group.gather(torch.get_rng_state())}
    if group.device.type == "cuda":
        states["cuda"] = group.gather(torch.cuda.get_rng_state(group.device))
    return states


def _set_random_states(job: Job, state: State, states: dict[str, Tensor]) -> None:
    """Set them back; where the processes are others than then, GPUs get new ones."""
    torch.set_rng_state(states["cpu"][0])  # the CPU's are the same in every process
    if job.group.device.type != "cuda":
        return
    if len(states.get("cuda", ())) == job.group.size:
        torch.cuda.set_rng_state(states["cuda"][job.group.rank], job.group.device)
    else:
        torch.cuda.manual_seed(hash((job.seed, state.epoch, state.step, job.group.rank)))
