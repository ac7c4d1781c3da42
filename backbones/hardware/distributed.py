"""Several processes that train as one: started by ``torchrun``, one process a device.

Each step's batch is shared out among the processes, and everything that looks across clips
(batch normalisation, dropout, the mean of the loss) looks across all of them, so that the
weights are those one process would have got. No torch is imported before it is needed: the
command line asks for ``is_main`` before it knows whether it will be.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.progress import progress

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Item = TypeVar("Item")


def rank() -> int:
    """Return this process's number under torchrun, 0 without it."""
    return int(os.environ.get("RANK", "0"))


def size() -> int:
    """Return how many processes torchrun started in all, 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Tell whether this process is the one that writes and speaks."""
    return rank() == 0


@dataclass(frozen=True)
class Group:
    """The processes of one run, seen from one of them; alone without torchrun."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes and speaks."""
        return self.rank == 0

    def share(self, positions: np.ndarray) -> np.ndarray:
        """Return this process's part: the shares are contiguous, disjoint and nearly equal."""
        return np.array_split(positions, self.size)[self.rank]

    def total(self, values: Tensor) -> Tensor:
        """Return the sum of ``values`` over all processes, as a new tensor."""
        import torch.distributed as dist

        values = values.clone()
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def gather(self, values: Tensor) -> Tensor:
        """Return everybody's ``values`` (equal shapes), stacked in order of rank."""
        import torch
        import torch.distributed as dist

        if self.size == 1:
            return values[None].clone()
        parts = [torch.empty_like(values) for _ in range(self.size)]
        dist.all_gather(parts, values)
        return torch.stack(parts)

    def from_main(self, content: bytes | None) -> bytes | None:
        """Return the bytes that the main process gives, to every process."""
        import torch
        import torch.distributed as dist

        if self.size == 1:
            return content
        count = torch.tensor([-1 if content is None else len(content)])
        dist.broadcast(count, 0)
        if count < 0:
            return None
        given = content if content is not None else bytes(int(count))
        data = torch.frombuffer(bytearray(given), dtype=torch.uint8)
        dist.broadcast(data, 0)
        return data.numpy().tobytes()

    def wait(self) -> None:
        """Wait until every process is here."""
        import torch.distributed as dist

        if self.size > 1:
            dist.barrier()

    def progress(
        self, items: Iterable[Item], *, total: int | None = None, what: str = "", unit: str = "it"
    ) -> Generator[Item, None, None]:
        """Yield ``items`` under a bar, which only the main process shows."""
        if self.is_main:
            yield from progress(items, total=total, what=what, unit=unit)
        else:
            yield from items


def join(device: str | torch.device) -> Group:
    """Join the processes torchrun started, or be the only one.

    Parameters
    ----------
    device
        ``cpu`` or ``cuda``; with several processes each takes the GPU of its local rank.

    Raises
    ------
    InputError
        If torchrun started more processes on this machine than it has GPUs.
    """
    import torch

    device = torch.device(device)
    if size() == 1:
        return Group(0, 1, device)
    if device.type == "cuda":
        device = _own_gpu()
        torch.cuda.set_device(device)
    _start()
    return Group(rank(), size(), device)


def _own_gpu() -> torch.device:
    import torch

    local, gpus = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= gpus:
        raise InputError(
            f"process {local} of this machine found {gpus} GPUs; start no more processes than "
            f"that: torchrun --nproc-per-node {gpus}"
        )
    return torch.device("cuda", local)


def _start() -> None:
    """Meet the others, once: a chain of stages keeps the connection until Python ends."""
    import torch
    import torch.distributed as dist

    if not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend)
        atexit.register(_leave)


def _leave() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
