"""Trainings side by side in processes of one thread each; the same numbers as one by one."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.processes import available_processors, start_worker
from smie_pipe.zeroshot.methods.registry import own_traceback
from smie_pipe.zeroshot.training.train import Interrupted
from smie_pipe.zeroshot.trials.results import Result
from smie_pipe.zeroshot.trials.trial import Task, perform

logger = logging.getLogger(__name__)
_stop: Any = None
"""In a worker process: the event that tells it to end between two epochs."""


def processes_for(jobs: int, tasks: int, device: str) -> int:
    """Return how many processes to use; 1 is this process.

    ``jobs`` 0 takes one per processor core this process may use on a CPU and one on a GPU, and
    never more than there are tasks.
    """
    if jobs == 0:
        jobs = available_processors() if device == "cpu" else 1
    return max(1, min(jobs, tasks))


def perform_all(tasks: Sequence[Task], processes: int) -> Iterator[tuple[Task, Result | str]]:
    """Do all tasks; yields each when it is done, with its result or what went wrong with it.

    Every training has one thread, whatever ``processes`` is: sums in another order would end in
    other last digits. What goes wrong with one training (it diverges) does not end the others.

    Raises
    ------
    InputError
        If a process is killed from outside (most likely for want of memory).
    """
    if processes == 1:
        with one_thread():
            for task in tasks:
                yield task, _attempt(task)
    else:
        yield from _in_processes(tasks, processes)


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread for torch and for numpy's and sklearn's libraries, inside the ``with``."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def _attempt(task: Task) -> Result | str:
    try:
        return perform(task, stop=_stopped)
    except InputError as error:
        task.forget_other()
        return f"{task.folder}: {error}"
    except Interrupted:
        raise
    except Exception as error:  # an own method's fault ends that method, not the study
        task.forget_other()
        return f"{task.folder}: {own_traceback(error, task.variant.spec)}"


def _stopped() -> bool:
    return _stop is not None and _stop.is_set()


def _in_processes(tasks: Sequence[Task], processes: int) -> Iterator[tuple[Task, Result | str]]:
    context = multiprocessing.get_context("spawn")  # a forked torch may hang in its thread pool
    stop = context.Event()
    pool = ProcessPoolExecutor(processes, context, _begin, (stop,))
    futures: dict[Future, Task] = {pool.submit(_attempt, task): task for task in tasks}
    try:
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise InputError(
            "a training process was killed from outside, most likely for want of memory; the "
            "same command goes on from what is done, and --jobs 1 needs the least memory"
        ) from error
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(stop: Any) -> None:
    """Set up a worker process: one thread, Ctrl-C left to the parent, no life without it."""
    global _stop
    _stop = stop
    start_worker()
    torch.set_num_threads(1)
    threadpool_limits(1)
