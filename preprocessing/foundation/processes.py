"""Worker processes: how many pay, how they start, and how they end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading


def available_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def is_alive(pid: int) -> bool:
    """Return whether a process of that number runs on this host."""
    if os.name == "nt":  # there os.kill ends the process; whoever cannot ask takes it for alive
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def start_worker() -> None:
    """Leave Ctrl-C to the parent, and end with it even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=end_with, args=(parent,), daemon=True).start()


def end_with(parent: multiprocessing.process.BaseProcess) -> None:
    """Wait for a process to end, however it ends, and end this one then."""
    parent.join()
    os._exit(1)
