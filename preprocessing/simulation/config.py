"""What a simulated Kinect v2 shall write. The only place where its defaults stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from smie_pipe.preprocessing.foundation.errors import InputError

LAYOUTS = ("ntu", "pku")


@dataclass(frozen=True)
class SimulateConfig:
    """What ``simulate`` writes; the defaults make about a thousand clips."""

    layout: str = "ntu"
    """ntu (a file a clip) or pku (recordings of several minutes with labels and split lists)."""
    classes: int | tuple[str, ...] | None = 40
    """How many (the first of ``motions.MOTIONS``, one in five with two persons), their names, or
    None for all."""
    performers: int = 8
    """People, each of own build, tempo and manner."""
    views: int = 3
    """Cameras that see every clip."""
    repetitions: int = 1
    """How often each performer does each action."""
    setups: int = 4
    """Places the cameras were set up in; performers are spread over them."""
    seed: int = 0
    """Of everything; a clip does not depend on which others are written."""
    noise: float = 1.0
    """Scale of the sensor's errors; 0 is exact."""
    dropout: float = 0.15
    """Chance that a clip loses all bodies for a few frames."""
    phantom: float = 0.05
    """Chance that a clip shows a body that is none."""
    switch: float = 0.05
    """Chance that bodies change id or order within a clip."""
    mean_frames: float | None = None
    """Stretch all clips alike to this mean length, as far as ``frames`` allows. By default each
    action takes its natural time."""
    frames: tuple[int, int] = (40, 150)
    """Shortest and longest clip."""
    max_files: int | None = None
    """Keep the first so many files of a list that goes through the classes fastest."""

    def __post_init__(self) -> None:
        faults = [*self._counts(), *self._ranges()]
        if faults:
            raise InputError("cannot simulate: " + "; ".join(faults))

    def _counts(self) -> Iterator[str]:
        if self.layout not in LAYOUTS:
            yield f"layout must be one of {', '.join(LAYOUTS)}, got {self.layout!r}"
        fewest = 2 if self.layout == "pku" else 1  # the split lists need a test performer
        if not fewest <= self.performers <= 999:
            yield f"performers must be {fewest} to 999, got {self.performers}"
        for name, most in (("views", 3), ("repetitions", 999), ("setups", 999)):
            if not 1 <= getattr(self, name) <= most:
                yield f"{name} must be 1 to {most}, got {getattr(self, name)}"
        if self.max_files is not None and self.max_files < 1:
            yield f"max_files must be at least 1, got {self.max_files}"
        if self.seed < 0:
            yield f"seed must not be negative, got {self.seed}"

    def _ranges(self) -> Iterator[str]:
        for name in ("dropout", "phantom", "switch"):
            if not 0 <= getattr(self, name) <= 1:
                yield f"{name} is a chance, 0 to 1, got {getattr(self, name)}"
        if not 0 <= self.noise <= 3:
            yield f"noise must be 0 to 3, got {self.noise}"
        if not 2 <= self.frames[0] <= self.frames[1]:
            yield f"frames must be (shortest, longest), at least 2, got {self.frames}"
        if self.mean_frames is not None and self.mean_frames < 2:
            yield f"mean_frames must be at least 2, got {self.mean_frames}"
