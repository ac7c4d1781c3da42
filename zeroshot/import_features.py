"""Ready-made features as ``features.h5``: zero-shot scores with no raw data at all.

Their layouts stand in `feature_sources`. Text embeddings found with them are copied beside the
output, for ``--text-model``.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smie_pipe.backbones.features.store import FeatureSet, write_features
from smie_pipe.backbones.subsets import PARTS
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.feature_sources import (
    NEEDED,
    SOTA,
    FeatureSource,
    Names,
    Table,
    find_features,
    take_texts,
    unseen_apart,
)
from smie_pipe.zeroshot.splits import Split

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImportReport:
    """How many clips came in, and which text embeddings lie beside them."""

    output: str
    seen_train: int
    seen_test: int
    unseen_test: int
    texts: tuple[str, ...]

    def __str__(self) -> str:
        """Return the figures in words."""
        beside = f"; text embeddings there: {', '.join(self.texts)}" if self.texts else ""
        return (
            f"features of {self.seen_train + self.seen_test + self.unseen_test} clips "
            f"({self.seen_train} seen for training, {self.seen_test} seen and {self.unseen_test} "
            f"unseen for testing) -> {self.output}; none of masked clips, so SMIE runs without "
            f"its temporal constraint (SMIE w/o L2){beside}"
        )


def import_features(
    source: Path,
    output: Path,
    split: Split,
    class_names: Sequence[str],
    *,
    which: str | None = None,
    backbone: str = "shift-gcn",
    protocol: str = "xsub",
) -> ImportReport:
    """Write other people's ready-made arrays as a features file.

    Parameters
    ----------
    source
        A folder of arrays, an archive, or a folder with such below it. Features have the shape
        (n, D), D at least 2 (256 in SynSE's); labels (n,) count from 0 over all classes of the
        dataset.
    output
        The features file.
    split
        Which classes are unseen: the arrays must agree with it.
    class_names
        Of the dataset, by label.
    which
        Which of several below ``source``, see `find_features`.
    backbone, protocol
        What the features were made by, for the records; SynSE's are Shift-GCN on
        cross-subject.

    Raises
    ------
    InputError
        If a file is missing or is no array of numbers, if shapes do not fit, a value is not
        finite, a label stands in the wrong part or a class has no clip; all faults together.

    Notes
    -----
    There are no features of masked clips in this layout. ``v_masked`` is written as a copy of
    ``v`` and the attribute ``masked`` is False; the temporal constraint (eq. 10) is then left
    out, never computed on the copy.

    Seen test clips are those of ``gtest`` with a seen label, unseen ones those of ``ztest``.
    Where the unseen clips of ``gtest`` are others than ``ztest``'s a warning says so.
    """
    found = find_features(source, which)
    tables = found.read()
    if found.files is SOTA:
        tables = unseen_apart(tables, split.unseen)
    if "gtest" not in tables:
        logger.warning("%s: no test clips of seen classes (no GZSL)", found.path)
    _check(found, tables, split, len(class_names))
    made_by = {"backbone": backbone, "protocol": protocol, "source_digest": _digest(tables)}
    features = _feature_set(tables, split, class_names, made_by)
    write_features(output, features)
    texts = take_texts(source, output.parent / "texts", split.dataset, len(class_names))
    return ImportReport(str(output), **features.counts(), texts=tuple(map(str, texts)))


def _check(found: FeatureSource, tables: dict[str, Table], split: Split, classes: int) -> None:
    """Raise one error with everything that is wrong with the arrays."""
    names = {part: found.files.get(part, found.files["ztest"]) for part in tables}
    faults = [
        fault for part, table in tables.items() for fault in _shape_faults(names[part], *table)
    ]
    if not faults:
        widths = {name: v.shape[1] for name, (v, _) in tables.items()}
        if len(set(widths.values())) > 1:
            faults.append(f"features have different widths: {widths}")
        faults += _label_faults(names, tables, split, classes)
    if faults:
        raise InputError(f"{found.path}: " + "; ".join(faults))


def _shape_faults(names: tuple[str, str], v: np.ndarray, label: np.ndarray) -> Iterator[str]:
    file, label_file = names
    if v.ndim != 2 or v.shape[1] < 2:
        yield f"{file} has shape {v.shape}, expected (clips, width)"
    elif not np.isfinite(v).all():
        yield f"{file} has {(~np.isfinite(v).all(1)).sum()} rows that are not finite"
    if label.shape != v.shape[:1]:
        yield f"{label_file} has shape {label.shape}, expected {v.shape[:1]} as {file} has rows"
    elif not (label == np.floor(label)).all():
        yield f"{label_file} holds numbers that are not whole"


def _label_faults(
    names: Names, tables: dict[str, Table], split: Split, classes: int
) -> Iterator[str]:
    """Say which labels contradict the split, and which classes have no clip."""
    kinds = {
        "train": ("seen", split.seen(classes)),
        "ztest": ("unseen", split.unseen),
        "gtest": ("known", tuple(range(classes))),
    }
    for name, (_, label) in tables.items():
        kind, allowed = kinds[name]
        found = np.unique(label).astype(int)
        strangers = np.setdiff1d(found, allowed).tolist()
        if strangers:
            yield (
                f"{names[name][1]} holds labels {strangers}, which are not {kind} in split "
                f"{split.name} (labels count from 0 over all {classes} classes); "
                + _likely_reason(found, allowed)
            )
        empty = np.setdiff1d(allowed, found).tolist()
        if empty and name in NEEDED:
            yield f"{names[name][0]} has no clip of {kind} classes {empty}"


def _likely_reason(found: np.ndarray, allowed: Sequence[int]) -> str:
    """Guess how wrong labels were numbered, for the message only."""
    if np.isin(found - 1, allowed).all():
        return "they seem to count from 1, subtract 1"
    if found.min() >= 0 and found.max() < len(allowed):
        return "they seem to be places in a list of such classes, or the split is another"
    return "perhaps the features were made for another split"


def _feature_set(
    tables: dict[str, Table], split: Split, class_names: Sequence[str], made_by: dict[str, str]
) -> FeatureSet:
    seen = split.seen(len(class_names))
    parts = [tables["train"], _seen_test(tables, seen), tables["ztest"]]
    if "gtest" in tables:
        _compare_unseen(tables, split)
    v = np.concatenate([v for v, _ in parts]).astype(np.float32)
    counts = [len(label) for _, label in parts]
    return FeatureSet(
        v=v,
        v_masked=v,
        label=np.concatenate([label for _, label in parts]).astype(np.int64),
        row=np.arange(len(v)),
        part=np.repeat(np.arange(len(PARTS), dtype=np.int8), counts),
        class_names=list(class_names),
        seen=list(seen),
        unseen=list(split.unseen),
        attrs={
            "dataset": split.dataset,
            "split": split.name,
            "P": 0,
            "mask": "",
            "masked": False,
            **made_by,
        },
    )


def _seen_test(tables: dict[str, Table], seen: Sequence[int]) -> Table:
    v, label = tables.get("gtest", (tables["train"][0][:0], tables["train"][1][:0]))
    chosen = np.isin(label, seen)
    return v[chosen], label[chosen]


def _compare_unseen(tables: dict[str, Table], split: Split) -> None:
    """Warn where the unseen clips of ``gtest`` are not those of ``ztest``."""
    v, label = tables["gtest"]
    chosen = np.isin(label, split.unseen)
    one, other = _sorted(v[chosen], label[chosen]), _sorted(*tables["ztest"])
    if not np.array_equal(one, other):
        logger.warning(
            "the %d unseen clips of gtest.npy are not the %d of ztest.npy; unseen clips are "
            "taken from ztest.npy, seen ones from gtest.npy",
            len(one),
            len(other),
        )


def _sorted(v: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Return labels and features as rows in an order of their own."""
    rows = np.column_stack([label, v])
    return rows[np.lexsort(rows.T[::-1])]


def _digest(tables: dict[str, Table]) -> str:
    """Return a digest of the arrays, whatever files they came in."""
    whole = hashlib.sha256()
    for part, pair in sorted(tables.items()):
        for array in pair:
            whole.update(f"{part} {array.shape} {array.dtype.str}\n".encode())
            whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()
