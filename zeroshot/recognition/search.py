"""Which recordings show what a text says: the scores of a model, the other way round.

A text alone cannot be ranked over recordings by its raw score: some clips score high against
everything. So a clip's score is what the text has over the mean of the model's own classes on
the same clip, in the model's unit, as `predict` shows it for a list of labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.recognition.recognizer import BATCH, Recognizer
from smie_pipe.zeroshot.recognition.recordings import ClipToName, Recorded, clips_of, window_clips
from smie_pipe.zeroshot.recognition.segments import SegmentConfig, windows

SKELETONS = "skeletons.h5"


@dataclass(frozen=True)
class Hit:
    """One clip and how well the text fits it.

    ``score`` is 0 where the text fits as the mean of the model's own classes does; 1 is the
    spread of scores of seen-class clips. ``start_s`` and ``end_s`` are those of the window that
    fits best, where windows were asked for.
    """

    recording: str
    score: float
    start_s: float | None = None
    end_s: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def search(
    model: Recognizer, text: str, source: Path, *, when: bool = False, fps: float = 30.0
) -> tuple[list[Hit], list[str]]:
    """Return all recordings of a source, the best first, and why some were left out.

    Parameters
    ----------
    source
        A run folder or its skeletons.h5, whose clips are ready; or a file or folder of
        recordings, as `Recognizer.recordings` reads them.
    when
        Look through each recording in windows, and return the best one's time. Clips of a
        skeletons.h5 have no time left in them.
    fps
        Of arrays.

    Raises
    ------
    InputError
        For an empty text, a source that is not there, windows over ready clips, or clips of
        another recipe than the model's.
    """
    labels = _labels(model, text)
    skeletons = source / SKELETONS if source.is_dir() else source
    if skeletons.name == SKELETONS and skeletons.is_file():
        if when:
            raise InputError(f"{skeletons}: its clips hold no time; search their raw recordings")
        hits, faults = list(_in_skeletons(model, labels, skeletons)), list[str]()
    else:
        hits, faults = _in_recordings(model, labels, source, when, fps)
    return sorted(hits, key=lambda hit: -hit.score), faults


def _labels(model: Recognizer, text: str) -> list[str]:
    """Return the text, and beside it the classes that it is held against."""
    if not text.strip():
        raise InputError('the text to search for is empty; give one, such as "someone waves"')
    return [text, *(name for name in [*model.seen, *model.unseen] if name != text)]


def _over_mean(model: Recognizer, scores: np.ndarray) -> np.ndarray:
    """Return what the first label has over the mean of the others, in the model's unit."""
    rest = scores[:, 1:].mean(1) if scores.shape[1] > 1 else 0
    return (scores[:, 0] - rest) / float(model.folder.config["calibration"]["unit"])


def _in_skeletons(model: Recognizer, labels: Sequence[str], path: Path) -> Iterator[Hit]:
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile

    with SkeletonFile(path) as file:
        _check_recipe(model, file.recipe, path)
        names = file.name
        for first in range(0, len(file), BATCH):
            rows = np.arange(first, min(first + BATCH, len(file)))
            x = file.x[rows[0] : rows[-1] + 1]
            found = _over_mean(model, model.score(x, labels, place=file.place(rows)))
            for row, score in zip(rows, found, strict=True):
                yield Hit(str(names[row]), float(score))


def _check_recipe(model: Recognizer, recipe: dict[str, Any], path: Path) -> None:
    own = model.folder.config["recipe"]
    other = [name for name in ("frames", "turn") if recipe.get(name) != own.get(name)]
    if other:
        said = ", ".join(
            f"{n} {recipe.get(n)!r} there, {own.get(n)!r} in the model" for n in other
        )
        raise InputError(f"{path}: its clips are made by another recipe than the model's: {said}")


def _in_recordings(
    model: Recognizer, labels: Sequence[str], source: Path, when: bool, fps: float
) -> tuple[list[Hit], list[str]]:
    hits: list[Hit] = []
    faults: list[str] = []
    waiting: list[ClipToName] = []
    for found in model.recordings(source, fps, whole=when):
        if isinstance(found, str):
            faults.append(found)
            continue
        try:
            if when:
                hits.append(_best_window(model, labels, found))
            else:
                waiting += clips_of(found, model.recipe)
        except InputError as error:
            faults.append(str(error))
        if len(waiting) >= BATCH:
            hits += _scored(model, labels, waiting)
            waiting = []
    return hits + _scored(model, labels, waiting), faults


def _scored(model: Recognizer, labels: Sequence[str], clips: Sequence[ClipToName]) -> list[Hit]:
    if not clips:
        return []
    found = _over_mean(model, model.score(np.stack([clip.x for clip in clips]), labels))
    return [Hit(c.recording, float(s)) for c, s in zip(clips, found, strict=True)]


def _best_window(model: Recognizer, labels: Sequence[str], found: Recorded) -> Hit:
    over = windows(found.frames, found.fps, SegmentConfig())
    clips = window_clips(found, model.recipe, over)
    scores = _over_mean(model, model.score(clips, labels))
    scores[~clips.any((1, 2, 3, 4))] = -np.inf  # a window without a body shows nothing
    best = int(scores.argmax())
    if not np.isfinite(scores[best]):
        raise InputError(f"{found.name}: no window of it holds a body")
    start, end = over.first[best] / found.fps, over.last[best] / found.fps
    return Hit(found.name, float(scores[best]), round(float(start), 3), round(float(end), 3))
