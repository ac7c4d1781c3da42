"""Every kind of file, written from known bodies and read again: the same within a millimetre."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.preprocessing.trackers.joints import kinds
from smie_pipe.preprocessing.trackers.joints.rebuild import rebuild
from smie_pipe.preprocessing.trackers.joints.reduce import as_seen_by
from smie_pipe.preprocessing.trackers.joints.skeletons import skeleton_names
from smie_pipe.preprocessing.trackers.read import (
    TrackerOptions,
    read_tracker,
    read_tracker_bytes,
    recognise,
)
from smie_pipe.preprocessing.trackers.readers.sources import SOURCES
from smie_pipe.preprocessing.trackers.writers.formats import FORMATS, ONE_BODY, written

SOURCE_OF = {"zed-18": "zed", "zed-34": "zed", "zed-38": "zed"}


def test_the_names_for_the_command_line_are_those_there_are():
    assert tuple(FORMATS) == kinds.WRITABLE
    assert skeleton_names() == kinds.JOINT_SETS
    assert list(SOURCES) == list(kinds.TITLES)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=8, deadline=None)
@given(
    frames=st.integers(2, 40),
    persons=st.integers(1, 2),
    seed=st.integers(0, 2**32 - 1),
    absent=st.sets(st.integers(1, 12), max_size=6),
)
def test_what_is_written_is_read(make_bodies, name, frames, persons, seed, absent):
    raw = make_bodies(frames, persons, seed, absent=absent & set(range(1, frames - 1)))
    kind = FORMATS[name]
    options = TrackerOptions(fps=30 if name == "mmpose" else None)
    read = read_tracker_bytes(written(raw, name), "clip" + kind.suffix, options)
    assert read.source == SOURCE_OF.get(name, name)
    assert read.raw.frames == frames
    expected, state = rebuild(as_seen_by(raw.xyz, kind.skeleton), kind.skeleton)
    keys = zip(read.raw.frame.tolist(), read.raw.body_id.tolist(), strict=True)
    found = {key: place for place, key in enumerate(keys)}
    who = np.bincount(raw.body_id).argmax() if name in ONE_BODY else None
    compared = 0
    keys = zip(raw.frame.tolist(), raw.body_id.tolist(), strict=True)
    for number, (frame, body) in enumerate(keys):
        if who is None or body == who:
            own = found[frame, 0 if who is not None else body]
            np.testing.assert_allclose(read.raw.xyz[own], expected[number], atol=0.001)
            np.testing.assert_array_equal(read.raw.state[own], state[number])
            compared += 1
    assert compared >= frames - len(absent)
    assert not [fault for fault in read.faults if "mirrored" in fault or "unit" in fault]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_tells_who_wrote_it(name, tmp_path, standing):
    path = tmp_path / f"clip{FORMATS[name].suffix}"
    path.write_bytes(written(standing, name))
    assert recognise(path) == SOURCE_OF.get(name, name)


@pytest.mark.parametrize("shape", ["TV3", "TMV3", "MTV3", "NCTVM", "CTVM", "rows 75", "rows 150"])
def test_arrays_of_every_shape_hold_the_same_body(shape, tmp_path, standing):
    joints = standing.xyz  # (T, 25, 3)
    both = np.stack([joints, np.zeros_like(joints)], 1)  # (T, M, V, 3), the second absent
    array = {
        "TV3": joints,
        "TMV3": both,
        "MTV3": both.swapaxes(0, 1),
        "NCTVM": both.transpose(3, 0, 2, 1)[None],
        "CTVM": both.transpose(3, 0, 2, 1),
        "rows 75": joints.reshape(-1, 75),
        "rows 150": both.reshape(-1, 150),
    }[shape]
    np.save(tmp_path / "clip.npy", array)
    read = read_tracker(tmp_path / "clip.npy", fps=30)
    np.testing.assert_allclose(read.raw.xyz, joints, atol=1e-9)
    assert (read.raw.state == 2).all() and not read.made_up


def test_rows_of_text_and_a_joint_a_line_are_read(tmp_path, standing):
    np.savetxt(tmp_path / "rows.txt", standing.xyz.reshape(-1, 75), fmt="%.6f")
    np.testing.assert_allclose(
        read_tracker(tmp_path / "rows.txt", fps=30).raw.xyz, standing.xyz, atol=1e-5
    )
    joints = as_seen_by(standing.xyz, FORMATS["kinect-v1"].skeleton).reshape(-1, 3)
    text = io.BytesIO()
    np.savetxt(text, np.c_[joints, np.ones(len(joints))], fmt="%.6f")  # as MSR-Action3D has it
    read = read_tracker_bytes(text.getvalue(), "a01_s01_e01.txt", TrackerOptions(fps=30))
    assert (read.source, read.skeleton) == ("kinect-v1", "kinect-v1-20")
    np.testing.assert_allclose(read.raw.xyz[:, 4], standing.xyz[:, 4], atol=1e-5)
