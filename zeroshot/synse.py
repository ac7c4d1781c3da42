"""SynSE: CADA-VAE with the class text parted into noun and verb (Gupta 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import ClassTexts
from smie_pipe.zeroshot.methods.cadavae import CADAVAE


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
