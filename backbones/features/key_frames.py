"""Motion attention: which frames of a clip are key frames, and the clip without them."""

from __future__ import annotations

import torch
from torch import Tensor

MASKED_FRAMES = 15  # P of the paper, for all datasets


def motion_attention(x: Tensor) -> Tensor:
    """Return each frame's share of a clip's motion, shape (N, T), rows adding up to 1.

    Parameters
    ----------
    x
        Clips, shape (N, C, T, V, M), at least two frames. Both bodies count.

    Notes
    -----
    SMIE eq. 6-8: squared displacement to the next and from the previous frame, averaged over
    joints and coordinates, divided by its sum over the clip. The first and the last frame have
    one neighbour. A clip without any motion gets equal shares instead of 0 / 0.
    """
    step = (x[:, :, 1:] - x[:, :, :-1]).square().mean(dim=(1, 3, 4))
    motion = torch.nn.functional.pad(step, (0, 1)) + torch.nn.functional.pad(step, (1, 0))
    total = motion.sum(dim=1, keepdim=True)
    still = total == 0
    return torch.where(still, 1 / motion.shape[1], motion / total.masked_fill(still, 1))


def kept_frames(q: Tensor, masked: int = MASKED_FRAMES) -> Tensor:
    """Return the frames left when the ``masked`` of highest attention go, in order of time.

    Parameters
    ----------
    q
        Attention, shape (N, T).
    masked
        How many frames go, at least 0 and less than T. Of equal ones the earlier goes first.

    Returns
    -------
    Tensor
        Frame numbers, shape (N, T - masked), int64.

    Raises
    ------
    ValueError
        If ``masked`` leaves no frame, or is negative.
    """
    if not 0 <= masked < q.shape[1]:
        raise ValueError(
            f"masked frames must be at least 0 and fewer than the {q.shape[1]} frames of a clip,"
            f" got {masked}"
        )
    ranking = q.argsort(dim=1, descending=True, stable=True)
    return ranking[:, masked:].sort(dim=1).values


def take_frames(x: Tensor, frames: Tensor) -> Tensor:
    """Return clips (N, C, T, V, M) cut down to the listed frames of each, (N, K) int64."""
    n, c, _, v, m = x.shape
    index = frames[:, None, :, None, None].expand(n, c, frames.shape[1], v, m)
    return x.gather(2, index)


def drop_key_frames(x: Tensor, masked: int = MASKED_FRAMES) -> Tensor:
    """Return clips without their ``masked`` key frames, shape (N, C, T - masked, V, M)."""
    return take_frames(x, kept_frames(motion_attention(x), masked))
