"""The run folder of one study: where each stage's output lies and what made it."""

from __future__ import annotations

import dataclasses
import functools
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from smie_pipe import provenance
from smie_pipe.backbones.hardware.distributed import is_main, join, size
from smie_pipe.backbones.pretrainings import pretraining_name, split_and_number
from smie_pipe.preprocessing.foundation.digests import digest_file, digest_json
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.locks import Lock, held, whoami
from smie_pipe.preprocessing.foundation.whole_files import sweep
from smie_pipe.record import Record

LOCKS = ".locks"
"""Folder of the lock files in a run folder."""


@dataclasses.dataclass(frozen=True)
class Task:
    """One output to make: the stage, what it reads, and the choices that decide its content.

    ``key`` is the stage's name and, where it works split by split, the split's:
    ``extract/ntu60-smie-1``. ``inputs`` maps a name to a digest, ``options`` to plain values.
    """

    key: str
    output: Path
    options: Mapping[str, Any]
    inputs: Mapping[str, str]
    seed: int | None = None
    modernise: Callable[[dict[str, Any]], dict[str, Any]] = dict
    """Turns the options that an older version recorded into today's names and values."""
    reads: tuple[Path, ...] = ()
    """Files of the run folder that are read; nobody may replace them meanwhile."""
    alone: bool = True
    """Whether one process at a time makes the output; results are gathered by several."""

    @property
    def fingerprint(self) -> str:
        """A digest of all that decides the output's content."""
        return digest_json([self.key, dict(self.options), dict(self.inputs), self.seed])


class RunFolder:
    """Paths of a study and the record ``run.json`` of what made each file."""

    def __init__(self, path: Path):
        self.path = path
        self.skeletons = path / "skeletons.h5"
        self.record = Record(path / "run.json", path / LOCKS / "run.json.lock")

    def split(self, name: str) -> Path:
        """Return the folder of a split."""
        return self.path / name

    def backbone(self, split: str, pretraining: int = 1) -> Path:
        """Return where the split's backbone lies, that of one of its pretrainings from 1."""
        return self.path / pretraining_name(split, pretraining) / "backbone.safetensors"

    def features(self, split: str, pretraining: int = 1) -> Path:
        """Return where the features by that backbone lie."""
        return self.path / pretraining_name(split, pretraining) / "features.h5"

    def splits_with(self, filename: str) -> list[str]:
        """Return the names of the splits that have ``filename``, of any pretraining, sorted."""
        return sorted({split for split, _ in self.pretrainings_with(filename)})

    def pretrainings_with(
        self, filename: str, splits: Sequence[str] | None = None
    ) -> list[tuple[str, int]]:
        """Return (split, pretraining) of each folder that has ``filename``, sorted.

        ``splits``: only of these, in their order.
        """
        places = [*self.path.glob(f"*/{filename}"), *self.path.glob(f"*/*/{filename}")]
        names = [place.parent.relative_to(self.path).as_posix() for place in places]
        pairs = sorted(pair for pair in map(split_and_number, names) if "/" not in pair[0])
        if splits is None:
            return pairs
        return [pair for split in splits for pair in pairs if pair[0] == split]

    def require(self, path: Path, stage: str) -> Path:
        """Return ``path``, or raise InputError naming the stage that makes it."""
        if not path.is_file():
            raise InputError(f"{path} is missing: run `smie-pipe --run {self.path} {stage}` first")
        return path

    def digest(self, path: Path) -> str:
        """Return the digest of a file's content, read once a process while it is unchanged."""
        stat = path.stat()
        return _digest(path, stat.st_ino, stat.st_size, stat.st_mtime_ns)

    def records(self) -> dict[str, dict[str, Any]]:
        """Return what ran, by task key; empty in a new folder."""
        return self.record.stages()

    def is_done(self, task: Task, *, overwrite: bool) -> bool:
        """Return whether the task's output is there, whole and made in just this way.

        Where it is not, this process holds the output alone and shares what the task reads until
        `recording` ends, so that no other makes the one or replaces the other meanwhile. Under
        torchrun the main process looks and all get its answer.

        Raises
        ------
        InputError
            If an output is there that other inputs or options made and ``overwrite`` is off; if
            what the task reads is not what was recorded; `Busy` if another process is at it.
        """
        return _agreed(lambda: self._look(task, overwrite))

    def _look(self, task: Task, overwrite: bool) -> bool:
        self._hold(task)
        try:
            for path in task.reads:
                check_chain(self, path)
            sweep(task.output.parent)
            done = self.is_made(task) if not overwrite else False
        except BaseException:
            self.let_go(task)
            raise
        if done:
            self.let_go(task)
        return done

    def is_made(self, task: Task) -> bool:
        """Return whether the output is there as `is_done` tells it, without taking any lock."""
        if not task.output.exists():
            return False
        entry = self._recovered(task) or self.records().get(task.key)
        if entry and _made_so(entry, task):
            if self.digest(task.output) == entry["output"]["digest"]:
                return True
            raise InputError(f"{task.output} was changed since it was made; {_REMEDY}")
        raise InputError(f"{task.output} exists, {_difference(entry, task)}; {_REMEDY}")

    def _recovered(self, task: Task) -> dict[str, Any] | None:
        """Complete the note of an output whose process was killed before it could."""
        begun = self.record.begun().get(task.key)
        if begun is None or self.digest(task.output) == begun["before"]:
            return None
        entry = {**begun, "output": self._output(task.output)}
        del entry["before"]
        self.record.note(task.key, entry)
        return entry

    @contextmanager
    def recording(self, task: Task, **facts: Any) -> Iterator[None]:
        """Note the task in ``run.json`` once the body of the ``with`` has made its output.

        Under torchrun the main process writes, and all wait until the note is there.
        """
        started, clock = datetime.now(timezone.utc), time.monotonic()
        entry = {**self._entry(task), **facts, "started": started.isoformat(timespec="seconds")}
        _agreed(lambda: self._begin(task, entry))
        try:
            yield
            if is_main():
                seconds = {"seconds": round(time.monotonic() - clock, 2)}
                self.record.note(
                    task.key, {**entry, **seconds, "output": self._output(task.output)}
                )
        finally:
            self.let_go(task)
        if size() > 1:
            join("cpu").wait()

    def _begin(self, task: Task, entry: dict[str, Any]) -> bool:
        self._hold(task)
        before = self.digest(task.output) if task.output.is_file() else None
        self.record.begin(task.key, {**entry, "before": before})
        return True

    def _entry(self, task: Task) -> dict[str, Any]:
        return {
            "fingerprint": task.fingerprint,
            "options": dict(task.options),
            "seed": task.seed,
            "inputs": dict(task.inputs),
            "versions": provenance.versions(),
            "commit": provenance.commit(),
            "host": socket.gethostname(),
            "command": whoami()["command"],
        }

    def _output(self, path: Path) -> dict[str, Any]:
        return {
            "path": path.relative_to(self.path).as_posix(),
            "digest": self.digest(path),
            "size": path.stat().st_size,
        }

    def _hold(self, task: Task) -> None:
        """Take the output's lock, alone, and those of what the task reads, shared."""
        wanted = [(path, True) for path in task.reads]
        wanted += [(task.output, False)] if task.alone else []
        for path, shared in wanted:
            place = self._lock(path)
            if place not in _HELD:
                lock = Lock(place, str(path))
                try:
                    lock.take(shared=shared)
                except InputError:
                    self.let_go(task)
                    raise
                _HELD[place] = lock

    @contextmanager
    def alone_with(self, paths: Sequence[Path]) -> Iterator[None]:
        """Keep everybody else from reading or making some files while the body runs."""
        with ExitStack() as stack:
            for path in paths:
                stack.enter_context(held(self._lock(path), str(path)))
            yield

    def let_go(self, task: Task) -> None:
        """Give back the locks that `is_done` took; `recording` does so at its end."""
        for path in (*task.reads, task.output):
            lock = _HELD.pop(self._lock(path), None)
            if lock is not None:
                lock.give_back()

    def _lock(self, path: Path) -> Path:
        name = path.resolve().relative_to(self.path.resolve()).as_posix().replace("/", "__")
        return self.path.resolve() / LOCKS / f"{name}.lock"


_HELD: dict[Path, Lock] = {}
"""The locks that this process holds, by their files."""


@functools.lru_cache(maxsize=256)
def _digest(path: Path, *_: int) -> str:
    return digest_file(path)


def check_chain(run: RunFolder, path: Path) -> None:
    """Refuse a file of the run folder that is not what was recorded, or whose inputs are not.

    The whole chain is looked at: features of a backbone of clips that are there no more are
    refused as features, with the stage to run. A file that was laid in by hand, and an input
    that lies here no more, cannot be checked.

    Raises
    ------
    InputError
        With what differs, and the stage that makes it anew.
    """
    name = path.relative_to(run.path).as_posix()
    stages = run.records()
    found = [(k, e) for k, e in stages.items() if e.get("output", {}).get("path") == name]
    if not found or not path.is_file():
        return
    digest = run.digest(path)
    key, entry = max(
        found, key=lambda one: (one[1]["output"]["digest"] == digest, one[1]["started"])
    )
    stage, split, *_ = [*key.split("/"), ""]
    again = f"run `{stage}{f' --split {split}' if split else ''} ... --overwrite`"
    if digest != entry["output"]["digest"]:
        raise InputError(
            f"{path} is not what run.json recorded: it was changed or damaged since; {again}"
        )
    beside = {"skeletons": run.skeletons, "backbone": path.with_name("backbone.safetensors")}
    for kind, digest in entry["inputs"].items():
        source = beside.get(kind)
        if source is None or not source.is_file():
            continue
        if run.digest(source) != digest:
            raise InputError(
                f"{path} was made from another {source.name} than {source}, which was made or "
                f"changed since; {again}"
            )
        check_chain(run, source)


def _agreed(look: Callable[[], bool]) -> bool:
    """Return what the main process finds, in every process; its InputError is everybody's."""
    if size() == 1:
        return look()
    found = None
    if is_main():
        try:
            found = json.dumps({"answer": look()}).encode()
        except InputError as error:
            found = json.dumps({"error": str(error)}).encode()
    told = json.loads(join("cpu").from_main(found) or b"")
    if "error" in told:
        raise InputError(told["error"])
    return told["answer"]


_REMEDY = "give --overwrite to make it anew, or another --run folder to keep both"


def _made_so(entry: Mapping[str, Any], task: Task) -> bool:
    """Tell whether an output was made as the task would, be it by an older version."""
    if entry["fingerprint"] == task.fingerprint:
        return True
    then = entry["inputs"], entry["seed"], _plain(task.modernise(entry["options"]))
    return then == (dict(task.inputs), task.seed, _plain(task.options))


def _plain(values: Mapping[str, Any]) -> Any:
    """Return values as JSON gives them back."""
    return json.loads(json.dumps(dict(values), default=str))


def _difference(entry: Mapping[str, Any] | None, task: Task) -> str:
    """Say in what the recorded way of making an output differs from the one asked for."""
    if entry is None:
        return "and run.json does not say what made it"
    asked = _plain({**task.options, "seed": task.seed})
    made = _plain({**task.modernise(entry["options"]), "seed": entry["seed"]})
    changed = [
        f"{name} {made.get(name)!r} then, {asked.get(name)!r} now"
        for name in sorted({*asked, *made})
        if asked.get(name) != made.get(name)
    ]
    changed += [
        f"another {name}"
        for name in sorted({*entry["inputs"], *task.inputs})
        if entry["inputs"].get(name) != task.inputs.get(name)
    ]
    return "made in another way: " + ", ".join(changed or ["by another version"])
