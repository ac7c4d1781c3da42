"""Features of whole and key-frame-masked clips: by a frozen backbone, by kinematics, or both."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smie_pipe.backbones.clips import in_batches, open_clips
from smie_pipe.backbones.config import ExtractConfig, ExtractRun
from smie_pipe.backbones.features.joined import ClipFeatures
from smie_pipe.backbones.features.key_frames import drop_key_frames, take_frames
from smie_pipe.backbones.features.measured import compute_quantities
from smie_pipe.backbones.features.store import FeatureSet, write_features
from smie_pipe.backbones.hardware.distributed import Group, join
from smie_pipe.backbones.hardware.memory import keep_freed_memory, memory_explained
from smie_pipe.backbones.hardware.precision import autocast, dtype_of, repeatable
from smie_pipe.backbones.networks.base import Backbone
from smie_pipe.backbones.subsets import PARTS, Parts, choose_parts
from smie_pipe.backbones.text_head import PREFIX
from smie_pipe.backbones.weights import load_backbone, load_text_head
from smie_pipe.preprocessing.foundation.digests import digest_file
from smie_pipe.preprocessing.foundation.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtractReport:
    """How many clips' features were written, by part, and how long it took."""

    output: str
    seen_train: int
    seen_test: int
    unseen_test: int
    seconds: float

    def __str__(self) -> str:
        """Return the figures in words."""
        total = self.seen_train + self.seen_test + self.unseen_test
        return (
            f"features of {total} clips ({self.seen_train} seen for training, {self.seen_test} "
            f"seen and {self.unseen_test} unseen for testing) in {self.seconds:.0f} s "
            f"-> {self.output}"
        )


def extract(
    skeletons: Path,
    backbone: Path | None,
    output: Path,
    config: ExtractConfig,
    *,
    classes: Mapping[str, Any] | None = None,
    device: str | torch.device = "cpu",
    run: ExtractRun | None = None,
) -> ExtractReport:
    """Write the features of the clips of a protocol and split.

    Parameters
    ----------
    skeletons
        The file the backbone was trained on, or another of the same dataset and classes.
    backbone
        As `pretrain` or `adopt_weights` wrote it; it says which classes and protocol. None for
        kinematic features without one.
    output
        The features file.
    classes
        Where there is no backbone: ``split`` (its name), ``seen``, ``unseen`` and ``protocol``.
    device
        ``cpu`` or ``cuda``. Under torchrun all processes call this alike and share the clips.
    run
        Choices that do not decide the result.

    Raises
    ------
    InputError
        If the backbone is of another dataset, if its protocol or classes do not fit the file
        or leave no clip to test, if the mask leaves no frame, or if memory is too small.
    """
    began = time.perf_counter()
    run, group = run or ExtractRun(), join(device)
    if group.device.type == "cpu":
        keep_freed_memory()
    model, facts = _load(skeletons, backbone, classes, config, group)
    parts = choose_parts(skeletons, facts["seen"], facts["protocol"], facts["unseen"])
    _check_parts(parts, facts, backbone)
    rows = np.concatenate([parts.rows[part] for part in PARTS])
    with (
        repeatable(config.precision),
        memory_explained(f"{run.batch} clips at once on {group.device}", "Give a smaller --batch"),
    ):
        made, whole, masked = _features(model, skeletons, rows, parts, config, group, run)
    features = _feature_set(parts, rows, whole, masked, config, facts, backbone, made)
    if group.is_main:
        write_features(output, features)
    group.wait()
    return ExtractReport(str(output), **features.counts(), seconds=time.perf_counter() - began)


def _load(
    skeletons: Path,
    backbone: Path | None,
    classes: Mapping[str, Any] | None,
    config: ExtractConfig,
    group: Group,
) -> tuple[Backbone | None, dict[str, Any]]:
    """Return the backbone, where one is needed, and which classes and protocol are chosen."""
    if config.features == "kinematic" and classes is not None:
        return None, dict(classes)
    if backbone is None:
        raise InputError(f"features of source {config.features!r} need a backbone; pretrain one")
    model, facts = load_backbone(backbone, group.device)
    _check_same_dataset(skeletons, facts, backbone)
    if config.features == "kinematic":  # nothing of what the backbone saw is in the features
        return None, {**facts, "saw_unseen": [], "trained_elsewhere": False}
    return model, facts


def _features(
    model: Backbone | None,
    skeletons: Path,
    rows: np.ndarray,
    parts: Parts,
    config: ExtractConfig,
    group: Group,
    run: ExtractRun,
) -> tuple[ClipFeatures, np.ndarray, np.ndarray]:
    """Return how features are made, and those of whole and of masked clips, (n, D) each.

    The first clips are the seen training clips; all scaling is by these alone.
    """
    network: Sequence[np.ndarray | None] = (None, None)
    raw: Sequence[np.ndarray | None] = (None, None)
    if model is not None:
        network = compute_features(model, skeletons, rows, config, group, run)
    if config.features != "backbone":
        _say_without_place(skeletons, config)
        noise = random_order(len(rows), _frames(skeletons, config), config)
        raw = compute_quantities(
            skeletons, rows, config.masked_frames, group, noise, room=config.room
        )
    training = slice(0, len(parts.rows["seen_train"]))
    made = ClipFeatures.of(
        config.features,
        None if network[0] is None else network[0][training],
        None if raw[0] is None else raw[0][training],
        config.components,
    )
    whole, masked = (made.join(v, q) for v, q in zip(network, raw, strict=True))
    return made, whole, masked


@torch.no_grad()
def compute_features(
    model: Backbone,
    skeletons: Path,
    rows: np.ndarray,
    config: ExtractConfig,
    group: Group,
    run: ExtractRun,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of clips and of masked clips, (n, D) each, float32.

    The clips are shared out among the processes, none counted twice; each returns all of them.
    """
    device, share = group.device, group.share(np.arange(len(rows)))
    order = in_batches(len(share), run.batch)
    clips = open_clips(skeletons, rows[share], device, run.resident)
    model = model.to(device, dtype_of(config.precision)).eval()
    noise = random_order(len(rows), _frames(skeletons, config), config)
    found = torch.zeros((2, len(rows), model.features), device=device)
    batches = zip(clips.batches(order), order, strict=True)
    for x, positions in group.progress(batches, total=len(order), what="extract", unit="batch"):
        at = torch.from_numpy(share[positions])
        x = x.to(dtype_of(config.precision))
        hidden = mask_clips(x, config.masked_frames, None if noise is None else noise[at])
        with autocast(config.precision, device):
            found[0, at] = model(x).float()
            found[1, at] = model(hidden).float()
    whole, masked = group.total(found).cpu().numpy()  # a row is zero in all shares but one
    return whole, masked


def mask_clips(x: Tensor, masked: int, noise: Tensor | None = None) -> Tensor:
    """Return clips without their key frames, and without some of the others where told.

    Parameters
    ----------
    x
        Clips (N, C, T, V, M).
    masked
        P, how many of the frames with most motion go.
    noise
        For each clip an order of the frames left, (N, K): those it names first stay, K of them.
    """
    x = drop_key_frames(x, masked)
    if noise is None:
        return x
    return take_frames(x, noise.to(x.device))


def random_order(clips: int, frames: int, config: ExtractConfig) -> Tensor | None:
    """Return which of a masked clip's frames also survive the random drop, None without one.

    Returns
    -------
    Tensor
        Frame numbers in order of time, (clips, frames - masked - random), int64. They depend
        on the seed and a clip's place alone, not on batches or processes.

    Raises
    ------
    InputError
        If fewer than two frames would be left of a clip.
    """
    both = config.mask == "key-frames+random"
    gone = config.masked_frames + (config.random_frames if both else 0)
    if frames - gone < 2:
        raise InputError(
            f"masking drops {gone} of a clip's {frames} frames, at least two must stay; give a "
            "smaller --masked-frames" + (" or --random-frames" if both else "")
        )
    if not both:
        return None
    draws = np.random.default_rng(config.seed).random((clips, frames - config.masked_frames))
    stay = np.sort(draws.argsort(axis=1)[:, config.random_frames :], axis=1)
    return torch.from_numpy(stay)


def _check_same_dataset(skeletons: Path, facts: dict[str, Any], backbone: Path) -> None:
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile

    missing = {"dataset", "class_names", "seen", "unseen", "protocol", "split"} - facts.keys()
    if missing:
        raise InputError(
            f"{backbone}: expected a backbone of pretrain-backbone, found one that does not say "
            f"its {', '.join(sorted(missing))}; make it anew"
        )
    with SkeletonFile(skeletons) as file:
        found, names = file.dataset, file.class_names
    if found != facts["dataset"] or names != facts["class_names"]:
        raise InputError(
            f"{backbone} is a backbone of {facts['dataset']} with {len(facts['class_names'])} "
            f"classes, {skeletons} holds {found} with {len(names)}"
            f"{_first_difference(facts['class_names'], names)}; run pretrain-backbone on this file"
        )


def _first_difference(expected: list[str], found: list[str]) -> str:
    for label, (name, other) in enumerate(zip(expected, found, strict=False)):
        if name != other:
            return f" (label {label} is {name!r} there and {other!r} here)"
    return ""


def _check_parts(parts: Parts, facts: dict[str, Any], backbone: Path | None) -> None:
    if parts.unseen and not len(parts.rows["unseen_test"]):
        names = ", ".join(parts.class_names[label] for label in parts.unseen)
        raise InputError(
            f"protocol {facts['protocol']!r} leaves no test clip of the unseen classes ({names}) "
            f"in {parts.path}; choose another protocol or split"
            + (" for pretrain-backbone" if backbone is not None else "")
        )
    if facts.get("saw_unseen"):
        names = ", ".join(facts["saw_unseen"])
        logger.warning("%s was trained on classes unseen here: %s; not zero-shot", backbone, names)
    if facts.get("skeletons") not in (None, parts.digest):
        logger.warning("%s was trained on other clips than those of %s", backbone, parts.path)


def _feature_set(
    parts: Parts,
    rows: np.ndarray,
    whole: np.ndarray,
    masked: np.ndarray,
    config: ExtractConfig,
    facts: dict[str, Any],
    backbone: Path | None,
    made: ClipFeatures,
) -> FeatureSet:
    by = {"backbone_digest": digest_file(backbone)} if made.needs_backbone and backbone else {}
    head = _text_head(backbone) if backbone and made.source == "backbone" else {}
    names = [str(facts["backbone"])] if made.needs_backbone else []
    names += [] if made.kinematic is None else ["kinematic"]
    saw = (facts.get("saw_unseen") or ()) if made.needs_backbone else ()
    elsewhere = made.needs_backbone and bool(facts.get("trained_elsewhere", False))
    counts = [len(parts.rows[part]) for part in PARTS]
    drawn = config.random_frames if config.mask == "key-frames+random" else 0
    return FeatureSet(
        v=whole,
        v_masked=masked,
        label=parts.label[rows],
        row=rows,
        part=np.repeat(np.arange(len(PARTS), dtype=np.int8), counts),
        class_names=parts.class_names,
        seen=parts.seen,
        unseen=parts.unseen,
        attrs={
            "dataset": parts.dataset,
            "source": made.source,
            "backbone": "+".join(names),
            "split": facts["split"],
            "protocol": facts["protocol"],
            "P": config.masked_frames,
            "mask": config.mask,
            "random_frames": drawn,
            "mask_seed": config.seed,
            "precision": config.precision,
            "trained_elsewhere": elsewhere,
            "saw_unseen": ", ".join(saw),
            "skeletons_digest": parts.digest,
            **by,
        },
        made={**made.state(), **head},
    )


def _text_head(backbone: Path) -> dict[str, np.ndarray]:
    """Return the backbone's text head as arrays to be kept with its features."""
    return {f"{PREFIX}{name}": t.numpy() for name, t in load_text_head(backbone).items()}


def _say_without_place(skeletons: Path, config: ExtractConfig) -> None:
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile

    with SkeletonFile(skeletons) as file:
        if config.room and not file.has_place:
            logger.warning(
                "%s does not say where bodies were: ways through the room and between two "
                "persons are not measured. Run preprocess again on the recordings to have them.",
                skeletons,
            )


def _frames(skeletons: Path, config: ExtractConfig) -> int:
    from smie_pipe.preprocessing.skeletons.store import SkeletonFile

    with SkeletonFile(skeletons) as file:
        return int(file.x.shape[2])
