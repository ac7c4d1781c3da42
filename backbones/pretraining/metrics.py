"""What pretraining logs after each epoch: a CSV file, and TensorBoard where wanted."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole

COLUMNS = (
    "epoch", "loss", "train_accuracy", "lr", "seconds", "clips_per_s", "seen_test_accuracy",
)  # fmt: skip
Row = dict[str, Any]


def metrics_path(output: Path) -> Path:
    """Return where the metrics of the training that makes ``output`` lie."""
    return output.with_name("pretrain_metrics.csv")


def write_metrics(path: Path, history: Sequence[Row]) -> None:
    """Write one line an epoch; a figure that was not measured is left empty.

    The whole file each time, so that after a resume it never tells an epoch twice.
    """
    with replace_when_whole(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(history)


class TensorBoard:
    """The same figures as TensorBoard events in a folder beside the metrics file.

    Raises
    ------
    InputError
        If the package is not installed.
    """

    def __init__(self, folder: Path, first_epoch: int):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise InputError(
                "TensorBoard events (--tensorboard) need a package that is not installed: "
                'pip install "smie-pipe[log]"'
            ) from error
        self._writer = SummaryWriter(str(folder), purge_step=first_epoch)

    def add(self, row: Row) -> None:
        """Write one epoch."""
        for name, value in row.items():
            if name != "epoch" and value is not None:
                self._writer.add_scalar(f"pretrain/{name}", value, row["epoch"])
        self._writer.flush()

    def close(self) -> None:
        """Finish the events file."""
        self._writer.close()
