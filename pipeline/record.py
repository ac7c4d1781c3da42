"""``run.json``: what made each output, and what was begun and not noted yet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.locks import held
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole

FORMAT = "smie-pipe run"
PATIENCE_S = 60.0
"""How long a process waits for another that writes the record, which takes milliseconds."""

Entries = dict[str, dict[str, Any]]


class Record:
    """The record of a run folder; every change is read, made and written under one lock.

    ``stages`` holds an entry for each output that is whole. ``begun`` holds the same for an
    output that is being made, with the digest of what was there ``before``: should the process
    be killed after the output took its place and before it was noted, the next one completes
    the note from there.
    """

    def __init__(self, path: Path, lock: Path):
        self.path, self._lock = path, lock

    def stages(self) -> Entries:
        """Return what ran, by task key; empty in a new folder."""
        return self._content()["stages"]

    def begun(self) -> Entries:
        """Return what was begun and not noted, by task key."""
        return self._content()["begun"]

    def begin(self, key: str, entry: dict[str, Any]) -> None:
        """Note that an output is about to be made."""
        self._change(lambda stages, begun: begun.update({key: entry}))

    def note(self, key: str, entry: dict[str, Any]) -> None:
        """Note that an output is whole."""

        def change(stages: Entries, begun: Entries) -> None:
            stages[key] = entry
            begun.pop(key, None)

        self._change(change)

    def _change(self, change: Callable[[Entries, Entries], None]) -> None:
        with held(self._lock, str(self.path), wait_s=PATIENCE_S):
            content = self._content()
            change(content["stages"], content["begun"])
            with replace_when_whole(self.path) as temporary:
                text = json.dumps(content, indent=1, default=str)
                temporary.write_text(text, encoding="utf-8")

    def _content(self) -> dict[str, Any]:
        if not self.path.is_file():
            return {"format": FORMAT, "version": 1, "stages": {}, "begun": {}}
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            if content.get("format") == FORMAT and isinstance(content["stages"], dict):
                return {"begun": {}, **content}
        except (ValueError, KeyError, AttributeError):
            pass
        raise InputError(
            f"{self.path}: expected a record written by smie-pipe, found something else; "
            "move it away or give another --run folder"
        )
