"""Every kinematic quantity with its definition and unit: the table is what is computed.

A *sided* measure is taken on the left and on the right and gives three numbers: the larger, the
smaller, and right less left. The first two do not tell which hand somebody uses; the third does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from smie_pipe.backbones.kinematics.moving_body import (
    FORWARD,
    RIGHT,
    UP,
    Array,
    MovingBody,
    angle_between,
    change,
    correlation,
    distance,
    quick_share,
    speed,
)
from smie_pipe.backbones.kinematics.room import FEET, HANDS, TOUCH, Room

LEAST_SPEED, LEAST_RANGE = 1e-2, 5e-2
"""Trunk lengths, added before a logarithm: what is less than this is noise of the sensor."""
SIDES = ("left", "right")
OUTWARD = {"left": -1, "right": 1}
PER_FRAME, TRUNKS, RADIANS = "log(trunk lengths a frame)", "trunk lengths", "radians"
LOG_TRUNKS = "log(trunk lengths)"


class Scene:
    """A batch of clips as the measures see it.

    Parameters
    ----------
    x
        Clips (N, 3, T, V, M), M of 1 or 2, metres; a body that is not there is zeros.
    place
        As for ``room.Room``, or None where nobody kept it.
    """

    def __init__(self, x: Array, place: Array | None = None):
        self.x = x
        self.body = MovingBody(x[..., 0])
        self.other = MovingBody(x[..., 1]) if x.shape[-1] > 1 else None
        self.room = None if place is None else Room(x, place)

    def of(self, on: str, known: Array) -> MovingBody | Room | None:
        """Return what measures of a kind are taken on, of the clips where it is known."""
        if not known.any():
            return None
        if on == "body":
            return self.body
        if on == "other":
            return MovingBody(self.x[known, ..., 1])
        assert self.room is not None
        return self.room if known.all() else self.room.of_clips(known)


@dataclass(frozen=True)
class Measure:
    """One measure: what it is, and how it is taken.

    ``take`` is called with the body (and the side, where sided), the other body, or the room, as
    ``on`` says, and returns (N,).
    """

    name: str
    unit: str
    definition: str
    take: Callable[..., Array]
    on: Literal["body", "other", "room", "pair"] = "body"
    sided: bool = False

    @property
    def columns(self) -> list[str]:
        """Names of its numbers."""
        if not self.sided:
            return [self.name]
        return [f"{self.name}, {which}" for which in ("larger", "smaller", "right less left")]

    def numbers(self, subject: Any) -> list[Array]:
        """Return its numbers on a batch, (N,) each."""
        if not self.sided:
            return [self.take(subject)]
        left, right = (self.take(subject, side) for side in SIDES)
        return [np.maximum(left, right), np.minimum(left, right), right - left]


def log_speed(way: Array) -> Array:
    """Return the logarithm of the mean speed along a way (N, T, 3), shape (N,)."""
    return np.log(speed(way) + LEAST_SPEED)


def log_range(course: Array) -> Array:
    """Return the logarithm of the most less the least of (N, T), shape (N,)."""
    return np.log(np.ptp(course, axis=1) + LEAST_RANGE)


def _of_limbs() -> Iterator[Measure]:
    for limb in ("wrist", "elbow", "ankle", "knee"):
        yield from _of_limb(limb)


def _of_limb(limb: str) -> Iterator[Measure]:
    def way(b: MovingBody, side: str, about: str) -> Array:
        return b.of(f"{limb}_{side}", about)

    for about in ("spine_shoulder", "spine_base"):
        yield Measure(
            f"speed of {limb} about {about}",
            PER_FRAME,
            f"mean speed of the {limb} relative to {about}",
            lambda b, side, about=about: log_speed(way(b, side, about)),
            sided=True,
        )
    for axis, name in ((RIGHT, "sideways"), (UP, "up and down"), (FORWARD, "to and fro")):
        yield Measure(
            f"range of {limb} {name}",
            LOG_TRUNKS,
            f"how far the {limb} moves {name}, relative to spine_shoulder",
            lambda b, side, axis=axis: log_range(way(b, side, "spine_shoulder")[..., axis]),
            sided=True,
        )
    yield Measure(
        f"greatest height of {limb}",
        TRUNKS,
        f"most height of the {limb} above spine_base",
        lambda b, side: way(b, side, "spine_base")[..., UP].max(1),
        sided=True,
    )
    yield Measure(
        f"mean height of {limb}",
        TRUNKS,
        f"mean height of the {limb} above spine_base",
        lambda b, side: way(b, side, "spine_base")[..., UP].mean(1),
        sided=True,
    )
    yield Measure(
        f"mean reach of {limb} outward",
        TRUNKS,
        f"mean place of the {limb} to its own side of spine_base",
        lambda b, side: (OUTWARD[side] * way(b, side, "spine_base")[..., RIGHT]).mean(1),
        sided=True,
    )
    yield Measure(
        f"greatest reach of {limb} forward",
        TRUNKS,
        f"farthest place of the {limb} before spine_base",
        lambda b, side: way(b, side, "spine_base")[..., FORWARD].max(1),
        sided=True,
    )
    for how, of in (("least", np.min), ("greatest", np.max), ("mean", np.mean)):
        yield Measure(
            f"{how} distance of {limb}s",
            TRUNKS,
            f"{how} distance between the left and the right {limb}",
            lambda b, of=of: of(distance(b.of(f"{limb}_left"), b.of(f"{limb}_right")), axis=1),
        )


ANGLES = {
    "elbow": ("shoulder", "elbow", "wrist"),
    "knee": ("hip", "knee", "ankle"),
    "shoulder": (None, "shoulder", "elbow"),
    "hip": (None, "hip", "knee"),
}
INNER = {"shoulder": "spine_shoulder", "hip": "spine_base"}


def _of_angles() -> Iterator[Measure]:
    for joint, (inner, at, outer) in ANGLES.items():

        def course(
            b: MovingBody, side: str, inner: str | None = inner, at: str = at, outer: str = outer
        ) -> Array:
            start = f"{inner}_{side}" if inner else INNER[at]
            return b.angle(start, f"{at}_{side}", f"{outer}_{side}")

        between = f"{inner or INNER[at]} and {outer}"
        yield Measure(
            f"least angle of {joint}",
            RADIANS,
            f"least angle at the {joint} between {between}",
            lambda b, side, course=course: course(b, side).min(1),
            sided=True,
        )
        yield Measure(
            f"range of angle of {joint}",
            RADIANS,
            f"most less least angle at the {joint} between {between}",
            lambda b, side, course=course: np.ptp(course(b, side), axis=1),
            sided=True,
        )


def lean(b: MovingBody) -> Array:
    """Return the angle between the trunk and the vertical, (N, T), radians."""
    return angle_between(b.of("spine_shoulder", "spine_base"), np.array([0, 1, 0], np.float32))


def twist(b: MovingBody) -> Array:
    """Return the angle of the shoulder line about the vertical against the hips', (N, T)."""
    shoulders = b.of("shoulder_right", "shoulder_left")
    hips = b.of("hip_right", "hip_left")
    angles = [np.arctan2(line[..., FORWARD], line[..., RIGHT]) for line in (shoulders, hips)]
    return np.unwrap(angles[0] - angles[1], axis=1)


def _of_trunk() -> Iterator[Measure]:
    yield Measure(
        "greatest lean",
        RADIANS,
        "most angle of the trunk from the vertical",
        lambda b: lean(b).max(1),
    )
    yield Measure(
        "range of lean",
        RADIANS,
        "most less least angle of the trunk from the vertical",
        lambda b: np.ptp(lean(b), axis=1),
    )
    yield Measure(
        "range of twist",
        RADIANS,
        "most less least angle of the shoulder line against the hip line about the vertical",
        lambda b: np.ptp(twist(b), axis=1),
    )
    for joint in ("spine_base", "head"):
        for axis, name in ((RIGHT, "sideways"), (UP, "up and down"), (FORWARD, "to and fro")):
            yield Measure(
                f"range of {joint} {name}",
                LOG_TRUNKS,
                f"how far {joint} moves {name}, relative to spine_shoulder",
                lambda b, joint=joint, axis=axis: log_range(
                    b.of(joint, "spine_shoulder")[..., axis]
                ),
            )
        yield Measure(
            f"speed of {joint}",
            PER_FRAME,
            f"mean speed of {joint} relative to spine_shoulder",
            lambda b, joint=joint: log_speed(b.of(joint, "spine_shoulder")),
        )


def _of_rhythm() -> Iterator[Measure]:
    for limb in ("wrist", "ankle"):
        yield Measure(
            f"quickness of {limb}",
            "share, 0 to 1",
            f"share of the power of the {limb}'s movement above two cycles a clip",
            lambda b, side, limb=limb: quick_share(b.of(f"{limb}_{side}", "spine_shoulder")),
            sided=True,
        )
    for limb, axis, name in (
        ("wrist", UP, "up and down"),
        ("wrist", RIGHT, "outward"),
        ("knee", UP, "up and down"),
    ):

        def together(b: MovingBody, limb: str = limb, axis: int = axis) -> Array:
            left, right = (
                np.diff(b.of(f"{limb}_{side}", "spine_base")[..., axis], axis=1)
                * (OUTWARD[side] if axis == RIGHT else 1)
                for side in SIDES
            )
            return correlation(left, right)

        yield Measure(
            f"{limb}s together {name}",
            "correlation, -1 to 1",
            f"correlation in time of the speeds of the left and the right {limb} {name}: 1 in "
            "step, -1 in turn",
            together,
        )


def sweep(b: MovingBody, side: str) -> Array:
    """Return the area the wrist goes round in the frontal plane, (N,), positive outward at top."""
    way = b.of(f"wrist_{side}", "spine_shoulder")
    way = way - way.mean(1, keepdims=True)
    a, u = OUTWARD[side] * way[..., RIGHT], way[..., UP]
    return 0.5 * (u[:, :-1] * a[:, 1:] - a[:, :-1] * u[:, 1:]).sum(1)


def _of_course() -> Iterator[Measure]:
    """Measures that tell an action from the same one run backwards."""
    for axis, name in ((RIGHT, "outward"), (UP, "up"), (FORWARD, "forward")):
        yield Measure(
            f"change of wrist {name}",
            TRUNKS,
            f"how much farther {name} the wrist is in the last fifth than in the first, relative "
            "to spine_base",
            lambda b, side, axis=axis: change(
                b.of(f"wrist_{side}", "spine_base")[..., axis]
                * (OUTWARD[side] if axis == RIGHT else 1)
            ),
            sided=True,
        )
    yield Measure(
        "change of angle of knee",
        RADIANS,
        "mean angle of the knee in the last fifth less that in the first",
        lambda b, side: change(b.angle(f"hip_{side}", f"knee_{side}", f"ankle_{side}")),
        sided=True,
    )
    yield Measure(
        "sweep of wrist",
        "square trunk lengths",
        "area that the wrist goes round in the frontal plane, positive where it moves outward at "
        "the top",
        sweep,
        sided=True,
    )
    for joint in ("head", "spine_base"):
        yield Measure(
            f"nearness of wrist to {joint}",
            TRUNKS,
            f"least distance of the wrist to {joint}",
            lambda b, side, joint=joint: distance(b.of(f"wrist_{side}"), b.of(joint)).min(1),
            sided=True,
        )


def _level(way: Array) -> Array:
    return way * np.array([1, 0, 1], np.float32)


def _turning(room: Room) -> Array:
    face = room.faces(0)
    return np.unwrap(np.arctan2(face[..., 0], face[..., 2]), axis=1)


def _of_room() -> Iterator[Measure]:
    """Measures of the first body's way through the room; they need to know where it stood."""
    yield Measure(
        "speed through the room",
        PER_FRAME,
        "mean level speed of spine_base",
        lambda room: log_speed(_level(room.way(0, "spine_base"))),
        on="room",
    )
    yield Measure(
        "way through the room",
        LOG_TRUNKS,
        "level distance of spine_base between the first and the last frame",
        lambda room: np.log(
            np.linalg.norm(
                _level(room.way(0, "spine_base")[:, -1] - room.way(0, "spine_base")[:, 0]), axis=-1
            )
            + LEAST_RANGE
        ),
        on="room",
    )
    for joint in ("spine_base", "head"):
        yield Measure(
            f"rise of {joint}",
            LOG_TRUNKS,
            f"most less least height of {joint} in the room",
            lambda room, joint=joint: log_range(room.way(0, joint)[..., UP]),
            on="room",
        )
        yield Measure(
            f"change of height of {joint}",
            TRUNKS,
            f"mean height of {joint} in the last fifth less that in the first",
            lambda room, joint=joint: change(room.way(0, joint)[..., UP]),
            on="room",
        )
    yield Measure(
        "bounce",
        "share, 0 to 1",
        "share of the power of spine_base's movement through the room above two cycles a clip",
        lambda room: quick_share(room.way(0, "spine_base")),
        on="room",
    )
    yield Measure(
        "speed of foot in the room",
        PER_FRAME,
        "mean speed of the foot in the room",
        lambda room, side: log_speed(room.way(0, f"foot_{side}")),
        on="room",
        sided=True,
    )
    yield Measure(
        "greatest rise of foot",
        TRUNKS,
        "most height of the foot less its least",
        lambda room, side: np.ptp(room.way(0, f"foot_{side}")[..., UP], axis=1),
        on="room",
        sided=True,
    )
    yield Measure(
        "turning",
        RADIANS,
        "most less least direction that the body faces along, about the vertical",
        lambda room: np.ptp(_turning(room), axis=1),
        on="room",
    )


def _of_other() -> Iterator[Measure]:
    """Measures of the second body by itself."""
    for joint in ("wrist", "ankle"):
        yield Measure(
            f"speed of the other's {joint}",
            PER_FRAME,
            f"mean speed of the second body's {joint} relative to spine_base",
            lambda b, side, joint=joint: log_speed(b.of(f"{joint}_{side}", "spine_base")),
            on="other",
            sided=True,
        )
    yield Measure(
        "greatest height of the other's wrist",
        TRUNKS,
        "most height of the second body's wrist above spine_base",
        lambda b, side: b.of(f"wrist_{side}", "spine_base")[..., UP].max(1),
        on="other",
        sided=True,
    )
    yield Measure(
        "greatest reach of the other's wrist",
        TRUNKS,
        "farthest place of the second body's wrist before spine_base",
        lambda b, side: b.of(f"wrist_{side}", "spine_base")[..., FORWARD].max(1),
        on="other",
        sided=True,
    )
    yield Measure(
        "greatest lean of the other",
        RADIANS,
        "most angle of the second body's trunk from the vertical",
        lambda b: lean(b).max(1),
        on="other",
    )


def _two_ways(take: Callable[[Room, int], Array], pick: Callable[..., Array]) -> Callable:
    return lambda room: pick(take(room, 0), take(room, 1))


def _least_distance(
    joints: tuple[str, ...], others: tuple[str, ...]
) -> Callable[[Room, int], Array]:
    return lambda room, one: room.over_both(room.nearest(one, joints, others), "least")


def _of_pair() -> Iterator[Measure]:
    """Measures between both bodies; the same whichever is called the first."""
    for how in ("mean", "least", "most"):
        yield Measure(
            f"{how} distance between persons",
            TRUNKS,
            f"{how} level distance between the two spine_shoulder",
            lambda room, how=how: room.over_both(room.apart(), how),
            on="pair",
        )
    yield Measure(
        "approach",
        TRUNKS,
        "level distance between the two in the first fifth less that in the last: positive where "
        "they come nearer",
        lambda room: -room.over_both(room.apart(), "change"),
        on="pair",
    )
    for name, pick in (("more", np.maximum), ("less", np.minimum)):
        yield Measure(
            f"facing, of the person that faces the other {name}",
            "cosine, -1 to 1",
            "mean cosine between where a person faces and where the other stands",
            _two_ways(lambda room, one: room.over_both(room.towards(one), "mean"), pick),
            on="pair",
        )
    yield Measure(
        "facing one way",
        "cosine, -1 to 1",
        "mean cosine between where both face: 1 side by side, -1 face to face",
        lambda room: room.over_both((room.faces(0) * room.faces(1)).sum(-1), "mean"),
        on="pair",
    )
    yield Measure(
        "least distance of hands",
        TRUNKS,
        "least distance of any hand of one to any hand of the other",
        lambda room: room.over_both(room.nearest(0, HANDS, HANDS), "least"),
        on="pair",
    )
    yield Measure(
        "contact of hands",
        "share, 0 to 1",
        f"share of frames in which a hand of one is within {TOUCH} trunk lengths of one of the "
        "other's",
        lambda room: room.over_both(
            (room.nearest(0, HANDS, HANDS) < TOUCH).astype(np.float32), "mean"
        ),
        on="pair",
    )
    for what, joints, where, others in (
        ("hand", HANDS, "head", ("head", "neck")),
        ("hand", HANDS, "trunk", ("spine_shoulder", "spine_mid")),
        ("hand", HANDS, "hips", ("hip_left", "hip_right", "spine_base")),
        ("foot", FEET, "body", ("spine_base", "knee_left", "knee_right", "spine_mid")),
        ("foot", FEET, "feet", FEET),
    ):
        for name, pick in (("nearer", np.minimum), ("farther", np.maximum)):
            yield Measure(
                f"{what} to the other's {where}, {name} way",
                TRUNKS,
                f"least distance of a {what} of one to the other's {where}; the {name} of the two "
                "ways round",
                _two_ways(_least_distance(joints, others), pick),
                on="pair",
            )


MEASURES: tuple[Measure, ...] = (
    *_of_limbs(),
    *_of_angles(),
    *_of_trunk(),
    *_of_rhythm(),
    *_of_course(),
    *_of_room(),
    *_of_other(),
    *_of_pair(),
)
"""All measures, in the order of their numbers."""
INDICATORS = ("place is known", "second body is there", "place of both is known")
COLUMNS: tuple[str, ...] = (*(name for m in MEASURES for name in m.columns), *INDICATORS)
"""Name of every number of a clip."""


def quantities(x: Array, place: Array | None = None) -> Array:
    """Return every quantity of each clip, shape (N, len(COLUMNS)), float32.

    Parameters
    ----------
    x
        Clips (N, 3, T, V, M) in metres; T of 2 or more, so masked clips as well.
    place
        Where each body was before it was centred and turned, as for ``room.Room``; None where
        it is not known.

    Returns
    -------
    Array
        NaN where a quantity is not defined: those of the second body where there is none, those
        of the room and of the pair where the place is not known. The last three numbers are 1
        where they are and 0 where they are not, never NaN.
    """
    x = np.asarray(x)
    scene = Scene(x, place)
    none = np.zeros(len(x), bool)
    known: dict[str, Array] = {
        "body": ~none,
        "room": none if scene.room is None else scene.room.known[:, 0].all(1),
        "other": none if scene.other is None else scene.other.present,
        "pair": none if scene.room is None else np.any(scene.room.both, axis=1),
    }
    found: list[Array] = []
    for on in ("body", "room", "other", "pair"):
        found += _taken(on, scene.of(on, known[on]), known[on])
    found += [known[on].astype(np.float32) for on in ("room", "other", "pair")]
    return np.stack(found, axis=1).astype(np.float32)


def _taken(on: str, subject: MovingBody | Room | None, known: Array) -> list[Array]:
    """Return the numbers of the measures on one subject, (N,) each, NaN where it is not known."""
    numbers = []
    for measure in (m for m in MEASURES if m.on == on):
        for values in measure.numbers(subject) if subject else [None] * len(measure.columns):
            column = np.full(len(known), np.nan, np.float32)
            if values is not None:
                column[known] = values
            numbers.append(column)
    return numbers


def table() -> str:
    """Return all measures as a table in Markdown, for the documents."""
    lines = ["| measure | numbers | unit | definition |", "|---|---|---|---|"]
    for m in MEASURES:
        lines.append(f"| {m.name} | {len(m.columns)} | {m.unit} | {m.definition} |")
    return "\n".join(lines)
