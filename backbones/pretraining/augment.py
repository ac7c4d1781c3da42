"""Random variants of training clips: cut in time, turned, scaled, with noise.

Each clip of a step gets numbers of its own, drawn from the training's seed, the epoch, the step
and the clip's place in the whole batch alone: a resumed training, and one of several processes,
gives every clip the very variant that an uninterrupted single process gives it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from smie_pipe.backbones.config import PretrainConfig

STREAM = 1  # sets these numbers apart from the order of clips, which seed and epoch decide


@dataclass(frozen=True, eq=False)
class Variants:
    """What is done to each clip of a batch.

    Attributes
    ----------
    start, length
        Of the part that is kept, as shares of the clip; (N,) float64.
    matrix
        Rotation times scale, (N, 3, 3) float64.
    noise_m
        Standard deviation of each coordinate's noise, in metres.
    noise_seed
        Of that noise.
    """

    start: np.ndarray
    length: np.ndarray
    matrix: np.ndarray
    noise_m: float
    noise_seed: int


def draw(count: int, config: PretrainConfig, seed: int, epoch: int, step: int) -> Variants:
    """Draw the variants of all ``count`` clips of a step's whole batch."""
    rng = np.random.default_rng([seed, epoch, step, STREAM])
    length = rng.uniform(config.augment_crop, 1, count)
    start = rng.uniform(0, 1, count) * (1 - length)
    widest = np.deg2rad([config.augment_tilt, config.augment_turn, config.augment_tilt])
    angles = rng.uniform(-1, 1, (count, 3)) * widest
    scale = 1 + config.augment_scale * rng.uniform(-1, 1, count)
    matrix = rotations(angles) * scale[:, None, None]
    return Variants(start, length, matrix, config.augment_noise, int(rng.integers(2**62)))


def rotations(angles: np.ndarray) -> np.ndarray:
    """Return the matrices that turn about z, then x, then y, by angles (N, 3) about x, y, z."""
    cos, sin = np.cos(angles).T, np.sin(angles).T
    axes = []
    for axis in range(3):
        matrix = np.tile(np.eye(3), (len(angles), 1, 1))
        one, other = (axis + 1) % 3, (axis + 2) % 3
        matrix[:, one, one] = matrix[:, other, other] = cos[axis]
        matrix[:, other, one], matrix[:, one, other] = sin[axis], -sin[axis]
        axes.append(matrix)
    x, y, z = axes
    return y @ x @ z


def augment(x: Tensor, variants: Variants, places: np.ndarray) -> Tensor:
    """Return the variants of clips, (N, 3, T, V, M), on their device.

    Parameters
    ----------
    x
        Clips (N, 3, T, V, M) in metres; a body is all zeros in the frames where it is absent,
        and stays so.
    variants
        Of the whole batch.
    places
        Which of the batch these clips are, (N,).
    """
    matrix = torch.from_numpy(variants.matrix[places]).to(x)
    x = resample(x, variants.start[places], variants.length[places])
    n, c, *rest = x.shape
    turned = torch.bmm(matrix, x.reshape(n, c, -1)).view(n, c, *rest)
    if variants.noise_m > 0:
        turned = turned + _noise(turned, variants, places) * there(x)
    return turned


def there(x: Tensor) -> Tensor:
    """Return in which frames each body is there, (N, 1, T, 1, M) bool."""
    return (x != 0).any(dim=3, keepdim=True).any(dim=1, keepdim=True)


def resample(x: Tensor, start: np.ndarray, length: np.ndarray) -> Tensor:
    """Stretch a part of each clip to the whole length, by linear interpolation.

    Parameters
    ----------
    x
        Clips (N, 3, T, V, M).
    start, length
        Of the part, as shares of the clip, (N,).

    Notes
    -----
    As the recipe's resampling: half-pixel centres, and between a frame with a body and one
    without the nearer of the two, lest half-collapsed skeletons arise.
    """
    frames = x.shape[2]
    first, last = start[:, None] * frames, (start + length)[:, None] * frames - 1
    place = first + (np.arange(frames) + 0.5) * length[:, None] - 0.5
    place = np.clip(np.clip(place, first, np.maximum(first, last)), 0, frames - 1)
    before = torch.from_numpy(place.astype(np.int64)).to(x.device)
    weight = torch.from_numpy(place - place.astype(np.int64)).to(x)[:, None, :, None, None]
    one, other = _frames(x, before), _frames(x, (before + 1).clamp_max(frames - 1))
    mixed = one.lerp(other, weight)
    half = there(one) != there(other)
    return torch.where(half, torch.where(weight < 0.5, one, other), mixed)


def _frames(x: Tensor, places: Tensor) -> Tensor:
    """Return clips whose frames are those at ``places`` (N, T)."""
    return x.gather(2, places[:, None, :, None, None].expand(*x.shape))


def _noise(x: Tensor, variants: Variants, places: np.ndarray) -> Tensor:
    """Return this process's part of the whole batch's noise."""
    generator = torch.Generator(x.device).manual_seed(variants.noise_seed)
    whole = (len(variants.start), *x.shape[1:])
    noise = torch.randn(whole, generator=generator, device=x.device, dtype=x.dtype)
    return variants.noise_m * noise[torch.from_numpy(places).to(x.device)]
