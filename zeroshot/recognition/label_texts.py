"""Text vectors of the labels a user asks for: those kept in the model, others by its text model.

Known labels cost nothing: no text model is loaded for them, which takes seconds. For a label
that is not kept, the model's own text model embeds it, after its files were compared with those
the model was trained with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.texts.class_texts import ClassTexts, TextCentre

MOST = 10_000
NEAR = 0.8
"""Cosine between two labels above which a model will hardly tell them apart."""


@dataclass(frozen=True)
class TextFacts:
    """Where the texts of a model come from, as its ``config.json`` says it."""

    sets: tuple[str, ...]
    """The text sets, in order: ``label``, ``definition``, ``motion``."""
    model: str
    """Name of the text model, or of a file of ready-made embeddings."""
    model_digest: str
    """Of the text model's files; empty for ready-made embeddings."""
    width: int
    combine: str = "views"
    parts_of_speech: bool = False


@dataclass(eq=False)
class LabelTexts:
    """The text vectors of labels: a table that grows by what is asked for.

    Parameters
    ----------
    facts
        Where the vectors come from.
    vectors
        For each known label its vectors (sets, D); for methods that read a verb and a noun,
        two rows more.
    centre
        What is taken off all texts, or None.
    """

    facts: TextFacts
    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    centre: TextCentre | None = None

    def of(
        self, labels: Sequence[str], texts: Mapping[str, Sequence[str]] | None = None
    ) -> ClassTexts:
        """Return the class texts of labels, a row each, as the method reads them.

        Parameters
        ----------
        texts
            For labels of a file with more texts: the text of each set, in the model's order.

        Raises
        ------
        InputError
            If labels are empty, repeated or too many, or the text model is not the one the
            model was trained with.
        """
        check_labels(labels)
        new = [label for label in labels if label not in self.vectors or label in (texts or {})]
        own = self._embedded(new, texts or {}) if new else {}
        if not texts:
            self.vectors.update(own)
        rows = np.stack([own[name] if name in own else self.vectors[name] for name in labels])
        return self._as_texts(rows)

    def _as_texts(self, rows: np.ndarray) -> ClassTexts:
        """Return rows (K, sets [+ 2], D) joined as in training."""
        table = torch.from_numpy(np.ascontiguousarray(rows))
        count = len(self.facts.sets)
        words = {"verb": table[:, -2], "noun": table[:, -1]} if self.facts.parts_of_speech else {}
        made = ClassTexts.of_views(
            [table[:, k] for k in range(count)], self.facts.combine, **words
        )
        return made if self.centre is None else self.centre.apply(made)

    def _embedded(
        self, labels: Sequence[str], texts: Mapping[str, Sequence[str]]
    ) -> dict[str, np.ndarray]:
        """Return the vectors of new labels, by the text model."""
        from smie_pipe.zeroshot.texts.embeddings import embed_texts
        from smie_pipe.zeroshot.texts.models import TextModel

        if not self.facts.model_digest:
            raise InputError(
                f"{', '.join(map(repr, labels[:3]))}: this model was trained on ready-made "
                f"embeddings ({self.facts.model}), so it knows only its own labels: "
                f"{', '.join(list(self.vectors)[:8])}"
            )
        model = TextModel(self.facts.model)
        if model.digest != self.facts.model_digest:
            raise InputError(
                f"text model {self.facts.model}: its files are not those this model was trained "
                "with; give the folder of the right one with --text-model"
            )
        sentences = [self._sentences(label, texts) for label in labels]
        columns = [
            embed_texts([[said[k]] for said in sentences], model)
            for k in range(len(self.facts.sets))
        ]
        if self.facts.parts_of_speech:
            columns += [embed_texts([[w] for w in words], model) for words in _words(labels)]
        if columns[0].shape[1] != self.facts.width:
            raise InputError(
                f"text model {self.facts.model}: gives {columns[0].shape[1]} numbers a text, this "
                f"model was trained with {self.facts.width}"
            )
        return dict(zip(labels, np.stack(columns, axis=1), strict=True))

    def _sentences(self, label: str, texts: Mapping[str, Sequence[str]]) -> list[str]:
        """Return a text for each set: the user's, the package's own, or the label again."""
        from smie_pipe.zeroshot.texts.text_sets import built_in_texts

        if label in texts:
            return list(texts[label])
        known = built_in_texts().get(label, {})
        return [known.get(name, label) for name in self.facts.sets]

    def near_twins(self, labels: Sequence[str]) -> list[tuple[str, str, float]]:
        """Return pairs of labels whose texts point nearly the same way, the nearest first."""
        table = np.stack([self.vectors[label][: len(self.facts.sets)] for label in labels])
        table = table.reshape(len(labels), -1).astype(np.float64)
        table /= np.linalg.norm(table, axis=1, keepdims=True)
        cosines = np.triu(table @ table.T, 1)
        pairs = np.argwhere(cosines > NEAR)
        found = [(labels[a], labels[b], float(cosines[a, b])) for a, b in pairs]
        return sorted(found, key=lambda pair: -pair[2])


def check_labels(labels: Sequence[str]) -> None:
    """Refuse labels that cannot be scored, all faults in one message.

    Raises
    ------
    InputError
        If there is none, one is empty or stands there twice, or there are too many.
    """
    faults = []
    if not labels:
        faults.append("no label is given")
    empty = [k for k, label in enumerate(labels, 1) if not label.strip()]
    if empty:
        faults.append(f"label {', '.join(map(str, empty[:8]))} is empty")
    twice = [label for label, count in Counter(labels).items() if count > 1]
    if twice:
        faults.append(f"{', '.join(map(repr, twice[:8]))} stand there twice")
    if len(labels) > MOST:
        faults.append(f"{len(labels):,} labels, at most {MOST:,} can be scored at once")
    if faults:
        raise InputError("labels: " + "; ".join(faults))


def read_labels_file(path: Path, sets: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return labels of a file, a line each, or of a CSV, with their texts for the sets.

    A CSV has the column ``name`` (or ``label``), and may have those of the text sets. A text set
    that it lacks is filled by the label.

    Raises
    ------
    InputError
        If the file is not UTF-8 text, or a CSV without such a column.
    """
    import csv

    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected UTF-8 text, found other bytes") from None
    if path.suffix.lower() != ".csv":
        return [line.strip() for line in text.splitlines() if line.strip()], {}
    rows = list(csv.DictReader(text.splitlines()))
    column = next((name for name in ("name", "label") if rows and name in rows[0]), None)
    if column is None:
        raise InputError(f"{path}: expected a CSV with the column name, found none")
    labels = [(row[column] or "").strip() for row in rows]
    if not any(name in rows[0] for name in sets if name != "label"):
        return labels, {}
    texts = {
        label: [(row.get(name) or "").strip() or label for name in sets]
        for label, row in zip(labels, rows, strict=True)
    }
    return labels, texts


def _words(labels: Sequence[str]) -> tuple[list[str], list[str]]:
    from smie_pipe.zeroshot.texts.sentences import verbs_and_nouns

    return verbs_and_nouns(labels)
