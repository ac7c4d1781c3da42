"""Mirrored, upside down, in another unit, too slow, tilted: a sentence each, with the mend."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from smie_pipe.preprocessing.trackers.joints.kinds import NAMED_AXES
from smie_pipe.preprocessing.trackers.joints.orientation import axes_matrix, axes_text
from smie_pipe.preprocessing.trackers.joints.skeletons import skeleton
from smie_pipe.preprocessing.trackers.read import TrackerOptions, read_tracker_bytes
from smie_pipe.preprocessing.trackers.writers.formats import FORMATS, written

KINDS = ("azure", "zed-18", "zed-38", "mediapipe", "h36m", "smpl", "kinect-v1", "array", "jsonl")


def npz(xyz, **more):
    buffer = io.BytesIO()
    np.savez(buffer, joints=xyz, **more)
    return buffer.getvalue()


def read(raw, kind="array", **options):
    return read_tracker_bytes(
        written(raw, kind), "c" + FORMATS[kind].suffix, TrackerOptions(**options)
    )


@pytest.mark.parametrize("kind", FORMATS)
def test_a_sound_file_gets_no_complaint(kind, standing):
    assert read(standing, kind, fps=30 if kind == "mmpose" else None).faults == ()


@pytest.mark.parametrize("kind", KINDS)
def test_mirrored_is_seen_and_mended(kind, standing):
    wrong = read(standing, kind, mirror=True)
    assert [f.partition(":")[0] for f in wrong.faults] == ["mirrored"]
    assert "--mirror" in wrong.faults[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file_axes", ["x,z,-y", "-x,-y,z", "y,-x,z", "x,z,y", "x,-z,y"])
def test_the_axes_advised_mend_a_file_in_any_axes(kind, file_axes, standing):
    """Read in wrong axes, the check complains; read as it advises, it has nothing to say."""
    right = read(standing, kind)
    wrong_axes = axes_text(axes_matrix(file_axes) @ axes_matrix(right.axes))
    wrong = read(standing, kind, axes=wrong_axes)
    (fault,) = [f for f in wrong.faults if "--axes" in f]
    advice = fault.partition("--axes ")[2].partition(" ")[0]
    mended = read(standing, kind, axes=advice)
    assert not mended.faults
    bones = np.linalg.norm(mended.raw.xyz[:, 4] - mended.raw.xyz[:, 20], axis=-1)
    np.testing.assert_allclose(
        bones, np.linalg.norm(right.raw.xyz[:, 4] - right.raw.xyz[:, 20], axis=-1), rtol=1e-3
    )


@pytest.mark.parametrize(("unit", "per_metre"), [("mm", 1000), ("cm", 100), ("inch", 1 / 0.0254)])
def test_a_unit_that_is_not_told_is_found_by_the_body(unit, per_metre, standing):
    found = read_tracker_bytes(npz(standing.xyz * per_metre, fps=30.0), "c.npz", TrackerOptions())
    assert found.unit == unit and any("tells no unit" in note for note in found.notes)
    np.testing.assert_allclose(found.raw.xyz, standing.xyz, rtol=1e-6)
    wrong = read_tracker_bytes(
        npz(standing.xyz * per_metre, fps=30.0), "c.npz", TrackerOptions(unit="m")
    )
    assert any(f.startswith("unit") and f"--unit {unit}" in f for f in wrong.faults)


def test_sizes_that_mean_nothing_are_scaled_to_a_body(standing):
    found = read_tracker_bytes(npz(standing.xyz * 0.05, fps=30.0), "c.npz", TrackerOptions())
    shoulders = found.raw.xyz[:, [4, 8]].mean(1) - found.raw.xyz[:, [12, 16]].mean(1)
    assert found.unit == "body"
    assert np.median(np.linalg.norm(shoulders, axis=-1)) == pytest.approx(0.43, rel=1e-6)


def test_pictures_fitted_into_minus_one_to_one_are_scaled(standing):
    """MotionBERT's X3D.npy: no size, y down."""
    known = skeleton("h36m-17")
    from smie_pipe.preprocessing.trackers.joints.reduce import as_seen_by

    joints = as_seen_by(standing.xyz, known) - standing.xyz[:, :1]
    found = read_tracker_bytes(
        npz(joints * (-0.7, -0.7, 0.7), fps=30.0), "X3D.npz", TrackerOptions()
    )
    assert (found.unit, found.axes, found.faults) == ("body", "-x,-y,z", ())


@pytest.mark.parametrize("degrees", [25, 40])
def test_a_tilted_camera_is_seen_and_levelled(degrees, standing):
    turn = Rotation.from_euler("x", degrees, degrees=True).as_matrix()
    data = npz((standing.xyz - [0, 0, 3]) @ turn.T, fps=30.0)
    wrong = read_tracker_bytes(data, "c.npz", TrackerOptions())
    assert any(f.startswith("tilted") and "--level" in f for f in wrong.faults)
    mended = read_tracker_bytes(data, "c.npz", TrackerOptions(level=True))
    assert not mended.faults
    feet = mended.raw.xyz[:, [14, 18]].mean(axis=(0, 1))
    head = mended.raw.xyz[:, 3].mean(axis=0)
    assert np.degrees(np.arccos((head - feet)[1] / np.linalg.norm(head - feet))) < 3


@pytest.mark.parametrize(("fps", "said"), [(2.0, True), (300.0, True), (25.0, False)])
def test_an_impossible_rate_is_seen(fps, said, standing):
    found = read(standing, "array", fps=fps)
    assert any(f.startswith("rate") for f in found.faults) == said


@settings(deadline=None)
@given(st.permutations("xyz"), st.tuples(*[st.booleans()] * 3))
def test_axes_are_read_as_they_are_written(letters, signs):
    text = ",".join(
        ("-" if minus else "") + letter for letter, minus in zip(letters, signs, strict=True)
    )
    assert axes_text(axes_matrix(text)) == text


def test_named_axes_are_turns_not_mirrors():
    assert all(np.linalg.det(axes_matrix(name)) == pytest.approx(1) for name in NAMED_AXES)
