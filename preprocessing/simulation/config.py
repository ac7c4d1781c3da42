"""What a simulated Kinect v2 shall write. The only place where its defaults stand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from smie_pipe.preprocessing.foundation.options import Option, check
from smie_pipe.preprocessing.trackers.joints.kinds import WRITABLE


@dataclass(frozen=True)
class SimulateConfig:
    """What ``simulate`` writes; the defaults make about a thousand clips."""

    layout: Annotated[
        Literal["ntu", "pku"],
        Option(
            "ntu (a file a clip) or pku (recordings of several minutes with labels and "
            "split lists)."
        ),
    ] = "ntu"
    tracker: Annotated[
        str | None,
        Option(
            "Write the files of another body tracker, made from the Kinect v2's joints, "
            "in place of .skeleton files.",
            among=WRITABLE,
        ),
    ] = None
    classes: Annotated[
        int | tuple[str, ...] | None,
        Option(
            "How many (the first of motions.MOTIONS, one in five with two persons), their "
            "names, or None for all."
        ),
    ] = 40
    performers: Annotated[
        int, Option("People, each of own build, tempo and manner.", at_least=1, at_most=999)
    ] = 8
    views: Annotated[int, Option("Cameras that see every clip.", at_least=1, at_most=3)] = 3
    repetitions: Annotated[
        int,
        Option("How often each performer does each action.", "Amount", at_least=1, at_most=999),
    ] = 1
    setups: Annotated[
        int,
        Option(
            "Places the cameras were set up in; performers are spread over them.",
            "Amount",
            at_least=1,
            at_most=999,
        ),
    ] = 4
    seed: Annotated[
        int,
        Option("Of everything; a clip does not depend on which others are written.", at_least=0),
    ] = 0
    noise: Annotated[
        float, Option("Scale of the sensor's errors; 0 is exact.", "Sensor", at_least=0, at_most=3)
    ] = 1.0
    dropout: Annotated[
        float,
        Option(
            "Chance that a clip loses all bodies for a few frames.",
            "Sensor",
            at_least=0,
            at_most=1,
        ),
    ] = 0.15
    phantom: Annotated[
        float,
        Option("Chance that a clip shows a body that is none.", "Sensor", at_least=0, at_most=1),
    ] = 0.05
    switch: Annotated[
        float,
        Option(
            "Chance that bodies change id or order within a clip.", "Sensor", at_least=0, at_most=1
        ),
    ] = 0.05
    mean_frames: Annotated[
        float | None,
        Option(
            "Stretch all clips alike to this mean length, as far as frames allows. By "
            "default each action takes its natural time.",
            "Length of clips",
            at_least=2,
        ),
    ] = None
    frames: Annotated[
        tuple[int, int], Option("Shortest and longest clip.", "Length of clips", at_least=2)
    ] = (40, 150)
    max_files: Annotated[
        int | None,
        Option(
            "Keep the first so many files of a list that goes through the classes fastest.",
            "Amount",
            at_least=1,
        ),
    ] = None

    def __post_init__(self) -> None:
        """Refuse impossible values, all of them in one message."""
        lonely = self.layout == "pku" and self.performers == 1
        short, long = self.frames
        others = (
            (
                self.layout == "pku" and self.tracker is not None,
                f"layout pku is the Kinect's own; trackers' files are one a clip, so leave "
                f"out --layout pku or --as {self.tracker}",
            ),
            (lonely, "performers must be at least 2 for pku, whose split lists test one, got 1"),
            (
                self.frames[0] > self.frames[1],
                f"frames must be (shortest, longest), got {self.frames}",
            ),
        )
        check(self, "simulate", others)
