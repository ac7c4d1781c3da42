"""The one rule, by cases that can be worked out on paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.trackers.joints.names import named_skeleton
from smie_pipe.preprocessing.trackers.joints.rebuild import rebuild
from smie_pipe.preprocessing.trackers.joints.reduce import as_seen_by, reduced
from smie_pipe.preprocessing.trackers.joints.skeletons import skeleton, skeleton_names

MADE_UP = {  # joints of 25 that no joint of the tracker tells of
    "azure-32": 0,
    "zed-18": 8,
    "zed-34": 0,
    "zed-38": 0,
    "mediapipe-33": 0,
    "h36m-17": 8,
    "smpl-22": 6,
    "kinect-v1-20": 4,
    "kinect-v2-25": 0,
}


def zed18(**moved):
    """A body that faces -z on paper: hips at height 0, shoulders at 0.5, 0.4 m wide."""
    known = skeleton("zed-18")
    points = {
        "RIGHT_SHOULDER": (0.2, 0.5, 0),
        "LEFT_SHOULDER": (-0.2, 0.5, 0),
        "RIGHT_HIP": (0.1, 0, 0),
        "LEFT_HIP": (-0.1, 0, 0),
        "LEFT_ELBOW": (-0.2, 0.2, 0),
        "LEFT_WRIST": (-0.2, 0, 0),
        "LEFT_KNEE": (-0.1, -0.4, 0),
        "LEFT_ANKLE": (-0.1, -0.8, 0),
        "LEFT_EAR": (-0.1, 0.7, 0),
        "RIGHT_EAR": (0.1, 0.7, 0),
        **moved,
    }
    xyz = np.full((1, 18, 3), np.nan)
    for name, place in points.items():
        xyz[0, known.joints.index(name)] = place
    return xyz, known


def test_every_place_of_the_rule_on_paper():
    body, state = rebuild(*zed18())
    at = dict(zip(JOINTS, body[0], strict=True))
    expected = {
        "spine_base": (0, -0.01, 0),
        "spine_shoulder": (0, 0.535, 0),
        "spine_mid": (0, -0.01 + 0.573 * 0.545, 0),
        "head": (0, 0.7, 0),
        "neck": (0, 0.535 + 0.35 * 0.165, 0),
        "hand_left": (-0.2, -0.05, 0),
        "hand_tip_left": (-0.2, -0.1, 0),
        "thumb_left": (-0.2, -0.05, 0),
        "foot_left": (-0.1, -0.8, -0.128),  # 0.32 of the shank, to the front
    }
    for name, place in expected.items():
        np.testing.assert_allclose(at[name], place, atol=1e-12, err_msg=name)
    known = dict(zip(JOINTS, state[0].tolist(), strict=True))
    assert (known["wrist_left"], known["spine_mid"], known["head"]) == (2, 1, 1)
    assert {known[name] for name in ("hand_left", "foot_left", "thumb_left")} == {0}
    # the right arm and leg were not seen at all: they hang, and are made up
    np.testing.assert_allclose(at["elbow_right"], (0.2, 0.5 - 0.31, 0))
    np.testing.assert_allclose(at["knee_right"], (0.1, -0.45, 0))
    assert known["elbow_right"] == known["ankle_right"] == 0


def test_without_a_hip_nothing_is_rebuilt():
    body, state = rebuild(*zed18(LEFT_HIP=(np.nan,) * 3))
    assert np.isnan(body).all() and not state.any()


def test_one_ear_missing_makes_the_head_up():
    body, state = rebuild(*zed18(LEFT_EAR=(np.nan,) * 3))
    np.testing.assert_allclose(body[0, JOINTS.index("head")], (0, 1.47 * 0.5, 0))
    assert state[0, JOINTS.index("head")] == state[0, JOINTS.index("neck")] == 0


@pytest.mark.parametrize("name", skeleton_names())
def test_the_number_of_joints_made_up_is_stated(name, make_bodies):
    again = reduced(make_bodies(3), name)
    made_up = [joint for joint, state in zip(JOINTS, again.state[0], strict=True) if state == 0]
    assert sorted(made_up) == sorted(skeleton(name).made_up)
    assert len(made_up) == MADE_UP[name]


@pytest.mark.parametrize("name", skeleton_names())
@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    turn=st.floats(-3.1, 3.1),
    size=st.floats(0.3, 3.0),
)
def test_the_rule_moves_turns_and_grows_with_the_body(name, seed, turn, size):
    rng = np.random.default_rng(seed)
    known = skeleton(name)
    xyz = rng.normal(0, 1, (3, len(known.joints), 3))
    about_y = np.array(
        [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    )
    place = rng.normal(0, 2, 3)
    body, state = rebuild(xyz, known)
    moved, same = rebuild(size * xyz @ about_y.T + place, known)
    np.testing.assert_allclose(moved, size * body @ about_y.T + place, atol=1e-6)
    np.testing.assert_array_equal(state, same)
    assert not np.isnan(body).any()


@pytest.mark.parametrize("name", skeleton_names())
def test_a_second_reduction_changes_nothing(name, make_bodies):
    once = reduced(make_bodies(5, seed=3), name)
    np.testing.assert_allclose(reduced(once, name).xyz, once.xyz, atol=1e-9)


def test_lost_joints_of_a_sensor_do_no_harm(make_bodies):
    raw = make_bodies(4)
    raw.xyz[0] = 0.0
    raw.xyz[1, 5] = np.inf
    raw.xyz[2, 12] = np.nan
    again = reduced(raw, "h36m-17")
    assert not again.xyz[0].any() and np.isnan(again.xyz[2]).all()
    assert np.isfinite(again.xyz[3]).all()


NAMES = {
    "mixamo": (
        "mixamorig:LeftShoulder mixamorig:LeftArm mixamorig:LeftForeArm mixamorig:LeftHand "
        "mixamorig:RightShoulder mixamorig:RightArm mixamorig:LeftUpLeg mixamorig:LeftLeg "
        "mixamorig:LeftFoot mixamorig:LeftToeBase mixamorig:RightUpLeg",
        "LeftArm LeftForeArm LeftHand LeftUpLeg LeftLeg LeftFoot LeftToeBase",
    ),
    "collar": (
        "LeftCollar LeftShoulder LeftElbow LeftWrist RightShoulder LeftHip LeftKnee LeftAnkle "
        "RightHip LeftToe",
        "LeftShoulder LeftElbow LeftWrist LeftHip LeftKnee LeftAnkle LeftToe",
    ),
    "pose2sim": (
        "LShoulder LElbow LWrist LHip LKnee LAnkle LBigToe RShoulder RHip Nose",
        "LShoulder LElbow LWrist LHip LKnee LAnkle LBigToe",
    ),
    "biped": (
        "Bip01 L UpperArm|Bip01 L Forearm|Bip01 L Hand|Bip01 R UpperArm|Bip01 L Thigh|"
        "Bip01 L Calf|Bip01 L Foot|Bip01 L Toe0|Bip01 R Thigh|Bip01 L Clavicle",
        "L UpperArm|L Forearm|L Hand|L Thigh|L Calf|L Foot|L Toe0",
    ),
    "snake": (
        "left_shoulder left_elbow left_wrist left_hip left_knee left_ankle left_foot "
        "right_shoulder right_hip",
        "left_shoulder left_elbow left_wrist left_hip left_knee left_ankle left_foot",
    ),
}


@pytest.mark.parametrize("rig", NAMES)
def test_names_of_a_rig_lead_to_the_right_joints(rig):
    """Shoulder, elbow, wrist, hip, knee, ankle of the left side."""
    names, expected = (text.split("|" if "|" in text else " ") for text in NAMES[rig])
    found = named_skeleton(names, "file")
    limbs = ["shoulder", "elbow", "wrist", "hip", "knee", "ankle"]
    for limb, name in zip(limbs, expected, strict=False):
        (joint,) = found.points[f"{limb}_left"]
        assert names[joint].endswith(name), limb


def test_what_a_tracker_would_see_keeps_left_and_right(make_bodies):
    raw = make_bodies(1, wobble_m=0.0)
    known = skeleton("mediapipe-33")
    seen = dict(zip(known.joints, as_seen_by(raw.xyz, known)[0], strict=True))
    assert seen["LEFT_EAR"][0] < seen["RIGHT_EAR"][0]  # the body faces -z, its left is -x
    assert seen["NOSE"][2] < seen["LEFT_EAR"][2]
    assert seen["LEFT_HEEL"][2] > seen["LEFT_FOOT_INDEX"][2]
