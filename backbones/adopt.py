"""Ready-made weights as a backbone of a split, and which classes a backbone has ever seen."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from smie_pipe.backbones.hardware.distributed import join
from smie_pipe.backbones.networks.base import Backbone
from smie_pipe.backbones.networks.registry import build
from smie_pipe.backbones.subsets import Parts, choose_parts
from smie_pipe.backbones.weights import (
    is_own,
    load_backbone,
    load_foreign,
    read_metadata,
    save_backbone,
)
from smie_pipe.preprocessing.foundation.digests import digest_file
from smie_pipe.preprocessing.foundation.errors import InputError

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Adopted:
    """Ready-made weights, taken as they are."""

    output: Path
    weights: Path
    saw: list[str] | None
    """The classes they were trained on, None where nobody knows."""
    saw_unseen: list[str]
    """Those of them that are unseen in the split."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, paths as text."""
        paths = {"output": str(self.output), "weights": str(self.weights)}
        return {**dataclasses.asdict(self), **paths}

    def __str__(self) -> str:
        """Say where they are from and whether they serve zero-shot tests."""
        if self.saw is None:
            known = "trained elsewhere: whether they have seen the unseen classes is not known"
        elif self.saw_unseen:
            known = f"NOT ZERO-SHOT, trained on unseen classes: {', '.join(self.saw_unseen)}"
        else:
            known = "trained on none of the unseen classes"
        return f"weights of {self.weights}, {known} -> {self.output}"


def adopt_weights(
    weights: Path,
    backbone: str,
    output: Path,
    *,
    seen: Sequence[int],
    split: str,
    protocol: str,
    skeletons: Path,
    allow_seen_unseen: bool = False,
) -> dict[str, Any]:
    """Write ready-made weights as a backbone that `extract` takes, and return its facts.

    Parameters
    ----------
    weights
        ``.pt`` that loads under ``weights_only=True``, or ``.safetensors``; a file of
        `pretrain-backbone` brings its configuration and history along.
    backbone
        A name of the registry.
    seen, split, protocol
        The classes to be treated as seen, the name of that choice, and which clips train and
        test.
    allow_seen_unseen
        Take weights trained on classes that are unseen here all the same; the facts name those
        classes under ``saw_unseen``.

    Raises
    ------
    InputError
        If names or shapes of the weights are not the backbone's, if classes or protocol do not
        fit the file, or if the weights were trained on classes that are unseen here.

    Notes
    -----
    What weights of other programs were trained on cannot be known here: ``saw`` is None then
    and ``trained_elsewhere`` true. Files of this program say it, whatever they were adopted for
    since.
    """
    parts = choose_parts(skeletons, seen, protocol)
    saw = classes_seen(weights)
    unseen = [parts.class_names[label] for label in parts.unseen]
    check_unseen(weights, unseen, split=split, allowed=allow_seen_unseen)
    model, history = _load(Path(weights), backbone)
    _warn_of_protocol(Path(weights), history, protocol)
    facts = {
        **_facts(parts, split, protocol),
        "trained_elsewhere": saw is None,
        "saw": saw,
        "saw_unseen": among(unseen, saw or ()),
        "weights": {"name": Path(weights).name, "digest": digest_file(weights), **history},
    }
    if join("cpu").is_main:
        save_backbone(Path(output), model, facts)
    return facts


def classes_seen(weights: Path) -> list[str] | None:
    """Return the names of all classes that weights were ever trained on, None if unknown."""
    if not is_own(weights):
        return None
    facts = read_metadata(weights)
    if "saw" in facts:
        return facts["saw"]
    if facts.get("trained_elsewhere", True) or "seen" not in facts:
        return None  # adopted by a version that did not keep it
    return [facts["class_names"][label] for label in facts["seen"]]


def check_unseen(
    weights: Path, unseen: Sequence[str], *, split: str, allowed: bool = False
) -> None:
    """Refuse weights that were trained on classes which a split calls unseen.

    Parameters
    ----------
    unseen
        Names of the classes that are unseen in ``split``.
    allowed
        Only warn.

    Raises
    ------
    InputError
        Naming those classes.
    """
    both = among(unseen, classes_seen(weights) or ())
    if not both:
        return
    said = (
        f"{weights} was trained on {len(both)} of the {len(unseen)} classes that are unseen in "
        f"{split}: {', '.join(both)}"
    )
    if not allowed:
        raise InputError(
            f"{said}. Results would not be zero-shot: choose a split in which they are seen, or "
            "give --allow-seen-unseen, which marks all results"
        )
    logger.warning("%s; results are marked as not zero-shot", said)


def among(names: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return those of ``names`` that stand among ``others``, capitals and spaces apart."""
    known = {_plain(name) for name in others}
    return [name for name in names if _plain(name) in known]


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())


def _load(weights: Path, backbone: str) -> tuple[Backbone, dict[str, Any]]:
    """Return the model, and what is kept of where the weights come from."""
    if not is_own(weights):
        model = build(backbone)
        return model, {"aside": load_foreign(model, weights)}
    model, facts = load_backbone(weights)
    if facts["backbone"] != backbone:
        raise InputError(
            f"{weights} is a backbone of kind {facts['backbone']}, asked for is {backbone}; "
            f"give --backbone {facts['backbone']}"
        )
    kept = ("dataset", "split", "protocol", "seed", "pretraining")
    return model, {"aside": [], **{name: facts[name] for name in kept if name in facts}}


def _warn_of_protocol(weights: Path, history: dict[str, Any], protocol: str) -> None:
    trained = history.get("protocol", protocol)
    if trained != protocol:
        logger.warning(
            "%s was trained by protocol %s, here is %s: clips that test seen classes here may "
            "have trained it", weights, trained, protocol,
        )  # fmt: skip


def _facts(parts: Parts, split: str, protocol: str) -> dict[str, Any]:
    return {
        "dataset": parts.dataset,
        "class_names": parts.class_names,
        "split": split,
        "protocol": protocol,
        "seen": parts.seen,
        "unseen": parts.unseen,
        "skeletons": parts.digest,
    }
