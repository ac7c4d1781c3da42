"""Kinematic quantities of a body, in the room and between two: what must and must not matter."""

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
from smie_pipe.backbones.kinematics.room import Room
from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.clips.recipe import prepare, prepare_placed, resample

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


def walking(start, end, frames=30, face=0.0):
    """Return a standing body that is moved evenly through the room, turned by ``face`` about y."""
    body = standing(frames) - (0, 0, 3)
    cos, sin = np.cos(face), np.sin(face)
    body = body @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    way = np.linspace(0, 1, frames)[:, None, None]
    return body + (1 - way) * np.array(start) + way * np.array(end)


def measured(*bodies, turn="recipe"):
    x, place = prepare_placed(np.stack(bodies), 30, turn)
    return dict(zip(COLUMNS, quantities(x[None], place[None])[0].tolist(), strict=True))


def random_bodies(seed, bodies=2):
    rng = np.random.default_rng(seed)
    time = np.linspace(0, 2 * np.pi, 30)[:, None, None]
    made = []
    for _ in range(bodies):
        sway = 0.2 * rng.normal(size=(25, 3)) * np.sin(time + rng.uniform(0, 6, (25, 3)))
        start, end = rng.normal(size=(2, 3)) + (0, 0, 3)
        made.append(walking(start, end, face=rng.uniform(-3, 3)) + sway)
    return np.stack(made)


@QUICK
@given(st.integers(0, 99), st.sampled_from(["recipe", "exact", "none"]), st.integers(10, 40))
def test_the_place_undoes_centring_and_turning(seed, turn, frames):
    bodies = random_bodies(seed)
    x, place = prepare_placed(bodies, frames, turn)
    assert np.array_equal(x, prepare(bodies, frames, turn))
    room = Room(x[None], place[None])
    back = [[room.position(m, v)[0] for v in range(25)] for m in range(2)]
    back = np.array(back).transpose(0, 2, 1, 3)  # (M, V, T, C) -> (M, T, V, C)
    np.testing.assert_allclose(back, resample(bodies, frames), atol=1e-4)


def test_an_absent_body_has_no_place():
    bodies = random_bodies(0)
    bodies[1, :15] = np.nan
    _, place = prepare_placed(bodies, 30)
    assert np.isnan(place[:15, 1]).all() and np.isfinite(place[15:, 1]).all()
    alone = prepare_placed(bodies[:1], 30)[1]
    assert np.isnan(alone[:, 1]).all() and np.isfinite(alone[:, 0]).all()


def test_a_squat_and_a_walk_show_in_the_room_alone():
    down = standing(30)
    down[:, :, 1] -= 0.4 * np.sin(np.linspace(0, np.pi, 30))[:, None]
    squat, still = measured(down), measured(standing(30))
    assert np.exp(squat["rise of head"]) - 0.05 == pytest.approx(0.8, abs=0.05)
    assert np.exp(still["rise of head"]) - 0.05 == pytest.approx(0, abs=1e-3)
    sit = standing(30)
    sit[:, :, 1] -= np.linspace(0, 0.5, 30)[:, None, None][..., 0]
    assert measured(sit)["change of height of head"] < -0.7
    walk = measured(walking((0, 0, 3), (1, 0, 3)))
    assert np.exp(walk["way through the room"]) - 0.05 == pytest.approx(2, abs=0.1)
    assert walk["place is known"] == 1 and walk["second body is there"] == 0
    assert np.isnan(walk["approach"]) and walk["place of both is known"] == 0


def test_two_who_walk_towards_each_other_face_and_approach():
    # one faces -z as it is, the other is turned by half a circle
    near, far = walking((0, 0, 4), (0, 0, 3)), walking((0, 0, 1), (0, 0, 2), face=np.pi)
    there = measured(near, far)
    assert there["least distance between persons"] == pytest.approx(2, abs=0.1)
    assert there["most distance between persons"] == pytest.approx(6, abs=0.2)
    assert there["approach"] == pytest.approx(3.2, abs=0.3)
    assert there["facing one way"] == pytest.approx(-1, abs=0.01)
    assert there["facing, of the person that faces the other less"] == pytest.approx(1, abs=0.01)
    assert there["contact of hands"] == 0
    apart = measured(near[::-1], far[::-1])
    assert apart["approach"] == pytest.approx(-there["approach"], abs=1e-3)


def test_one_who_follows_faces_the_same_way_and_the_back():
    first, second = walking((0, 0, 2), (0, 0, 1)), walking((0, 0, 4), (0, 0, 3))
    found = measured(first, second)
    assert found["facing one way"] == pytest.approx(1, abs=0.01)
    assert found["facing, of the person that faces the other more"] == pytest.approx(1, abs=0.01)
    assert found["facing, of the person that faces the other less"] == pytest.approx(-1, abs=0.01)
    assert found["approach"] == pytest.approx(0, abs=1e-3)


def test_hands_that_meet_for_half_the_time():
    one, other = walking((0, 0, 3.5), (0, 0, 3.5)), walking((0, 0, 2), (0, 0, 2), face=np.pi)
    for body, hand in ((one, "hand_right"), (other, "hand_right")):
        body[15:, JOINTS.index(hand)] = (0, 0.2, 2.75)
    found = measured(one, other)
    assert found["contact of hands"] == pytest.approx(0.5, abs=0.05)
    assert found["least distance of hands"] == pytest.approx(0, abs=1e-3)


@QUICK
@given(st.integers(0, 99))
def test_between_two_it_does_not_matter_who_is_called_the_first(seed):
    one, other = random_bodies(seed)
    a, b = measured(one, other, turn="exact"), measured(other, one, turn="exact")
    for measure in MEASURES:
        if measure.on == "pair":
            for name in measure.columns:
                assert a[name] == pytest.approx(b[name], abs=2e-3), name


@QUICK
@given(st.integers(0, 99), st.floats(-3, 3), st.tuples(*[st.floats(-2, 2)] * 3))
def test_where_and_which_way_both_stand_in_the_room_does_not_matter(seed, angle, shift):
    bodies = random_bodies(seed)
    cos, sin = np.cos(angle), np.sin(angle)
    moved = bodies @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]) + np.array(shift)
    a, b = measured(*bodies, turn="exact"), measured(*moved, turn="exact")
    np.testing.assert_allclose(list(a.values()), list(b.values()), atol=5e-3)


@QUICK
@given(st.integers(0, 99))
def test_a_mirrored_room_differs_in_right_less_left_alone(seed):
    bodies = random_bodies(seed)
    turned = mirrored(bodies.transpose(0, 3, 1, 2)[..., None])[..., 0].transpose(0, 2, 3, 1)
    a, b = measured(*bodies, turn="exact"), measured(*turned, turn="exact")
    for name in COLUMNS:
        sign = -1 if name.endswith("right less left") else 1
        assert a[name] == pytest.approx(sign * b[name], abs=5e-3), name


def test_a_place_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="place has shape"):
        Room(np.zeros((1, 3, 9, 25, 2)), np.zeros((1, 8, 2, 4)))
