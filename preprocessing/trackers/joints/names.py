"""Joints by name, for files that may have any: CSV, TRC, BVH, markers.

One name means different joints in different files: ``LeftShoulder`` is the clavicle where there
is a ``LeftArm`` (Mixamo names a bone and the joint is its start) and the shoulder where there is
none; ``LeftHand`` is the wrist where there is no ``LeftWrist``. So the names that may stand for a
place are tried in order (``data/joint_aliases.csv``), and each joint of a file is used once.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice
from smie_pipe.preprocessing.trackers.joints.skeletons import (
    INNER,
    SIDES,
    Skeleton,
    make_skeleton,
    skeleton,
    skeleton_names,
)

ALIASES = Path(__file__).parents[2] / "data" / "joint_aliases.csv"
LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
UNPAIRED = ("head", "head_top", "neck", "nose")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_RIG = re.compile(r"^(bip0*1|mixamorig[0-9]*|character[0-9]*|def|jnt)[ _.-]+", re.IGNORECASE)
_BESIDE_HEAD = 0.7  # of the way from mid-shoulder to the top of the head
_SKULL = ((-0.85, "neck"), (1.85, "head"))


def plain(name: str) -> str:
    """Return a name as it is compared: without rig, case and separators."""
    return "".join(_words(name))


Markers = Mapping[str, Sequence[str]]
"""For each joint the markers whose mean it is."""


def in_joints(
    names: Sequence[str], xyz: NDArray[np.float64], path: str, markers: Markers | None = None
) -> tuple[Skeleton, NDArray[np.float64]]:
    """Return what named points are, and the points in the order of those joints.

    Parameters
    ----------
    names
        Of the points.
    xyz
        (..., J, 3).
    path
        For messages.
    markers
        Where the points are markers on the skin: which of them make a joint.

    Raises
    ------
    InputError
        If ``markers`` names a point that is not there, or no hips or no shoulders are found.
    """
    if markers is not None:
        names, xyz = _means(names, xyz, path, markers)
    known = known_skeleton(names)
    if known is not None:
        return known[0], xyz[..., known[1], :]
    return named_skeleton(names, path), xyz


def read_markers(data: bytes, path: str) -> Markers:
    """Return the table ``joint,markers``, several markers of a joint separated by ``;``.

    Raises
    ------
    InputError
        With the line, if it has another form.
    """
    rows = list(csv.reader(data.decode("utf-8-sig", "replace").splitlines()))
    if not rows or [cell.strip().lower() for cell in rows[0]] != ["joint", "markers"]:
        found = ",".join(rows[0])[:40] if rows else "an empty file"
        raise InputError(f"{path}:1: expected the heading joint,markers, found {found!r}")
    table: dict[str, list[str]] = {}
    for line, row in enumerate(rows[1:], 2):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        names = [name.strip() for name in cells[1].split(";")] if len(cells) == 2 else []
        if not cells[0] or not names or not all(names):
            expected = "a joint and its markers, as in LeftHip,LASI;LPSI"
            raise InputError(f"{path}:{line}: expected {expected}, found {','.join(row)[:40]!r}")
        table[cells[0]] = names
    return table


def _means(
    names: Sequence[str], xyz: NDArray[np.float64], path: str, markers: Markers
) -> tuple[list[str], NDArray[np.float64]]:
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    wanted = dict.fromkeys(name for some in markers.values() for name in some)
    lost = [name for name in wanted if name not in places]
    if lost:
        near = unknown_choice("marker", lost[0], names)
        raise InputError(f"{path}: {near}")
    means = [xyz[..., [places[name] for name in some], :].mean(-2) for some in markers.values()]
    return list(markers), np.stack(means, axis=-2)


def known_skeleton(names: Sequence[str]) -> tuple[Skeleton, list[int]] | None:
    """Return the set of joints of the table whose names are all there, and their places.

    Returns
    -------
    tuple
        The largest such set, and for each of its joints where it stands in ``names``; None where
        no tracker's own names are there.
    """
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        places.setdefault(plain(name), place)
    found = None
    for known in map(skeleton, skeleton_names()):
        wanted = [plain(joint) for joint in known.joints]
        larger = found is None or len(wanted) > len(found[1])
        if larger and all(joint in places for joint in wanted):
            found = known, [places[joint] for joint in wanted]
    return found


def named_skeleton(names: Sequence[str], path: str) -> Skeleton:
    """Return the joints of a file whose names are nobody's in particular.

    Raises
    ------
    InputError
        If no hips or no shoulders are among them: without those nothing can be rebuilt.
    """
    found = _found(names)
    lost = [
        f"{side} {limb}" for limb in ("shoulder", "hip") for side in SIDES if not found[limb, side]
    ]
    if lost:
        raise InputError(
            f"{path}: expected joints for both shoulders and both hips, found none that is the "
            f"{', the '.join(lost)} among {', '.join(names[:40]) or 'no names'}; rename them, "
            f"for example LeftShoulder, RightShoulder, LeftHip, RightHip"
        )
    entry: dict[str, Any] = {
        "joints": list(names),
        "limbs": {
            limb: [found[limb, side][0][0] if found[limb, side] else None for side in SIDES]
            for limb in LIMBS
        },
        "ends": {end: rule for end in INNER if (rule := _end(found, end))},
        "head": _head(found),
    }
    front = _face(found)
    if front is not None:
        entry["front"] = front
    return make_skeleton(f"named-{len(names)}", entry)


Found = dict[tuple[str, str], list[tuple[int, float]]]


def _found(names: Sequence[str]) -> Found:
    """Return for each place and side the joint that stands for it, with its part; or nothing."""
    sided = [_sided(name) for name in names]
    used: set[int] = set()
    found: Found = {}
    for place, candidates in _aliases().items():
        for side in ("",) if place in UNPAIRED else SIDES:
            found[place, side] = []
            for alias, part in candidates:
                joint = next(
                    (
                        number
                        for number, (at, name) in enumerate(sided)
                        if name == alias and at == side and number not in used
                    ),
                    None,
                )
                if joint is not None:
                    found[place, side] = [(joint, part)]
                    used.add(joint)
                    break
    return found


def _sided(name: str) -> tuple[str, str]:
    """Return (side, name without it): ``('left', 'forearm')`` for ``mixamorig:LeftForeArm``."""
    words = _words(name)
    for side, letter in zip(SIDES, "lr", strict=True):
        for mark in (side, letter):
            if mark in words:
                rest = list(words)
                rest.remove(mark)
                return side, "".join(rest)
    joined = "".join(words)
    for side, letter in zip(SIDES, "lr", strict=True):
        for mark in (side, letter):
            if joined.startswith(mark) and joined[len(mark) :] in _every_alias():
                return side, joined[len(mark) :]
    return "", joined


def _words(name: str) -> list[str]:
    text = _RIG.sub("", name.rpartition(":")[2].strip())
    return [word.lower() for word in _WORDS.findall(text)]


def _end(found: Found, end: str) -> dict[str, Any] | None:
    """Return the rule of a limb's end as the table has it; None unless both sides have it."""
    sides = [found[end, side] for side in SIDES]
    if not all(sides) or not all(found[INNER[end], side] for side in SIDES):
        return None
    left, right = ([joint] for ((joint, _),) in sides)
    return {"left": left, "right": right, "part": sides[0][0][1]}


def _head(found: Found) -> list[list[float]]:
    """Return the head as a weighted sum, by the best that is there."""
    one = {name: found[name, ""][0][0] for name in UNPAIRED if found[name, ""]}
    ears = [found["ear", side][0][0] for side in SIDES if found["ear", side]]
    if len(ears) == 2:
        return [[ears[0], 0.5], [ears[1], 0.5]]
    for other in ("head_top", "nose"):
        if "head" in one and other in one:
            return [[one["head"], 0.5], [one[other], 0.5]]
    if "head" in one and "neck" in one:
        return [[one[name], weight] for weight, name in _SKULL]
    if "head" in one or "nose" in one:
        return [[one.get("head", one.get("nose", 0)), 1.0]]
    if "head_top" in one:
        shoulders = [found["shoulder", side][0][0] for side in SIDES]
        rest = (1 - _BESIDE_HEAD) / 2
        return [[one["head_top"], _BESIDE_HEAD], *([joint, rest] for joint in shoulders)]
    return []


def _face(found: Found) -> dict[str, list[int]] | None:
    """Return the nose and what is behind it, where feet do not tell the front."""
    if all(found["foot", side] and found["ankle", side] for side in SIDES):
        return None
    nose = [joint for joint, _ in found["nose", ""]]
    ears = [joint for side in SIDES for joint, _ in found["ear", side]]
    behind = ears if len(ears) == 2 else [joint for joint, _ in found["neck", ""]]
    return {"tip": nose, "back": behind} if nose and behind else None


@cache
def _aliases() -> dict[str, list[tuple[str, float]]]:
    table: dict[str, list[tuple[str, float]]] = {}
    with open(ALIASES, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            table.setdefault(row["place"], []).append((row["name"], float(row["part"] or 1)))
    return table


@cache
def _every_alias() -> frozenset[str]:
    return frozenset(name for names in _aliases().values() for name, _ in names)
