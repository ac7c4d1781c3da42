"""Uneven times brought to 30 a second, gaps left open, clocks that cannot be refused."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.trackers.read import TrackerOptions, read_tracker_bytes
from smie_pipe.preprocessing.trackers.readers.arrays import in_seconds


def clip(xyz, seconds):
    buffer = io.BytesIO()
    np.savez(buffer, joints=xyz, time=seconds)
    return read_tracker_bytes(buffer.getvalue(), "c.npz", TrackerOptions())


def walking(standing, seconds, speed=1.0):
    """The first frame's body, moved along x at that speed."""
    body = np.repeat(standing.xyz[:1], len(seconds), axis=0)
    body[..., 0] += speed * np.asarray(seconds)[:, None]
    return body


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.02, 0.4), min_size=2, max_size=40), st.floats(0, 1e6))
def test_even_motion_stays_even_whatever_the_steps(standing, steps, start):
    seconds = start + np.cumsum([0.0, *steps])
    found = clip(walking(standing, seconds - start), seconds)
    x = found.raw.xyz[:, 0, 0] - standing.xyz[0, 0, 0]
    even = found.raw.frame / 30
    assert (
        found.raw.frames == len(found.raw.frame) == int((seconds[-1] - seconds[0]) * 30 + 0.03) + 1
    )
    np.testing.assert_allclose(x, even, atol=0.003)


def test_frames_at_30_a_second_are_left_as_they_are(standing):
    seconds = np.round(np.arange(40) / 30, 3)  # a clock of milliseconds
    found = clip(standing.xyz, seconds)
    np.testing.assert_array_equal(found.raw.xyz[:, 4], standing.xyz[:, 4])
    assert (found.raw.state == 2).all() and not found.notes


def test_a_gap_is_left_open_and_said(standing):
    seconds = np.r_[np.arange(20) / 30, 2 + np.arange(20) / 30]
    found = clip(standing.xyz, seconds)
    assert not ((found.raw.frame > 19) & (found.raw.frame < 60)).any()
    assert any("1 gaps in time, the longest of 1.4 s" in note for note in found.notes)


def test_a_joint_away_for_a_while_is_bridged_and_marked(standing):
    body = standing.xyz.copy()
    body[10:15, 6] = np.nan  # a wrist
    found = clip(body, np.arange(40) / 30)
    assert (found.raw.state[10:15, 6] == 1).all() and found.raw.state[9, 6] == 2
    line = body[9, 6] + (body[15, 6] - body[9, 6]) * 0.5
    np.testing.assert_allclose(found.raw.xyz[12, 6], line, atol=1e-9)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (np.zeros(40), "time stamps that rise"),
        (np.r_[np.arange(39) / 30, 1e9], "at most 9 hours"),
        (np.r_[np.arange(39) / 30, np.nan], "one that is no number"),
    ],
)
def test_clocks_that_cannot_be_are_refused(standing, seconds, said):
    with pytest.raises(InputError, match=f"{said}.*--fps"):
        clip(standing.xyz, seconds)


def test_a_clock_that_steps_back_is_noted(standing):
    seconds = np.arange(40) / 30
    seconds[10] = 0.1
    found = clip(standing.xyz, seconds)
    assert any("does not rise" in note for note in found.notes)


@pytest.mark.parametrize("per_second", [1, 1e3, 1e6, 1e9])
def test_time_stamps_of_any_unit_become_seconds(per_second):
    stamps = 17_000 * per_second + np.arange(50) * per_second / 15
    np.testing.assert_allclose(in_seconds(stamps), np.arange(50) / 15, atol=1e-6)
