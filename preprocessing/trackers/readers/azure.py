"""Azure Kinect and Orbbec Femto: the JSON that ``k4abt_offline_processor in.mkv out.json`` writes.

Millimetres; x to the right in the camera's picture, y down, z away from it.
"""

from __future__ import annotations

import numpy as np

from smie_pipe.preprocessing.trackers.joints.recording import (
    Collected,
    TrackedRecording,
    TrackerFormatError,
    triples,
)
from smie_pipe.preprocessing.trackers.joints.skeletons import skeleton
from smie_pipe.preprocessing.trackers.readers.json_text import field, load_json, number, whole

AXES = ("-x,-y,z",)
NAME = "azure-32"


def recognises(name: str, head: bytes) -> bool:
    """Return whether the start of a file is of this kind."""
    keys = (b'"bone_list"', b'"k4abt_sdk_version"', b'"joint_names"')
    return name.endswith(".json") and any(key in head for key in keys)


def read(data: bytes, path: str) -> TrackedRecording:
    """Return the bodies in such a file.

    Raises
    ------
    TrackerFormatError
        If it has another form.
    """
    document = load_json(data, path)
    frames = field(document, "frames", list, path, "")
    known = skeleton(NAME)
    names = document.get("joint_names", list(known.joints))
    if names != list(known.joints):
        expected = f"the {len(known.joints)} joint names of an Azure Kinect in their order"
        raise TrackerFormatError(path, "joint_names", expected, "others")
    found, seconds = Collected(len(known.joints)), np.zeros(len(frames))
    for number_, frame in enumerate(frames):
        where = f"frame {number_ + 1} of {len(frames)}"
        time = frame.get("timestamp_usec") if isinstance(frame, dict) else None
        seconds[number_] = number(time, "timestamp_usec", path, where) / 1e6
        for body in field(frame, "bodies", list, path, where):
            body_id = whole(field(body, "body_id", int, path, where), "body_id", path, where)
            joints = field(body, "joint_positions", list, path, where)
            found.add(number_, body_id, triples(joints, (len(known.joints),), path, where))
    frame_, body_ids, xyz = found.columns()
    return TrackedRecording(
        path, "azure", known, len(frames), seconds, frame_, body_ids, xyz, "mm", AXES
    )
