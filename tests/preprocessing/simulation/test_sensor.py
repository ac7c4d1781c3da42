"""The simulated sensor: cameras, noise, text as real files have it."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from smie_pipe.preprocessing.body import SPINE_SHOULDER
from smie_pipe.preprocessing.raw.ntu import read_skeleton, read_skeleton_reference
from smie_pipe.preprocessing.raw.pku import read_pku
from smie_pipe.preprocessing.simulation.kinect_text import FIRST_BODY_ID, Track, ntu_text, pku_text
from smie_pipe.preprocessing.simulation.kinematics import ARM, PARENT, bone_lengths
from smie_pipe.preprocessing.simulation.scenes import simulate_clip, stream
from smie_pipe.preprocessing.simulation.sensor import (
    INFERRED,
    LEAVES,
    TRACKED,
    Camera,
    Seen,
    make_camera,
    observe,
    orientations,
    phantom,
    project,
)

RNG = np.random.default_rng


def exact(body):
    """A body (T, 25, 3) as a sensor without errors reports it."""
    return Seen(body, np.full(body.shape[:2], TRACKED))


@pytest.fixture(scope="module")
def clip():
    """One person waving, in the axes of the middle camera of the first setup."""
    return make_camera(1, stream(0, "setup", 1)).sees(simulate_clip("hand waving"))


def test_camera_sees_depth_along_its_own_axis():
    straight = Camera(azimuth=0.0, distance_m=3.0, height_m=1.0, tilt=0.0, aside_m=0.0)
    np.testing.assert_allclose(straight.sees(np.array([[0.2, 1.5, 0.1]])), [[0.2, 0.5, 3.1]])


def test_camera_tilted_down_has_the_head_nearer_than_the_feet():
    tilted = Camera(azimuth=0.0, distance_m=3.0, height_m=1.6, tilt=0.3, aside_m=0.0)
    feet, head = tilted.sees(np.array([[0, 0, 0], [0, 1.7, 0.0]]))
    assert head[2] < feet[2]


def test_left_camera_sees_who_faces_the_middle_turn_to_its_minus_x():
    """As in PKU-MMD's A10N08-L: shoulder_right is nearer to the left camera."""
    body = simulate_clip("hand waving")[0, 0]
    seen = {c: make_camera(c, stream(0, "setup", 1)).sees(body) for c in (1, 2, 3)}
    nearer = {c: s[ARM[0][0], 2] - s[ARM[1][0], 2] for c, s in seen.items()}
    assert nearer[3] > 0.1 > nearer[1] > -0.1 > nearer[2]


def test_three_cameras_see_the_same_bones(clip):
    room = simulate_clip("hand waving")
    for camera in (1, 2, 3):
        seen = make_camera(camera, stream(0, "setup", 1)).sees(room)
        np.testing.assert_allclose(bone_lengths(seen), bone_lengths(room), atol=1e-9)


def test_no_noise_is_exact_and_all_tracked(clip):
    (seen,) = observe(clip, 0.0, RNG(0))
    np.testing.assert_array_equal(seen.xyz, clip[0])
    assert (seen.state == TRACKED).all()


def test_noise_is_of_the_size_of_the_real_sensors(clip):
    """Median second difference in real NTU files: trunk 0.5-6 mm, hand tips 17-50 mm."""
    (seen,) = observe(clip, 1.0, RNG(0))
    error = np.linalg.norm(seen.xyz - clip[0], axis=-1)
    assert 0.002 < np.median(error[:, SPINE_SHOULDER]) < 0.02
    assert 0.015 < np.median(error[:, ARM[0][4]]) < 0.08
    assert error.max() < 0.5


def test_about_one_joint_in_eight_is_inferred_in_runs():
    states = []
    for who in range(1, 9):
        room = simulate_clip("drink water", who)
        view = make_camera(1 + who % 3, stream(0, "setup", 1))
        states.append(observe(view.sees(room), 1.0, RNG(who))[0].state)
    share = np.mean([(s == INFERRED).mean() for s in states])
    assert 0.05 < share < 0.25
    changes = np.mean([(np.diff(s, axis=0) != 0).mean() for s in states])
    assert changes < share / 2, "a joint that is lost stays lost for some frames"


def test_far_bodies_are_noisier(clip):
    near, far = clip, clip + (0, 0, 1.2)
    errors = [
        np.abs(observe(c, 1.0, RNG(3))[0].xyz - c[0])[:, SPINE_SHOULDER].mean()
        for c in (near, far)
    ]
    assert errors[1] > 1.3 * errors[0]


def test_phantom_is_wider_than_high_and_still():
    ghost = phantom(30, RNG(0))
    assert np.ptp(ghost.xyz[0, :, 0]) > np.ptp(ghost.xyz[0, :, 1])
    assert ghost.xyz.std(axis=0).max() < 0.02
    assert ghost.xyz[..., 2].min() > 0.5 and ghost.xyz[..., 2].max() < 4.5


def test_projection_puts_the_axis_in_the_middle_of_the_depth_picture():
    depth, colour = project(np.array([[0.0, 0.0, 2.0], [0.5, 0.5, 2.0]]))
    np.testing.assert_allclose(depth[0], (254.88, 205.39))
    assert depth[1, 0] > depth[0, 0] and depth[1, 1] < depth[0, 1]
    assert 900 < colour[0, 0] < 1020


def test_orientation_lies_along_the_bone_and_leaves_have_none(clip):
    quaternion = orientations(clip[0])
    assert (quaternion[:, LEAVES] == 0).all()
    joints = [j for j in range(1, 25) if j not in LEAVES]
    bone = clip[0][:, joints] - clip[0][:, PARENT[joints]]
    bone /= np.linalg.norm(bone, axis=-1, keepdims=True)
    turn = Rotation.from_quat(quaternion[:, joints][..., [1, 2, 3, 0]].reshape(-1, 4))
    np.testing.assert_allclose(turn.apply([0, 1, 0]), bone.reshape(-1, 3), atol=1e-6)
    assert (turn.apply([0, 0, 1]).reshape(*bone.shape)[:, 0, 2] < -0.7).all(), "front = camera"


def test_text_has_the_shape_of_real_files(clip, shared):
    """Line by line as a real file: number of columns, zeros, line ends, digits."""
    real = (shared / "data/ntu_samples/S001C001P001R001A006.skeleton").read_bytes()
    ours = ntu_text([Track(FIRST_BODY_ID, np.arange(5), exact(clip[0, :5]))], 5, RNG(0))
    assert b"\r\n" in real and ours.count(b"\n") == ours.count(b"\r\n")
    for mine, theirs in zip(ours.split(b"\r\n")[1:57], real.split(b"\r\n")[1:57], strict=True):
        assert len(mine.split(b" ")) == len(theirs.split(b" "))
        assert [c == b"0" for c in mine.split(b" ")[7:11]] == [
            c == b"0" for c in theirs.split(b" ")[7:11]
        ] or len(mine.split(b" ")) < 12
    digits = [len(c.strip(b"-").replace(b".", b"")) for c in ours.split()]
    assert np.percentile(digits, 75) <= 9


def test_text_reads_back(clip):
    (seen,) = observe(clip, 1.0, RNG(0))
    frames = np.array([0, 1, 4, 5])
    track = Track(FIRST_BODY_ID, frames, Seen(seen.xyz[frames], seen.state[frames]))
    text = ntu_text([track], 8, RNG(0))
    for read in (read_skeleton, read_skeleton_reference):
        raw = read(text, "S001C001P001R001A001.skeleton")
        assert raw.frames == 8
        np.testing.assert_array_equal(raw.frame, frames)
        assert set(raw.body_id.tolist()) == {FIRST_BODY_ID} and FIRST_BODY_ID > 2**53
        np.testing.assert_allclose(raw.xyz, seen.xyz[frames], rtol=1e-6)
        np.testing.assert_array_equal(raw.state, seen.state[frames])


def test_small_numbers_are_written_as_dotnet_writes_them():
    body = np.full((1, 25, 3), 2.0) + np.arange(25)[:, None] * (0.01, 0.02, 0.0)
    body[0, 0, 0] = 1.23456789e-5
    text = ntu_text([Track(FIRST_BODY_ID, np.array([0]), exact(body))], 1, RNG(0))
    assert b"\r\n1.234568E-05 2 2 " in text


def test_pku_text_reads_back_and_absent_bodies_are_zeros(clip):
    frames = np.zeros((6, 2, 25, 3))
    frames[:4, 0] = clip[0, :4]
    text = pku_text(frames)
    assert {len(line.split()) for line in text.splitlines()} == {150}
    raw = read_pku(text, "0001-L.txt")
    assert raw.frames == 6 and len(raw.xyz) == 4
    np.testing.assert_allclose(raw.xyz, clip[0, :4], atol=1e-6)
