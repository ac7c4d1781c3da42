"""The choices of the preprocessing stage. The only place where their defaults are written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from smie_pipe.preprocessing.foundation.options import Option, check
from smie_pipe.preprocessing.layouts.registry import LAYOUT_NAMES
from smie_pipe.preprocessing.trackers.joints.kinds import (
    JOINT_SETS,
    TITLES,
    axes_fault,
    parse_axes,
)


@dataclass(frozen=True)
class PreprocessConfig:
    """Choices that decide what ``skeletons.h5`` holds. Saved in it as ``recipe``."""

    dataset: Annotated[
        Literal["auto", "ntu60", "ntu120", "pku51", "custom"],
        Option(
            "Whose classes and protocols apply; custom reads classes.csv beside the files. "
            "auto: custom where there is one; otherwise pku51 for PKU-MMD's layout, ntu120 "
            "for NTU's with any action above 60, else ntu60."
        ),
    ] = "auto"

    layout: Annotated[
        str,
        Option("How the files are written; auto looks at them.", among=LAYOUT_NAMES),
    ] = "auto"

    frames: Annotated[int, Option("Length of a stored clip (SMIE, section 4.2).", at_least=2)] = 50

    turn: Annotated[
        Literal["recipe", "exact", "none"],
        Option(
            "How shoulders are brought parallel to x: recipe as in public code, one sign "
            "for a whole clip; exact by the true angle of each frame; none.",
            "Clips",
        ),
    ] = "recipe"

    min_frames: Annotated[
        int,
        Option(
            "A clip with fewer valid frames is rejected: a sixth of a second shows no "
            "action, and the shortest real recordings have about 40 frames.",
            "Clips",
            at_least=1,
        ),
    ] = 5

    missing_list: Annotated[
        Path | None,
        Option(
            "File of the official names without skeletons (three header lines, then a name "
            "a line). Those recordings are rejected unread. Without it, recordings without "
            "a body are found while reading.",
            "Files beside the recordings",
        ),
    ] = None

    classes: Annotated[
        Path | None,
        Option(
            "Custom recordings: the classes.csv (id,name), where it is not beside them.",
            "Files beside the recordings",
        ),
    ] = None

    skeleton_dir: Annotated[
        Path | None,
        Option(
            "PKU-MMD: folder of the skeleton files, where the names in use are not found.",
            "Files beside the recordings",
        ),
    ] = None

    label_dir: Annotated[
        Path | None,
        Option(
            "PKU-MMD: folder of the label files, where the names in use are not found.",
            "Files beside the recordings",
        ),
    ] = None

    split_dir: Annotated[
        Path | None,
        Option(
            "PKU-MMD: folder of the split lists, where the names in use are not found.",
            "Files beside the recordings",
        ),
    ] = None

    min_joint_state: Annotated[
        int,
        Option(
            "Joints whose tracking state is lower (0 not tracked, 1 inferred, 2 tracked) "
            "are taken from the frames before and after instead. 0 uses all, as the paper "
            "and all public code do.",
            "Clips",
            at_least=0,
            at_most=2,
        ),
    ] = 0

    max_coordinate_m: Annotated[
        float,
        Option(
            "A body with a coordinate farther out is no body in that frame: the sensor sees "
            "8 m, and its lost joints are written as values of 1e3 and more.",
            "Bodies and tracking",
            above=0,
        ),
    ] = 20.0

    max_gap: Annotated[
        int,
        Option(
            "Frames without one body, while the other is there, that are bridged by a "
            "straight line: a third of a second, shorter than most single movements. Longer "
            "ones stay empty.",
            "Bodies and tracking",
            at_least=0,
        ),
    ] = 10

    max_jump_m: Annotated[
        float,
        Option(
            "A body whose spine moves farther between two neighbouring frames has changed "
            "places with another, or is another: 15 m/s at 30 frames a second is faster "
            "than any runner.",
            "Bodies and tracking",
            above=0,
        ),
    ] = 0.5

    join_distance_m: Annotated[
        float,
        Option(
            "A track that ends and one that begins are the same person if this near: half a "
            "stride, and less than two people keep between them.",
            "Bodies and tracking",
            above=0,
        ),
    ] = 0.5

    join_gap: Annotated[
        int,
        Option(
            "... and if no more than this many frames lie between them: in a second a "
            "walker is elsewhere.",
            "Bodies and tracking",
            at_least=1,
        ),
    ] = 30

    min_track: Annotated[
        int,
        Option(
            "A body seen in fewer frames is a phantom, where a better one is there: public "
            "filters drop up to 11 frames.",
            "Bodies and tracking",
            at_least=1,
        ),
    ] = 12

    drop_phantoms: Annotated[
        bool,
        Option(
            "Drop bodies of impossible build and short life; never the last one of a clip, "
            "nor the second one of a two-person action.",
            "Bodies and tracking",
        ),
    ] = True

    order: Annotated[
        Literal["auto", "file", "motion"],
        Option(
            "Which body comes first. file: the one the sensor named first. motion: the one "
            "that moves most. auto: file, so that a clean file is never changed, and motion "
            "where two had to be chosen out of more.",
            "Bodies and tracking",
        ),
    ] = "auto"

    tracker: Annotated[
        str | None,
        Option(
            "Who wrote the files of another body tracker; by default their content tells.",
            "Other body trackers",
            among=tuple(TITLES),
        ),
    ] = None

    joints: Annotated[
        str | None,
        Option(
            "Keep only the joints that another tracker has and rebuild the others, of any "
            "recording: to train on what the model will be used on.",
            "Other body trackers",
            among=JOINT_SETS,
        ),
    ] = None

    fps: Annotated[
        float | None,
        Option(
            "Frames a second of a tracker's files, where they have no time stamps or wrong "
            "ones; all are brought to 30.",
            "Other body trackers",
            above=0,
            at_most=1000,
        ),
    ] = None

    axes: Annotated[
        str | None,
        Option(
            "Where x, y (up) and z come from in a tracker's files: y-up, z-up, y-down, or "
            "three signed letters such as x,z,-y. By default the body tells.",
            "Other body trackers",
        ),
    ] = None

    unit: Annotated[
        Literal["m", "cm", "mm", "inch", "body"] | None,
        Option(
            "Unit of a tracker's files; body scales to an average one. By default the file or "
            "the body tells.",
            "Other body trackers",
        ),
    ] = None

    level: Annotated[
        bool,
        Option(
            "Turn a tracker's recordings so that people who stand are upright: for a tilted "
            "camera.",
            "Other body trackers",
        ),
    ] = False

    mirror: Annotated[
        bool,
        Option(
            "Turn left and right round in a tracker's recordings: for left-handed axes.",
            "Other body trackers",
        ),
    ] = False

    markers: Annotated[
        Path | None,
        Option(
            "Table joint,markers for motion capture with markers on the skin: a joint is the "
            "mean of its markers.",
            "Other body trackers",
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse impossible values, all of them in one message."""
        wrong_axes = self.axes is not None and parse_axes(self.axes) is None
        check(self, "preprocess", [(wrong_axes, axes_fault(self.axes or ""))])


@dataclass(frozen=True)
class PreprocessRun:
    """How the work is done. None of it changes what ``skeletons.h5`` holds."""

    workers: Annotated[
        int,
        Option(
            "Worker processes; 0 is one per processor this process may use, at most 8, or "
            "none where there is little to do; 1 is none besides itself.",
            "Speed",
            at_least=0,
        ),
    ] = 0

    scheduler: Annotated[
        str | None,
        Option(
            "Address of a Dask scheduler that does the work instead of local processes.", "Speed"
        ),
    ] = None

    strict: Annotated[
        bool, Option("Stop at the first damaged file instead of recording it.", "Damaged files")
    ] = False

    max_bad: Annotated[
        int | None,
        Option(
            "Stop when more files than this are damaged: then it is not a few of them.",
            "Damaged files",
            at_least=0,
        ),
    ] = None

    batch_files: Annotated[
        int,
        Option(
            "Recordings a worker takes at a time: about 20 MB of NTU files and a tenth of a "
            "second.",
            "Speed",
            at_least=1,
        ),
    ] = 64

    def __post_init__(self) -> None:
        """Refuse impossible values, all of them in one message."""
        check(self, "preprocess")
