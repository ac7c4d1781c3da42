"""The named motions do what their names say, for every performer tried."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smie_pipe.preprocessing as preprocessing
from smie_pipe.preprocessing.body import HEAD, SPINE_BASE, SPINE_SHOULDER
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.simulation.acting import Play, make_performer
from smie_pipe.preprocessing.simulation.kinematics import ARM, LEG, bone_lengths
from smie_pipe.preprocessing.simulation.motions import MOTIONS
from smie_pipe.preprocessing.simulation.scenes import choose_classes, simulate_clip, stretch

HANDS, FEET = [ARM[0][3], ARM[1][3]], [LEG[0][2], LEG[1][2]]
WHO = (1, 2, 3)


def clips(name):
    """The true first (or only) body (T, 25, 3) of that action, by several performers."""
    return [simulate_clip(name, who)[0] for who in WHO]


def apart(body, a, b):
    """Distance (T,) of two joints, or of the nearer of two hands to a joint."""
    a, b = np.atleast_1d(a), np.atleast_1d(b)
    return np.min([np.linalg.norm(body[:, i] - body[:, j], axis=-1) for i in a for j in b], axis=0)


def rise_of(body, joints):
    """How far the highest of the joints comes over its place in the first frame (metres)."""
    return (body[:, joints, 1] - body[0, joints, 1]).max()


def test_names_are_those_of_ntu():
    path = Path(preprocessing.__file__).with_name("data") / "ntu120_classes.csv"
    with open(path, encoding="utf-8") as file:
        known = {row["name"] for row in csv.DictReader(file)}
    assert set(MOTIONS) <= known
    assert len(MOTIONS) >= 28


def test_a_fifth_of_any_first_five_has_two_persons():
    persons = [motion.persons for motion in MOTIONS.values()]
    for count in range(5, len(persons) - len(persons) % 5 + 1, 5):
        assert sum(p == 2 for p in persons[:count]) == count // 5


@pytest.mark.parametrize("name", MOTIONS)
def test_every_motion_is_smooth_finite_and_keeps_its_bones(name):
    for who in (1, 4):
        clip = simulate_clip(name, who)
        assert clip.shape[0] == MOTIONS[name].persons and clip.shape[2:] == (25, 3)
        assert 40 <= clip.shape[1] <= 150
        assert np.isfinite(clip).all()
        lengths = bone_lengths(clip)
        np.testing.assert_allclose(
            lengths, np.broadcast_to(lengths[:, :1], lengths.shape), atol=1e-9
        )
        speed = 30 * np.linalg.norm(np.diff(clip, axis=1), axis=-1)
        assert speed.max() < 17, "metres a second; a punch has about ten"
        assert clip[..., 1].min() > -0.1, "nobody sinks into the floor"


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(list(MOTIONS)), st.integers(1, 500), st.integers(1, 50), st.integers(0, 2**31)
)
def test_bones_are_constant_for_anyone(name, who, repetition, seed):
    lengths = bone_lengths(simulate_clip(name, who, repetition, seed=seed))
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[:, :1], lengths.shape), atol=1e-9)


@pytest.mark.parametrize(
    "name",
    [
        "drink water",
        "eat meal/snack",
        "brushing teeth",
        "make a phone call/answer phone",
        "sneeze/cough",
        "wipe face",
    ],
)
def test_a_hand_comes_to_the_face(name):
    for body in clips(name):
        assert apart(body, HANDS, HEAD).min() < 0.15 + 0.03  # the palm, not the finger tips
        assert apart(body, HANDS, HEAD)[0] > 0.4


def test_drinking_brings_a_hand_within_15_cm_of_the_head():
    assert np.median([apart(body, HANDS, HEAD).min() for body in clips("drink water")]) < 0.15


@pytest.mark.parametrize("name", ["salute", "touch head (headache)", "put on a hat/cap"])
def test_a_hand_comes_to_the_top_of_the_head(name):
    for body in clips(name):
        near = apart(body, HANDS, HEAD) < 0.25
        high = body[:, HANDS, 1].max(axis=1) > body[:, HEAD, 1] + 0.02
        assert (near & high).any()


def test_clapping_brings_the_hands_together_and_apart_several_times():
    for body in clips("clapping"):
        gap = apart(body, *HANDS)
        assert gap.min() < 0.12
        closings = np.diff((gap < 0.2).astype(int)) == 1
        assert closings.sum() >= 3


@pytest.mark.parametrize("name", ["put the palms together", "rub two hands together"])
def test_hands_meet_before_the_chest(name):
    for body in clips(name):
        at = apart(body, *HANDS).argmin()
        assert apart(body, *HANDS)[at] < 0.14
        assert (body[at, HANDS, 1] < body[at, SPINE_SHOULDER, 1] + 0.1).all()


def test_crossed_hands_are_on_the_other_side():
    for name in ("cross hands in front (say stop)", "cross arms"):
        for body in clips(name):
            across = body[:, ARM[1][0]] - body[:, ARM[0][0]]  # from the left to the right shoulder
            hands = body[:, HANDS[1]] - body[:, HANDS[0]]
            assert ((across * hands).sum(-1) < 0).any()


@pytest.mark.parametrize("name", ["hands up (both hands)", "cheer up", "stretch oneself"])
def test_both_hands_go_over_the_head(name):
    for body in clips(name):
        assert (body[:, HANDS, 1].min(axis=1) > body[:, HEAD, 1]).any()


def test_waving_keeps_a_hand_up_and_moves_it_back_and_forth():
    for body in clips("hand waving"):
        side = int(body[:, HANDS[1], 1].max() > body[:, HANDS[0], 1].max())
        hand = body[:, HANDS[side]] - body[:, SPINE_SHOULDER]
        up = hand[:, 1] > 0
        assert up.mean() > 0.4
        turns = np.diff(np.sign(np.diff(hand[up, 0])))
        assert (turns != 0).sum() >= 4


@pytest.mark.parametrize(
    "name, height",
    [
        ("kicking something", 0.3),
        ("side kick", 0.25),
        ("butt kicks (kick backward)", 0.3),
        ("running on the spot", 0.15),
        ("hopping (one foot jumping)", 0.2),
        ("jump up", 0.12),
        ("kicking other person", 0.3),
    ],
)
def test_a_foot_rises(name, height):
    for body in clips(name):
        assert rise_of(body, FEET) > height


def test_only_a_jump_lifts_both_feet():
    for body in clips("jump up"):
        assert (body[:, FEET, 1].min(axis=1) - body[0, FEET[0], 1]).max() > 0.1
    for body in clips("kicking something"):
        assert (body[:, FEET, 1].min(axis=1) - body[0, FEET[0], 1]).max() < 0.02


@pytest.mark.parametrize("name, first, last", [("sitting down", 1, 0), ("falling", 1, 0)])
def test_the_pelvis_ends_lower(name, first, last):
    for body in clips(name):
        assert body[-1, SPINE_BASE, 1] < body[0, SPINE_BASE, 1] - 0.3


def test_standing_up_is_sitting_down_in_reverse_order():
    for body in clips("standing up (from sitting position)"):
        assert body[-1, SPINE_BASE, 1] > body[0, SPINE_BASE, 1] + 0.3


@pytest.mark.parametrize("name", ["squat down", "pickup"])
def test_the_pelvis_goes_down_and_comes_up(name):
    for body in clips(name):
        pelvis = body[:, SPINE_BASE, 1]
        assert pelvis.min() < pelvis[0] - 0.18
        assert pelvis[-1] > pelvis[0] - 0.05


def test_pickup_brings_one_hand_near_the_floor():
    for body in clips("pickup"):
        assert body[:, HANDS, 1].min() < 0.4


def test_bowing_lowers_the_head_and_keeps_the_pelvis():
    for body in clips("nod head/bow"):
        assert body[:, HEAD, 1].min() < body[0, HEAD, 1] - 0.1
        assert np.ptp(body[:, SPINE_BASE, 1]) < 0.05


def test_touching_the_back_brings_a_hand_behind_the_spine():
    for who in WHO:
        body = simulate_clip("touch back (backache)", who)[0]
        front = np.cross([0, 1.0, 0], body[:, ARM[1][0]] - body[:, ARM[0][0]])  # y x x = -z
        behind = ((body[:, HANDS] - body[:, [SPINE_BASE]]) * front[:, None]).sum(-1)
        assert behind.min() < 0


@pytest.mark.parametrize("name", [n for n, m in MOTIONS.items() if m.persons == 2])
def test_two_persons_stand_apart_and_never_in_one_place(name):
    for who in WHO:
        first, second = simulate_clip(name, who)
        gap = np.linalg.norm(first[:, SPINE_BASE] - second[:, SPINE_BASE], axis=-1)
        assert gap.min() > 0.2 and gap.max() < 2.6


@pytest.mark.parametrize("name", ["handshaking", "giving something to other person", "high-five"])
def test_hands_of_two_persons_meet(name):
    for who in WHO:
        first, second = simulate_clip(name, who)
        both = np.concatenate([first, second], axis=1)
        others = [HANDS[0] + 25, HANDS[1] + 25]
        assert apart(both, HANDS, others).min() < 0.16


@pytest.mark.parametrize(
    "name",
    ["pushing other person", "punching/slapping other person", "pat on back of other person"],
)
def test_a_hand_reaches_the_other_person(name):
    for who in WHO:
        first, second = simulate_clip(name, who)
        both = np.concatenate([first, second], axis=1)
        trunk = [25 + HEAD, 25 + SPINE_SHOULDER, 26, 25 + ARM[0][0], 25 + ARM[1][0]]
        assert apart(both, HANDS, trunk).min() < 0.3


def test_walking_changes_the_distance_of_two_persons():
    for who in WHO:
        for name, sign in (("walking towards", -1), ("walking apart from", 1)):
            first, second = simulate_clip(f"{name} each other", who)
            gap = np.linalg.norm(first[:, SPINE_BASE] - second[:, SPINE_BASE], axis=-1)
            assert sign * (gap[-1] - gap[0]) > 0.5


def test_performers_differ_and_repeat_themselves():
    one, two = (simulate_clip("throw", who)[0] for who in (1, 2))
    assert not np.allclose(bone_lengths(one[0]), bone_lengths(two[0]), atol=1e-3)
    again = simulate_clip("throw", 1, 2)[0]
    np.testing.assert_allclose(bone_lengths(one[0]), bone_lengths(again[0]), atol=1e-9)
    assert len(one) != len(again) or not np.allclose(one, again)
    np.testing.assert_array_equal(one, simulate_clip("throw", 1)[0])


def test_some_performers_are_left_handed():
    highest = [simulate_clip("salute", who)[0][:, HANDS, 1].max(axis=0) for who in range(1, 31)]
    left = np.mean([of_left > of_right for of_left, of_right in highest])
    assert 0 < left < 0.5


def test_hold_rises_stays_and_falls():
    play = Play(make_performer(np.random.default_rng(0)), 100, np.random.default_rng(0))
    held = play.hold(0.1, 0.3, 0.7, 0.9)
    assert held[0] == held[-1] == 0 and held[50] == 1
    assert (np.diff(held[:50]) >= 0).all() and (np.diff(held[50:]) <= 0).all()


def test_unknown_action_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'hand waving'"):
        simulate_clip("hand wave")
    with pytest.raises(InputError, match="unknown simulated action 'dance'"):
        choose_classes(["salute", "dance"])
    with pytest.raises(InputError, match="1 to"):
        choose_classes(1000)


def test_lengths_follow_the_mean_asked_for():
    names = choose_classes(10)
    factor = stretch(names, 85)
    lengths = [
        simulate_clip(n, who, stretch=factor).shape[1] for n in names for who in range(1, 9)
    ]
    assert np.mean(lengths) == pytest.approx(85, rel=0.12)
    assert stretch(names, None) == 1.0
