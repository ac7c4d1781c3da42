"""From class texts to vectors: one L2-normalised row a class, kept in a cache between runs."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.npy import read_npy
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.zeroshot.texts.models import TextModel
from smie_pipe.zeroshot.texts.sentences import LABELS, verbs_and_nouns
from smie_pipe.zeroshot.texts.text_sets import text_sets

if TYPE_CHECKING:
    from smie_pipe.zeroshot.texts.class_texts import ClassTexts

logger = logging.getLogger(__name__)

DEFAULT_MODEL = "all-mpnet-base-v2"
# Part of every cache key: raise it when the way from texts to rows changes.
_RECIPE = 1


def class_texts(
    class_names: Sequence[str],
    *,
    source: str = "labels",
    model: str | Path = DEFAULT_MODEL,
    combine: str = "views",
    cache_dir: Path | None = None,
    parts_of_speech: bool = False,
    verbs_nouns: Path | None = None,
    device: str = "cpu",
) -> ClassTexts:
    """Return the text embeddings of all classes, row k for label k.

    Parameters
    ----------
    class_names
        Names by label, of the whole dataset.
    source
        As for ``smie_pipe.zeroshot.texts.text_sets.text_sets``; it may hold several text sets.
    model
        As for ``smie_pipe.zeroshot.texts.models.TextModel``, or a ``.npy`` file of ready-made
        embeddings (K, D) of all classes; then verbs and nouns come from ``STEM_verbs.npy`` and
        ``STEM_nouns.npy`` beside it.
    combine
        How several text sets become one, as for ``ClassTexts.of_views``.
    cache_dir
        Where embeddings are kept; by default ``cache_folder()``.
    parts_of_speech
        Whether to embed the verb and the noun of every class too, for JPoSE and SynSE.
    verbs_nouns
        The user's CSV for them, as for ``smie_pipe.zeroshot.texts.sentences.verbs_and_nouns``.
    device
        Where the text model runs.

    Raises
    ------
    InputError
        For texts, models or arrays that do not fit; see the functions named above.
    """
    import torch

    from smie_pipe.zeroshot.texts.class_texts import ClassTexts

    if str(model).endswith(".npy"):
        rows = _ready_made(Path(model), len(class_names), source, parts_of_speech)
        tables = {kind: torch.from_numpy(r) for kind, r in rows.items()}
        return ClassTexts(tables["sentence"], tables.get("verb"), tables.get("noun"))
    sets = text_sets(class_names, source)
    parts = _verbs_nouns(class_names, verbs_nouns) if parts_of_speech else {}
    loaded = TextModel(model, device)
    views, words = (
        {kind: torch.from_numpy(embed_texts(t, loaded, cache_dir)) for kind, t in texts.items()}
        for texts in (sets, parts)
    )
    return ClassTexts.of_views(list(views.values()), combine, **words)


def _verbs_nouns(class_names: Sequence[str], own: Path | None) -> dict[str, list[list[str]]]:
    verbs, nouns = verbs_and_nouns(class_names, own)
    return {"verb": [[verb] for verb in verbs], "noun": [[noun] for noun in nouns]}


def embed_texts(
    texts: Sequence[Sequence[str]], model: TextModel, cache_dir: Path | None = None
) -> np.ndarray:
    """Return one embedding a class, L2-normalised, shape (K, D), float32.

    Parameters
    ----------
    texts
        One or more texts for each of the K classes; a class's row is the mean of its
        L2-normalised embeddings, normalised again.
    model
        The text model. It is loaded only if the cache has no entry.
    cache_dir
        Folder of the cache; an entry belongs to these texts and the model's digest. An entry
        that is damaged is made anew.

    Raises
    ------
    InputError
        If a class has no text, or the model gives values that are not finite.
    """
    if not texts or not all(texts):
        raise InputError(f"classes without a text: {[k for k, t in enumerate(texts) if not t]}")
    entry = _entry(cache_dir or cache_folder(), texts, model)
    kept = _read_entry(entry, len(texts))
    if kept is not None:
        return kept
    rows = _class_means(model.encode([text for of_class in texts for text in of_class]), texts)
    _write_entry(entry, rows)
    return rows


def load_embeddings(path: Path, classes: int) -> np.ndarray:
    """Return ready-made embeddings, L2-normalised, shape (classes, D), float32.

    Raises
    ------
    InputError
        If the file is no .npy of numbers, or its shape is not (classes, D), or a row is zero or
        not finite; all faults in one message.
    """
    rows = read_npy(path)
    if rows.ndim != 2 or rows.shape[0] != classes or rows.shape[1] < 2:
        raise InputError(
            f"{path}: expected embeddings of all {classes} classes of the dataset, shape "
            f"({classes}, width), found shape {rows.shape}"
        )
    rows = rows.astype(np.float64)
    unusable = ~np.isfinite(rows).all(1) | (np.abs(rows).max(1) == 0)
    if unusable.any():
        listed = ", ".join(map(str, np.flatnonzero(unusable)))
        raise InputError(f"{path}: rows (from 0) {listed} are zero or not finite")
    return _normalised(rows)


def cache_folder() -> Path:
    """Return the folder of embeddings kept between runs: under XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "smie-pipe" / "embeddings"


def _ready_made(
    path: Path, classes: int, source: str, parts_of_speech: bool
) -> dict[str, np.ndarray]:
    if source not in LABELS:
        raise InputError(
            f"text source {source!r} and ready-made embeddings {path} exclude each other: there "
            "is no model to embed the texts with. Leave one of them out."
        )
    rows = {"sentence": load_embeddings(path, classes)}
    if parts_of_speech:
        beside = {kind: path.with_name(f"{path.stem}_{kind}s.npy") for kind in ("verb", "noun")}
        missing = [str(p) for p in beside.values() if not p.is_file()]
        if missing:
            raise InputError(
                f"JPoSE and SynSE need embeddings of each class's verb and noun beside {path}; "
                f"not found: {', '.join(missing)}. Make them, leave these methods out, or use a "
                "text model in place of ready-made embeddings."
            )
        rows |= {kind: load_embeddings(p, classes) for kind, p in beside.items()}
    return rows


def _class_means(rows: np.ndarray, texts: Sequence[Sequence[str]]) -> np.ndarray:
    if not np.isfinite(rows).all():
        raise InputError(
            "the text model gives values that are not finite; its weights are damaged"
        )
    starts = np.cumsum([0, *(len(of_class) for of_class in texts[:-1])])
    return _normalised(np.add.reduceat(_normalised(rows), starts, axis=0))


def _normalised(rows: np.ndarray) -> np.ndarray:
    rows = rows.astype(np.float64)
    rows = rows / np.abs(rows).max(1, keepdims=True)  # so that no square under- or overflows
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _entry(folder: Path, texts: Sequence[Sequence[str]], model: TextModel) -> Path:
    said = json.dumps([list(of_class) for of_class in texts])
    key = hashlib.sha256(f"{_RECIPE}\n{model.digest}\n{said}".encode()).hexdigest()
    return folder / f"{key}.npy"


def _read_entry(entry: Path, classes: int) -> np.ndarray | None:
    """Return what the cache holds; nothing where there is no entry or none that can be right."""
    if not entry.is_file():
        return None
    try:
        rows = np.load(entry, allow_pickle=False)
        lengths = np.linalg.norm(rows, axis=1)
    except (OSError, ValueError, EOFError) as error:
        logger.warning("embeddings in the cache are damaged and made anew: %s: %s", entry, error)
        return None
    whole = rows.dtype == np.float32 and len(rows) == classes
    if not (whole and np.allclose(lengths, 1, atol=1e-5)):
        logger.warning("embeddings in the cache are damaged and made anew: %s", entry)
        return None
    return rows


def _write_entry(entry: Path, rows: np.ndarray) -> None:
    """Keep the rows; a cache that cannot be written costs time at the next run, no more."""
    try:
        with replace_when_whole(entry) as temporary, open(temporary, "wb") as file:
            np.save(file, rows, allow_pickle=False)
    except OSError as error:
        logger.warning("embeddings are not kept for the next run: %s", error)
