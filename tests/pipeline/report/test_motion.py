"""Skeletons keep their place to an eighth of a millimetre on the way into a page."""

import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.raw.records import RawBodies
from smie_pipe.preprocessing.skeletons.store import SkeletonFile, write_skeletons
from smie_pipe.report.motion import ABSENT, STEP_M, Motion, bones, raw_motion, stored_motion

SHAPE = (2, 3, 25, 3)


def unpacked(packed):
    """Return the bodies (M, T, 25, 3) as the page's script reads them, NaN where absent."""
    steps = np.frombuffer(base64.b64decode(packed["xyz"]), "<i2")
    steps = steps.reshape(-1, packed["bodies"], 25, 3).transpose(1, 0, 2, 3)
    return np.where(steps == ABSENT, np.nan, steps * packed["step"])


@given(arrays(np.float64, SHAPE, elements=st.floats(-8, 8)), st.sampled_from([0.0, 3.0]))
def test_packing_moves_no_joint_by_more_than_half_a_step(bodies, away):
    bodies = bodies + away
    found = unpacked(Motion("m", "", bodies).packed())
    low, high = bodies.min((0, 1, 2)), bodies.max((0, 1, 2))
    np.testing.assert_allclose(found, bodies - (low + high) / 2, atol=0.51 * STEP_M)


@given(st.floats(20, 2000))
def test_a_wide_motion_gets_coarser_steps_and_no_overflow(width):
    bodies = np.zeros(SHAPE)
    bodies[0, 0, 0, 0] = width
    packed = Motion("m", "", bodies).packed()
    np.testing.assert_allclose(np.ptp(unpacked(packed)[..., 0]), width, rtol=1e-4)


def test_absent_joints_stay_absent_and_an_empty_motion_is_all_absent():
    bodies = np.ones(SHAPE)
    bodies[1, 2, 5, 1] = np.nan
    found = unpacked(Motion("m", "", bodies).packed())
    assert np.isnan(found[1, 2, 5]).all() and np.isnan(found).sum() == 3
    assert np.isnan(unpacked(Motion("m", "", np.full(SHAPE, np.nan)).packed())).all()


def test_bones_hang_finger_tips_on_hands_and_reach_every_joint():
    drawn = {(JOINTS[a], JOINTS[b]) for a, b in bones()}
    assert ("hand_tip_left", "hand_left") in drawn and len(drawn) == 24
    assert {joint for bone in bones() for joint in bone} == set(range(25))


def raw_of(xyz, frame, body_id, frames):
    ones = np.ones(len(frame), np.uint8)
    states = np.full((len(frame), 25), 2, np.uint8)
    ids = np.asarray(body_id, np.int64)
    return RawBodies("r", frames, np.asarray(frame, np.int32), ids, xyz, states, ones)


def test_a_raw_recording_keeps_every_frame_and_drops_impossible_joints():
    xyz = np.ones((3, 25, 3))
    xyz[0, 4] = np.inf
    xyz[1, 5, 2] = 1e6
    motion = raw_motion(raw_of(xyz, [1, 1, 3], [72, 9, 72], 5), "r")
    assert motion.bodies.shape == (2, 5, 25, 3)
    present = np.isfinite(motion.bodies).all((2, 3))
    np.testing.assert_array_equal(present, [[0, 0, 0, 1, 0], [0, 0, 0, 0, 0]])
    assert np.isfinite(motion.bodies[0, 1]).sum() == 24 * 3
    assert motion.caption.startswith("2 bodies") and "2 joint positions left out" in motion.caption


@pytest.mark.parametrize("valid, seconds", [(50, 50 / 30), (90, 3.0), (0, 1 / 30)])
def test_a_stored_clip_plays_as_long_as_its_recording(tmp_path, valid, seconds):
    x = np.zeros((1, 3, 50, 25, 2), np.float32)
    x[:, 1, :, :, 0] = np.arange(25)
    columns = {"label": [0], "frames_valid": [valid], "frames": [valid], "bodies": [1]}
    write_skeletons(tmp_path / "s.h5", x, columns, class_names=["salute"])
    with SkeletonFile(tmp_path / "s.h5") as file:
        motion = stored_motion(file, 0)
    assert motion.bodies.shape == (1, 50, 25, 3) and motion.caption == "salute"
    assert motion.seconds == pytest.approx(seconds)
