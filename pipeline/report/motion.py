"""Skeletons as a page plays them: int16 steps of a quarter of a millimetre, in base64."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from smie_pipe.preprocessing.body import BONES, HEAD, JOINTS
from smie_pipe.preprocessing.raw.records import RawBodies
from smie_pipe.preprocessing.skeletons.render import bodies_of
from smie_pipe.preprocessing.skeletons.store import SkeletonFile

SENSOR_FPS = 30.0
STEP_M = 0.00025
"""Of the stored coordinates; coarser only where a recording is over 16 m wide."""
ABSENT = -32768
MAX_COORDINATE_M = 20.0
"""A joint beyond is a fault of the sensor and would shrink all others to a dot."""


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording with a label; times in seconds from its first frame."""

    label: str
    start_s: float
    end_s: float
    score: float | None = None


@dataclass(frozen=True, eq=False)
class Motion:
    """What the player shows.

    Attributes
    ----------
    name
        Of the recording or clip.
    caption
        What else to say of it, such as its class.
    bodies
        (M, T, 25, 3), metres, y up, z away from the sensor; NaN where a joint is absent.
    fps
        Frames a second.
    segments
        Labelled stretches, in order of their start.
    """

    name: str
    caption: str
    bodies: np.ndarray
    fps: float = SENSOR_FPS
    segments: Sequence[Segment] = field(default_factory=tuple)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.bodies.shape[1] / self.fps

    def packed(self) -> dict[str, Any]:
        """Return what the page's script reads: plain values, coordinates in base64.

        ``xyz`` is (T, M, 25, 3) little-endian int16 in steps of ``step`` metres around the
        middle of the motion; `ABSENT` stands for an absent coordinate.
        """
        xyz, step = _quantised(self.bodies)
        return {
            "name": self.name,
            "caption": self.caption,
            "fps": self.fps,
            "step": step,
            "bodies": len(self.bodies),
            "xyz": base64.b64encode(xyz.tobytes()).decode("ascii"),
            "segments": [vars(segment) for segment in self.segments],
        }


def _quantised(bodies: np.ndarray) -> tuple[np.ndarray, float]:
    frames_first = bodies.transpose(1, 0, 2, 3)
    absent = ~np.isfinite(frames_first).all(-1, keepdims=True)
    kept = np.where(absent, np.nan, frames_first)
    if absent.all():
        return np.full(kept.shape, ABSENT, "<i2"), STEP_M
    low, high = np.nanmin(kept, axis=(0, 1, 2)), np.nanmax(kept, axis=(0, 1, 2))
    middle = (low + high) / 2
    step = max(STEP_M, float((high - middle).max()) / 32767)
    steps = np.round((kept - middle) / step)
    return np.where(absent, ABSENT, steps).astype("<i2"), step


def bones() -> list[tuple[int, int]]:
    """Return the bones as one draws them: a finger tip hangs on its hand, not on the thumb."""
    hands = {"hand_tip_left": "hand_left", "hand_tip_right": "hand_right"}
    return [
        (joint, JOINTS.index(hands[JOINTS[joint]]) if JOINTS[joint] in hands else towards)
        for joint, towards in BONES
    ]


def body_plan() -> dict[str, Any]:
    """Return what the script must know of the body: bones, the left side's joints, the head."""
    left = [i for i, name in enumerate(JOINTS) if name.endswith("_left")]
    hands = [JOINTS.index("hand_left"), JOINTS.index("hand_right")]
    return {"joints": len(JOINTS), "bones": bones(), "left": left, "head": HEAD, "hands": hands}


def raw_motion(raw: RawBodies, name: str) -> Motion:
    """Return a raw recording as its file has it: every body id, every frame, nothing mended.

    Joints that are not finite or beyond `MAX_COORDINATE_M` are absent; the caption counts them.
    """
    ids = list(dict.fromkeys(raw.body_id.tolist()))
    bodies = np.full((max(len(ids), 1), max(raw.frames, 1), len(JOINTS), 3), np.nan)
    with np.errstate(invalid="ignore"):
        sound = np.asarray((np.abs(raw.xyz) <= MAX_COORDINATE_M).all(-1))
    for place, body_id in enumerate(ids):
        own = raw.body_id == body_id
        bodies[place, raw.frame[own]] = np.where(sound[own][..., None], raw.xyz[own], np.nan)
    lost = int((~sound).sum())
    said = f"{len(ids)} {'body' if len(ids) == 1 else 'bodies'} as the file has them"
    if lost:
        said += f", {lost} joint positions left out: not finite or beyond {MAX_COORDINATE_M:g} m"
    return Motion(name, said, bodies)


def finished_motion(clip: np.ndarray, name: str, caption: str = "") -> Motion:
    """Return a finished clip (3, T, 25, 2), such as an array file holds, at the sensor's speed.

    The recipe centres every body, so two of them are drawn side by side.
    """
    bodies = bodies_of(clip)
    if not len(bodies):
        bodies = np.full((1, clip.shape[1], len(JOINTS), 3), np.nan)
    return Motion(name, caption, bodies)


def stored_motion(file: SkeletonFile, row: int) -> Motion:
    """Return a clip of a ``skeletons.h5``, at the speed of the recording it was made from.

    A clip's frames are resampled from its ``frames_valid`` frames at 30 a second.
    """
    motion = finished_motion(file.x[row], str(file.name[row]))
    valid = int(file.column("frames_valid")[row])
    fps = SENSOR_FPS * file.x.shape[2] / max(valid, 1)
    return replace(motion, caption=file.class_names[int(file.label[row])], fps=fps)
