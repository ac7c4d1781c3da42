"""Kinematic quantities of whole and masked clips of a skeletons.h5, batch by batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from smie_pipe.backbones.clips import ClipReader, in_batches
from smie_pipe.backbones.features.key_frames import kept_frames, motion_attention, take_frames
from smie_pipe.backbones.hardware.distributed import Group
from smie_pipe.backbones.kinematics.quantities import COLUMNS, quantities
from smie_pipe.preprocessing.skeletons.store import SkeletonFile

BATCH = 128
"""Clips measured at once: their positions stay in the processor's cache."""


def compute_quantities(
    skeletons: Path,
    rows: np.ndarray,
    masked_frames: int,
    group: Group,
    noise: torch.Tensor | None = None,
    *,
    room: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the quantities of clips and of masked clips, (n, K) each, float32.

    The clips are shared out among the processes; each returns all of them.

    Parameters
    ----------
    rows
        Of the clips in the file, any order.
    masked_frames
        P, how many of the frames with most motion a masked clip lacks.
    noise
        As for ``extract.mask_clips``.
    room
        Whether to use where bodies were, if the file says it.
    """
    share = group.share(np.arange(len(rows)))
    order = in_batches(len(share), BATCH)
    reader = ClipReader(skeletons)
    found = torch.zeros((2, len(rows), len(COLUMNS)))
    with SkeletonFile(skeletons) as file:
        steps = group.progress(order, total=len(order), what="measure", unit="batch")
        for positions in steps:
            at = share[positions]
            x = reader.read(rows[at])
            place = file.place(rows[at]) if room else None
            found[0, at] = torch.from_numpy(quantities(x, place))
            kept = _kept(x, masked_frames, None if noise is None else noise[at])
            hidden = take_frames(torch.from_numpy(x), kept).numpy()
            if place is not None:
                place = np.take_along_axis(place, kept.numpy()[:, :, None, None], axis=1)
            found[1, at] = torch.from_numpy(quantities(hidden, place))
    whole, masked = group.total(found.to(group.device)).cpu().numpy()
    return whole, masked


def _kept(x: np.ndarray, masked: int, noise: torch.Tensor | None) -> torch.Tensor:
    """Return which frames a masked clip keeps, (N, K), in order of time."""
    kept = kept_frames(motion_attention(torch.from_numpy(x)), masked)
    return kept if noise is None else kept.gather(1, noise)
