"""Convolution along time with few multiplications, and dropout from single random bits."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from smie_pipe.backbones.kernels.matmul import bmm, matmul

BITS_A_WORD = 31


class Transforms(NamedTuple):
    """The three small matrices of a bilinear convolution with ``rank`` products.

    ``frames`` (rank, T) acts on the input, ``taps`` (rank, K) on the kernel, ``back``
    (T, rank) on their products.
    """

    frames: Tensor
    taps: Tensor
    back: Tensor


@functools.lru_cache(maxsize=64)
def transforms(
    frames: int, taps: int, dtype: torch.dtype, device: torch.device | str
) -> Transforms:
    """Return the matrices that convolve ``frames`` values with ``taps``, zeros outside.

    Notes
    -----
    A circular convolution of ``frames + taps // 2`` values by the real discrete Fourier
    transform, for only the middle of it is wanted. The complex product of a frequency takes
    three real ones, (a + bi)(c + di) from c(a + b), a(d - c) and b(c + d), whose sums are part
    of the matrices. For 13 frames and 9 taps it makes 25 products of the direct form's 97. The
    transform is orthogonal, so that nothing is lost in float32 (measured: a quarter of the
    error of the direct sum).
    """
    length = max(frames + taps // 2, taps)
    time = torch.arange(frames, dtype=torch.float64)
    tap = torch.arange(taps, dtype=torch.float64) - taps // 2
    left, kernel, right = [torch.ones_like(time)], [torch.ones_like(tap)], [time * 0 + 1 / length]
    for frequency in range(1, (length + 1) // 2):
        angle = 2 * math.pi * frequency / length
        a, b = torch.cos(angle * time), -torch.sin(angle * time)
        c, d = torch.cos(angle * tap), torch.sin(angle * tap)
        u, v = 2 / length * torch.cos(angle * time), -2 / length * torch.sin(angle * time)
        left += [a + b, a, b]
        kernel += [c, d - c, c + d]
        right += [u + v, v, -u]
    if length % 2 == 0:
        left.append(torch.cos(math.pi * time))
        kernel.append(torch.cos(math.pi * tap))
        right.append(torch.cos(math.pi * time) / length)
    matrices = (torch.stack(left), torch.stack(kernel), torch.stack(right, dim=1))
    return Transforms(*(m.to(device=device, dtype=dtype) for m in matrices))


def convolve_by_frequency(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the same as ``convolve_directly`` with stride 1, by ``transforms``."""
    t, r, c = x.shape
    outputs, _, taps, _ = weight.shape
    matrices = transforms(t, taps, x.dtype, x.device)
    kernel = (matrices.taps @ weight.reshape(outputs * c, taps).t()).view(-1, outputs, c)
    spectrum = matmul(matrices.frames, x.reshape(t, r * c)).view(-1, r, c)
    products = bmm(spectrum, kernel.transpose(1, 2))
    y = matmul(matrices.back, products.view(-1, r * outputs))
    return y.view(t, r, outputs) + bias


def convolve_directly(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """Return the convolution along time of independent rows.

    Parameters
    ----------
    x
        Shape (T, R, C): frames, rows (any number of bodies and joints), channels.
    weight, bias
        As of ``nn.Conv2d``: shapes (O, C, K, 1) with K odd, and (O,).
    stride
        Step in frames.

    Returns
    -------
    Tensor
        Shape (ceil(T / stride), R, O). Frames outside the clip count as zeros.
    """
    image = x.unsqueeze(0).permute(0, 3, 1, 2)  # (1, C, T, R), channels last in memory
    padding = (weight.shape[2] // 2, 0)
    y = functional.conv2d(image, weight, bias, stride=(stride, 1), padding=padding)
    return y.permute(0, 2, 3, 1).squeeze(0)


class Dropout(nn.Dropout):
    """Dropout of values (T, B, V, C) whose noise is asked for, to be multiplied with elsewhere.

    A module of its own so that several processes can put one in its place that draws for all.
    """

    def noise(self, like: Tensor) -> Tensor:
        """Return random zeros and 1 / (1 - p), of the shape of ``like``."""
        if self.p == 0.5:
            return keep_half(like)
        return torch.empty_like(like).bernoulli_(1 - self.p).div_(1 - self.p)


def keep_half(like: Tensor) -> Tensor:
    """Return random zeros and twos in equal shares, as dropout with 0.5 multiplies by.

    Notes
    -----
    From the bits of the global generator's words: torch's own draws a number for each value,
    which was a fifth of a training step on a CPU.
    """
    count = like.numel()
    words = torch.empty(-(-count // BITS_A_WORD), dtype=torch.int32, device=like.device)
    words.random_(-(2**31), None)
    shift = torch.arange(BITS_A_WORD, dtype=torch.int32, device=like.device)
    bits = (words[None, :] >> shift[:, None]).bitwise_and_(2)
    return bits.view(-1)[:count].view(like.shape).to(like.dtype)
