"""The joints of each tracker, and which of a Kinect v2's can be had from them: the table.

The table itself is ``data/tracker_skeletons.json``. An entry has

- ``joints``: the tracker's names, in its order;
- ``limbs``: the numbers of the left and the right joint that are copied;
- ``head``: numbers and weights whose weighted sum is the head;
- ``ends``: hands, finger tips, thumbs and feet, as a part of the way from wrist or ankle to the
  mean of some joints, because trackers put these joints farther out than a Kinect v2 does;
- ``spine``: joints of the trunk that are copied, where the tracker is a Kinect itself;
- ``front``: joints before and behind the face, where the feet tell nothing of the front.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from smie_pipe.preprocessing.foundation.errors import unknown_choice

TABLE = Path(__file__).parents[2] / "data" / "tracker_skeletons.json"
SIDES = ("left", "right")
INNER = {"hand": "wrist", "hand_tip": "wrist", "thumb": "wrist", "foot": "ankle"}
"""What each end of a limb is measured from."""
KINECT_V2 = "kinect-v2-25"

Weights = Mapping[int, float]
"""A point as a weighted sum of the tracker's joints."""


@dataclass(frozen=True)
class Skeleton:
    """The joints of one tracker.

    Attributes
    ----------
    name
        Such as ``azure-32``.
    joints
        The tracker's own names in its order.
    points
        For each of the Kinect v2's joints that can be had without making it up: of which of the
        tracker's joints it is the weighted sum.
    copied
        Those that are one of the tracker's joints unchanged; the others are inferred.
    front
        Joints before, and behind: the line from these to those leads to the person's front.
    """

    name: str
    joints: tuple[str, ...]
    points: Mapping[str, Weights]
    copied: frozenset[str]
    front: tuple[tuple[int, ...], tuple[int, ...]] | None

    @property
    def made_up(self) -> tuple[str, ...]:
        """The Kinect v2 joints that no joint of this tracker tells of."""
        ends = [f"{end}_{side}" for side in SIDES for end in INNER]
        others = [f"{limb}_{side}" for side in SIDES for limb in ("elbow", "wrist")]
        others += [f"{limb}_{side}" for side in SIDES for limb in ("knee", "ankle")]
        return tuple(name for name in ["head", *others, *ends] if name not in self.points)


def skeleton(name: str) -> Skeleton:
    """Return a tracker's joints by name.

    Raises
    ------
    InputError
        If the name is none of `skeleton_names`.
    """
    if name not in _table():
        raise unknown_choice("set of joints", name, _table())
    return _skeleton(name)


def skeleton_names() -> tuple[str, ...]:
    """Return the names of all sets of joints in the table."""
    return tuple(_table())


@cache
def _skeleton(name: str) -> Skeleton:
    return make_skeleton(name, _table()[name])


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return table


def make_skeleton(name: str, entry: Mapping[str, Any]) -> Skeleton:
    """Return the joints that an entry of the table describes (see the module)."""
    points: dict[str, Weights] = {}
    copied = set()
    for limb, pair in entry["limbs"].items():
        for side, joint in zip(SIDES, pair, strict=True):
            if joint is not None:
                points[f"{limb}_{side}"] = {joint: 1.0}
    points |= {place: {joint: 1.0} for place, joint in entry.get("spine", {}).items()}
    if entry.get("head"):
        points["head"] = {joint: weight for joint, weight in entry["head"]}
    copied = {place for place, weights in points.items() if list(weights.values()) == [1.0]}
    for end, rule in entry.get("ends", {}).items():
        for side in SIDES:
            inner = points.get(f"{INNER[end]}_{side}")
            if inner is not None and rule[side]:
                points[f"{end}_{side}"] = _part_of_way(next(iter(inner)), rule[side], rule["part"])
                if rule["part"] == 1.0 and len(rule[side]) == 1:
                    copied.add(f"{end}_{side}")
    return Skeleton(name, tuple(entry["joints"]), points, frozenset(copied), _front(entry, points))


def _part_of_way(start: int, ends: Sequence[int], part: float) -> Weights:
    if part == 1.0 and len(ends) == 1:
        return {ends[0]: 1.0}
    return {start: 1.0 - part, **{end: part / len(ends) for end in ends}}


def _front(
    entry: Mapping[str, Any], points: Mapping[str, Weights]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    if "front" in entry:
        return tuple(entry["front"]["tip"]), tuple(entry["front"]["back"])
    toes = entry.get("ends", {}).get("foot")
    if toes is None or "ankle_left" not in points or "ankle_right" not in points:
        return None
    ankles = tuple(next(iter(points[f"ankle_{side}"])) for side in SIDES)
    tips = (*toes["left"], *toes["right"])
    return (tips, ankles) if toes["left"] and toes["right"] else None
