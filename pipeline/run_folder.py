"""The run folder of one study: where each stage's output lies and what made it."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from smie_pipe import provenance
from smie_pipe.backbones.hardware.distributed import is_main, join, size
from smie_pipe.backbones.pretrainings import pretraining_name, split_and_number
from smie_pipe.preprocessing.foundation.digests import digest_file, digest_json
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole

FORMAT = "smie-pipe run"


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

    @property
    def fingerprint(self) -> str:
        """A digest of all that decides the output's content."""
        return digest_json([self.key, dict(self.options), dict(self.inputs), self.seed])


class RunFolder:
    """Paths of a study and the record ``run.json`` of what made each file."""

    def __init__(self, path: Path):
        self.path = path
        self.skeletons = path / "skeletons.h5"
        self._record = path / "run.json"

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
        """Return a file's digest; taken from the record while size and time are unchanged."""
        stat = path.stat()
        for entry in self.records().values():
            made = entry.get("output", {})
            same = (str(path.relative_to(self.path)), stat.st_size, stat.st_mtime_ns)
            if same == (made.get("path"), made.get("size"), made.get("mtime_ns")):
                return made["digest"]
        return digest_file(path)

    def records(self) -> dict[str, dict[str, Any]]:
        """Return what ran, by task key; empty in a new folder."""
        if not self._record.is_file():
            return {}
        try:
            content = json.loads(self._record.read_text(encoding="utf-8"))
            if content.get("format") == FORMAT:
                return content["stages"]
        except (ValueError, KeyError, AttributeError):
            pass
        raise InputError(
            f"{self._record}: expected a record written by smie-pipe, found something else; "
            "move it away or give another --run folder"
        )

    def is_done(self, task: Task, *, overwrite: bool) -> bool:
        """Return whether the task's output is there, whole and made in just this way.

        Under torchrun the main process looks and all get its answer.

        Raises
        ------
        InputError
            If an output is there that other inputs or options made and ``overwrite`` is off.
        """
        return not overwrite and _agreed(lambda: self._is_made(task))

    def _is_made(self, task: Task) -> bool:
        if not task.output.exists():
            return False
        entry = self.records().get(task.key)
        if entry and _made_so(entry, task):
            if self.digest(task.output) == entry["output"]["digest"]:
                return True
            raise InputError(f"{task.output} was changed since it was made; {_REMEDY}")
        raise InputError(f"{task.output} exists, {_difference(entry, task)}; {_REMEDY}")

    @contextmanager
    def recording(self, task: Task, **facts: Any) -> Iterator[None]:
        """Note the task in ``run.json`` once the body of the ``with`` has made its output.

        Under torchrun the main process writes, and all wait until the note is there.
        """
        started, clock = datetime.now(timezone.utc), time.monotonic()
        yield
        if is_main():
            seconds = round(time.monotonic() - clock, 2)
            entry = {**self._entry(task), "seconds": seconds, **facts}
            entry["started"] = started.isoformat(timespec="seconds")
            self._write({**self.records(), task.key: entry})
        if size() > 1:
            join("cpu").wait()

    def _entry(self, task: Task) -> dict[str, Any]:
        stat = task.output.stat()
        return {
            "fingerprint": task.fingerprint,
            "options": dict(task.options),
            "seed": task.seed,
            "inputs": dict(task.inputs),
            "output": {
                "path": str(task.output.relative_to(self.path)),
                "digest": digest_file(task.output),
                "size": stat.st_size,
                "mtime_ns": stat.st_mtime_ns,
            },
            "versions": provenance.versions(),
            "commit": provenance.commit(),
        }

    def _write(self, stages: Mapping[str, Any]) -> None:
        content = {"format": FORMAT, "version": 1, "stages": stages}
        with replace_when_whole(self._record) as temporary:
            temporary.write_text(json.dumps(content, indent=1, default=str), encoding="utf-8")


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
