"""SA-DVAE: a clip's latent is cut into what its text says and the rest (Li 2024, ECCV)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smie_pipe.zeroshot.methods.base import (
    TrainingData,
    check_one_of,
    check_positive,
    normalise,
    scaled,
    seeded,
)
from smie_pipe.zeroshot.methods.cadavae import (
    cycle_of,
    forever,
    kl_to_standard,
    latent_classifier,
)
from smie_pipe.zeroshot.methods.saved import MethodState, OneNetwork
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

REFERENCE_CYCLE = 1700
KL_FROM, KL_RAMP, KL_SLOPE = 1000, 3000, 0.1
LATE, LATE_FROM_CYCLE = 0.8, 2


class DisentangledVAEs(nn.Module):
    """Linear autoencoders: clips to r (``semantic``) and n (``rest``), texts to z_t.

    Parameters
    ----------
    relu
        End both decoders in a ReLU, as published.
    """

    def __init__(
        self, visual_width: int, text_width: int, semantic: int, rest: int, relu: bool = False
    ) -> None:
        super().__init__()
        self.semantic, self.rest, self.relu = semantic, rest, relu
        self.visual_encoder = _linear(visual_width, 2 * (semantic + rest))
        self.text_encoder = _linear(text_width, 2 * semantic)
        self.visual_decoder = _linear(semantic + rest, visual_width)
        self.text_decoder = _linear(semantic, text_width)

    def encode(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of a clip's latent, r before n, (B, semantic + rest)."""
        mean, log_variance = self.visual_encoder(v).chunk(2, dim=1)
        return mean, log_variance

    def encode_texts(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of z_t, (B, semantic) each."""
        mean, log_variance = self.text_encoder(text).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, z: Tensor) -> Tensor:
        """Rebuild clips from [r; n]."""
        return F.relu(self.visual_decoder(z)) if self.relu else self.visual_decoder(z)

    def decode_texts(self, z: Tensor) -> Tensor:
        """Rebuild texts from z_t or r."""
        return F.relu(self.text_decoder(z)) if self.relu else self.text_decoder(z)

    def latents(self, v: Tensor, text: Tensor, noise: Tensor) -> Latents:
        """Draw the latents of a batch; ``noise`` (2, B, semantic + rest) or (2, B, 1)."""
        mean, log_variance = self.encode(v)
        text_mean, text_log_variance = self.encode_texts(text)
        z = mean + (0.5 * log_variance).exp() * noise[0]
        own = noise[1][:, : self.semantic]
        text_z = text_mean + (0.5 * text_log_variance).exp() * own
        return Latents(
            z[:, : self.semantic],
            z[:, self.semantic :],
            text_z,
            kl_to_standard(mean, log_variance),
            kl_to_standard(text_mean, text_log_variance),
        )

    def errors(self, v: Tensor, text: Tensor, at: Latents, summed: bool) -> tuple[Tensor, Tensor]:
        """Return own and crossed reconstruction, squared errors, mean over clips.

        ``summed`` adds errors up over the width; else they are means over it, as published.
        """

        def error(rebuilt: Tensor, x: Tensor) -> Tensor:
            squares = (rebuilt - x).square()
            return squares.sum(1).mean() if summed else squares.mean()

        own = error(self.decode(torch.cat([at.r, at.n], 1)), v)
        own = own + error(self.decode_texts(at.text), text)
        crossed = error(self.decode(torch.cat([at.text, at.n], 1)), v)
        return own, crossed + error(self.decode_texts(at.r), text)


@dataclass(frozen=True, eq=False)
class Latents:
    """Drawn latents of a batch (r, n of clips, z_t of their texts), and both divergences."""

    r: Tensor
    n: Tensor
    text: Tensor
    kl: Tensor
    text_kl: Tensor


class Critic(nn.Module):
    """How real a pair of a semantic latent and a rest looks, from 0 to 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(width, max(1, width // 4)), nn.ReLU(), nn.Linear(max(1, width // 4), 1)
        )

    def forward(self, semantic: Tensor, rest: Tensor) -> Tensor:
        """Return the probability, (B, 1), that r or z_t and n are of one clip."""
        return torch.sigmoid(self.net(torch.cat([semantic, rest], 1)))

    def loss(self, at: Latents, rng: torch.Generator) -> Tensor:
        """Cross-entropy of real pairs against permuted ones; no gradient into the encoders."""
        n = at.n.detach()
        terms = []
        for semantic in (at.r.detach(), at.text.detach()):
            one, two = (torch.randperm(len(n), generator=rng).to(n.device) for _ in range(2))
            real, mixed = self(semantic, n), self(semantic[one], n[two])
            terms += [
                F.binary_cross_entropy(real, torch.ones_like(real)),
                F.binary_cross_entropy(mixed, torch.zeros_like(mixed)),
            ]
        return torch.stack(terms).mean()


@dataclass
class SADVAE(OneNetwork[DisentangledVAEs]):
    """Aligned autoencoders in which a part of the clip's latent need not be in the text.

    With r and n drawn from E_x(v) and z_t from E_y(t), all maps linear, a batch minimises::

        |v - D_x[r;n]|^2 + |t - D_y z_t|^2 + k1 (KL_r + KL_n) + k2 KL_t
        + cr (|v - D_x[z_t;n]|^2 + |t - D_y r|^2) + k2 mean C([r;n])

    and every ``critic_every`` batches before it the critic C, a network of its own, k2 times the
    cross-entropy that tells pairs [r;n] and [z_t;n] from permuted ones. Minimising C makes real
    pairs look permuted, so r and n become independent. After a share s of a round of number g::

        k1 = max(0, 0.1 (1700 s - 1000) / 3000); cr = 1 where s > 0.8
        k2 = max(0, 0.1 (1700 s - 1360) / 3000) where g >= 2, else 0

    Unseen classes are told apart as in CADA-VAE: a softmax on drawn z_t, read at the mean of r.

    Parameters
    ----------
    cycles, passes, cycle, batch, lr
        Adam for ``cycles`` rounds of ``passes`` passes over the clips, or of ``cycle`` batches
        where that is not 0. Published: 10 rounds of one pass, the default on the NTU and PKU-MMD
        data sets.
    semantic, rest
        Widths of r and n. Published: 160 and 8 on NTU-60, 256 and 32 on NTU-120.
    critic_every
        Batches from one step of the critic to the next; 0 leaves the critic out.
    errors
        ``mean`` over the width, with texts of unit length, as published; or ``sum``, with texts
        scaled to variance 1 per entry, as this package's CADA-VAE.
    noise
        ``scalar``: one number a sample shared by all dimensions, as published; or ``vector``, as
        in a variational autoencoder.
    relu
        End both decoders in a ReLU, as published. They then cannot rebuild the negative entries
        of texts and of normalised features.
    samples, steps, classifier_lr
        The softmax classifier, as for CADA-VAE.

    Notes
    -----
    After the public code (pha123661/SA-DVAE), which differs from the paper in the schedule, in
    what is permuted, and in the critic's part of the loss. It keeps the round that is best on
    the unseen test clips; here the last one counts. Its learning rates of sixteen digits per
    split come from a search; one for all splits is kept, and its one setting of widths per data
    set. Clips are normalised as for the other methods (our choice).

    With errors that are means and texts of unit length, the text's errors are near nothing; what
    keeps z_t informative is the crossed error of the clips.

    One pass over 350 clips in batches of 32 is 11 steps, against some 1,100 on NTU-60; 20 passes
    a round elsewhere make up for part of that. The number was set by a look at one development
    split, so it is no result.
    """

    name: ClassVar[str] = "sa-dvae"
    cycles: int = 10
    passes: int = 20
    cycle: int = 0
    batch: int = 32
    lr: float = 3.389e-5
    semantic: int = 160
    rest: int = 8
    critic_every: int = 5
    errors: str = "mean"
    noise: str = "scalar"
    relu: bool = False
    samples: int = 500
    steps: int = 300
    classifier_lr: float = 1e-3

    def __post_init__(self) -> None:
        check_positive(self, "cycles", "passes", "batch", "lr", "semantic", "samples", "steps")
        check_one_of(self, "errors", ("mean", "sum"))
        check_one_of(self, "noise", ("scalar", "vector"))
        cycle_of(self, clips=1)

    @staticmethod
    def defaults_for(dataset: str) -> dict[str, Any]:
        """Return the published passes, and the widths on NTU-120 and PKU-MMD."""
        widths = {
            "ntu120": {"semantic": 256, "rest": 32, "critic_every": 4},
            "pku51": {"semantic": 128, "rest": 16, "critic_every": 2, "batch": 64},
        }
        return {"passes": 1} | widths.get(dataset, {}) if dataset in (*widths, "ntu60") else {}

    def train(
        self, data: TrainingData, *, seed: int, device: torch.device
    ) -> Iterator[dict[str, float]]:
        """Train autoencoders and critic; yields ``own``, ``crossed``, ``kl`` after each round."""
        v, label = normalise(data.v).to(device), data.label.to(device)
        table = self._texts(data.texts.sentence.to(device))
        self.seed, self.widths = seed, (v.shape[1], table.shape[1])
        with seeded(seed):
            self.net = self.network(*self.widths).to(device)
            self.critic = Critic(self.semantic + self.rest).to(device)
        adam = torch.optim.Adam(self.net.parameters(), self.lr, fused=True)
        critic_adam = torch.optim.Adam(self.critic.parameters(), self.lr, fused=True)
        rng = torch.Generator().manual_seed(seed)
        stream, cycle = forever(len(v), self.batch, rng), cycle_of(self, len(v))
        for number in range(self.cycles):
            sums = torch.zeros(3, device=device)
            for step in range(cycle):
                clips = next(stream).to(device)
                batch = v[clips], table[label[clips]]
                weighed = weights(step / cycle, number)
                if self.critic_every and step % self.critic_every == 0 and weighed[1]:
                    self._critic_step(critic_adam, batch, weighed[1], rng)
                parts = self._losses(batch, weighed, rng)
                adam.zero_grad()
                parts[0].backward()
                adam.step()
                sums += torch.stack(parts[1:]).detach()
            own, crossed, kl = (sums / cycle).tolist()
            yield {"loss": own + crossed, "own": own, "crossed": crossed, "kl": kl}

    def _losses(
        self, batch: tuple[Tensor, Tensor], weighed: tuple[float, ...], rng: torch.Generator
    ) -> list[Tensor]:
        """Return the loss of a batch, and of its parts own, crossed and divergence."""
        k1, k2, cr = weighed
        at = self.net.latents(*batch, self._noise(len(batch[0]), rng))
        own, crossed = self.net.errors(*batch, at, self.errors == "sum")
        loss = own + k1 * at.kl + k2 * at.text_kl + cr * crossed
        if self.critic_every and k2:
            loss = loss + k2 * self.critic(at.r, at.n).mean()
        return [loss, own, crossed, at.kl + at.text_kl]

    def _critic_step(
        self,
        adam: torch.optim.Optimizer,
        batch: tuple[Tensor, Tensor],
        weight: float,
        rng: torch.Generator,
    ) -> None:
        with torch.no_grad():
            at = self.net.latents(*batch, self._noise(len(batch[0]), rng))
        adam.zero_grad()
        (weight * self.critic.loss(at, rng)).backward()
        adam.step()

    def _noise(self, clips: int, rng: torch.Generator) -> Tensor:
        width = 1 if self.noise == "scalar" else self.semantic + self.rest
        device = next(self.net.parameters()).device
        return torch.randn(2, clips, width, generator=rng).to(device)

    def _texts(self, sentence: Tensor) -> Tensor:
        return scaled(sentence) if self.errors == "sum" else sentence

    def network(self, *widths: int) -> DisentangledVAEs:
        """Return the autoencoders for clips and texts of these widths, untrained."""
        visual, text = widths
        return DisentangledVAEs(visual, text, self.semantic, self.rest, self.relu)

    def state(self) -> MethodState:
        """Return the autoencoders, and the seed that the classifier takes; not the critic."""
        state = super().state()
        return MethodState(state.tensors, {**state.settings, "seed": self.seed})

    def restore(self, state: MethodState) -> None:
        """Take the autoencoders and the seed."""
        super().restore(state)
        self.seed = int(state.settings["seed"])

    def classifier(self, texts: ClassTexts) -> nn.Linear:
        """Return the softmax on z_t for these classes; the same for the same texts."""
        weight = self.net.text_encoder.weight
        with torch.no_grad():
            codes = self.net.encode_texts(self._texts(texts.sentence.to(weight)))
        return latent_classifier(self, *codes)

    def score(self, v: Tensor, texts: ClassTexts) -> Tensor:
        """Log probabilities of the softmax classifier at the means of r, (N, K)."""
        classifier = self.classifier(texts)
        with torch.no_grad():
            mean, _ = self.net.encode(normalise(v.to(classifier.weight)))
            scores = F.log_softmax(classifier(mean[:, : self.semantic]), dim=1)
        return scores.float().cpu()


def weights(share: float, cycle: int) -> tuple[float, float, float]:
    """Return k1, k2 and cr after a share of a round, the rounds counted from 0."""
    step = share * REFERENCE_CYCLE
    k1 = max(0.0, KL_SLOPE * (step - KL_FROM) / KL_RAMP)
    k2 = max(0.0, KL_SLOPE * (step - LATE * REFERENCE_CYCLE) / KL_RAMP)
    return k1, k2 * (cycle >= LATE_FROM_CYCLE), float(share > LATE)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    if inputs:
        nn.init.xavier_uniform_(layer.weight, gain=0.5)
    nn.init.zeros_(layer.bias)
    return layer
