"""JPoSE: a space for verbs, one for nouns, and one for both together (Wray 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smie_pipe.zeroshot.methods.base import TrainingData, check_positive, seeded
from smie_pipe.zeroshot.methods.batches import batches
from smie_pipe.zeroshot.methods.losses import hardest_triplets, rank_hinge
from smie_pipe.zeroshot.methods.saved import OneNetwork
from smie_pipe.zeroshot.texts.class_texts import ClassTexts


class PartOfSpeech(nn.Module):
    """The space of one part of speech: an embedding of the clip and one of the word."""

    def __init__(self, visual_width: int, text_width: int, hidden: int, space: int) -> None:
        super().__init__()
        self.visual = nn.Sequential(nn.Linear(visual_width, space), nn.Tanh())
        self.text = nn.Sequential(
            nn.Linear(text_width, hidden), nn.Tanh(), nn.Linear(hidden, space), nn.ReLU()
        )

    def forward(self, v: Tensor, word: Tensor) -> tuple[Tensor, Tensor]:
        """Embed (N, Dv) and (K, D') as unit rows, (N, space) and (K, space)."""
        return F.normalize(self.visual(v), dim=1), F.normalize(self.text(word), dim=1)


class JointSpaces(nn.Module):
    """Verb space, noun space, and the joint space on their concatenated embeddings."""

    def __init__(
        self, visual_width: int, verb_width: int, noun_width: int, hidden: int, space: int
    ) -> None:
        super().__init__()
        self.verb = PartOfSpeech(visual_width, verb_width, hidden, space)
        self.noun = PartOfSpeech(visual_width, noun_width, hidden, space)
        self.visual = nn.Sequential(nn.Linear(2 * space, space), nn.Tanh())
        self.text = nn.Sequential(nn.Linear(2 * space, space), nn.Tanh())

    def forward(self, v: Tensor, verb: Tensor, noun: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Embed clips and classes in the verb, the noun and the joint space, in this order."""
        in_verb, in_noun = self.verb(v, verb), self.noun(v, noun)
        clips = self.visual(torch.cat([in_verb[0], in_noun[0]], dim=1))
        classes = self.text(torch.cat([in_verb[1], in_noun[1]], dim=1))
        return [in_verb, in_noun, (F.normalize(clips, dim=1), F.normalize(classes, dim=1))]


@dataclass
class JPoSE(OneNetwork[JointSpaces]):
    """Hinge rank losses in three spaces, and triplets of clips in those of verbs and nouns.

    Parameters
    ----------
    epochs, batch, lr
        Adam. The original stops early on the test set; here the last epoch counts.
    hidden, space
        Widths of the word embeddings' hidden layer and of the three spaces.
    margin
        Lead in the hinges and in the triplets.
    triplets
        Weight of the triplets.

    Notes
    -----
    Clips and classes meet by dot product of unit rows in all three spaces (the joint one
    included: our choice, so that one margin suits all); the score is the joint one's. Classes
    with the same verb are no wrong answer in the verb space, likewise with nouns.
    """

    name: ClassVar[str] = "jpose"
    epochs: int = 300
    batch: int = 1024
    lr: float = 1e-4
    hidden: int = 512
    space: int = 50
    margin: float = 0.3
    triplets: float = 0.01

    def __post_init__(self) -> None:
        check_positive(self, "epochs", "batch", "lr", "hidden", "space", "margin")

    def train(
        self, data: TrainingData, *, seed: int, device: torch.device
    ) -> Iterator[dict[str, float]]:
        """Train the three spaces together; yields ``loss`` after each epoch.

        Raises
        ------
        InputError
            If the class texts have no verbs and nouns.
        """
        verb, noun = (x.to(device) for x in data.texts.parts_of_speech(self.name))
        v, label = F.normalize(data.v, dim=1).to(device), data.label.to(device)
        same = [same_word(verb), same_word(noun), torch.eye(len(verb), device=device).bool()]
        with seeded(seed):
            widths = v.shape[1], verb.shape[1], noun.shape[1]
            net = self.network(*widths).to(device)
        self.net, self.widths = net, widths
        adam = torch.optim.Adam(net.parameters(), self.lr, fused=True)
        rng = torch.Generator().manual_seed(seed)
        for _ in range(self.epochs):
            total = torch.zeros((), device=device)
            for clips in batches(len(v), self.batch, rng):
                clips = clips.to(device)
                loss = self._loss(net(v[clips], verb, noun), label[clips], same)
                adam.zero_grad()
                loss.backward()
                adam.step()
                total += loss.detach() * len(clips)
            yield {"loss": float(total) / len(v)}

    def network(self, *widths: int) -> JointSpaces:
        """Return the spaces for clips, verbs and nouns of these widths, untrained."""
        visual, verb, noun = widths
        return JointSpaces(visual, verb, noun, self.hidden, self.space)

    @torch.no_grad()
    def score(self, v: Tensor, texts: ClassTexts) -> Tensor:
        """Dot products in the joint space, (N, K)."""
        weight = next(self.net.parameters())
        verb, noun = (x.to(weight) for x in texts.parts_of_speech(self.name))
        clips, classes = self.net(F.normalize(v.to(weight), dim=1), verb, noun)[-1]
        return (clips @ classes.T).float().cpu()

    def _loss(
        self, spaces: list[tuple[Tensor, Tensor]], label: Tensor, same: list[Tensor]
    ) -> Tensor:
        loss = torch.zeros((), device=label.device)
        for (clips, classes), alike in zip(spaces, same, strict=True):
            loss = loss + rank_hinge(clips @ classes.T, label, self.margin, alike)
        for (clips, _), alike in zip(spaces[:2], same[:2], strict=True):
            word = alike.to(torch.uint8).argmax(1)  # the first class with this word stands for it
            loss = loss + self.triplets * hardest_triplets(clips, word[label], self.margin)
        return loss


def same_word(word: Tensor) -> Tensor:
    """Tell which classes share a word, (K, K) bool, from unit embeddings (K, D')."""
    return word @ word.T > 1 - 1e-4
