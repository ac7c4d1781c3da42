"""What the group's options say, handed to every stage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.run_folder import RunFolder

FAILED = "pipeline.failed"
"""Key in click's ``meta``: some input was damaged; the chain goes on and exits with 1."""


@dataclass(frozen=True)
class Study:
    """The group's options: run folder (if given), device as asked for, seed."""

    folder: Path | None
    device: str
    seed: int
    dry_run: bool = False
    """Whether only the plan is printed."""

    @property
    def run(self) -> RunFolder:
        """The run folder; a usage error where ``--run`` was not given."""
        if self.folder is None:
            raise click.UsageError("this stage needs a run folder: smie-pipe --run DIR ...")
        return RunFolder(self.folder)

    def torch_device(self) -> str:
        """Return the device as torch names it; InputError where it is not there."""
        import torch

        if self.device == "cpu":
            return "cpu"
        if self.device == "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        try:
            index = torch.device(self.device).index or 0
        except RuntimeError as error:
            raise InputError(
                f"--device {self.device}: expected auto, cpu, cuda or cuda:N"
            ) from error
        if not self.device.startswith("cuda") or index >= torch.cuda.device_count():
            raise InputError(
                f"--device {self.device}: torch {torch.__version__} sees "
                f"{torch.cuda.device_count()} CUDA devices here; give --device cpu"
            )
        return self.device


pass_study = click.make_pass_decorator(Study)
