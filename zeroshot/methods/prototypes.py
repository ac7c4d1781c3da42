"""Prototypes: whitened class means, predicted from the class texts by kernel ridge regression.

Four closed-form steps in float64: no training, no seed, the same scores bit for bit, and
milliseconds for hundreds of clips. It stands beside ``ridge`` as a floor that everything must
beat.

What it is: regression from text to visual class exemplars (EXEM, arXiv 1605.08151) in the space
of linear discriminant analysis, with one kernel a text set. What it is not: a learned alignment.
Its settings are fixed; a grid per split and a level that learns from left-out classes were tried
on real recordings and brought nothing (docs/real-recordings.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods.base import TrainingData, check_positive
from smie_pipe.zeroshot.methods.saved import MethodState
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

SMALL = 1e-12
SAME = 1e-5
"""Texts nearer than this in every view are of one class."""


TRAINED = ("mean", "basis", "means", "widths", "inverse")


@dataclass
class Prototypes:
    """Nearest predicted class mean in a whitened space.

    Of the C seen classes, ``m_c`` is the mean of the clips of class c, ``m`` the mean of the m_c
    and W the mean of the classes' covariances.

    1. Clips: ``x = B'(v - m)``, where B whitens by ``(1 - rho) W + rho tr(W)/D I`` and projects on
       the span of the whitened class means, at most C - 1 dimensions. Y (C, r) holds the means.
       Directions in which clips of one class differ (performer, view, tempo) shrink.
    2. Texts: in each text set m, rows less the mean of the seen classes' rows, normalised, give
       ``K_m = exp(-|b_i - b_j|^2 / (2 h_m^2))``, h_m^2 the median over pairs of seen classes;
       ``K = 1 + mean of K_m``. The 1 stands for an intercept.
    3. Prediction: ``P_k = K_kS (K_SS + lam I)^-1 Y``. A seen class among the candidates, known by
       its texts, keeps its own mean Y_k.
    4. Score: ``-|x - P_k|^2``.

    Parameters
    ----------
    rho
        Share of the isotropic part in the whitening, above 0 and up to 1 (no whitening).
    lam
        Penalty of the regression.
    kernel
        ``rbf`` as above, or ``linear``, ``K_m = b_i b_j``.

    Notes
    -----
    The settings were chosen on the means over 20 splits each of two development sets (UTD-MHAD,
    MSR-Action3D); neighbouring ones are within a point of each other.

    The mean of kernels over text sets did better than one kernel of the joined text, and the plain
    distance as well as the cosine. Prototypes shrink towards the mean of all classes where a text
    says little, which keeps them from drawing clips of every class.
    """

    name: ClassVar[str] = "prototypes"
    cheap_refit: ClassVar[bool] = True
    rho: float = 0.3
    lam: float = 0.3
    kernel: str = "rbf"

    def __post_init__(self) -> None:
        check_positive(self, "rho", "lam")
        if self.rho > 1:
            raise InputError(f"option prototypes.rho: expected at most 1, got {self.rho}.")
        if self.kernel not in ("rbf", "linear"):
            raise InputError(
                f"option prototypes.kernel: expected rbf or linear, got {self.kernel!r}."
            )

    def train(
        self, data: TrainingData, *, seed: int, device: torch.device
    ) -> Iterator[dict[str, float]]:
        """Solve once; the seed plays no part.

        Yields one epoch: ``loss`` is the mean squared distance between the mean of a seen class
        and its prediction by the other classes.
        """
        v, label = data.v.to(device, torch.float64), data.label.to(device)
        present = label.unique()  # of a class without clips there is no mean to learn from
        label = torch.searchsorted(present, label)
        self.mean, self.basis = discriminant_space(v, label, self.rho)
        self.means = class_means(self.project(v), label)
        texts = data.texts.take(present.cpu())
        self.texts = tuple(view.to(device, torch.float64) for view in texts.views)
        self.centres = tuple(view.mean(0) for view in self.texts)
        centred = [_about(t, c) for t, c in zip(self.texts, self.centres, strict=True)]
        self.widths = torch.stack([_median_distance(table) for table in centred])
        gram = self._kernel(self.texts)
        eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        self.inverse = torch.linalg.inv(gram + self.lam * eye)
        alone = [self.left_out([c]) for c in range(len(self.means))]
        yield {"loss": float((torch.cat(alone) - self.means).square().sum(1).mean())}

    def state(self) -> MethodState:
        """Return the whitened space, the class means and the kernel of the seen classes."""
        tensors = {name: getattr(self, name) for name in TRAINED}
        for k, (texts, centre) in enumerate(zip(self.texts, self.centres, strict=True)):
            tensors |= {f"texts.{k}": texts, f"centre.{k}": centre}
        return MethodState(tensors, {"views": len(self.texts)})

    def restore(self, state: MethodState) -> None:
        """Take a solution."""
        for name in TRAINED:
            setattr(self, name, state.tensors[name])
        views = range(state.settings["views"])
        self.texts = tuple(state.tensors[f"texts.{k}"] for k in views)
        self.centres = tuple(state.tensors[f"centre.{k}"] for k in views)

    @torch.no_grad()
    def score(self, v: Tensor, texts: ClassTexts) -> Tensor:
        """Negative squared distance to each class's prototype, shape (N, K).

        Raises
        ------
        InputError
            If the texts have other text sets or widths than those trained with.
        """
        x = self.project(v.to(self.mean))
        return (-_squared_distances(x, self.prototypes(texts))).float().cpu()

    def project(self, v: Tensor) -> Tensor:
        """Return clips (N, D) in the whitened space, shape (N, r)."""
        return (v - self.mean) @ self.basis

    @torch.no_grad()
    def prototypes(self, texts: ClassTexts) -> Tensor:
        """Return a prototype a class, shape (K, r): its own mean if seen, else the prediction."""
        views = tuple(view.to(self.mean) for view in texts.views)
        found, own = [view.shape[1] for view in views], [view.shape[1] for view in self.texts]
        if found != own:
            raise InputError(
                f"prototypes was trained on texts of width {', '.join(map(str, own))} and is to "
                f"score texts of width {', '.join(map(str, found))}; give the same text sets and "
                "text model"
            )
        predicted = self._kernel(views) @ (self.inverse @ self.means)
        apart = [_distances(a, b) for a, b in zip(views, self.texts, strict=True)]
        nearest, which = torch.stack(apart).amax(0).min(1)
        return torch.where((nearest < SAME)[:, None], self.means[which], predicted)

    def left_out(self, classes: Sequence[int]) -> Tensor:
        """Return what the other seen classes predict for these, shape (len(classes), r).

        The same as solving again without them, in one small system: ``Y_Q - (G_QQ)^-1 (G Y)_Q``
        with ``G = (K_SS + lam I)^-1``. The whitened space, the texts' mean and the kernel's width
        are those of all seen classes still.
        """
        rows = torch.as_tensor(classes, device=self.means.device)
        own = self.inverse[rows][:, rows]
        return self.means[rows] - torch.linalg.solve(own, (self.inverse @ self.means)[rows])

    def _kernel(self, views: Sequence[Tensor]) -> Tensor:
        """Return the kernel between candidates and seen classes, shape (K, C)."""
        kernels = []
        tables = zip(views, self.texts, self.centres, self.widths, strict=True)
        for view, seen, centre, width in tables:
            a, b = _about(view, centre), _about(seen, centre)
            if self.kernel == "linear":
                kernels.append(a @ b.T)
            else:
                kernels.append((-_squared_distances(a, b) / (2 * width)).exp())
        return 1 + torch.stack(kernels).mean(0)


def discriminant_space(v: Tensor, label: Tensor, rho: float) -> tuple[Tensor, Tensor]:
    """Return the mean of the class means (D,) and the whitening projection B (D, r).

    Parameters
    ----------
    v, label
        Clips (N, D) in float64 and their classes 0..C-1, all of which occur.
    rho
        Share of the isotropic part of the within-class covariance.

    Notes
    -----
    Every class weighs the same, however many clips it has. Where no class has two different
    clips there is nothing to whiten by, and the space is not scaled.
    """
    means = class_means(v, label)
    mean = means.mean(0)
    sizes = torch.bincount(label, minlength=len(means)).to(v)
    apart = (v - means[label]) / (sizes * len(means)).sqrt()[label][:, None]
    within = apart.T @ apart
    level = within.trace() / len(within)
    eye = torch.eye(len(within), dtype=v.dtype, device=v.device)
    shrunk = (1 - rho) * within + rho * level * eye if level > SMALL else eye
    values, vectors = torch.linalg.eigh(shrunk)
    whiten = (vectors / values.clamp_min(SMALL).sqrt()) @ vectors.T
    _, _, axes = torch.linalg.svd((means - mean) @ whiten, full_matrices=False)
    return mean, whiten @ axes[: min(len(means) - 1, v.shape[1])].T


def class_means(v: Tensor, label: Tensor) -> Tensor:
    """Return the mean of the clips of each class 0..C-1, shape (C, D)."""
    member = F.one_hot(label).to(v)
    return (member.T @ v) / member.sum(0)[:, None]


def _about(texts: Tensor, centre: Tensor) -> Tensor:
    return F.normalize(texts - centre, dim=1)


def _squared_distances(a: Tensor, b: Tensor) -> Tensor:
    squares = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
    return squares.clamp_min(0)


def _distances(a: Tensor, b: Tensor) -> Tensor:
    # by differences: the quicker form by products is off by 1e-8 where rows are the same
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _median_distance(rows: Tensor) -> Tensor:
    """Return the median squared distance over pairs of different rows."""
    one, other = torch.triu_indices(len(rows), len(rows), 1)
    return _squared_distances(rows, rows)[one, other].median().clamp_min(SMALL)
