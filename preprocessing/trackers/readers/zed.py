"""ZED: the JSON of the SDK's sample "body tracking/export", of 18, 34 or 38 joints.

A dictionary keyed by milliseconds since 1970. The frame is whatever the recorder chose: the
sample sets metres and ``RIGHT_HANDED_Y_UP``, the SDK's own default is millimetres and ``IMAGE``,
and there are four more; so axes and unit are found from the body.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from smie_pipe.preprocessing.trackers.joints.recording import (
    Collected,
    TrackedRecording,
    TrackerFormatError,
    triples,
)
from smie_pipe.preprocessing.trackers.joints.skeletons import skeleton
from smie_pipe.preprocessing.trackers.readers.json_text import field, load_json, whole

AXES = ("-x,y,-z", "-x,-y,z", "z-up", "-x,y,z", "-x,z,-y")
"""RIGHT_HANDED_Y_UP, IMAGE, RIGHT_HANDED_Z_UP (and its X_FWD, a turn about z), LEFT_HANDED_Y_UP,
LEFT_HANDED_Z_UP."""
COUNTS = (18, 34, 38)
CLOCKS_AGREE_S = 0.002
_KEY = re.compile(r"[0-9]{1,18}")
_START = re.compile(rb'^\s*(?:\xef\xbb\xbf)?\{\s*"[0-9]{9,18}"\s*:\s*\{')


def recognises(name: str, head: bytes) -> bool:
    """Return whether the start of a file is of this kind."""
    return name.endswith(".json") and (b'"body_list"' in head or bool(_START.match(head)))


def read(data: bytes, path: str) -> TrackedRecording:
    """Return the bodies in such a file; frames that the SDK marks as old news are left out.

    Raises
    ------
    TrackerFormatError
        If it has another form, or joints of another number than 18, 34 or 38.
    """
    document = load_json(data, path)
    keys = list(document) if isinstance(document, dict) else []
    if not keys or not all(_KEY.fullmatch(key) for key in keys):
        expected = "a dictionary of frames keyed by milliseconds"
        raise TrackerFormatError(path, "", expected, f"the key {keys[0]!r}" if keys else "none")
    keys = [key for key in sorted(keys, key=int) if _is_new(document[key])]
    count = _joints(document, path)
    found = Collected(count)
    for number, key in enumerate(keys):
        for body in field(document[key], "body_list", list, path, f"frame {key}"):
            body_id = whole(
                field(body, "id", int, path, f"frame {key}"), "id", path, f"frame {key}"
            )
            joints = field(body, "keypoint", list, path, f"frame {key}")
            found.add(number, body_id, triples(joints, (count,), path, f"frame {key}"))
    frame, body_ids, xyz = found.columns()
    return TrackedRecording(
        path=path,
        source="zed",
        skeleton=skeleton(f"zed-{count}"),
        frames=len(keys),
        seconds=_seconds(document, keys),
        frame=frame,
        body_id=body_ids,
        xyz=xyz,
        unit="?",
        axes=AXES,
    )


def _is_new(frame: Any) -> bool:
    return not (isinstance(frame, dict) and frame.get("is_new") is False)


def _joints(document: dict[str, Any], path: str) -> int:
    """Return how many joints the first body has."""
    for key, frame in document.items():
        for body in field(frame, "body_list", list, path, f"frame {key}"):
            joints = field(body, "keypoint", list, path, f"frame {key}")
            if len(joints) in COUNTS:
                return len(joints)
            expected = f"{', '.join(map(str, COUNTS))} joints"
            raise TrackerFormatError(path, f"frame {key}", expected, f"{len(joints)}")
    return COUNTS[0]


def _seconds(document: dict[str, Any], keys: list[str]) -> np.ndarray:
    """Return the time of each frame from the first: by nanoseconds where they agree with the key.

    Old files have a list in place of the nanoseconds; then the key alone tells.
    """
    if not keys:
        return np.zeros(0)
    by_key = np.array([int(key) - int(keys[0]) for key in keys], np.float64) / 1e3
    stamps = [document[key].get("timestamp") for key in keys]
    if not all(type(stamp) is int and 0 <= stamp < 2**63 for stamp in stamps):
        return by_key
    fine = np.array([stamp - stamps[0] for stamp in stamps], np.float64) / 1e9
    return fine if np.abs(fine - by_key).max() <= CLOCKS_AGREE_S else by_key
