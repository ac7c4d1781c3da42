"""The choices of the preprocessing stage. The only place where their defaults are written."""

from __future__ import annotations

import math
from dataclasses import dataclass

DATASET_NAMES = ("auto", "ntu60", "ntu120", "pku51", "custom")
ORDERS = ("auto", "file", "motion")
TURNS = ("recipe", "exact", "none")


@dataclass(frozen=True)
class PreprocessConfig:
    """Choices that decide what ``skeletons.h5`` holds. Saved in it as ``recipe``."""

    dataset: str = "auto"
    """Whose classes and protocols apply; ``custom`` reads ``classes.csv`` beside the files.
    ``auto``: ``custom`` where there is one; otherwise ``pku51`` for PKU-MMD's layout, ``ntu120``
    for NTU's with any action above 60, else ``ntu60``."""

    layout: str = "auto"
    """How the files are written; ``auto`` looks at their names."""

    frames: int = 50
    """Length of a stored clip (SMIE, section 4.2)."""

    turn: str = "recipe"
    """How shoulders are brought parallel to x: ``recipe`` as in public code, one sign for a whole
    clip; ``exact`` by the true angle of each frame; ``none``."""

    min_frames: int = 5
    """A clip with fewer valid frames is rejected: a sixth of a second shows no action, and the
    shortest real recordings have about 40 frames."""

    missing_list: str | None = None
    """File of the official names without skeletons (three header lines, then a name a line).
    Those recordings are rejected unread. Without it, recordings without a body are found while
    reading."""

    classes: str | None = None
    """Custom recordings: the ``classes.csv`` (id,name), where it is not beside them."""

    skeleton_dir: str | None = None
    """PKU-MMD: folder of the skeleton files, where the names in use are not found."""

    label_dir: str | None = None
    """PKU-MMD: folder of the label files, where the names in use are not found."""

    split_dir: str | None = None
    """PKU-MMD: folder of the split lists, where the names in use are not found."""

    min_joint_state: int = 0
    """Joints whose tracking state is lower (0 not tracked, 1 inferred, 2 tracked) are taken from
    the frames before and after instead. 0 uses all, as the paper and all public code do."""

    max_coordinate_m: float = 20.0
    """A body with a coordinate farther out is no body in that frame: the sensor sees 8 m, and
    its lost joints are written as values of 1e3 and more."""

    max_gap: int = 10
    """Frames without one body, while the other is there, that are bridged by a straight line: a
    third of a second, shorter than most single movements. Longer ones stay empty."""

    max_jump_m: float = 0.5
    """A body whose spine moves farther between two neighbouring frames has changed places with
    another, or is another: 15 m/s at 30 frames a second is faster than any runner."""

    join_distance_m: float = 0.5
    """A track that ends and one that begins are the same person if this near: half a stride,
    and less than two people keep between them."""

    join_gap: int = 30
    """... and if no more than this many frames lie between them: in a second a walker is
    elsewhere."""

    min_track: int = 12
    """A body seen in fewer frames is a phantom, where a better one is there: public filters drop
    up to 11 frames."""

    drop_phantoms: bool = True
    """Drop bodies of impossible build and short life; never the last one of a clip, nor the
    second one of a two-person action."""

    order: str = "auto"
    """Which body comes first. ``file``: the one the sensor named first. ``motion``: the one that
    moves most. ``auto``: ``file``, so that a clean file is never changed, and ``motion`` where two
    had to be chosen out of more."""

    def __post_init__(self) -> None:
        """Check every choice and report all faults at once."""
        faults = list(_faults(self))
        if faults:
            raise ValueError("preprocess: " + "; ".join(faults))


@dataclass(frozen=True)
class PreprocessRun:
    """How the work is done. None of it changes what ``skeletons.h5`` holds."""

    workers: int = 0
    """Worker processes; 0 is one per processor this process may use, at most 8, or none where
    there is little to do; 1 is none besides itself."""

    scheduler: str | None = None
    """Address of a Dask scheduler that does the work instead of local processes."""

    strict: bool = False
    """Stop at the first damaged file instead of recording it."""

    max_bad: int | None = None
    """Stop when more files than this are damaged: then it is not a few of them."""

    batch_files: int = 64
    """Recordings a worker takes at a time: about 20 MB of NTU files and a tenth of a second."""

    def __post_init__(self) -> None:
        """Check every choice and report all faults at once."""
        faults = [
            f"{name} must be at least {least}, got {value}"
            for name, value, least in (
                ("workers", self.workers, 0),
                ("max_bad", self.max_bad, 0),
                ("batch_files", self.batch_files, 1),
            )
            if value is not None and value < least
        ]
        if faults:
            raise ValueError("preprocess: " + "; ".join(faults))


def _faults(config: PreprocessConfig) -> list[str]:
    from smie_pipe.preprocessing.layouts.registry import layouts  # which import this module

    choices = (
        ("dataset", DATASET_NAMES),
        ("layout", ("auto", *layouts())),
        ("order", ORDERS),
        ("turn", TURNS),
    )
    least = (
        ("frames", 2),
        ("min_frames", 1),
        ("min_joint_state", 0),
        ("max_gap", 0),
        ("join_gap", 1),
        ("min_track", 1),
    )
    faults = [
        f"{name} must be one of {', '.join(allowed)}, got {getattr(config, name)!r}"
        for name, allowed in choices
        if getattr(config, name) not in allowed
    ]
    faults += [
        f"{name} must be at least {bound}, got {getattr(config, name)}"
        for name, bound in least
        if getattr(config, name) < bound
    ]
    if config.min_joint_state > 2:
        faults.append(f"min_joint_state must be 0, 1 or 2, got {config.min_joint_state}")
    faults += [
        f"{name} must be above 0, got {getattr(config, name)}"
        for name in ("max_coordinate_m", "max_jump_m", "join_distance_m")
        if not (math.isfinite(getattr(config, name)) and getattr(config, name) > 0)
    ]
    return faults
