"""Kinematic features of clips: all quantities, scaled by what the seen training clips show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from smie_pipe.backbones.kinematics.quantities import COLUMNS, quantities
from smie_pipe.preprocessing.foundation.errors import InputError

Array = np.ndarray
LEAST_SPREAD = 1e-6
FARTHEST = 5.0
"""Deviations; a quantity farther from the mean is moved to there, so that no clip stands out by
one failed joint alone."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Takes the training clips' mean off each number and divides by their deviation.

    A number that is the same in all training clips says nothing and becomes 0; one that is not
    defined (NaN) becomes 0 as well, the mean of the clips where it is.

    Attributes
    ----------
    mean, factor
        Shape (D,), float64; ``factor`` is 1 / deviation, or 0.
    """

    mean: Array
    factor: Array

    @classmethod
    def of(cls, v: Array) -> Scaling:
        """Return the scaling by training clips (N, D), NaN where a number is not defined."""
        defined = np.isfinite(v)
        count = np.maximum(defined.sum(0), 1)
        v = np.where(defined, v, 0).astype(np.float64)
        mean = v.sum(0) / count
        deviation = np.sqrt((np.where(defined, v - mean, 0) ** 2).sum(0) / count)
        spread = deviation > LEAST_SPREAD * np.maximum(1, np.abs(mean))
        return cls(mean, np.where(spread, 1 / np.where(spread, deviation, 1), 0))

    def apply(self, v: Array) -> Array:
        """Return clips (N, D) scaled, every number from -5 to 5, float64."""
        scaled = (np.asarray(v, np.float64) - self.mean) * self.factor
        return np.clip(np.nan_to_num(scaled, nan=0.0), -FARTHEST, FARTHEST)


@dataclass(frozen=True, eq=False)
class KinematicFeatures:
    """From clips to kinematic features: quantities, scaled, and projected where that is asked for.

    Attributes
    ----------
    scaling
        By the seen training clips.
    axes
        The first principal axes of the seen training clips, (K, r), or None for all K numbers.
    """

    scaling: Scaling
    axes: Array | None = None

    @classmethod
    def of(cls, training: Array, components: int = 0) -> KinematicFeatures:
        """Return the features by the quantities (N, K) of the seen training clips.

        Parameters
        ----------
        components
            How many principal axes to keep, 0 for no projection. There are no more than clips.
        """
        scaling = Scaling.of(training)
        if not components:
            return cls(scaling)
        scaled = scaling.apply(training)
        _, _, axes = np.linalg.svd(scaled - scaled.mean(0), full_matrices=False)
        signs = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])
        return cls(scaling, (axes * signs[:, None])[:components].T)

    def __call__(self, x: Array, place: Array | None = None) -> Array:
        """Return the features of clips (N, 3, T, V, M), shape (N, width), float32.

        Parameters
        ----------
        place
            Where each body was, (N, T, M, 4), where it is known; see ``quantities``.
        """
        return self.apply(quantities(x, place))

    def apply(self, raw: Array) -> Array:
        """Return the features of clips whose quantities (N, K) are known, float32."""
        scaled = self.scaling.apply(raw)
        return (scaled if self.axes is None else scaled @ self.axes).astype(np.float32)

    @property
    def width(self) -> int:
        """How many numbers a clip has."""
        return len(self.scaling.mean) if self.axes is None else self.axes.shape[1]

    def state(self) -> dict[str, Array]:
        """Return what is needed to make the same features again, as arrays by name."""
        names = np.frombuffer(json.dumps(COLUMNS).encode(), np.uint8)
        found = {"mean": self.scaling.mean, "factor": self.scaling.factor, "names": names}
        return found if self.axes is None else {**found, "axes": self.axes}

    @classmethod
    def restore(cls, state: Mapping[str, Array]) -> KinematicFeatures:
        """Return the features that ``state`` describes.

        Raises
        ------
        InputError
            If arrays are missing, or it was made by a version with other quantities.
        """
        missing = {"mean", "factor", "names"} - set(state)
        if missing:
            raise InputError(f"kinematic features lack {', '.join(sorted(missing))}")
        names = bytes(np.asarray(state["names"], np.uint8)).decode(errors="replace")
        if names != json.dumps(COLUMNS):
            raise InputError(
                "these kinematic features were made by a version with other quantities; run "
                "`extract --features kinematic` again, and what came after it"
            )
        axes = state.get("axes")
        scaling = Scaling(np.asarray(state["mean"]), np.asarray(state["factor"]))
        return cls(scaling, None if axes is None else np.asarray(axes))
