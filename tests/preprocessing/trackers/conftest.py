"""A body that stands and moves a little, as a Kinect v2 would record it."""

import numpy as np
import pytest

from smie_pipe.preprocessing.raw.records import RawBodies
from smie_pipe.preprocessing.simulation.kinematics import Build, Channels, pose

STANDING = pose(Build(), Channels(1))[0] + [0.0, -1.0, 3.0]


def bodies(frames=40, persons=1, seed=0, wobble_m=0.03, absent=()):
    """Bodies (RawBodies) 1.2 m apart; ``absent`` frames lack the first of them."""
    rng = np.random.default_rng(seed)
    frame, body_id, xyz = [], [], []
    for number in range(frames):
        for person in range(persons):
            if not (person == 0 and number in absent):
                frame.append(number)
                body_id.append(person)
                moved = STANDING + [1.2 * person, 0, 0] + rng.normal(0, wobble_m, (25, 3))
                xyz.append(moved)
    state = np.full((len(xyz), 25), 2, np.uint8)
    return RawBodies(
        path="clip",
        frames=frames,
        frame=np.array(frame, np.int32),
        body_id=np.array(body_id, np.int64),
        xyz=np.array(xyz).reshape(-1, 25, 3),
        state=state,
        body_state=state[:, 0].copy(),
    )


@pytest.fixture(scope="session")
def make_bodies():
    """The function above: bodies of any number, length and motion."""
    return bodies


@pytest.fixture(scope="session")
def standing():
    """One body of 40 frames."""
    return bodies()
