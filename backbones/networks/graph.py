"""The Kinect v2 body as a graph, and its adjacency in the three subsets of ST-GCN."""

from __future__ import annotations

import numpy as np

from smie_pipe.preprocessing import body

JOINTS = len(body.JOINTS)
CENTRE = body.SPINE_SHOULDER  # the point the recipe puts at the origin


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
    for child, parent in body.BONES:
        linked[child, parent] = linked[parent, child] = True
    weight = linked / linked.sum(axis=0, keepdims=True)
    far = np.where(linked[CENTRE], 1, 2)
    far[CENTRE] = 0
    nearer = far[:, None] < far[None, :]  # v than w
    itself = np.eye(JOINTS, dtype=bool)
    subsets = [itself, linked & ~itself & ~nearer, linked & nearer]
    return np.stack([np.where(subset, weight, 0.0) for subset in subsets]).astype(np.float32)
