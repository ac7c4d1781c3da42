"""What is wrong with a recording, in one sentence each, and the option that mends it.

Free evidence that every body gives: which way the head is, which way toes or nose point, how
long the trunk is. Nothing is mended here: a check can be wrong where a person lies down.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.trackers.joints.orientation import (
    BODY,
    MIRRORED,
    TORSO_RANGE_M,
    UNITS,
    axes_matrix,
    axes_text,
    facing_share,
    lean,
    torso_length,
    upward_axis,
)
from smie_pipe.preprocessing.trackers.joints.skeletons import Skeleton

TILT_DEGREES = 15.0
SLOWEST_FPS, FASTEST_FPS = 4.0, 250.0

_STAND_UP = {
    "y": np.eye(3),
    "-y": axes_matrix("-x,-y,z"),
    "z": axes_matrix("x,z,-y"),
    "-z": axes_matrix("x,-z,y"),
    "x": axes_matrix("-y,x,z"),
    "-x": axes_matrix("y,-x,z"),
}
"""For each axis that the head may lie along, the turn that brings it to y."""


def self_check(
    xyz: NDArray[np.float64],
    skeleton: Skeleton,
    axes: str,
    unit: str,
    seconds: NDArray[np.float64],
) -> list[str]:
    """Return what is wrong with a recording as it was read; nothing for a sound one.

    Parameters
    ----------
    xyz
        The tracker's joints (B, J, 3) in what are taken to be metres, y up.
    skeleton
        What they are.
    axes, unit
        What they were read with, for the advice.
    seconds
        Time of each frame.
    """
    found = [
        _up(xyz, skeleton, axes),
        _mirrored(xyz, skeleton),
        _unit(xyz, skeleton, unit),
        _rate(seconds),
        _tilt(xyz, skeleton),
    ]
    return [sentence for sentence in found if sentence]


def _up(xyz: NDArray, skeleton: Skeleton, axes: str) -> str:
    axis, share = upward_axis(xyz, skeleton)
    if axis == "y":
        return ""
    turn = _STAND_UP[axis]
    facing = facing_share(xyz @ turn.T, skeleton)
    if facing is not None and facing < MIRRORED:
        turn = np.diag([-1.0, 1.0, 1.0]) @ turn
    advice = axes_text(turn @ axes_matrix(axes))
    kind = "upside down" if axis == "-y" else "lying on its side or back"
    return (
        f"{kind}: the head is towards {axis} of what should be y up in {share:.0%} of the "
        f"records; --axes {advice} mends it (a person who really lies needs nothing)"
    )


def _mirrored(xyz: NDArray, skeleton: Skeleton) -> str:
    if upward_axis(xyz, skeleton)[0] != "y":
        return ""  # the other sentence comes first, and its advice sees to both
    facing = facing_share(xyz, skeleton)
    if facing is None or facing >= MIRRORED:
        return ""
    return (
        f"mirrored: feet or face point where the shoulders have the back (agreement {facing:+.2f},"
        f" of a right body +0.9); --mirror mends it"
    )


def _unit(xyz: NDArray, skeleton: Skeleton, unit: str) -> str:
    size = torso_length(xyz, skeleton)
    if not size or TORSO_RANGE_M[0] <= size <= TORSO_RANGE_M[1]:
        return ""
    in_file = size / UNITS.get(unit, 1.0)
    low, high = TORSO_RANGE_M
    fit = [name for name, factor in UNITS.items() if low <= in_file * factor <= high]
    return (
        f"unit: read as {unit}, hips to shoulders measure {size:.3g} m, of people {low} to "
        f"{high}; --unit {fit[0] if fit else BODY} mends it"
    )


def _rate(seconds: NDArray) -> str:
    steps = np.diff(seconds)
    steps = steps[steps > 0]
    if not len(steps):
        return ""
    fps = 1.0 / float(np.median(steps))
    if SLOWEST_FPS <= fps <= FASTEST_FPS:
        return ""
    return (
        f"rate: the time stamps say {fps:.3g} frames a second, which no tracker of bodies gives; "
        f"--fps mends it"
    )


def _tilt(xyz: NDArray, skeleton: Skeleton) -> str:
    up = lean(xyz, skeleton)
    if up is None or upward_axis(xyz, skeleton)[0] != "y":
        return ""
    degrees = float(np.degrees(np.arccos(np.clip(up[1], -1, 1))))
    if degrees <= TILT_DEGREES:
        return ""
    return (
        f"tilted: upright bodies lean by {degrees:.0f} degrees on average, as before a camera "
        f"that looks down; --level mends it"
    )
