"""Who does the work: this process, processes beside it, or a Dask cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from smie_pipe.preprocessing.clips.from_raw import ClipBatch, process_batch
from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
from smie_pipe.preprocessing.datasets import Dataset
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.processes import available_processors, start_worker
from smie_pipe.preprocessing.layouts.base import Layout, Recording

CONNECT_TIMEOUT = "15s"
ALONE_BATCHES = 48
"""Fewer batches (3,000 NTU files) are done by this process alone, where no number of workers is
asked for: they take two seconds, and with the start of two workers it is no less."""
MOST_WORKERS = 8
"""Where no number is asked for. Each takes 80 MB, and one writer cannot feed on many more."""
AHEAD = 2
"""Batches for each worker that may be under way at once: bounds the memory."""


def batch_results(
    batches: Sequence[Sequence[Recording]],
    layout: Layout,
    known: Dataset,
    config: PreprocessConfig,
    run: PreprocessRun,
) -> Iterator[ClipBatch]:
    """Yield the result of each batch in the order of the batches, whoever works on it.

    Raises
    ------
    InputError
        If a worker process dies, or the scheduler does not answer.
    """
    if run.scheduler is not None:
        with _cluster(run.scheduler) as (executor, workers):
            yield from _in_order(executor, workers, batches, layout, known, config)
        return
    workers = min(run.workers or _useful_workers(len(batches)), len(batches))
    if workers <= 1:
        yield from (process_batch(batch, layout, known, config) for batch in batches)
        return
    context = multiprocessing.get_context("spawn")  # forking a program with threads can hang
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=start_worker)
    try:
        yield from _in_order(executor, workers, batches, layout, known, config)
    except BrokenProcessPool:
        raise InputError(
            "a worker process was killed, perhaps for lack of memory. The work done is kept: the "
            "same command goes on; with fewer --workers it needs less memory"
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


def _useful_workers(batches: int) -> int:
    return 1 if batches < ALONE_BATCHES else min(available_processors(), MOST_WORKERS)


def _in_order(
    executor: Executor,
    workers: int,
    batches: Sequence[Sequence[Recording]],
    layout: Layout,
    known: Dataset,
    config: PreprocessConfig,
) -> Iterator[ClipBatch]:
    waiting = iter(batches)
    with _interrupts_held():  # while workers start, which inherit this
        running = deque(
            executor.submit(process_batch, batch, layout, known, config)
            for _, batch in zip(range(AHEAD * workers + 1), waiting, strict=False)
        )
    while running:
        result = running.popleft().result()
        for batch in waiting:
            running.append(executor.submit(process_batch, batch, layout, known, config))
            break
        yield result


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back for a moment; a process started meanwhile holds it back for good."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextlib.contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--scheduler needs Dask: pip install 'smie-pipe[cluster]'") from None
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError) as error:
        raise InputError(
            f"scheduler {address!r} does not answer ({error}); expected the address that "
            f"dask scheduler printed, such as tcp://10.0.0.1:8786"
        ) from None
    with client:
        workers = sum(client.nthreads().values())
        if not workers:
            raise InputError(f"scheduler {address!r} has no workers; start some: dask worker")
        yield client.get_executor(pure=False), workers
