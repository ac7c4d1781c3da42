"""Clips in the layout of NTU RGB+D, a file for each clip and camera, ``.skeleton`` or other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.raw.records import TRACKED, RawBodies
from smie_pipe.preprocessing.simulation.config import SimulateConfig
from smie_pipe.preprocessing.simulation.kinect_text import FIRST_BODY_ID, Track, ntu_text
from smie_pipe.preprocessing.simulation.scenes import simulate_clip, stream, stretch
from smie_pipe.preprocessing.simulation.sensor import Seen, make_camera, observe, phantom
from smie_pipe.preprocessing.trackers.writers.formats import FORMATS, written

Key = tuple[int, int, int, int]  # repetition, performer, camera, class id, all from 1
Job = tuple[Path, SimulateConfig, list[str], Key]


def write(
    folder: Path,
    config: SimulateConfig,
    classes: list[str],
    each: Callable[[Callable[[Job], int], Sequence[Job]], int],
) -> int:
    """Write the clips into ``folder``; return the number of files.

    ``each`` runs a function over jobs and sums what it returns (``simulate`` passes its own).
    """
    keys = _keys(config, len(classes))
    return each(_write_clip, [(folder, config, classes, key) for key in keys])


def _keys(config: SimulateConfig, classes: int) -> list[Key]:
    keys = [
        (repetition, performer, camera, class_id)
        for repetition in range(1, config.repetitions + 1)
        for performer in range(1, config.performers + 1)
        for camera in range(1, config.views + 1)
        for class_id in range(1, classes + 1)
    ]
    return keys[: config.max_files]


def _write_clip(job: Job) -> int:
    """Write the file of one clip; return 1."""
    folder, config, classes, (repetition, performer, camera, class_id) = job
    name = classes[class_id - 1]
    setup = 1 + (performer + repetition - 2) % config.setups
    room = simulate_clip(
        name,
        performer,
        repetition,
        seed=config.seed,
        stretch=stretch(classes, config.mean_frames),
        frames=config.frames,
    )
    rng = stream(config.seed, "sensor " + name, performer, repetition, camera)
    view = make_camera(camera, stream(config.seed, "setup", setup))
    tracks, frames = tracked(observe(view.sees(room), config.noise, rng), config, rng)
    stem = f"S{setup:03d}C{camera:03d}P{performer:03d}R{repetition:03d}A{class_id:03d}"
    if config.tracker is None:
        (folder / f"{stem}.skeleton").write_bytes(ntu_text(tracks, frames, rng))
    else:
        file = stem + FORMATS[config.tracker].suffix
        (folder / file).write_bytes(written(_records(tracks, frames, stem), config.tracker))
    return 1


def _records(tracks: Sequence[Track], frames: int, name: str) -> RawBodies:
    """Return the tracks as body records, frame by frame in the order of tracks."""
    frame = np.concatenate([track.frames for track in tracks]).astype(np.int32)
    order = np.argsort(frame, kind="stable")
    ids = np.concatenate([np.full(len(t.frames), t.body_id, np.int64) for t in tracks])
    return RawBodies(
        path=name,
        frames=frames,
        frame=frame[order],
        body_id=ids[order],
        xyz=np.concatenate([track.seen.xyz for track in tracks])[order],
        state=np.concatenate([track.seen.state for track in tracks])[order].astype(np.uint8),
        body_state=np.full(len(frame), TRACKED, np.uint8),
    )


def tracked(
    seen: Sequence[Seen], config: SimulateConfig, rng: np.random.Generator
) -> tuple[list[Track], int]:
    """Return the tracks a sensor with faults makes of seen bodies, and the number of frames.

    Faults by chance: a run of frames without any body, a body that goes on under another id,
    two bodies that swap their order, a phantom.
    """
    frames = len(seen[0].xyz)
    kept = np.ones(frames, dtype=bool)
    if rng.random() < config.dropout:
        first = int(rng.integers(0, frames - 5)) if frames > 10 else 0
        kept[first : first + int(rng.integers(1, 6))] = frames <= 10
    first_id = FIRST_BODY_ID + int(rng.integers(0, 9000))
    cut = frames
    if rng.random() < config.switch:
        cut = int(rng.integers(frames // 4, 3 * frames // 4 + 1))
    before, after = np.arange(frames) < cut, np.arange(frames) >= cut
    ids = [first_id + k for k in range(len(seen))]
    tracks = [_track(i, body, kept & before) for i, body in zip(ids, seen, strict=True)]
    later = [i + 1 for i in ids] if len(seen) == 1 else ids
    rest = [_track(i, body, kept & after) for i, body in zip(later, seen, strict=True)]
    tracks += rest[::-1]  # two bodies keep their ids and change places in the file
    if rng.random() < config.phantom:
        tracks.append(_phantom_track(first_id + 7, kept, rng))
    return [track for track in tracks if len(track.frames)], frames


def _track(body_id: int, seen: Seen, kept: np.ndarray) -> Track:
    return Track(body_id, np.flatnonzero(kept), Seen(seen.xyz[kept], seen.state[kept]))


def _phantom_track(body_id: int, kept: np.ndarray, rng: np.random.Generator) -> Track:
    """Return a phantom that stays for a part of the clip, or, one time in four, for all of it."""
    frames = len(kept)
    length = frames if rng.random() < 0.25 else int(rng.integers(5, max(frames // 2, 6)))
    first = int(rng.integers(0, max(frames - length, 1)))
    shown = kept & (np.arange(frames) >= first) & (np.arange(frames) < first + length)
    return _track(body_id, phantom(frames, rng), shown)
