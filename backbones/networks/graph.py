"""The Kinect v2 body as a graph, and its adjacency in the three subsets of ST-GCN."""

from __future__ import annotations

import numpy as np

JOINTS = 25
CENTRE = 20  # the spine at the shoulders: the point the recipe puts at the origin

# Child and parent of each of the 24 bones, towards the centre.
BONES = (
    (0, 1), (1, 20), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6), (8, 20), (9, 8),
    (10, 9), (11, 10), (12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17),
    (19, 18), (21, 22), (22, 7), (23, 24), (24, 11),
)  # fmt: skip


def adjacency() -> np.ndarray:
    """Return the spatial partition of the body graph, shape (3, 25, 25), float32.

    Entry ``[k, v, w]`` is the weight with which joint ``v`` is read by joint ``w``: ``k`` = 0
    for ``w`` itself, 1 for neighbours farther from the centre, 2 for nearer ones. Each column
    of the sum over ``k`` adds up to 1.

    Notes
    -----
    Yan et al. 2018, spatial configuration partitioning with one hop, normalised by column
    degree. Public code, and the weights trained with it, know only distances of up to one hop:
    every joint that is not the centre or beside it is equally far, and neighbours among those
    fall in subset 1. Kept so, because weights trained elsewhere must load and mean the same.
    """
    linked = np.eye(JOINTS, dtype=bool)
    for child, parent in BONES:
        linked[child, parent] = linked[parent, child] = True
    weight = linked / linked.sum(axis=0, keepdims=True)
    far = np.where(linked[CENTRE], 1, 2)
    far[CENTRE] = 0
    nearer = far[:, None] < far[None, :]  # v than w
    itself = np.eye(JOINTS, dtype=bool)
    subsets = [itself, linked & ~itself & ~nearer, linked & nearer]
    return np.stack([np.where(subset, weight, 0.0) for subset in subsets]).astype(np.float32)
