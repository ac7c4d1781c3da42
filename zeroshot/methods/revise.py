"""ReViSE: autoencoders of both sides with codes drawn into one distribution (Tsai 2017)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smie_pipe.zeroshot.methods.base import TrainingData, check_positive, seeded
from smie_pipe.zeroshot.methods.batches import batches
from smie_pipe.zeroshot.methods.losses import mmd, rank_hinge
from smie_pipe.zeroshot.methods.saved import OneNetwork
from smie_pipe.zeroshot.texts.class_texts import ClassTexts


class Autoencoders(nn.Module):
    """An autoencoder for each side and a head on each code; heads meet by dot product."""

    def __init__(self, visual_width: int, text_width: int, code: int, space: int) -> None:
        super().__init__()
        self.visual_in = nn.Linear(visual_width, code)
        self.visual_out = nn.Linear(code, visual_width)
        self.text_in = nn.Sequential(
            nn.Linear(text_width, 512), nn.ReLU(), nn.Linear(512, code), nn.ReLU()
        )
        self.text_out = nn.Sequential(nn.Linear(code, 512), nn.ReLU(), nn.Linear(512, text_width))
        self.visual_head = nn.Sequential(nn.Linear(code, space), nn.Tanh())
        self.text_head = nn.Sequential(nn.Linear(code, space), nn.Tanh())

    def visual_code(self, v: Tensor) -> Tensor:
        """Code of each clip, (N, code)."""
        return F.relu(self.visual_in(v))

    def score(self, visual_code: Tensor, text_code: Tensor) -> Tensor:
        """Dot products of the heads, (N, K)."""
        return self.visual_head(visual_code) @ self.text_head(text_code).T

    def contraction(self, visual_code: Tensor) -> Tensor:
        """Squared norm of the encoder's Jacobian, mean over clips.

        Through a ReLU it is the sum of |w_j|^2 over the units that are on.
        """
        norms = self.visual_in.weight.square().sum(1)
        return ((visual_code > 0).to(norms) @ norms).mean()


@dataclass
class ReViSE(OneNetwork[Autoencoders]):
    """Hinge on head products, both reconstructions, contraction, and MMD between the codes.

    Parameters
    ----------
    epochs, batch, lr, text_decay
        Adam, with weight decay on the text side; the model after the last epoch counts.
    code, space
        Widths of the codes and of the heads.
    margin
        Lead of the true class.
    contraction, reconstruction, discrepancy
        Weights of the terms beside the hinge. The first is given; the others are our choice.
    sharpness
        The kernel is exp(-sharpness d^2).

    Notes
    -----
    The text code of each clip's class enters MMD once per clip. Input is log(1 + x) as in
    the original, continued as -log(1 - x) below zero: features after a ReLU have no negatives,
    but other backbones' may.
    """

    name: ClassVar[str] = "revise"
    epochs: int = 300
    batch: int = 1024
    lr: float = 1e-4
    text_decay: float = 1e-3
    code: int = 100
    space: int = 50
    margin: float = 0.3
    contraction: float = 1e-4
    reconstruction: float = 1.0
    discrepancy: float = 1.0
    sharpness: float = 32.0

    def __post_init__(self) -> None:
        check_positive(self, "epochs", "batch", "lr", "code", "space", "margin", "sharpness")

    def train(
        self, data: TrainingData, *, seed: int, device: torch.device
    ) -> Iterator[dict[str, float]]:
        """Train all parts together; yields ``loss`` and its ``hinge`` after each epoch."""
        v, label = log_scaled(data.v).to(device), data.label.to(device)
        table = data.texts.sentence.to(device)
        with seeded(seed):
            net = self.network(v.shape[1], table.shape[1]).to(device)
        self.net, self.widths = net, (v.shape[1], table.shape[1])
        adam = torch.optim.Adam(self._groups(net), self.lr, fused=True)
        rng = torch.Generator().manual_seed(seed)
        for _ in range(self.epochs):
            sums = torch.zeros(2, device=device)
            for clips in batches(len(v), self.batch, rng):
                clips = clips.to(device)
                loss, hinge = self._loss(net, v[clips], label[clips], table)
                adam.zero_grad()
                loss.backward()
                adam.step()
                sums += torch.stack([loss, hinge]).detach() * len(clips)
            loss, hinge = (sums / len(v)).tolist()
            yield {"loss": loss, "hinge": hinge}

    def network(self, *widths: int) -> Autoencoders:
        """Return the autoencoders for features and texts of these widths, untrained."""
        visual, text = widths
        return Autoencoders(visual, text, self.code, self.space)

    @torch.no_grad()
    def score(self, v: Tensor, texts: ClassTexts) -> Tensor:
        """Dot products of the heads, (N, K)."""
        weight = self.net.visual_in.weight
        codes = self.net.visual_code(log_scaled(v.to(weight)))
        return self.net.score(codes, self.net.text_in(texts.sentence.to(weight))).float().cpu()

    def _groups(self, net: Autoencoders) -> list[dict]:
        text = [p for name, p in net.named_parameters() if name.startswith("text")]
        visual = [p for name, p in net.named_parameters() if name.startswith("visual")]
        return [{"params": visual}, {"params": text, "weight_decay": self.text_decay}]

    def _loss(
        self, net: Autoencoders, v: Tensor, label: Tensor, table: Tensor
    ) -> tuple[Tensor, Tensor]:
        code, text_code = net.visual_code(v), net.text_in(table)
        hinge = rank_hinge(net.score(code, text_code), label, self.margin)
        rebuilt = _error(net.visual_out(code), v) + _error(net.text_out(text_code), table)
        loss = (
            hinge
            + self.contraction * net.contraction(code)
            + self.reconstruction * rebuilt
            + self.discrepancy * mmd(code, text_code[label], self.sharpness)
        )
        return loss, hinge


def log_scaled(v: Tensor) -> Tensor:
    """Return sign(x) log(1 + abs(x)) of each entry."""
    return v.sign() * v.abs().log1p()


def _error(rebuilt: Tensor, x: Tensor) -> Tensor:
    return (rebuilt - x).square().sum(1).mean()
