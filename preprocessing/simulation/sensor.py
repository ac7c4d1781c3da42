"""A simulated Kinect v2: cameras, what they make of true joints, and where they lose track.

The sizes of the errors were set by looking at real NTU RGB+D and PKU-MMD files: a frame-to-frame
jitter of about a millimetre in the trunk and one to two centimetres in hands and fingers, slower
errors of centimetres that make bones seem to change length, about one joint in seven inferred
(state 1), most of them hands, feet and what the trunk hides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation
from scipy.special import ndtri

from smie_pipe.preprocessing.simulation.kinematics import (
    ARM,
    HEAD,
    LEG,
    PARENT,
    SPINE_BASE,
    SPINE_MID,
    SPINE_SHOULDER,
    Array,
    across,
    rotation,
    unit,
)

# Where a camera stands around the action: 1 in the middle, 2 right, 3 left, as one who stands
# behind them sees it (a body that faces the middle turns to -x for the left one, as in PKU-MMD).
VIEW = {1: "M", 2: "R", 3: "L"}
AZIMUTH = {1: 0.0, 2: -np.pi / 4, 3: np.pi / 4}
NEAREST_M, FARTHEST_M = 0.5, 4.5  # a Kinect v2 reports bodies within this range

# Depth camera 512 x 424 and colour camera 1920 x 1080: focal length, centre (pixels); the colour
# camera sits 5 cm beside the depth camera, which is the origin of the joints' coordinates.
DEPTH_FOCAL, DEPTH_CENTRE = 365.46, (254.88, 205.39)
COLOUR_FOCAL, COLOUR_CENTRE, COLOUR_BESIDE_M = 1081.37, (959.5, 539.5), 0.052

NOT_TRACKED, INFERRED, TRACKED = 0, 1, 2

# Joints that end a chain: head, feet, finger tips, thumbs. Real files give them no orientation.
LEAVES = [HEAD, LEG[0][3], LEG[1][3], *ARM[0][4:], *ARM[1][4:]]


def _per_joint(trunk: float, head: float, arm: tuple[float, ...], leg: tuple[float, ...]) -> Array:
    """Spread numbers for trunk, head, (shoulder ... thumb), (hip ... foot) over 25 joints."""
    values = np.full(25, trunk)
    values[3] = head
    for side in (0, 1):
        values[list(ARM[side])], values[list(LEG[side])] = arm, leg
    return values


JITTER_M = _per_joint(
    0.001, 0.0015, (0.0015, 0.004, 0.006, 0.008, 0.013, 0.012), (0.0015, 0.004, 0.003, 0.008)
)
WANDER_M = _per_joint(
    0.006, 0.008, (0.010, 0.018, 0.018, 0.020, 0.024, 0.024), (0.008, 0.018, 0.020, 0.026)
)
OFTEN_INFERRED = _per_joint(
    0.0, 0.01, (0.03, 0.06, 0.10, 0.12, 0.16, 0.16), (0.0, 0.06, 0.08, 0.12)
)


@dataclass(frozen=True)
class Camera:
    """Where a sensor stands: around the action (radians), away, high, tilted down, aside."""

    azimuth: float
    distance_m: float
    height_m: float
    tilt: float
    aside_m: float

    def sees(self, room: Array) -> Array:
        """Return points (..., 3) of the room in this camera's axes, z away from it."""
        turn = rotation(1, np.array([self.azimuth]))[0]
        seen = room @ turn.T + (self.aside_m, -self.height_m, self.distance_m)
        return seen @ rotation(0, np.array([-self.tilt]))[0].T


def make_camera(camera: int, rng: np.random.Generator) -> Camera:
    """Return camera 1, 2 or 3 of a setup; ``rng`` belongs to the setup, so all three agree.

    Height, distance and tilt differ between setups, as in the recordings of the real sets.
    """
    height, distance = rng.uniform(1.0, 1.8), rng.uniform(2.4, 2.95)
    own = rng.normal(0, 1, (3, 3))[camera - 1]
    tilt = np.arctan2(height - 0.9, distance) + 0.03 * own[0]
    return Camera(AZIMUTH[camera] + 0.04 * own[1], distance, height, tilt, 0.08 * own[2])


@dataclass(frozen=True)
class Seen:
    """What the sensor reports of one body: joints (T, 25, 3) in metres and states (T, 25)."""

    xyz: Array
    state: np.ndarray


def observe(bodies: Array, noise: float, rng: np.random.Generator) -> list[Seen]:
    """Return the bodies (M, T, 25, 3), in the camera's axes, as a sensor with errors sees them.

    ``noise`` scales every error and the share of inferred joints; at 0 all is exact and tracked.
    """
    seen = []
    for body in bodies:
        frames = len(body)
        hidden = np.max([_hidden_by(trunk, body) for trunk in bodies], axis=0)
        chance = np.clip(noise * (OFTEN_INFERRED + 0.6 * hidden), 0, 0.95)
        inferred = _smooth(rng, frames, 25, 6) < _normal_quantile(chance)
        far = noise * (body[:, :, 2:] / 3.0) ** 2
        wander = _smooth(rng, frames, 75, 9).reshape(frames, 25, 3)
        guess = rng.normal(0, 1, (1, 25, 3)) + wander
        error = JITTER_M[:, None] * rng.normal(0, 1, body.shape) + WANDER_M[:, None] * wander
        error += 1.5 * inferred[..., None] * WANDER_M[:, None] * guess
        state = np.where(inferred, INFERRED, TRACKED)
        if noise:
            state[inferred & (rng.random(inferred.shape) < 0.01)] = NOT_TRACKED
        seen.append(Seen(body + far * error, state))
    return seen


def phantom(frames: int, rng: np.random.Generator) -> Seen:
    """Return a body that is none: a chair or a bag the sensor takes for a person.

    It stands still beside or behind the action, is low and much too wide for its height, and
    most of its joints are inferred.
    """
    centre = (rng.choice((-1, 1)) * rng.uniform(0.7, 1.1), -0.5, rng.uniform(3.2, 3.9))
    shape = rng.normal(0, 1, (25, 3)) * (0.30, 0.10, 0.12)
    still = centre + np.clip(shape, -0.6, 0.6)
    state = np.where(rng.random((frames, 25)) < 0.7, INFERRED, TRACKED)
    return Seen(still + rng.normal(0, 0.004, (frames, 25, 3)), state)


def project(xyz: Array) -> tuple[Array, Array]:
    """Return pixels (..., 2) in the depth and in the colour picture of points (..., 3)."""
    x, y, z = np.moveaxis(xyz, -1, 0)
    depth = (DEPTH_CENTRE[0] + DEPTH_FOCAL * x / z, DEPTH_CENTRE[1] - DEPTH_FOCAL * y / z)
    beside = x + COLOUR_BESIDE_M
    colour = (
        COLOUR_CENTRE[0] + COLOUR_FOCAL * beside / z,
        COLOUR_CENTRE[1] - COLOUR_FOCAL * y / z,
    )
    return np.stack(depth, -1), np.stack(colour, -1)


def orientations(xyz: Array) -> Array:
    """Return joint orientations (T, 25, 4) as quaternions w, x, y, z.

    As in real files, a joint's y axis lies along the bone that leads to it and its z axis points
    to the body's front as far as it can; head, feet, finger tips and thumbs have zeros.
    """
    shoulders = xyz[:, ARM[1][0]] - xyz[:, ARM[0][0]]
    front = np.cross(xyz[:, SPINE_SHOULDER] - xyz[:, SPINE_BASE], shoulders)  # y cross x = -z
    bone = xyz - xyz[:, PARENT]
    bone[:, SPINE_BASE] = xyz[:, SPINE_MID] - xyz[:, SPINE_BASE]
    y = unit(bone)
    z = across(y, unit(front)[:, None])
    axes = np.stack([np.cross(y, z), y, z], axis=-1).reshape(-1, 3, 3)
    quaternion = Rotation.from_matrix(axes).as_quat()[:, [3, 0, 1, 2]].reshape(-1, 25, 4)
    quaternion[:, LEAVES] = 0.0
    return quaternion


def _hidden_by(trunk: Array, body: Array) -> Array:
    """Return 1 where a joint (T, 25) lies behind a trunk as the camera sees it, else 0."""
    scaled, line = body[..., :2] / body[..., 2:], trunk[:, [SPINE_BASE, SPINE_SHOULDER]]
    ends = line[..., :2] / line[..., 2:]
    along = ends[:, 1] - ends[:, 0]
    off = scaled - ends[:, :1]
    part = np.clip((off * along[:, None]).sum(-1) / (along**2).sum(-1)[:, None], 0, 1)
    apart = np.linalg.norm(off - part[..., None] * along[:, None], axis=-1) * body[..., 2]
    behind = body[..., 2] > line[..., 2].mean(1)[:, None] + 0.08
    return (behind & (apart < 0.15)).astype(float)


def _smooth(rng: np.random.Generator, frames: int, columns: int, step: int) -> Array:
    """Return slow random curves (frames, columns), normal with about unit variance."""
    knots = frames // step + 3
    place = (np.arange(frames) + rng.uniform(0, step)) / step
    low = place.astype(int)
    part = (place - low)[:, None]
    values = rng.normal(0, 1, (knots, columns))
    mixed = (1 - part) * values[low] + part * values[low + 1]
    return mixed / np.sqrt((1 - part) ** 2 + part**2)


def _normal_quantile(chance: Array) -> Array:
    return ndtri(np.maximum(chance, 1e-12))
