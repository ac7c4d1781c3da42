"""A body of 25 Kinect v2 joints that is moved by channels and keeps its bone lengths.

The body's own axes: x to its right, y up, z to its back, so that it faces -z; the origin is the
floor below its standing pelvis. The axes of a Kinect in front of it are parallel to these (so a
person's left shoulder has the smaller x, as in real files). Offsets that a motion gives are
written ``(out, up, forward)``: ``out`` is away from the body's middle on the side that moves, so
one description serves both sides.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smie_pipe.preprocessing.body import HEAD, JOINTS, SPINE_BASE, SPINE_MID, SPINE_SHOULDER

Array = NDArray[np.float64]

LEFT, RIGHT = 0, 1
SIGN = (-1.0, 1.0)
NECK = JOINTS.index("neck")


def _limb(*parts: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Joint numbers of a limb, left and right."""
    left, right = (
        [JOINTS.index(f"{part}_{side}") for part in parts] for side in ("left", "right")
    )
    return tuple(left), tuple(right)


ARM = _limb("shoulder", "elbow", "wrist", "hand", "hand_tip", "thumb")
LEG = _limb("hip", "knee", "ankle", "foot")

# What the Kinect joint hangs on. Tip and thumb hang on the hand, as in the sensor's own tree.
PARENT = np.array(
    [0, 0, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, 1, 7, 7, 11, 11]
)
# Every joint after the one it hangs on.
ORDER = (SPINE_BASE, SPINE_MID, SPINE_SHOULDER, NECK, HEAD, *ARM[0], *ARM[1], *LEG[0], *LEG[1])

ELBOW = (0.45, -0.75, -0.5)  # where an elbow points if a motion says nothing else
KNEE = (0.15, 0.1, 1.0)
ANKLE_HEIGHT_M = 0.08


@dataclass(frozen=True)
class Build:
    """Bone lengths in metres; the defaults are a person of 1.70 m as a Kinect v2 sees one."""

    height: float = 1.70
    lower_spine: float = 0.29
    upper_spine: float = 0.215
    neck: float = 0.07
    head: float = 0.13
    shoulder: float = 0.16
    upper_arm: float = 0.265
    forearm: float = 0.24
    hand: float = 0.07
    hip: float = 0.075
    thigh: float = 0.385
    shin: float = 0.385
    foot: float = 0.12

    @property
    def scale(self) -> float:
        """Size against the default person; places on the body are given for that one."""
        return self.height / 1.70

    @property
    def arm(self) -> float:
        """Length from shoulder to hand joint with a straight arm."""
        return self.upper_arm + self.forearm + self.hand

    @property
    def pelvis_height(self) -> float:
        """Height of the spine base over the floor when standing with nearly straight knees."""
        return ANKLE_HEIGHT_M * self.scale + 0.99 * (self.thigh + self.shin) + 0.02 * self.scale


def make_build(rng: np.random.Generator) -> Build:
    """Return a person of random height, with limbs that are not all in one proportion."""
    height = float(np.clip(rng.normal(1.70, 0.09), 1.50, 1.92))
    scale = height / 1.70
    legs, arms = np.clip(rng.normal(1.0, 0.04, 2), 0.9, 1.1)
    shoulders, hips = np.clip(rng.normal(1.0, 0.08, 2), 0.8, 1.2)
    trunk = 1.0 - 0.8 * (legs - 1.0)
    factor = {"lower_spine": trunk, "upper_spine": trunk, "neck": 1.0, "head": 1.0, "foot": 1.0}
    factor |= {"shoulder": shoulders, "hip": hips, "thigh": legs, "shin": legs}
    factor |= {"upper_arm": arms, "forearm": arms, "hand": arms}
    person = Build()
    return Build(height, **{k: float(getattr(person, k) * scale * f) for k, f in factor.items()})


@dataclass
class HandTask:
    """Bring one hand towards a place: target = (1 - weight) * target so far + weight * place."""

    frame: str
    offset: Array  # (out, up, forward), (3,) or (T, 3), metres
    weight: Array  # (T,)
    elbow: tuple[float, float, float] | None = None
    fingers: tuple[float, float, float] | None = None


@dataclass
class Channels:
    """What moves a body: plain numbers for each of ``frames`` frames, zero = standing at ease.

    ``pelvis`` (T, 3) right, up, forward in metres; ``turn`` (T,) to the left about the vertical;
    ``bend`` and ``head`` (T, 3) forward, to the right, twist to the left, in radians; ``feet``
    (T, 2, 3) out, up, forward in metres from the stance; ``toes`` (T, 2) pointing down in
    radians; ``hands`` the tasks of each hand, in order.
    """

    frames: int
    stance: float = 0.11
    hang: tuple[float, float, float] = (0.12, -1.0, 0.08)
    pelvis: Array = field(init=False)
    turn: Array = field(init=False)
    bend: Array = field(init=False)
    head: Array = field(init=False)
    feet: Array = field(init=False)
    toes: Array = field(init=False)
    hands: tuple[list[HandTask], list[HandTask]] = field(default_factory=lambda: ([], []))

    def __post_init__(self) -> None:
        t = self.frames
        self.pelvis, self.bend, self.head = np.zeros((t, 3)), np.zeros((t, 3)), np.zeros((t, 3))
        self.turn, self.feet, self.toes = np.zeros(t), np.zeros((t, 2, 3)), np.zeros((t, 2))


def pose(build: Build, channels: Channels) -> Array:
    """Return the joints (T, 25, 3) in metres, in the body's own axes, of a body so moved."""
    joints = np.zeros((channels.frames, len(JOINTS), 3))
    axes = _trunk(build, channels, joints)
    for side in (LEFT, RIGHT):
        _arm(build, channels, joints, axes, side)
        _leg(build, channels, joints, axes, side)
    return joints


def mirror(joints: Array) -> Array:
    """Return the body (T, 25, 3) as its mirror image: what the right hand did the left does."""
    swapped = np.arange(len(JOINTS))
    for left, right in (*zip(*ARM, strict=True), *zip(*LEG, strict=True)):
        swapped[[left, right]] = right, left
    return joints[:, swapped] * (-1.0, 1.0, 1.0)


def bone_lengths(joints: Array) -> Array:
    """Return the length (..., 25) of the bone from each joint to its parent; the root's is 0."""
    return np.linalg.norm(joints - joints[..., PARENT, :], axis=-1)


def with_bone_lengths(joints: Array, lengths: Array) -> Array:
    """Return the pose (T, 25, 3) with the same bone directions and the given lengths (25,)."""
    bones = joints - joints[:, PARENT]
    norm = np.linalg.norm(bones, axis=-1, keepdims=True)
    bones *= lengths[:, None] / np.maximum(norm, 1e-12)
    out = joints.copy()
    for joint in ORDER[1:]:
        out[:, joint] = out[:, PARENT[joint]] + bones[:, joint]
    return out


def rotation(axis: int, angle: Array) -> Array:
    """Return right-handed rotations (T, 3, 3) by ``angle`` (T,) about x, y or z (0, 1, 2)."""
    c, s = np.cos(angle), np.sin(angle)
    out = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[:, axis, axis] = 1.0
    out[:, i, i], out[:, j, j] = c, c
    out[:, i, j], out[:, j, i] = -s, s
    return out


def two_bones(
    start: Array, target: Array, lengths: tuple[float, float], pole: Array
) -> tuple[Array, Array]:
    """Return middle and end (T, 3) of a limb of two bones that reaches for a target.

    The middle joint bends towards ``pole``. A target out of reach is approached along the
    straight line, so the bones keep their lengths whatever is asked.
    """
    first, second = lengths
    span = target - start
    distance = np.linalg.norm(span, axis=-1, keepdims=True)
    along = np.where(distance < 1e-9, (0.0, -1.0, 0.0), span / np.maximum(distance, 1e-9))
    reach = np.clip(distance, 1.2 * abs(first - second) + 0.02, 0.999 * (first + second))
    foot = (first**2 - second**2 + reach**2) / (2 * reach)
    height = np.sqrt(np.maximum(first**2 - foot**2, 0.0))
    return start + foot * along + height * across(along, pole), start + reach * along


def across(axis: Array, towards: Array) -> Array:
    """Return unit vectors (..., 3) square to unit vectors ``axis``, leaning ``towards``.

    Where both point the same way, which has no answer, it is any vector square to ``axis``.
    """
    rest = towards - (towards * axis).sum(-1, keepdims=True) * axis
    lost = np.linalg.norm(rest, axis=-1, keepdims=True) < 1e-6
    least = np.eye(3)[np.abs(axis).argmin(-1)]
    return unit(np.where(lost, np.cross(axis, least), rest))


def turned(frames: Array, vector: ArrayLike) -> Array:
    """Apply rotations (T, 3, 3) to one vector (3,) or one per frame (T, 3)."""
    return np.einsum("tij,tj->ti", frames, np.broadcast_to(vector, (len(frames), 3)))


def sided(side: int, offset: ArrayLike) -> Array:
    """Turn (out, up, forward) of one side into the body's x, y, z."""
    return np.asarray(offset, dtype=float) * (SIGN[side], 1.0, -1.0)


def _lean(root: Array, bend: Array, share: float) -> Array:
    """Axes of a trunk part that takes ``share`` of the bend."""
    roll = rotation(2, -share * bend[:, 1])
    return root @ rotation(1, share * bend[:, 2]) @ roll @ rotation(0, -share * bend[:, 0])


def _trunk(build: Build, channels: Channels, joints: Array) -> dict[str, Array]:
    """Place spine, head, shoulders and hips; return the axes of the parts."""
    root = rotation(1, channels.turn)
    pelvis, lower, upper = (_lean(root, channels.bend, share) for share in (0.35, 0.7, 1.0))
    skull = _lean(upper, channels.head, 1.0)
    joints[:, SPINE_BASE] = channels.pelvis * (1, 1, -1) + (0, build.pelvis_height, 0)
    joints[:, SPINE_MID] = joints[:, SPINE_BASE] + turned(lower, (0, build.lower_spine, 0))
    joints[:, SPINE_SHOULDER] = joints[:, SPINE_MID] + turned(upper, (0, build.upper_spine, 0))
    joints[:, NECK] = joints[:, SPINE_SHOULDER] + turned(upper, (0, build.neck, 0))
    joints[:, HEAD] = joints[:, NECK] + turned(skull, _along((0, 1, -0.15), build.head))
    for side in (LEFT, RIGHT):
        shoulder = _along(sided(side, (1, -0.25, 0)), build.shoulder)
        hip = _along(sided(side, (1, -0.25, 0)), build.hip)
        joints[:, ARM[side][0]] = joints[:, SPINE_SHOULDER] + turned(upper, shoulder)
        joints[:, LEG[side][0]] = joints[:, SPINE_BASE] + turned(pelvis, hip)
    return {"root": root, "pelvis": pelvis, "lower": lower, "upper": upper, "head": skull}


def _along(direction: ArrayLike, length: float) -> Array:
    vector = np.asarray(direction, dtype=float)
    return vector * (length / np.linalg.norm(vector))


def _arm(
    build: Build, channels: Channels, joints: Array, axes: dict[str, Array], side: int
) -> None:
    """Bend one arm to where its tasks want the hand, and lay the fingers."""
    shoulder, elbow, wrist, hand, tip, thumb = ARM[side]
    start = joints[:, shoulder]
    hang = _along(channels.hang, 0.96 * build.arm)
    target = turned(axes["root"], sided(side, hang))
    pole = turned(axes["upper"], sided(side, ELBOW))
    pointing, given = np.zeros_like(start), np.zeros((len(start), 1))
    for task in channels.hands[side]:
        weight = task.weight[:, None]
        goal = _place(task, joints, axes, side) - start
        target = _swing(target, goal, weight, turned(axes["root"], sided(side, (0.45, 0, 0.6))))
        bent = turned(axes["upper"], sided(side, task.elbow or ELBOW))
        pole = (1 - weight) * pole + weight * bent
        if task.fingers:
            pointing += weight * turned(axes["upper"], sided(side, task.fingers))
            given += weight
    lengths = (build.upper_arm, build.forearm + build.hand)
    joints[:, elbow], joints[:, hand] = two_bones(start, start + target, lengths, pole)
    forearm = (joints[:, hand] - joints[:, elbow]) / lengths[1]
    joints[:, wrist] = joints[:, elbow] + build.forearm * forearm
    fingers = unit(forearm * np.maximum(1.2 - given, 0.2) + pointing)
    inward = turned(axes["upper"], sided(side, (-0.5, 0.3, 0.8)))
    aside = across(fingers, inward)
    joints[:, tip] = joints[:, hand] + 0.9 * build.hand * fingers
    joints[:, thumb] = joints[:, hand] + build.hand * (0.35 * fingers + 0.6 * aside)


def _swing(start: Array, goal: Array, weight: Array, around: Array) -> Array:
    """Go from one hand place to another, seen from the shoulder, around it and not through."""
    length = (
        np.linalg.norm(start, axis=-1, keepdims=True),
        np.linalg.norm(goal, axis=-1, keepdims=True),
    )
    cosine = (start * goal).sum(-1, keepdims=True) / np.maximum(length[0] * length[1], 1e-9)
    detour = 4 * weight * (1 - weight) * (1 - cosine) / 2 * np.minimum(*length)
    return (1 - weight) * start + weight * goal + detour * around


def unit(vectors: Array) -> Array:
    """Return vectors (..., 3) at length 1; a zero vector stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


# What a place on the body moves with, and the joint its offset starts from. "floor" is the room.
_ORIGIN = {"head": HEAD, "upper": SPINE_SHOULDER, "lower": SPINE_MID, "pelvis": SPINE_BASE}


def _place(task: HandTask, joints: Array, axes: dict[str, Array], side: int) -> Array:
    offset = sided(side, task.offset)
    if task.frame == "floor":
        return np.broadcast_to(offset, joints[:, 0].shape)
    if task.frame == "shoulder":
        return joints[:, ARM[side][0]] + turned(axes["upper"], offset)
    if task.frame == "knee":  # the thighs of a body that sits: ahead of the pelvis, level
        return joints[:, SPINE_BASE] + turned(axes["root"], offset)
    return joints[:, _ORIGIN[task.frame]] + turned(axes[task.frame], offset)


def _leg(
    build: Build, channels: Channels, joints: Array, axes: dict[str, Array], side: int
) -> None:
    """Bend one leg to where its foot stands or is lifted to."""
    hip, knee, ankle, foot = LEG[side]
    stance = (channels.stance * build.scale, ANKLE_HEIGHT_M * build.scale, 0.0)
    target = sided(side, channels.feet[:, side] + np.asarray(stance))
    pole = turned(axes["root"], sided(side, KNEE))
    joints[:, knee], joints[:, ankle] = two_bones(
        joints[:, hip], target, (build.thigh, build.shin), pole
    )
    down = 0.5 + channels.toes[:, side]
    forward = np.stack([0.15 * SIGN[side] * np.cos(down), -np.sin(down), -np.cos(down)], axis=-1)
    joints[:, foot] = joints[:, ankle] + build.foot * turned(axes["root"], unit(forward))
