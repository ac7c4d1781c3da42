"""Batch normalisation's running statistics, measured anew as evaluation will meet them."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from smie_pipe.backbones.clips import Clips
from smie_pipe.backbones.hardware.precision import autocast, dtype_of
from smie_pipe.backbones.pretraining.state import Classifier, Job


def settled(job: Job, model: Classifier, clips: Clips) -> Classifier:
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
    2021). Public code does not do this; ``settle=False`` leaves it out.
    """
    model = copy.deepcopy(model)
    if job.config.settle:
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
