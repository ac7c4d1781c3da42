"""ZED's JSON in every frame and unit of its SDK, as old and new versions write it."""

import json

import numpy as np
import pytest

from smie_pipe.preprocessing.trackers.joints.orientation import axes_matrix
from smie_pipe.preprocessing.trackers.read import TrackerOptions, read_tracker_bytes
from smie_pipe.preprocessing.trackers.writers.formats import written

FRAMES = {  # how the SDK's x, y, z lie in metres to the right, up, and towards the viewer
    "RIGHT_HANDED_Y_UP": "x,y,z",
    "IMAGE": "x,-y,-z",
    "RIGHT_HANDED_Z_UP": "x,-z,y",
    "LEFT_HANDED_Y_UP": "x,y,-z",
    "LEFT_HANDED_Z_UP": "x,z,y",
    "RIGHT_HANDED_Z_UP_X_FWD": "-z,-x,y",
}


def rewritten(raw, kind, change):
    """The file of that body after a change to each body record."""
    document = json.loads(written(raw, kind))
    for frame in document.values():
        for body in frame["body_list"]:
            change(frame, body)
    return json.dumps(document).encode()


@pytest.mark.parametrize("kind", ["zed-18", "zed-34", "zed-38"])
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_any_frame_and_unit_of_the_sdk_is_found(kind, frame, unit, standing):
    plain = read_tracker_bytes(written(standing, kind), "z.json", TrackerOptions())
    turn = axes_matrix(FRAMES[frame]) * unit

    def change(_, body):
        body["keypoint"] = (np.array(body["keypoint"]) @ turn.T).tolist()

    found = read_tracker_bytes(rewritten(standing, kind, change), "z.json", TrackerOptions())
    assert found.faults == () and found.unit == ("m" if unit == 1.0 else "mm")
    for joint in (3, 6, 11, 15):  # the same body up to a turn about the vertical
        one, other = (r.raw.xyz[:, joint] - r.raw.xyz[:, 20] for r in (found, plain))
        np.testing.assert_allclose(one[:, 1], other[:, 1], atol=1e-6)
        np.testing.assert_allclose(
            np.hypot(one[:, 0], one[:, 2]), np.hypot(other[:, 0], other[:, 2]), atol=1e-6
        )
    left = np.cross(found.raw.xyz[:, 4] - found.raw.xyz[:, 8], [0, 1, 0])
    assert ((found.raw.xyz[:, 15] - found.raw.xyz[:, 14]) * left).sum(axis=1).mean() > 0


def test_null_is_missing_and_old_time_stamps_are_lists(standing):
    def change(frame, body):
        frame["timestamp"] = [1, 2]
        body["keypoint"][4] = [None, None, None]  # the right wrist
        body["keypoint"][7] = None

    data = rewritten(standing, "zed-18", change)
    found = read_tracker_bytes(data, "z.json", TrackerOptions())
    assert found.raw.frames == 40
    assert {"wrist_left", "wrist_right"} <= set(found.made_up)


def test_old_news_is_left_out(standing):
    document = json.loads(written(standing, "zed-18"))
    for number, frame in enumerate(document.values()):
        frame["is_new"] = number % 2 == 0
    found = read_tracker_bytes(json.dumps(document).encode(), "z.json", TrackerOptions())
    assert found.raw.frames == 39 and any("15 frames a second" in note for note in found.notes)
