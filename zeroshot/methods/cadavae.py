"""CADA-VAE: aligned variational autoencoders of clips and class texts (Schoenfeld 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import (
    TrainingData,
    check_one_of,
    check_positive,
    normalise,
    scaled,
    seeded,
)
from smie_pipe.zeroshot.methods.batches import batches
from smie_pipe.zeroshot.methods.saved import MethodState, OneNetwork
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

REFERENCE_CYCLE = 1700
KL_FROM, KL_RAMP, KL_SLOPE = 1000, 3000, 0.1
CROSSED_FROM = 1500
CALIBRATION = 100
"""Squared errors are divided by this before FS-VAE's sigmoid."""


class LinearVAE(nn.Module):
    """Variational autoencoder with a linear encoder and a linear decoder."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(width, 2 * latent)
        self.decoder = nn.Linear(latent, width)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the latent, (N, latent) each."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, log_variance


class AlignedVAEs(nn.Module):
    """An autoencoder of clips, and one for each part of the class text.

    CADA-VAE has one part, the sentence. SynSE has two, noun and verb: the clip's latent is cut
    into as many pieces, and the parts' latents together decode to the clip.
    """

    def __init__(self, visual_width: int, text_widths: list[int], latent: int) -> None:
        super().__init__()
        self.visual = LinearVAE(visual_width, latent)
        piece = latent // len(text_widths)
        self.texts = [LinearVAE(width, piece) for width in text_widths]
        self.text_modules = nn.ModuleList(self.texts)  # a plain list is unknown to torch

    def losses(
        self, v: Tensor, parts: list[Tensor], noise: Tensor, others: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return own reconstruction, crossed reconstruction and KL, each a mean over clips.

        Parameters
        ----------
        v
            Clips, (B, Dv).
        parts
            Each part of their class texts, (B, D').
        noise
            Standard normal, (2, B, latent): for the clips' and for the texts' latents.
        others
            A permutation of the batch, for the calibrated crossed term; None for the plain one.
        """
        mean, log_variance = self.visual.encode(v)
        text_mean, text_log_variance = self.encode_texts(parts)
        z = mean + (0.5 * log_variance).exp() * noise[0]
        text_z = text_mean + (0.5 * text_log_variance).exp() * noise[1]
        own = squared_error(self.visual.decoder(z), v) + self._text_error(text_z, parts)
        kl = kl_to_standard(mean, log_variance) + kl_to_standard(text_mean, text_log_variance)
        return own, self.crossed(v, parts, z, text_z, others), kl

    def crossed(
        self,
        v: Tensor,
        parts: list[Tensor],
        z: Tensor,
        text_z: Tensor,
        others: Tensor | None = None,
    ) -> Tensor:
        """Return the crossed reconstruction; with ``others`` (B,) FS-VAE's calibrated one.

        Squared errors of clips are over their normalised features, those of texts over texts of
        unit length, as there; here texts come scaled, so theirs are divided by the width.
        """
        if others is None:
            return squared_error(self.visual.decoder(text_z), v) + self._text_error(z, parts)
        own = self._unit_text_errors(z, parts)
        other = self._unit_text_errors(z[others], parts)
        clips = (self.visual.decoder(text_z) - v).square().sum(1)
        text_term = torch.sigmoid((own - other) / CALIBRATION).mean()
        return text_term + torch.sigmoid(clips / CALIBRATION).mean()

    def _text_error(self, z: Tensor, parts: list[Tensor]) -> Tensor:
        terms = zip(self.texts, z.chunk(len(parts), dim=1), parts, strict=True)
        return torch.stack([squared_error(vae.decoder(p), x) for vae, p, x in terms]).sum()

    def _unit_text_errors(self, z: Tensor, parts: list[Tensor]) -> Tensor:
        """Return each row's squared error of unit texts, (B,)."""
        terms = zip(self.texts, z.chunk(len(parts), dim=1), parts, strict=True)
        return torch.stack([(vae.decoder(p) - x).square().mean(1) for vae, p, x in terms]).sum(0)

    def encode_texts(self, parts: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return mean and log variance of the classes' latents, (K, latent) each."""
        codes = [vae.encode(x) for vae, x in zip(self.texts, parts, strict=True)]
        mean, log_variance = (torch.cat(c, dim=1) for c in zip(*codes, strict=True))
        return mean, log_variance


@dataclass
class CADAVAE(OneNetwork[AlignedVAEs]):
    """Latents from which either side rebuilds both; classes told apart by a softmax on them.

    Parameters
    ----------
    cycles, passes, batch, lr
        Adam for ``cycles`` rounds of ``passes`` passes over the clips; within a round the KL
        weight ramps up and the crossed terms join late, then both start over.
    cycle
        Batches in a round, whatever the number of clips; 0 goes by ``passes``. The published
        1700 (NTU-120: 1900) is the default on the NTU and PKU-MMD data sets.
    latent
        Width of the latent.
    samples, steps, classifier_lr
        The softmax classifier: text latents drawn per class, Adam steps and rate.
    crossed, crossed_weight
        ``plain``: ``|v - D_x z_t|^2 + |t - D_y z_v|^2``. ``calibrated``: the crossed loss of
        FS-VAE (ICCV 2025), ``mean s((|t - D_y z_v|^2 - |t - D_y z_v'|^2) / 100) +
        mean s(|v - D_x z_t|^2 / 100)``, s the sigmoid and z_v' of another clip of the batch.
        Either is weighed by ``crossed_weight`` from batch 1500 of 1700 on.

    Notes
    -----
    The schedule is written for rounds of 1700 batches (KL weight 0.1 (e - 1000) / 3000 from
    batch 1000 on) and is stretched to ``cycle``. Crossed terms join at batch 1500, with weight
    1, and reconstruction is squared error summed over the width: our choice, as is the
    input: clips normalised as SMIE's are, texts scaled to the same variance per entry.

    Rounds of 1700 batches of 64 are three passes over NTU-60. Small sets need more of them for
    as many steps: 30 passes of 350 clips are 180 batches.

    With three text sets a class (``--text label+definition+motion``: joined and normalised) it
    is MSF-GZSSAR (ICIG 2023), which changes nothing but the texts.

    FS-VAE weighs its crossed term by 100 alpha, alpha 0.5 on NTU-60 and 0.1 on NTU-120, beside
    errors that are means over the width: 50 there is 50 Dv = 12800 here for Dv = 256, where
    errors are sums. Its cosine transform of the features is left out: it and the linear encoder
    after it are one linear map.

    The classifier sees text latents of the classes given to ``score`` and nothing of any clip;
    it is trained anew, from the same seed, at every call.
    """

    name: ClassVar[str] = "cada-vae"
    cycles: int = 10
    passes: int = 30
    cycle: int = 0
    batch: int = 64
    lr: float = 1e-4
    latent: int = 100
    samples: int = 500
    steps: int = 300
    classifier_lr: float = 1e-3
    crossed: str = "plain"
    crossed_weight: float = 1.0

    def __post_init__(self) -> None:
        check_positive(self, "cycles", "passes", "batch", "lr", "latent", "samples", "steps")
        check_one_of(self, "crossed", ("plain", "calibrated"))
        cycle_of(self, clips=1)

    @staticmethod
    def defaults_for(dataset: str) -> dict[str, Any]:
        """Return the latent width and round length the originals take on NTU-120."""
        if dataset == "ntu120":
            return {"latent": 200, "cycle": 1900}
        return {"cycle": REFERENCE_CYCLE} if dataset in ("ntu60", "pku51") else {}

    def train(
        self, data: TrainingData, *, seed: int, device: torch.device
    ) -> Iterator[dict[str, float]]:
        """Train the autoencoders; yields ``own``, ``crossed`` and ``kl`` after each cycle."""
        v, label = normalise(data.v).to(device), data.label.to(device)
        tables = [scaled(x.to(device)) for x in self._parts(data.texts)]
        self.seed = seed
        with seeded(seed):
            widths = (v.shape[1], *(x.shape[1] for x in tables))
            net = self.network(*widths).to(device)
        self.net, self.widths = net, widths
        adam = torch.optim.Adam(net.parameters(), self.lr, fused=True)
        rng = torch.Generator().manual_seed(seed)
        stream, cycle = forever(len(v), self.batch, rng), cycle_of(self, len(v))
        for _ in range(self.cycles):
            sums = torch.zeros(3, device=device)
            for step in range(cycle):
                clips = next(stream).to(device)
                noise = torch.randn(2, len(clips), self.latent, generator=rng).to(device)
                others = self._others(clips, rng)
                parts = [table[label[clips]] for table in tables]
                own, crossed, kl = net.losses(v[clips], parts, noise, others)
                kl_weight, joined = weights(step / cycle)
                loss = own + self.crossed_weight * joined * crossed + kl_weight * kl
                adam.zero_grad()
                loss.backward()
                adam.step()
                sums += torch.stack([own, crossed, kl]).detach()
            own, crossed, kl = (sums / cycle).tolist()
            yield {"loss": own + crossed, "own": own, "crossed": crossed, "kl": kl}

    def network(self, *widths: int) -> AlignedVAEs:
        """Return the autoencoders for clips and texts of these widths, untrained."""
        return AlignedVAEs(widths[0], list(widths[1:]), self.latent)

    def state(self) -> MethodState:
        """Return the weights, and the seed that the classifier of the unseen classes takes."""
        state = super().state()
        return MethodState(state.tensors, {**state.settings, "seed": self.seed})

    def restore(self, state: MethodState) -> None:
        """Take the weights and the seed."""
        super().restore(state)
        self.seed = int(state.settings["seed"])

    def score(self, v: Tensor, texts: ClassTexts) -> Tensor:
        """Log probabilities of the softmax classifier at the clips' latent means, (N, K)."""
        weight = self.net.visual.encoder.weight
        with torch.no_grad():
            parts = [scaled(x.to(weight)) for x in self._parts(texts)]
            mean, log_variance = self.net.encode_texts(parts)
            clips, _ = self.net.visual.encode(normalise(v.to(weight)))
        classifier = self._classifier(mean, log_variance)
        with torch.no_grad():
            return F.log_softmax(classifier(clips), dim=1).float().cpu()

    def _parts(self, texts: ClassTexts) -> list[Tensor]:
        return [texts.sentence]

    def _others(self, clips: Tensor, rng: torch.Generator) -> Tensor | None:
        """Return FS-VAE's permutation of a batch; it may hit a clip of the same class."""
        if self.crossed == "plain":
            return None
        return torch.randperm(len(clips), generator=rng).to(clips.device)

    def _classifier(self, mean: Tensor, log_variance: Tensor) -> nn.Linear:
        return latent_classifier(self, mean, log_variance)


def latent_classifier(method: Any, mean: Tensor, log_variance: Tensor) -> nn.Linear:
    """Train a softmax on latents drawn from each class's text, (K, latent) means and variances.

    ``method`` gives the ``seed``, and ``samples``, ``steps`` and ``classifier_lr`` as in CADAVAE.
    """
    rng = torch.Generator().manual_seed(method.seed)
    shape = (method.samples, *mean.shape)
    z = mean + (0.5 * log_variance).exp() * torch.randn(shape, generator=rng).to(mean)
    label = torch.arange(len(mean), device=mean.device).repeat(method.samples)
    with seeded(method.seed):
        linear = nn.Linear(mean.shape[1], len(mean)).to(mean.device)
    adam = torch.optim.Adam(linear.parameters(), method.classifier_lr, fused=True)
    with torch.enable_grad():  # whoever asks for scores may have switched it off
        for _ in range(method.steps):
            adam.zero_grad()
            F.cross_entropy(linear(z.flatten(0, 1)), label).backward()
            adam.step()
    return linear


def cycle_of(method: Any, clips: int) -> int:
    """Return how many batches a round has: ``cycle`` where given, else ``passes`` over the clips.

    Raises
    ------
    InputError
        If ``cycle`` is below 0.
    """
    if method.cycle < 0:
        raise InputError(
            f"option {method.name}.cycle: expected 0 or a number of batches, got {method.cycle}."
        )
    return method.cycle or max(1, method.passes * -(-clips // method.batch))


def weights(share: float) -> tuple[float, float]:
    """Return the weights of KL and of the crossed terms after a share of a cycle."""
    step = share * REFERENCE_CYCLE
    return max(0.0, KL_SLOPE * (step - KL_FROM) / KL_RAMP), float(step >= CROSSED_FROM)


def squared_error(rebuilt: Tensor, x: Tensor) -> Tensor:
    """Return the squared error, summed over the width, mean over rows."""
    return (rebuilt - x).square().sum(1).mean()


def kl_to_standard(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return the divergence of a diagonal normal from the standard one, mean over rows."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()


def forever(clips: int, size: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Yield batches without end, pass after pass in a new order."""
    while True:
        yield from batches(clips, size, rng)


@dataclass
class SynSE(CADAVAE):
    """Noun and verb autoencoders of half the latent each; the clip's latent is their join.

    Its first half decodes to the noun and its second to the verb, and the noun's and the verb's
    latents together decode to the clip. Options, schedule and classifier are CADA-VAE's;
    ``latent`` is the clip's and must be even.
    """

    name: ClassVar[str] = "synse"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.latent % 2:
            raise InputError(
                f"option synse.latent: expected an even number, half for the noun and half for "
                f"the verb, got {self.latent}."
            )

    def _parts(self, texts: ClassTexts) -> list[Tensor]:
        verb, noun = texts.parts_of_speech(self.name)
        return [noun, verb]
