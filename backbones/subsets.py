"""Which clips of a skeletons.h5 train the backbone, and which test what. No torch here."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.skeletons.store import SkeletonFile

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Parts:
    """The clips of one protocol and class split.

    Attributes
    ----------
    path, dataset, digest, class_names
        Of the skeletons file.
    label, name
        Of every clip of the file, whether in a part or not.
    seen, unseen
        Labels, in rising order.
    rows
        For each of ``features.PARTS`` the rows of its clips, rising. Training clips of unseen
        classes are in none.
    """

    path: Path
    dataset: str
    digest: str
    class_names: list[str]
    label: np.ndarray
    name: np.ndarray
    seen: list[int]
    unseen: list[int]
    rows: dict[str, np.ndarray]

    def targets(self, part: str) -> np.ndarray:
        """Return the place of each clip's class among the seen ones, (n,) int64."""
        return np.searchsorted(self.seen, self.label[self.rows[part]])


def choose_parts(
    skeletons: Path, seen: Sequence[int], protocol: str, unseen: Sequence[int] | None = None
) -> Parts:
    """Return which clips train and test.

    Parameters
    ----------
    seen
        Labels to train on. A class of which the file has no clip at all (PKU-MMD Part II has
        41 of 51) is left out with a warning.
    protocol
        As ``SkeletonFile.protocol`` takes it.
    unseen
        Labels never trained on; all that are not in ``seen`` where not given.

    Raises
    ------
    InputError
        If ``seen`` is empty, doubled, outside the file's classes or a single class, or if the
        protocol leaves one of its classes without training clips.
    """
    with SkeletonFile(skeletons) as file:
        names, label, trains = file.class_names, file.label, file.protocol(protocol)
        _check_labels(seen, names, skeletons)
        others = sorted(set(range(len(names))) - set(seen)) if unseen is None else sorted(unseen)
        present = _present(seen, label, names, skeletons)
        _check_trained(present, label[trains == 1], names, protocol)
        is_seen, is_unseen = np.isin(label, present), np.isin(label, others)
        chosen = (is_seen & (trains == 1), is_seen & (trains == 0), is_unseen & (trains == 0))
        return Parts(
            path=Path(skeletons),
            dataset=file.dataset,
            digest=file.digest,
            class_names=names,
            label=label,
            name=file.name,
            seen=present,
            unseen=others,
            rows={part: np.flatnonzero(rows) for part, rows in zip(PARTS, chosen, strict=True)},
        )


def _check_labels(seen: Sequence[int], names: Sequence[str], path: Path) -> None:
    if len(set(seen)) < 2:
        raise InputError(
            f"expected at least two seen classes to train on, got {sorted(set(seen))}; choose a "
            "split that leaves more classes seen"
        )
    if len(set(seen)) < len(seen):
        raise InputError(f"expected each seen class once, got {sorted(seen)}")
    wrong = [label for label in sorted(seen) if not 0 <= label < len(names)]
    if wrong:
        raise InputError(
            f"{path} has {len(names)} classes (labels 0 to {len(names) - 1}), the seen classes "
            f"go to {wrong[-1]}; choose a split of this dataset"
        )


def _present(seen: Sequence[int], label: np.ndarray, names: list[str], path: Path) -> list[int]:
    absent = sorted(set(seen) - set(np.unique(label).tolist()))
    if absent:
        listed = ", ".join(names[i] for i in absent)
        logger.warning("%s has no clip of %d seen classes: %s", path, len(absent), listed)
    present = sorted(set(seen) - set(absent))
    if len(present) < 2:
        raise InputError(f"{path} has clips of fewer than two of the seen classes")
    return present


def _check_trained(seen: list[int], trained: np.ndarray, names: list[str], protocol: str) -> None:
    without = [names[i] for i in sorted(set(seen) - set(trained.tolist()))]
    if without:
        raise InputError(
            f"protocol {protocol!r} leaves {len(without)} seen classes without a training clip: "
            f"{', '.join(without)}; choose another protocol, or a split in which they are unseen"
        )


PARTS = ("seen_train", "seen_test", "unseen_test")
