"""Long recordings in the layout of PKU-MMD: about twenty actions each, labelled, with rests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.simulation.config import SimulateConfig
from smie_pipe.preprocessing.simulation.kinect_text import pku_text
from smie_pipe.preprocessing.simulation.kinematics import (
    ARM,
    Array,
    bone_lengths,
    rotation,
    with_bone_lengths,
)
from smie_pipe.preprocessing.simulation.scenes import FPS, simulate_clip, stream, stretch
from smie_pipe.preprocessing.simulation.sensor import VIEW, make_camera, observe, phantom

ACTIONS = 20
REST_S = (1.5, 5.0)  # between two actions
ALONE_S = 0.7  # the second person comes and goes this long before and after the action


@dataclass(frozen=True)
class StagedRecording:
    """One performer's recording: its number (from 1) and its (class id, repetition) in order."""

    number: int
    performer: int
    programme: tuple[tuple[int, int], ...]


Job = tuple[Path, SimulateConfig, list[str], StagedRecording, int]


@dataclass(frozen=True)
class Scene:
    """What truly happened: joints (2, T, 25, 3), who is there (2, T), (id, start, end) labels.

    Labels count frames from 1 and include both ends, as the files do.
    """

    room: Array
    present: np.ndarray
    labels: list[tuple[int, int, int]]


def recordings(config: SimulateConfig, classes: int) -> list[StagedRecording]:
    """Return which performer does what in which recording; the order of actions is random."""
    found: list[StagedRecording] = []
    for person in range(1, config.performers + 1):
        todo = [(c, r) for r in range(1, config.repetitions + 1) for c in range(1, classes + 1)]
        order = stream(config.seed, "programme", person).permutation(len(todo))
        parts = np.array_split(order, -(-len(todo) // ACTIONS))
        for part in parts:
            programme = tuple(todo[i] for i in part)
            found.append(StagedRecording(len(found) + 1, person, programme))
    return found


def scene(recording: StagedRecording, config: SimulateConfig, classes: Sequence[str]) -> Scene:
    """Return the true motion of a whole recording: rest, action, rest, ... rest.

    Between two actions the performer goes from the last pose to the next first pose with bones
    of constant length. The second person is there for actions of two and shortly around them.
    """
    rng = stream(config.seed, "rests", recording.number)
    clips = [
        simulate_clip(classes[class_id - 1], recording.performer, repetition, seed=config.seed,
                      stretch=stretch(classes, config.mean_frames), frames=config.frames)
        for class_id, repetition in recording.programme
    ]  # fmt: skip
    rests = np.round(rng.uniform(*REST_S, len(clips) + 1) * FPS).astype(int)
    pieces = [np.repeat(clips[0][0, :1], rests[0], axis=0)]
    labels, at = [], int(rests[0])
    for k, clip in enumerate(clips):
        following = clips[k + 1][0, 0] if k + 1 < len(clips) else clip[0, -1]
        pieces += [clip[0], between(clip[0, -1], following, int(rests[k + 1]))]
        labels.append((recording.programme[k][0], at + 1, at + clip.shape[1]))
        at += clip.shape[1] + int(rests[k + 1])
    room, present = np.zeros((2, at, 25, 3)), np.zeros((2, at), dtype=bool)
    room[0], present[0] = np.concatenate(pieces), True
    for clip, (_, start, _) in zip(clips, labels, strict=True):
        if len(clip) == 2:
            _add_partner(room, present, clip[1], start - 1)
    return Scene(room, present, labels)


def between(first: Array, last: Array, frames: int) -> Array:
    """Return poses (frames, 25, 3) that lead from one pose (25, 3) to another, eased.

    The heading turns the short way round and the bones keep their lengths throughout.
    """
    part = np.arange(1, frames + 1) / (frames + 1)
    part = part * part * (3 - 2 * part)
    headings = [np.arctan2(-(v := _across(pose))[2], v[0]) for pose in (first, last)]
    turn = (headings[1] - headings[0] + np.pi) % (2 * np.pi) - np.pi
    faced = [
        (pose - pose[0]) @ rotation(1, np.array([-heading]))[0].T
        for pose, heading in zip((first, last), headings, strict=True)
    ]
    mixed = faced[0] + part[:, None, None] * (faced[1] - faced[0])
    mixed = with_bone_lengths(mixed, bone_lengths(first))
    mixed = np.einsum("tij,tvj->tvi", rotation(1, headings[0] + part * turn), mixed)
    return mixed + (first[0] + part[:, None] * (last[0] - first[0]))[:, None]


def _across(pose: Array) -> Array:
    return pose[ARM[1][0]] - pose[ARM[0][0]]


def _add_partner(room: Array, present: np.ndarray, clip: Array, start: int) -> None:
    """Let the second person stand there before, act, and stand there after."""
    frames, around = len(clip), int(ALONE_S * FPS)
    room[1, start - around : start] = clip[0]
    room[1, start : start + frames] = clip
    room[1, start + frames : start + frames + around] = clip[-1]
    present[1, start - around : start + frames + around] = True


def seen_frames(
    scene: Scene, config: SimulateConfig, recording: StagedRecording, camera: int
) -> Array:
    """Return the joints (T, 2, 25, 3) one camera records of a scene, faults and all."""
    rng = stream(config.seed, "sensor recording", recording.number, camera)
    setup = 1 + (recording.performer - 1) % config.setups
    view = make_camera(camera, stream(config.seed, "setup", setup))
    # Who is not there hides nothing: a stand-in where the other is, wiped out below.
    room = np.where(scene.present[:, :, None, None], scene.room, scene.room[:1])
    seen = observe(view.sees(room), config.noise, rng)
    out = np.stack([body.xyz for body in seen], axis=1) * scene.present.T[:, :, None, None]
    for _, start, end in scene.labels:
        alone = not scene.present[1, start - 1]
        _spoil(out[start - 1 : end], alone, config, rng)
    return out


def _spoil(clip: Array, alone: bool, config: SimulateConfig, rng: np.random.Generator) -> None:
    """Lose frames, swap the two bodies, or add a phantom, by chance, within one action."""
    frames = len(clip)
    first = int(rng.integers(0, frames))
    lost, switched, ghost = rng.random(3) < (config.dropout, config.switch, config.phantom)
    if ghost and alone:
        clip[first:, 1] = phantom(frames - first, rng).xyz
    if switched:
        clip[first:] = clip[first:, ::-1].copy()
    if lost:
        clip[first : first + int(rng.integers(1, 6))] = 0.0


def write(
    folder: Path,
    config: SimulateConfig,
    classes: list[str],
    each: Callable[[Callable[[Job], int], Sequence[Job]], int],
) -> int:
    """Write skeleton, label and split files; return the number of skeleton files.

    ``each`` runs a function over jobs and sums what it returns (``simulate`` passes its own).
    """
    for name in ("skeleton", "label", "split"):
        (folder / name).mkdir()
    jobs = [
        (folder, config, classes, recording, camera)
        for recording in recordings(config, len(classes))
        for camera in range(1, config.views + 1)
    ][: config.max_files]
    files = each(_write_view, jobs)
    written = [(file_name(r, camera), r.performer, camera) for *_, r, camera in jobs]
    _write_splits(folder / "split", written, config)
    return files


def file_name(recording: StagedRecording, camera: int) -> str:
    """Return the name of a recording's files without ``.txt``, such as 0007-L."""
    return f"{recording.number:04d}-{VIEW[camera]}"


def _write_view(job: Job) -> int:
    """Write one camera's skeleton and label file of a recording; return 1."""
    folder, config, classes, recording, camera = job
    true = scene(recording, config, classes)
    name = file_name(recording, camera) + ".txt"
    text = pku_text(seen_frames(true, config, recording, camera))
    (folder / "skeleton" / name).write_bytes(text)
    labels = "".join(f"{class_id},{start},{end},2\n" for class_id, start, end in true.labels)
    (folder / "label" / name).write_text(labels, encoding="ascii", newline="\n")
    return 1


def _write_splits(
    folder: Path, written: Sequence[tuple[str, int, int]], config: SimulateConfig
) -> None:
    """Write the two split lists: every fourth performer, and the left view, are for testing."""
    test_performers = set(range(2, config.performers + 1, 4))
    tests = {"cross-subject": [person in test_performers for _, person, _ in written]}
    if config.views > 1:
        tests["cross-view"] = [camera == config.views for _, _, camera in written]
    for name, test in tests.items():
        lists = [", ".join(w[0] for w, t in zip(written, test, strict=True) if t == part)
                 for part in (False, True)]  # fmt: skip
        text = f"Training videos:\n{lists[0]}\nTesting videos:\n{lists[1]}\n"
        (folder / f"{name}.txt").write_text(text, encoding="ascii", newline="\n")
