"""`Recognizer`: a trained model as a thing one can use from Python.

>>> from smie_pipe import Recognizer                          # doctest: +SKIP
>>> model = Recognizer.load("models/daily-actions")           # doctest: +SKIP
>>> found = model.predict("a.skeleton", ["bow", "kick"])      # doctest: +SKIP
>>> found.label, round(found.margin, 1)                       # doctest: +SKIP
('bow', 1.4)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smie_pipe.backbones.features.joined import ClipFeatures
from smie_pipe.backbones.weights import load_backbone
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.npy import read_npy
from smie_pipe.zeroshot.methods.saved import load_method
from smie_pipe.zeroshot.recognition.label_texts import LabelTexts, TextFacts
from smie_pipe.zeroshot.recognition.model_folder import (
    FEATURES,
    LABELS,
    METHOD,
    ModelFolder,
    read_model,
)
from smie_pipe.zeroshot.recognition.prediction import Prediction, ranked
from smie_pipe.zeroshot.recognition.recordings import (
    FPS,
    ClipToName,
    Recorded,
    clips_of,
    from_array,
    joints_of,
    recipe_config,
    recorded,
    window_clips,
)
from smie_pipe.zeroshot.recognition.segments import (
    Segment,
    SegmentConfig,
    decode,
    margins,
    moment_scores,
    runs,
    still_moments,
    windows,
)
from smie_pipe.zeroshot.texts.class_texts import ClassTexts, TextCentre

BATCH = 32
Source = str | Path | np.ndarray


class Recognizer:
    """Names, ranks and times actions in recordings by any texts.

    One object may be used by several threads: scoring changes nothing but the table of known
    labels, which only grows.

    Attributes
    ----------
    folder
        The model, and all that its ``config.json`` says.
    seen, unseen
        Names of the classes it was trained on, and of those it was tested on.
    """

    def __init__(
        self,
        folder: ModelFolder,
        *,
        device: str = "cpu",
        text_model: str | None = None,
        own_method: str | None = None,
    ):
        self.folder = folder
        self.device = torch.device(device)
        config = folder.config
        self.seen: list[str] = list(config["classes"]["seen"])
        self.unseen: list[str] = list(config["classes"]["unseen"])
        self._recipe = recipe_config(config["recipe"])
        self._features = ClipFeatures.restore(
            config["features"]["source"], folder.arrays(FEATURES)
        )
        path = folder.backbone
        self._network = None if path is None else load_backbone(path, self.device)[0]
        self._method = load_method(folder.path / METHOD, own=own_method)
        self._texts = _label_texts(folder, text_model)
        self._calibration: Mapping[str, Any] = config["calibration"]

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        device: str = "cpu",
        text_model: str | None = None,
        own_method: str | None = None,
    ) -> Recognizer:
        """Open a model folder of ``export-model``.

        Parameters
        ----------
        device
            ``cpu`` or ``cuda``.
        text_model
            Folder of the text model, where the name in the model is not found here. Its files
            must be those the model was trained with. Known labels need none.
        own_method
            ``file.py:Class`` of a method that is not built in.

        Raises
        ------
        InputError
            If the folder is no model, or is damaged, changed or of a newer version.
        """
        opened = read_model(Path(folder))
        return cls(opened, device=device, text_model=text_model, own_method=own_method)

    def predict(
        self, source: Source, labels: Sequence[str], *, fps: float = FPS, name: str | None = None
    ) -> Prediction:
        """Name one recording.

        Parameters
        ----------
        source
            A file of one recording, or joints (T, 25, 3) or (T, M, 25, 3) in metres.
        labels
            Any texts, the more concrete the better: "someone bows deeply".
        fps
            Frames a second of an array.

        Raises
        ------
        InputError
            If it cannot be read, holds no body, or several recordings; or for labels that
            cannot be scored.
        """
        found = list(self.predict_all(source, labels, fps=fps, strict=True))
        if len(found) != 1:
            raise InputError(
                f"{source}: holds {len(found)} recordings or actions, expected one; "
                "use predict_all for several"
            )
        return found[0]

    def predict_all(
        self,
        sources: Source | Iterable[Source],
        labels: Sequence[str],
        *,
        fps: float = FPS,
        per_body: bool = False,
        texts: Mapping[str, Sequence[str]] | None = None,
        strict: bool = False,
    ) -> Iterator[Prediction]:
        """Yield a prediction for each recording (or labelled action, or person), as they are read.

        Parameters
        ----------
        sources
            A file, folder or archive that ``preprocess`` reads, an array, or several of these.
        per_body
            Name each person apart.
        texts
            More texts for some labels, a text a text set of the model.
        strict
            Raise for a recording that cannot be named; else it comes as a prediction whose
            ``fault`` says why, and the next one follows.

        Raises
        ------
        InputError
            For labels that cannot be scored, before anything is read.
        """
        table = self._texts.of(labels, texts)
        batch: list[ClipToName] = []
        for item in self._clips(sources, fps, per_body):
            if isinstance(item, ClipToName):
                batch.append(item)
            elif strict:
                raise InputError(item)
            if batch and (len(batch) == BATCH or isinstance(item, str)):
                yield from self.named(batch, labels, table)
                batch = []
            if isinstance(item, str):
                yield Prediction(item.partition(":")[0], (), fault=item)
        yield from self.named(batch, labels, table)

    def segments(
        self,
        source: Source | Recorded,
        labels: Sequence[str],
        *,
        fps: float = FPS,
        config: SegmentConfig | None = None,
    ) -> list[Segment]:
        """Return which action is when in a long recording, in order of time.

        Raises
        ------
        InputError
            If the recording cannot be read or is shorter than two frames.
        """
        config = config or SegmentConfig()
        found = source if isinstance(source, Recorded) else self._one(source, fps)
        joints = joints_of(found, self._recipe)
        over = windows(found.frames, found.fps, config)
        scores = self.score(window_clips(found, self._recipe, over), labels)
        margin = margins(moment_scores(scores, over))
        still = still_moments(joints, found.fps, over.moments, config.still_m)
        path = decode(margin, still, config, config.background)
        seconds = found.frames / found.fps
        return [
            Segment(s.label, s.start_s, s.end_s, s.score, found.name)
            for s in runs(path, margin, labels, seconds, config)
        ]

    def recordings(
        self, source: Source, fps: float = FPS, *, whole: bool = False
    ) -> Iterator[Recorded | str]:
        """Yield the recordings of a file, folder or array; for one that cannot be read, why.

        ``whole``: also those whose labels say their actions come as one.
        """
        if isinstance(source, np.ndarray):
            yield from_array(source, fps=fps)
        else:
            path = Path(source)
            if path.suffix == ".npy":
                yield from_array(read_npy(path), path.stem, fps)
            else:
                yield from recorded(path, self._recipe, whole=whole)

    @property
    def recipe(self) -> PreprocessConfig:
        """How clips are made of recordings."""
        return self._recipe

    def export_onnx(
        self,
        path: str | Path,
        labels: Sequence[str],
        texts: Mapping[str, Sequence[str]] | None = None,
    ) -> float:
        """Write the model with these labels as one ONNX file; see ``onnx.export.export_onnx``.

        The scores are those of `score`. Returns how far they are from these on trial clips.

        Raises
        ------
        InputError
            For labels that cannot be scored, a model whose features are not a backbone's alone,
            or one that cannot be exported.
        """
        from smie_pipe.zeroshot.onnx.export import export_onnx

        config = self.folder.config
        if self._network is None or self._features.source != "backbone":
            raise InputError(
                f"{self.folder.path}: expected a model on a backbone's features, found "
                f"{self._features.source} features, which cannot be written as ONNX; train with "
                "`extract --features backbone`, or use predict"
            )
        table = self._texts.of(labels, texts)
        said = {key: config[key] for key in ("calibration", "figures", "data", "cite", "terms")}
        network = self._network.to("cpu")
        try:
            return export_onnx(
                Path(path), network, self._method, table, labels, config["recipe"], said
            )
        finally:
            self._network.to(self.device)

    def near_twins(self, labels: Sequence[str]) -> list[tuple[str, str, float]]:
        """Return pairs of labels that are nearly the same text to the model, nearest first."""
        self._texts.of(labels)
        return self._texts.near_twins(labels)

    @torch.no_grad()
    def features(self, x: np.ndarray, place: np.ndarray | None = None) -> torch.Tensor:
        """Return the features of clips (N, 3, 50, 25, 2), (N, D) float32.

        ``place`` (N, 50, 2, 4): where the bodies were, as in skeletons.h5, where it is known.
        """
        parts = []
        for first in range(0, len(x), BATCH):
            clips = np.ascontiguousarray(x[first : first + BATCH], np.float32)
            network = None
            if self._network is not None:
                network = self._network(torch.from_numpy(clips).to(self.device)).float().cpu()
            where = None if place is None else place[first : first + BATCH]
            network_v = None if network is None else network.numpy()
            made = self._features.from_clips(clips, network_v, where)
            parts.append(torch.from_numpy(np.ascontiguousarray(made)))
        return torch.cat(parts)

    def score(
        self, x: np.ndarray, labels: Sequence[str], place: np.ndarray | None = None
    ) -> np.ndarray:
        """Return the method's scores of clips (N, 3, 50, 25, 2) against labels, (N, K)."""
        return self._score(x, self._texts.of(labels), place)

    def _score(
        self, x: np.ndarray, table: ClassTexts, place: np.ndarray | None = None
    ) -> np.ndarray:
        return self._method.score(self.features(x, place), table).numpy()

    def texts_of(
        self, labels: Sequence[str], texts: Mapping[str, Sequence[str]] | None = None
    ) -> ClassTexts:
        """Return labels as the method reads them; see `named`.

        Raises
        ------
        InputError
            For labels that cannot be scored.
        """
        return self._texts.of(labels, texts)

    def named(
        self, batch: Sequence[ClipToName], labels: Sequence[str], table: ClassTexts
    ) -> Iterator[Prediction]:
        """Yield the predictions of clips; ``table`` is what `texts_of` returned for the labels."""
        if not batch:
            return
        scores = self._score(np.stack([clip.x for clip in batch]), table)
        for clip, row in zip(batch, scores, strict=True):
            yield ranked(clip, labels, row, self._calibration)

    def _clips(
        self, sources: Source | Iterable[Source], fps: float, per_body: bool
    ) -> Iterator[ClipToName | str]:
        """Yield the clips of all sources; a text where a recording cannot be named."""
        if isinstance(sources, (str, Path, np.ndarray)):
            sources = [sources]
        for source in sources:
            try:
                for found in self.recordings(source, fps):
                    if isinstance(found, str):
                        yield found
                        continue
                    try:
                        yield from clips_of(found, self._recipe, per_body=per_body)
                    except InputError as error:
                        yield str(error)
            except (InputError, OSError) as error:
                yield str(error) if isinstance(error, InputError) else f"{source}: {error}"

    def _one(self, source: Source, fps: float) -> Recorded:
        found = list(self.recordings(source, fps))
        for item in found:
            if isinstance(item, str):
                raise InputError(item)
        if len(found) != 1:
            raise InputError(f"{source}: holds {len(found)} recordings, expected one")
        assert isinstance(found[0], Recorded)
        return found[0]


def _label_texts(folder: ModelFolder, text_model: str | None) -> LabelTexts:
    """Return the known labels of a model and how others are embedded."""
    said = folder.config["texts"]
    arrays = folder.arrays(LABELS)
    facts = TextFacts(
        tuple(said["sets"]),
        text_model or said["model"],
        said["model_digest"],
        said["width"],
        said["combine"],
        said["parts_of_speech"],
    )
    means = {
        name.removeprefix("centre."): torch.from_numpy(a)
        for name, a in arrays.items()
        if name.startswith("centre.")
    }
    vectors = dict(zip(said["labels"], arrays["vectors"], strict=True))
    return LabelTexts(facts, vectors, TextCentre(means) if means else None)
