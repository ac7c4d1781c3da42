"""Kinematic quantities: known motions, and what must not matter: place, direction, size, side."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.backbones.kinematics.moving_body import correlation, quick_share
from smie_pipe.backbones.kinematics.quantities import (
    COLUMNS,
    INDICATORS,
    MEASURES,
    quantities,
    table,
)
from smie_pipe.preprocessing.body import JOINTS

QUICK = settings(deadline=None, max_examples=20)
# Left side of a person of trunk length 0.5 m who faces the camera (-z); the right side mirrors it.
STANDING = {
    "spine_base": (0, 0, 3),
    "spine_mid": (0, 0.25, 3),
    "spine_shoulder": (0, 0.5, 3),
    "neck": (0, 0.58, 3),
    "head": (0, 0.7, 3),
    "shoulder_left": (-0.18, 0.45, 3),
    "elbow_left": (-0.22, 0.2, 3),
    "wrist_left": (-0.24, -0.05, 2.95),
    "hand_left": (-0.24, -0.12, 2.94),
    "hand_tip_left": (-0.24, -0.2, 2.94),
    "thumb_left": (-0.21, -0.14, 2.92),
    "hip_left": (-0.1, -0.02, 3),
    "knee_left": (-0.11, -0.45, 3),
    "ankle_left": (-0.11, -0.85, 3.02),
    "foot_left": (-0.12, -0.9, 2.9),
}


def standing(frames=20):
    """Return a body at rest, (frames, V, 3)."""
    points = dict(STANDING)
    for name, (x, y, z) in STANDING.items():
        points[name.replace("left", "right")] = (-x if "left" in name else x, y, z)
    return np.repeat(np.array([points[j] for j in JOINTS], float)[None], frames, axis=0)


def clips(*bodies):
    """Return bodies (T, V, 3) as clips (N, 3, T, V, 2) with nobody else there."""
    x = np.zeros((len(bodies), 3, *bodies[0].shape[:2], 2))
    x[..., 0] = np.stack(bodies).transpose(0, 3, 1, 2)
    return x


def moving(seed, frames=20, clips_=3):
    """Return smooth random motions about the standing body, (N, 3, T, V, 1)."""
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 2 * np.pi, frames)[:, None, None]
    made = []
    for _ in range(clips_):
        phase, size = rng.uniform(0, 6, (25, 3)), 0.15 * rng.normal(size=(25, 3))
        made.append(standing(frames) + size * np.sin(rng.integers(1, 4) * time + phase))
    return clips(*made)[..., :1]


def of(name, x, place=None):
    return quantities(x, place)[:, COLUMNS.index(name)]


def same(a, b, tolerance=2e-3):
    np.testing.assert_allclose(a, b, atol=tolerance, rtol=tolerance)


def test_every_number_has_a_name_of_its_own_a_unit_and_a_definition():
    assert len(set(COLUMNS)) == len(COLUMNS)
    assert all(m.unit and m.definition and m.name for m in MEASURES)
    assert table().count("\n") == len(MEASURES) + 1
    assert quantities(moving(0)).shape == (3, len(COLUMNS))


@QUICK
@given(st.integers(0, 99), st.tuples(*[st.floats(-5, 5)] * 3))
def test_where_somebody_stands_does_not_matter(seed, shift):
    x = moving(seed)
    same(quantities(x), quantities(x + np.array(shift)[:, None, None, None]))


@QUICK
@given(st.integers(0, 99), st.floats(-3, 3))
def test_which_way_somebody_faces_does_not_matter(seed, angle):
    x = moving(seed)
    cos, sin = np.cos(angle), np.sin(angle)
    turned = np.einsum("ij,njtvm->nitvm", [[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]], x)
    same(quantities(x), quantities(turned))


@QUICK
@given(st.integers(0, 99), st.floats(0.5, 2))
def test_how_tall_somebody_is_does_not_matter(seed, factor):
    x = moving(seed)
    same(quantities(x), quantities(factor * x))


def mirrored(x):
    swap = [j.replace("left", "L").replace("right", "left").replace("L", "right") for j in JOINTS]
    return x[:, :, :, [JOINTS.index(j) for j in swap]] * np.array([-1, 1, 1])[:, None, None, None]


@QUICK
@given(st.integers(0, 99))
def test_a_mirrored_clip_differs_in_right_less_left_alone(seed):
    x = moving(seed)
    sign = np.array([-1 if name.endswith("right less left") else 1 for name in COLUMNS])
    same(quantities(mirrored(x)), sign * quantities(x))


def test_a_raised_right_hand_is_told_by_height_and_side():
    body = standing()
    for joint in ("wrist_right", "hand_right"):
        body[:, JOINTS.index(joint)] = (0.25, 0.75, 2.9)
    x = clips(body)
    assert of("greatest height of wrist, larger", x) == pytest.approx(1.5)  # 0.75 m of 0.5 m
    assert of("greatest height of wrist, smaller", x) == pytest.approx(-0.1)
    assert of("greatest height of wrist, right less left", x) == pytest.approx(1.6)
    assert of("nearness of wrist to head, smaller", x) < 0.6


def test_angles_are_those_of_the_limbs():
    body = standing()
    body[:, JOINTS.index("wrist_right")] = body[0, JOINTS.index("elbow_right")] + (0.2, 0.04, 0)
    straight = of("least angle of knee, smaller", clips(standing()))
    assert straight == pytest.approx(np.pi, abs=0.1)
    bent = of("least angle of elbow, smaller", clips(body))
    assert bent == pytest.approx(np.pi / 2, abs=0.1)


def test_speed_is_that_of_an_even_motion():
    body = standing(21)
    body[:, JOINTS.index("wrist_left"), 1] += np.linspace(0, 1, 21)  # 0.05 m = 0.1 trunks a frame
    x = clips(body)
    found = np.exp(of("speed of wrist about spine_shoulder, larger", x)) - 1e-2
    assert found == pytest.approx(0.1, rel=0.05)
    assert np.exp(of("range of wrist up and down, larger", x)) == pytest.approx(2, rel=0.1)
    assert of("change of wrist up, right less left", x) == pytest.approx(-1.6, abs=0.1)


def test_an_action_and_its_reverse_differ_in_the_measures_of_change():
    body = standing()
    body[:, JOINTS.index("wrist_right"), 1] += np.linspace(0, 0.8, 20)
    there, back = clips(body), clips(body[::-1])
    name = "change of wrist up, larger"
    assert of(name, there) > 1 and of("change of wrist up, smaller", back) < -1
    angle = np.linspace(0, 2 * np.pi, 20)
    circle = 0.2 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], 1)
    body = standing()
    body[:, JOINTS.index("wrist_right")] += circle
    name = "sweep of wrist, right less left"
    there, back = of(name, clips(body)), of(name, clips(body[::-1]))
    assert there == pytest.approx(-back, rel=1e-3)
    assert abs(there) == pytest.approx(np.pi * 0.4**2, rel=0.2)
    assert there < 0  # counter-clockwise seen from behind: inward at the top for a right hand


def test_hands_in_step_and_in_turn():
    time = np.linspace(0, 4 * np.pi, 40)
    for sign in (1, -1):
        body = standing(40)
        body[:, JOINTS.index("wrist_left"), 1] += 0.2 * np.sin(time)
        body[:, JOINTS.index("wrist_right"), 1] += sign * 0.2 * np.sin(time)
        assert of("wrists together up and down", clips(body)) == pytest.approx(sign, abs=1e-2)


def test_quickness_tells_many_cycles_from_one():
    time = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    ways = [np.stack([np.sin(k * time)] * 3, 1) for k in (1, 6)]
    np.testing.assert_allclose(quick_share(np.stack(ways)), [0, 1], atol=1e-6)
    still = np.zeros((1, 50))
    assert correlation(still, still) == 0


def test_what_is_not_there_is_not_defined_and_nothing_else():
    alone = quantities(clips(standing()))
    for name, value in zip(COLUMNS, alone[0], strict=True):
        on = next((m.on for m in MEASURES if name in m.columns), None)
        assert np.isnan(value) == (on in ("room", "other", "pair")), name
    assert alone[0, -len(INDICATORS) :].tolist() == [0, 0, 0]
    both = clips(standing())
    both[..., 1] = both[..., 0]
    assert np.isfinite(quantities(both)[0, [COLUMNS.index("greatest lean of the other")]])


def test_a_clip_of_nobody_and_one_of_two_frames_are_measured_too():
    for x in (np.zeros((1, 3, 20, 25, 2)), clips(standing(2))):
        found = quantities(x)
        on_body = [n for m in MEASURES if m.on == "body" for n in m.columns]
        assert np.isfinite(found[:, [COLUMNS.index(n) for n in on_body]]).all()


def test_a_clip_is_measured_alike_alone_and_among_others():
    x = moving(3, clips_=5)
    np.testing.assert_allclose(quantities(x)[2:3], quantities(x[2:3]), atol=1e-5)
