"""SMIE's batches: random order, and for each clip the clips it is falsely paired with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Which clips a step uses; B of them, each with R negatives.

    Parameters
    ----------
    clips
        Numbers of the clips, (B,).
    label
        Their classes, (B,).
    extra
        Clips beyond the batch that serve as negatives only, (E,); E is 0 unless all clips of
        the batch are of one class.
    negatives
        Rows of ``clips`` followed by ``extra``, (B, R).
    """

    clips: Tensor
    label: Tensor
    extra: Tensor
    negatives: Tensor

    def to(self, device: torch.device | str) -> Batch:
        """Return the same batch on another device."""
        moved = {name: x.to(device) for name, x in vars(self).items()}
        return replace(self, **moved)


def pick(rows: Tensor, index: Tensor) -> Tensor:
    """Return ``rows[index]``, shape (len(index), D), with a gradient that repeats itself.

    The gradient of a row picked several times is a sum. CUDA adds it up in whatever order
    threads finish, unless a product with a matrix of 0 and 1 does the picking: exact as well.
    """
    return picked_by_product(rows, index) if rows.is_cuda else rows.index_select(0, index)


def picked_by_product(rows: Tensor, index: Tensor) -> Tensor:
    """Return ``rows[index]`` as a matrix product."""
    ones = torch.zeros(len(index), len(rows), dtype=rows.dtype, device=rows.device)
    return ones.scatter_(1, index[:, None], 1) @ rows


def batches(clips: int, size: int, rng: torch.Generator) -> list[Tensor]:
    """Return the clips' numbers in random order, ``size`` at a time, the last ones fewer.

    A single clip left over joins the batch before it: it would have nobody to be told from.
    The order is drawn on the CPU whatever device the features are on, so that a seed means the
    same batches everywhere.
    """
    parts = list(torch.randperm(clips, generator=rng).split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def epoch_of_batches(
    label: Tensor, size: int, negatives: str, count: int, rng: torch.Generator
) -> Iterator[Batch]:
    """Yield all clips once, in random order, with their negatives.

    Parameters
    ----------
    label
        Class of every clip, on the CPU, at least two classes for ``"other-class"``.
    size
        Clips in a batch.
    negatives
        ``"other-class"`` or ``"roll"``; see ``SMIE``.
    count
        Negatives for each clip.
    rng
        Where order and negatives are drawn from.
    """
    none = label.new_empty(0)
    for clips in batches(len(label), size, rng):
        own = label[clips]
        if negatives == "roll":
            yield Batch(clips, own, none, roll(len(clips), count))
        elif (own != own[0]).any():
            yield Batch(clips, own, none, other_class(own, own, count, rng))
        else:
            extra = other_class(own, label, count, rng)
            places = len(clips) + torch.arange(extra.numel()).view(extra.shape)
            yield Batch(clips, own, extra.view(-1), places)


def roll(clips: int, count: int) -> Tensor:
    """Return for each row the next ``count`` rows, around the end: the public code's pairs."""
    return (torch.arange(clips)[:, None] + torch.arange(1, count + 1)) % clips


def other_class(label: Tensor, pool: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Draw for each clip rows of ``pool`` evenly among those of other classes.

    Parameters
    ----------
    label
        Classes of the clips to draw for, (B,).
    pool
        Classes of the rows to draw from, (P,); for every clip some row is of another class.
    count
        Rows to draw for each clip, with replacement.
    rng
        Where they are drawn from.

    Returns
    -------
    Tensor
        Rows of ``pool``, (B, count).
    """
    # Sorted by class, a clip's own class is one run of rows; draw a rank among the rest and
    # step over that run.
    sorted_pool, order = pool.sort(stable=True)
    start = torch.searchsorted(sorted_pool, label)[:, None]
    length = torch.searchsorted(sorted_pool, label, right=True)[:, None] - start
    draw = torch.rand(len(label), count, generator=rng, dtype=torch.float64)
    rank = (draw * (len(pool) - length)).long()
    return order[rank + length * (rank >= start)]
