"""Real recordings settle the mapping: proportions measured on them once and for all."""

import numpy as np
import pytest

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.raw.ntu import read_skeleton
from smie_pipe.preprocessing.trackers.joints.reduce import reduced
from smie_pipe.preprocessing.trackers.joints.skeletons import skeleton_names
from smie_pipe.preprocessing.trackers.read import read_tracker, recognise

LIMB_ENDS = [
    f"{end}_{side}" for end in ("hand", "hand_tip", "thumb") for side in ("left", "right")
]


def proportions(xyz):
    """The rows of the table in USERS.md: along the trunk in units of |u|, widths, hands, feet."""
    at = {name: xyz[:, number] for number, name in enumerate(JOINTS)}
    hips = (at["hip_left"] + at["hip_right"]) / 2
    u = (at["shoulder_left"] + at["shoulder_right"]) / 2 - hips
    size = np.linalg.norm(u, axis=-1)

    def along(name):
        return np.median(((at[name] - hips) * u).sum(-1) / size**2)

    def length(one, other):
        return np.linalg.norm(at[one] - at[other], axis=-1)

    def part(end, inner, outer):
        return np.median(
            [length(f"{end}_{s}", f"{inner}_{s}") / length(f"{outer}_{s}", f"{inner}_{s}")
             for s in ("left", "right")]
        )  # fmt: skip

    return {
        "L": np.median(size),
        **{name: along(name) for name in ("spine_mid", "spine_shoulder", "neck", "head")},
        "shoulders": np.median(length("shoulder_left", "shoulder_right") / size),
        "hips": np.median(length("hip_left", "hip_right") / size),
        "hand": part("hand", "wrist", "elbow"),
        "foot": part("foot", "ankle", "knee"),
    }


# L, spine_mid, spine_shoulder, neck, head, shoulder and hip width, hand/forearm, foot/shank:
# lowest and highest value, USERS.md 1.3 "Check of the rule"; BVH by the two files themselves.
TABLE = {
    "zed18_bodies3.json": (
        {},
        ("zed", "zed-18", 8),
        ((0.45, 0.51), 0.60, 1.07, 1.19, (1.41, 1.44), (0.63, 0.71), (0.39, 0.45), 0.25, 0.32),
    ),
    "smpl22_012314.npy": (
        {"fps": 20},
        ("smpl", "smpl-22", 6),
        (0.50, 0.60, 1.07, 1.22, 1.49, 0.78, 0.24, 0.25, 0.33),
    ),
    "test_freebvh.bvh": (
        {},
        ("bvh", "named-67", 0),
        (0.48, 0.60, 1.07, 1.24, 1.55, 0.77, 0.38, 0.34, 0.39),
    ),
    "test_mocapbank.bvh": (
        {},
        ("bvh", "named-24", 4),
        (0.39, 0.60, 1.07, 1.24, 1.57, 0.84, 0.50, 0.25, 0.33),
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_rule_gives_a_real_body_these_proportions(shared, name):
    options, (source, joints, made_up), expected = TABLE[name]
    path = shared / "data/trackers" / name
    assert recognise(path) == source
    read = read_tracker(path, **options)
    assert (read.source, read.skeleton, len(read.made_up)) == (source, joints, made_up)
    found = proportions(read.raw.xyz)
    for (what, value), bounds in zip(found.items(), expected, strict=True):
        low, high = bounds if isinstance(bounds, tuple) else (bounds, bounds)
        assert low - 0.015 <= value <= high + 0.015, (what, value)
    assert not [f for f in read.faults if not f.startswith("tilted")]


def test_the_clavicle_of_a_mixamo_rig_is_not_the_shoulder(shared):
    """Its LeftShoulder is 16 cm from the middle, its LeftArm, the shoulder, 29 cm."""
    read = read_tracker(shared / "data/trackers/test_freebvh.bvh")
    left, right = (JOINTS.index(f"shoulder_{side}") for side in ("left", "right"))
    width = np.median(np.linalg.norm(read.raw.xyz[:, left] - read.raw.xyz[:, right], axis=-1))
    assert 0.33 < width < 0.42


def test_uneven_times_of_a_real_zed_are_brought_to_30_a_second(shared):
    read = read_tracker(shared / "data/trackers/zed18_bodies3.json")
    assert any("7.5 frames a second brought to 30, uneven" in note for note in read.notes)
    steps = np.linalg.norm(np.diff(read.raw.xyz[:, 0], axis=0), axis=-1)
    assert read.raw.frames == 234 and steps.max() < 0.1 and np.isfinite(read.raw.xyz).all()


def test_c3d_says_how_to_get_its_package_or_reads(shared):
    path = shared / "data/trackers/c3d_sample.c3d"
    assert recognise(path) == "c3d"
    from smie_pipe.preprocessing.foundation.errors import InputError

    # The sample holds the markers of a wheelchair push, no hips: refused with what is missing.
    with pytest.raises(InputError, match="ezc3d|hip"):
        read_tracker(path)


@pytest.mark.parametrize("name", skeleton_names())
def test_a_real_kinect_reduced_and_rebuilt_keeps_what_the_tracker_has(shared, name):
    for path in sorted((shared / "data/ntu_samples").glob("*.skeleton"))[:4]:
        raw = read_skeleton(path.read_bytes(), path.name)
        again = reduced(raw, name)
        moved = np.linalg.norm(again.xyz - raw.xyz, axis=-1)
        kept = [JOINTS.index(j) for j in ("head", "shoulder_left", "wrist_right", "knee_left")]
        assert moved[:, kept].max() < 1e-9
        trunk = [JOINTS.index(j) for j in ("spine_mid", "spine_shoulder", "neck", "spine_base")]
        assert np.median(moved[:, trunk]) < 0.04
        assert (again.state <= raw.state).all()
        if name in ("zed-18", "h36m-17"):
            assert (again.state[:, [JOINTS.index(j) for j in LIMB_ENDS]] == 0).all()
