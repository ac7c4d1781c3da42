"""What a recording is named: ranked labels, margin, and whether none of them fits."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smie_pipe.preprocessing.foundation.errors import unknown_choice
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.zeroshot.recognition.recordings import ClipToName

COLUMNS = ("recording", "body", "rank", "label", "score", "share", "margin", "none_of_these")


@dataclass(frozen=True)
class Ranked:
    """One label of a prediction.

    ``score`` is 0 for the mean of all labels asked for, in units of how far scores of seen-class
    clips spread; ``share`` is its part of a softmax over the labels, from 0 to 1, for a bar. It
    is no probability that the label is right.
    """

    label: str
    score: float
    share: float


@dataclass(frozen=True)
class Prediction:
    """The ranked labels of one recording, labelled action, or person; or why there are none."""

    recording: str
    ranking: tuple[Ranked, ...]
    margin: float | None = None
    """Score of the first label less that of the second; None with one label."""
    none_of_these: bool | None = None
    """Whether the margin is below the model's threshold; None with one label."""
    body: int | None = None
    notes: tuple[str, ...] = ()
    fault: str | None = None
    """Why it could not be named; ``ranking`` is empty then."""

    @property
    def label(self) -> str | None:
        """The first label; None where it could not be named."""
        return self.ranking[0].label if self.ranking else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"label": self.label, **asdict(self)}

    def save(self, path: str | Path) -> Path:
        """Write it as ``.json``, ``.csv`` or ``.tsv``, by the path's ending.

        Raises
        ------
        InputError
            For another ending.
        """
        path = Path(path)
        return save([self], path, path.suffix.removeprefix("."))


def ranked(
    clip: ClipToName, labels: Sequence[str], scores: np.ndarray, calibration: Mapping[str, Any]
) -> Prediction:
    """Return the prediction of a clip by its scores (K,) against the labels."""
    row = (scores.astype(np.float64) - float(scores.mean())) / float(calibration["unit"])
    order = np.argsort(-row, kind="stable")
    share = np.exp(row - row.max())
    share /= share.sum()
    ranking = tuple(Ranked(labels[k], float(row[k]), float(share[k])) for k in order)
    margin = ranking[0].score - ranking[1].score if len(ranking) > 1 else None
    none = None if margin is None else margin < float(calibration["none_below"])
    notes = clip.notes
    if margin is None:
        notes = (*notes, "one label only: there is nothing to rank it against")
    return Prediction(clip.recording, ranking, margin, none, clip.body, notes)


def save(predictions: Sequence[Prediction], path: Path, form: str) -> Path:
    """Write predictions as ``json``, ``csv`` or ``tsv``.

    Raises
    ------
    InputError
        For another form.
    """
    if form == "json":
        rows = [prediction.as_dict() for prediction in predictions]
        text = json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
    elif form in ("csv", "tsv"):
        text = _table(predictions, "," if form == "csv" else "\t")
    else:
        raise unknown_choice("format of predictions", form, ["json", "csv", "tsv"])
    with replace_when_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _table(predictions: Sequence[Prediction], separator: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    writer.writerow(COLUMNS)
    for found in predictions:
        body = "" if found.body is None else found.body
        margin = "" if found.margin is None else f"{found.margin:.4f}"
        none = "" if found.none_of_these is None else int(found.none_of_these)
        for rank, one in enumerate(found.ranking, 1):
            scores = (f"{one.score:.4f}", f"{one.share:.4f}")
            writer.writerow([found.recording, body, rank, one.label, *scores, margin, none])
    return out.getvalue()
