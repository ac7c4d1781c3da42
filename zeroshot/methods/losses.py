"""Losses that several methods share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def rank_hinge(scores: Tensor, label: Tensor, margin: float, same: Tensor | None = None) -> Tensor:
    """Sum over wrong classes of max(0, margin - s(true) + s(wrong)), mean over clips.

    Parameters
    ----------
    scores
        Clips by classes, (B, K).
    label
        True class of each clip, (B,).
    margin
        Lead the true class must have.
    same
        Which classes are no wrong answer for which, (K, K) bool; each class to itself if None.
    """
    if same is None:
        same = torch.eye(scores.shape[1], dtype=torch.bool, device=scores.device)
    true = scores.gather(1, label[:, None])
    excess = F.relu(margin - true + scores)
    return excess.masked_fill(same[label], 0.0).sum(1).mean()


def squared_distances(p: Tensor, q: Tensor) -> Tensor:
    """Return squared distances of all pairs of rows, (B, D) with (B', D) gives (B, B')."""
    # By products, as B B' D differences would not fit a cache; rounding may fall below 0.
    return (p.square().sum(1)[:, None] + q.square().sum(1) - 2 * p @ q.T).clamp_min(0)


def mmd(x: Tensor, y: Tensor, sharpness: float) -> Tensor:
    """Squared maximum mean discrepancy of two samples, kernel exp(-sharpness d^2).

    The biased estimate (each row meets itself too), so it is 0 for equal samples and never
    below. Shapes (B, D) and (B', D).
    """

    def kernel(p: Tensor, q: Tensor) -> Tensor:
        return torch.exp(-sharpness * squared_distances(p, q)).mean()

    return kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)


def hardest_triplets(x: Tensor, group: Tensor, margin: float) -> Tensor:
    """Mean of max(0, margin + d(farthest of the same group) - d(nearest of another)).

    Parameters
    ----------
    x
        Embeddings, (B, D).
    group
        Group of each row, (B,). Rows whose group is alone, or all there is, do not count.
    margin
        Lead in distance.
    """
    distance = (squared_distances(x, x) + 1e-12).sqrt()  # the root has no slope at 0
    same = group[:, None] == group
    itself = torch.eye(len(x), dtype=torch.bool, device=x.device)
    farthest = distance.masked_fill(~same | itself, 0.0).amax(1)
    nearest = distance.masked_fill(same, float("inf")).amin(1)
    counts = (same.sum(1) > 1) & ~same.all(1)
    excess = F.relu(margin + farthest - nearest)
    return excess.masked_fill(~counts, 0.0).sum() / counts.sum().clamp_min(1)
