"""Text of raw files as the sensor's recorders write it: NTU RGB+D and PKU-MMD."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from smie_pipe.preprocessing.simulation.kinematics import SPINE_BASE, SPINE_SHOULDER, Array
from smie_pipe.preprocessing.simulation.sensor import LEAVES, Seen, orientations, project

FIRST_BODY_ID = 72057594037931101  # real ids are of this size: beyond 2**53, no float holds them

# Seven significant digits, as .NET prints a float. One template makes a whole body's text.
_NUMBERS = {True: " ".join(["%.7G"] * 7) + " 0 0 0 0 %d", False: " ".join(["%.7G"] * 11) + " %d"}
_BODY = "\r\n".join(
    ["%d 0 %d %d %d %d 0 %.7G %.7G 2", "25", *(_NUMBERS[joint in LEAVES] for joint in range(25))]
)
_PKU_FRAME = " ".join(["%.6f"] * 150)


@dataclass(frozen=True)
class Track:
    """One body id's stay before the sensor: its frames (F,) and what was seen in them."""

    body_id: int
    frames: np.ndarray
    seen: Seen


def ntu_text(tracks: Sequence[Track], frames: int, rng: np.random.Generator) -> bytes:
    """Return the text of a ``.skeleton`` file; bodies of a frame come in the order of tracks."""
    bodies: list[list[str]] = [[] for _ in range(frames)]
    for track in tracks:
        for frame, text in zip(track.frames.tolist(), _body_texts(track, rng), strict=True):
            bodies[frame].append(text)
    lines = [str(frames)]
    for of_frame in bodies:
        lines.append(str(len(of_frame)))
        lines += of_frame
    return ("\r\n".join(lines) + "\r\n").encode()


def _body_texts(track: Track, rng: np.random.Generator) -> Iterable[str]:
    """Yield the text of a body frame by frame: ten fields, the joint count, 25 joints."""
    xyz, state = track.seen.xyz, track.seen.state
    frames = len(xyz)
    joints = np.concatenate(
        [xyz, *project(xyz), orientations(xyz), state[..., None]], axis=-1
    ).reshape(frames, -1)
    keep = np.ones((25, 12), dtype=bool)
    keep[LEAVES, 7:11] = False
    hands = np.broadcast_to(rng.choice(((0, 0, 0, 0), (1, 1, 1, 1), (1, 0, 1, 1))), (frames, 4))
    rows = np.concatenate([hands, _lean(xyz), joints[:, keep.ravel()]], axis=1)
    for row in rows.tolist():
        yield _BODY % (track.body_id, *row)


def _lean(xyz: Array) -> Array:
    """Return the sensor's lean (T, 2), -1 to 1 for 45 degrees: to the right, to the front."""
    trunk = xyz[:, SPINE_SHOULDER] - xyz[:, SPINE_BASE]
    height = np.maximum(np.linalg.norm(trunk, axis=-1), 1e-6)
    lean = np.arcsin(np.clip(trunk[:, [0, 2]] * (1, -1) / height[:, None], -1, 1)) / (np.pi / 4)
    return np.clip(lean, -1, 1)


def pku_text(frames: Array) -> bytes:
    """Return the text of a PKU-MMD skeleton file for joints (T, 2, 25, 3), absent ones zero."""
    rows = frames.reshape(len(frames), -1).tolist()
    return "".join(_PKU_FRAME % tuple(row) + "\n" for row in rows).encode()
