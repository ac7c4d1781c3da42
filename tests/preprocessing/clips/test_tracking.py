import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.preprocessing.body import SPINE_SHOULDER
from smie_pipe.preprocessing.clips.recipe import prepare, present
from smie_pipe.preprocessing.clips.tracking import choose_bodies, summary
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.raw.ntu import read_skeleton
from smie_pipe.preprocessing.raw.records import RawBodies, cut

POSE = np.zeros((25, 3))
POSE[:, 1] = np.linspace(-0.9, 0.8, 25)
POSE[[0, 1, 20]] = [[0, 0, 0], [0, 0.25, 0], [0, 0.5, 0]]
POSE[4], POSE[8] = [-0.18, 0.45, 0], [0.18, 0.45, 0]


def person(frames, x=0.0, seed=0, wander=0.005):
    """A person (T, 25, 3) at x metres who wanders by 5 mm a frame, 3 m before the sensor."""
    rng = np.random.default_rng(seed)
    way = rng.normal(0, wander, (frames, 1, 3)).cumsum(axis=0)
    return POSE + [x, 0, 3] + way + rng.normal(0, 0.002, (frames, 25, 3))


def recording(*parts, frames=None):
    """A recording of parts (body id, first frame, positions); records sorted by frame."""
    rows = [
        (first + i, order, body_id, xyz)
        for order, (body_id, first, positions) in enumerate(parts)
        for i, xyz in enumerate(positions)
    ]
    rows.sort(key=lambda row: row[:2])
    return RawBodies(
        path="made.skeleton",
        frames=frames or max(row[0] for row in rows) + 1,
        frame=np.array([row[0] for row in rows], np.int32),
        body_id=np.array([row[2] for row in rows], np.int64),
        xyz=np.array([row[3] for row in rows]).reshape(-1, 25, 3),
        state=np.full((len(rows), 25), 2, np.uint8),
        body_state=np.full(len(rows), 2, np.uint8),
    )


def chosen(raw, two_persons=False, **options):
    clip = choose_bodies(raw, PreprocessConfig(**options), two_persons)
    return clip.bodies, "; ".join(clip.treatment)


def test_real_recordings_give_the_golden_arrays(shared):
    """Origin of the numbers: public data code run on these files, see FACTS.md, section 9."""
    golden = np.load(shared / "golden" / "preprocess.npz")
    for i, name in enumerate(golden["names"]):
        path = shared / "data" / "ntu_samples" / f"{name}.skeleton"
        two = int(name[-3:]) >= 50
        clip = choose_bodies(read_skeleton(path.read_bytes(), str(path)), PreprocessConfig(), two)
        assert clip.treatment == ()
        np.testing.assert_allclose(
            prepare(clip.bodies, 50, "none"), golden["resized"][i], atol=1e-5
        )
        np.testing.assert_allclose(prepare(clip.bodies, 50), golden["rotated"][i], atol=1e-5)


def test_a_clean_recording_is_not_changed():
    one, other = person(40, -0.5, 1, 0.001), person(40, 0.5, 2, 0.05)
    bodies, done = chosen(recording((9, 0, one), (4, 0, other)))
    np.testing.assert_array_equal(bodies, [one, other])
    assert done == ""


def test_order_by_motion_on_request():
    still, moving = person(40, -0.5, 1, 0.001), person(40, 0.5, 2, 0.05)
    bodies, _ = chosen(recording((9, 0, still), (4, 0, moving)), order="motion")
    np.testing.assert_array_equal(bodies, [moving, still])


def test_an_id_that_changes_is_the_same_person():
    walk = person(60, 0, 3)
    bodies, done = chosen(recording((1, 0, walk[:25]), (2, 25, walk[25:])))
    np.testing.assert_array_equal(bodies, [walk])
    assert done == "body goes on under another id (frame 26)"


def test_an_id_that_changes_within_a_gap_of_both_persons():
    one, other = person(60, -0.6, 4), person(60, 0.6, 5)
    raw = recording((1, 0, one[:20]), (2, 0, other[:20]), (7, 24, other[24:]), (8, 24, one[24:]))
    bodies, done = chosen(raw)
    kept = [*range(20), *range(24, 60)]
    np.testing.assert_array_equal(bodies, [one[kept], other[kept]])
    assert "frames without a body dropped (4)" in done


def test_persons_who_swap_places_in_the_file_are_swapped_back():
    one, other = person(60, -0.6, 6), person(60, 0.6, 7)
    first, second = one.copy(), other.copy()
    first[30:], second[30:] = other[30:], one[30:]
    bodies, done = chosen(recording((0, 0, first), (1, 0, second)))
    np.testing.assert_array_equal(bodies, [one, other])
    assert done.count("under another id (frame 31)") == 2


def test_a_body_that_jumps_alone_keeps_its_id():
    leap = person(40, 0, 8)
    leap[20:] += [0.9, 0, 0]
    bodies, done = chosen(recording((5, 0, leap)))
    np.testing.assert_array_equal(bodies, [leap])
    assert done == ""


def test_a_newcomer_elsewhere_is_another_person():
    one, other = person(30, -1, 9), person(30, 1, 10)
    bodies, _ = chosen(recording((1, 0, one), (2, 30, other)))
    assert present(bodies).tolist() == [[True] * 30 + [False] * 30, [False] * 30 + [True] * 30]


def chair(frames):
    """A phantom: joints in a flat heap 1.2 m wide, trembling by a centimetre."""
    rng = np.random.default_rng(11)
    heap = rng.uniform([-0.6, -0.2, 2.4], [0.6, 0.2, 2.6], (25, 3))
    heap[[4, 8]] = [[-0.01, 0.1, 2.5], [0.01, 0.1, 2.5]]
    return heap + rng.normal(0, 0.01, (frames, 25, 3))


def stretched(frames):
    """A phantom whose spine is two metres long."""
    return person(frames, 1.5, 12) * [1, 4, 1]


def lying(frames):
    """Something long and flat with a body's shoulders and spine."""
    return person(frames, 1.5, 13)[:, :, [1, 0, 2]]


@pytest.mark.parametrize(
    "phantom, reason",
    [
        (chair(40), "impossible shoulders (0.0"),
        (stretched(40), "impossible spine (2.0"),
        (lying(40), "wider than tall (40 frames)"),
        (person(5, 1.5, 14), "too short (5 frames)"),
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_phantoms_are_dropped(phantom, reason, first):
    real = person(40, 0, 15)
    parts = [(1, 0, phantom), (2, 0, real)]
    bodies, done = chosen(recording(*parts[:: 1 if first else -1]))
    np.testing.assert_array_equal(bodies, [real])
    assert done.startswith(f"phantom dropped: {reason}")
    raw = recording(*parts)
    assert len(chosen(raw, drop_phantoms=False)[0]) == 2
    assert len(chosen(raw, two_persons=True)[0]) == 2


def test_the_last_body_is_never_a_phantom():
    lone = lying(40)
    bodies, done = chosen(recording((1, 0, lone)))
    np.testing.assert_array_equal(bodies, [lone])
    assert done == ""


def test_two_of_three_by_motion_main_person_first():
    quiet, lively, middling = (
        person(40, x, 16, way) for x, way in ((-1, 0.001), (0, 0.06), (1, 0.03))
    )
    bodies, done = chosen(recording((1, 0, quiet), (2, 0, middling), (3, 0, lively)))
    np.testing.assert_array_equal(bodies, [lively, middling])
    assert done == "the 2 bodies that move most kept (of 3)"


def test_a_short_gap_of_one_body_is_bridged_and_a_long_one_is_not():
    one = person(60, -0.6, 17)
    even = np.zeros((60, 25, 3)) + POSE + [0.6, 0, 3] + np.arange(60)[:, None, None] * 0.01
    parts = [(1, 0, one), (2, 0, even[:10]), (2, 15, even[15:30]), (2, 45, even[45:])]
    bodies, done = chosen(recording(*parts))
    np.testing.assert_allclose(bodies[1][:30], even[:30], atol=1e-12)
    assert not present(bodies)[1, 30:45].any()
    assert done == "frames of body 2 bridged (5); frames without body 2 (15)"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e6, -25.0])
def test_impossible_coordinates_make_the_frame_invalid_for_that_body(value):
    one, other = person(40, -0.6, 19), person(40, 0.6, 20)
    one[7, 3, 1] = value
    bodies, done = chosen(recording((1, 0, one)))
    np.testing.assert_array_equal(bodies[0], np.delete(one, 7, axis=0))
    assert done.startswith("body records with impossible coordinates left out (1)")
    bodies, done = chosen(recording((1, 0, one), (2, 0, other)))
    np.testing.assert_allclose(bodies[0, 7], (one[6] + one[8]) / 2)
    assert "frames of body 1 bridged (1)" in done


def test_frames_without_a_body_and_repeated_bodies():
    walk = person(30, 0, 21)
    raw = recording((1, 3, walk), (1, 5, walk[2:4] + 0.1), frames=40)
    bodies, done = chosen(raw)
    np.testing.assert_array_equal(bodies, [walk])
    assert done == "repeated body records left out (2); frames without a body dropped (10)"


def test_untracked_joints_come_from_other_frames_on_request():
    walk = np.zeros((10, 25, 3)) + POSE + np.arange(10)[:, None, None] * 0.01
    wrong = walk.copy()
    wrong[4, 7] += 0.5
    raw = recording((1, 0, wrong))
    raw.state[4, 7] = 0
    raw.state[:, 9] = 0  # never tracked: stays
    np.testing.assert_array_equal(chosen(raw)[0], [wrong])
    bodies, done = chosen(raw, min_joint_state=1)
    np.testing.assert_allclose(bodies, [walk], atol=1e-12)
    assert done == "joints taken from other frames (1)"


def test_no_body_at_all():
    raw = recording((1, 0, np.zeros((4, 25, 3))), frames=5)
    bodies, done = chosen(raw)
    assert bodies.shape[0] == 0
    assert "body records of zeros left out (4)" in done


def test_cut_takes_the_frames_of_an_action():
    one, other = person(50, -0.6, 22), person(50, 0.6, 23)
    part = cut(recording((1, 0, one), (2, 0, other)), 10, 30)
    assert part.frames == 20 and part.frame[0] == 0 and part.frame[-1] == 19
    np.testing.assert_array_equal(chosen(part)[0], [one[10:30], other[10:30]])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_two_bodies_at_most_and_never_two_places_at_once(data):
    """Any mess of fragments gives at most two bodies, each record used at most once."""
    parts = data.draw(
        st.lists(
            st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(1, 25), st.floats(-2, 2)),
            min_size=1,
            max_size=6,
        )
    )
    raw = recording(*[(i, at, person(n, x, i)) for i, at, n, x in parts])
    bodies, _ = chosen(raw)
    assert 1 <= len(bodies) <= 2
    assert present(bodies).any(axis=0).all()
    spine = bodies[:, :, SPINE_SHOULDER]
    there = spine[~np.isnan(spine[..., 0])]
    assert np.abs(there).max() < 5


def test_treatments_are_counted_without_their_numbers():
    texts = ["", "a (3); b: c (0.2 m, 9 frames)", "a (1)"]
    assert summary(texts) == {"a": 2, "b: c": 1}
