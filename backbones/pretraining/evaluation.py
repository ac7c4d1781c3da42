"""Taking stock: is the loss finite, what did the epoch give, how well are seen classes told."""

from __future__ import annotations

import copy
import logging

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from smie_pipe.backbones.clips import ClipReader, Clips, in_batches, on_device
from smie_pipe.backbones.hardware.precision import autocast, dtype_of
from smie_pipe.backbones.pretraining.checkpoint import checkpoint_path
from smie_pipe.backbones.pretraining.metrics import Row
from smie_pipe.backbones.pretraining.state import Classifier, Job, State, TrainingError

logger = logging.getLogger(__name__)

TEST_BATCH = 256


def finish_epoch(
    job: Job,
    state: State,
    losses: Tensor,
    order: list[np.ndarray],
    lr: float,
    clips: Clips,
    tests: Clips | None,
) -> Row:
    """Return what the epoch gave, and make the state that of the next one's start."""
    sizes = torch.tensor([len(positions) for positions in order], device=losses.device)
    count, epoch = int(sizes.sum()), state.epoch + 1
    every = 1 if job.config.keep_epoch != "last" else job.run.seen_test_every
    measured = bool(every) and (epoch % every == 0 or epoch == job.config.epochs)
    row: Row = {
        "epoch": epoch,
        "loss": float((losses * sizes).sum() / count),
        "train_accuracy": int(job.group.total(state.correct)) / count,
        "lr": lr,
        "seconds": round(state.seconds, 3),
        "clips_per_s": round(count / state.seconds, 1),
        "seen_test_accuracy": None,
    }
    if measured:
        model = recalibrated(job, state.model, clips)
        row["seen_test_accuracy"] = seen_test_accuracy(job, model, tests)
        if job.config.keep_epoch != "last":
            _remember_best(state, model, row)
    state.history.append(row)
    state.epoch, state.step, state.seconds = epoch, 0, 0.0
    state.losses.zero_()
    state.correct.zero_()
    logger.debug("epoch %d of %d: %s", epoch, job.config.epochs, row)
    return row


def _remember_best(state: State, model: nn.Module, row: Row) -> None:
    """Keep the weights of this epoch if no earlier one did as well on the seen test clips."""
    accuracy = row["seen_test_accuracy"] or 0.0
    if state.best is None or accuracy > state.best["accuracy"]:
        state.best = {"epoch": row["epoch"], "accuracy": accuracy, "weights": model.state_dict()}


@torch.no_grad()
def seen_test_accuracy(job: Job, model: nn.Module, tests: Clips | None) -> float | None:
    """Return the share of seen classes' test clips named rightly, each counted once.

    None without such clips. Each process scores its share; ``model`` is in evaluation mode.
    """
    if tests is None:
        return None
    device, precision = job.group.device, job.config.precision
    targets = torch.from_numpy(job.parts.targets("seen_test")).to(device)
    share = job.group.share(np.arange(len(targets)))
    mine = [share[batch] for batch in in_batches(len(share), TEST_BATCH)]
    answers = [targets[positions] for positions in on_device(mine, device)]
    correct = torch.zeros((), dtype=torch.int64, device=device)
    for x, y in zip(tests.batches(mine), answers, strict=True):
        with autocast(precision, device):
            logits = model(x.to(dtype_of(precision)))
        correct += (logits.argmax(1) == y).sum()
    return int(job.group.total(correct)) / len(targets)


def check_finite(job: Job, state: State, order: list[np.ndarray]) -> Tensor:
    """Return the whole group's loss of each step so far, (steps,).

    Raises
    ------
    TrainingError
        If one is not finite; the message names the step and its clips.
    """
    losses = job.group.total(state.losses)
    wrong = (~torch.isfinite(losses[: state.step])).nonzero().flatten()
    if len(wrong):
        raise TrainingError(_not_finite(job, state, int(wrong[0]), order, float(losses[wrong[0]])))
    return losses


def _not_finite(job: Job, state: State, step: int, order: list[np.ndarray], loss: float) -> str:
    rows = job.parts.rows["seen_train"][order[step]]
    names = job.parts.name[rows]
    place = checkpoint_path(job.output)
    kept = f"{place} keeps the last good state" if place.is_file() else "nothing was saved before"
    return (
        f"the loss became {loss} in epoch {state.epoch + 1}, step {step + 1} of {len(order)}, on "
        f"{len(names)} clips: {', '.join(names[:5])}{' ...' if len(names) > 5 else ''}; {kept}. "
        f"{_remedy(job, rows)}"
    )


def _remedy(job: Job, rows: np.ndarray) -> str:
    """Say what to do: the clips are broken, or the steps too large."""
    clips = ClipReader(job.parts.path).read(rows)
    broken = job.parts.name[rows[~np.isfinite(clips).all(axis=(1, 2, 3, 4))]]
    if len(broken):
        return f"{', '.join(broken)} hold values that are not finite; run preprocess anew"
    return (
        f"Give a smaller --lr than {job.config.lr:g}, or --precision float32 in place of bf16, "
        "with --overwrite"
    )


def recalibrated(job: Job, model: Classifier, clips: Clips) -> Classifier:
    """Return a copy of the model, ready to evaluate, its running statistics measured anew.

    Parameters
    ----------
    model
        Its layers are those that train, so that several processes measure together.
    clips
        Those it is trained on.

    Notes
    -----
    The statistics of training are not those of evaluation. They trail behind the weights, from
    a variance of 1, while joints that hardly move have one of 1e-4 square metres; and they are
    those of inputs to which dropout adds noise (Li et al. 2019, "disharmony between dropout
    and batch normalization"). After few steps, as on small sets, the network then names test
    clips at chance with 100 % training accuracy. One pass over the training clips without
    dropout measures what evaluation will meet (as Wu and Johnson's "precise" normalisation,
    2021). Public code does not do this; ``recalibrate=False`` leaves it out.
    """
    model = copy.deepcopy(model)
    if job.config.recalibrate:
        _measure(job, model, clips)
    return model.eval()


@torch.no_grad()
def _measure(job: Job, model: nn.Module, clips: Clips) -> None:
    norms = [layer for layer in model.modules() if isinstance(layer, _BatchNorm)]
    drops = [layer for layer in model.modules() if isinstance(layer, nn.Dropout)]
    usual = [layer.momentum for layer in norms], [layer.p for layer in drops]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    for drop in drops:
        drop.p = 0.0
    model.train()
    order = [job.group.share(positions) for positions in job.order(job.config.epochs)]
    for x in clips.batches(order):
        with autocast(job.config.precision, job.group.device):
            model(x.to(dtype_of(job.config.precision)))
    model.eval()
    for norm, momentum in zip(norms, usual[0], strict=True):
        norm.momentum = momentum
    for drop, share in zip(drops, usual[1], strict=True):
        drop.p = share
