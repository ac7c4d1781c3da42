"""What a preprocessing run found: recordings left out or noticed, and its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FINDING_GROUPS = {"rejected": ("damaged", "excluded"), "noticed": ("noticed",)}


@dataclass(frozen=True)
class Finding:
    """Something about one recording or action that its user should know."""

    name: str
    """Name of the recording or of the clip."""
    path: str
    """Where it was read."""
    line: int
    """Line in that file, from 1; 0 where it concerns no line."""
    reason: str
    """A few words, the same for all of a kind, to be counted."""
    detail: str = ""
    """The whole message."""
    severity: str = "damaged"
    """``damaged``: left out for a fault in a file. ``excluded``: left out by a rule, such as the
    official list. ``noticed``: in the file all the same."""


EXAMPLES = 3


SEVERITIES = {
    "damaged": "left out, damaged",
    "excluded": "left out by rule",
    "noticed": "kept, but note",
}


@dataclass(frozen=True)
class PreprocessReport:
    """Counts of a finished run; ``str`` gives the table."""

    output: Path
    dataset: str
    recordings: int
    """Recordings found, those left out included."""
    clips: int
    digest: str
    """Of the data in the file."""
    seconds: float
    findings: Sequence[Finding] = ()
    treatments: Counter[str] = field(default_factory=Counter)
    """How many clips got each treatment of their bodies."""
    treated: int = 0
    """How many clips got any."""
    parts: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """For each protocol how many clips train, test, and do neither."""
    remark: str = ""

    @property
    def damaged(self) -> int:
        """How many recordings or actions were left out for a fault in a file."""
        return sum(finding.severity == "damaged" for finding in self.findings)

    @property
    def failed(self) -> bool:
        """Whether files were damaged, so that the command should end with 1."""
        return self.damaged > 0

    @property
    def exit_code(self) -> int:
        """0, or 1 where files were damaged."""
        return int(self.damaged > 0)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return for each severity how often each reason came, most frequent first."""
        table = {}
        for severity in SEVERITIES:
            reasons = Counter(f.reason for f in self.findings if f.severity == severity)
            if reasons:
                table[severity] = dict(reasons.most_common())
        return table

    def as_dict(self) -> dict[str, Any]:
        """Return all that a machine may want to read."""
        return {
            "output": str(self.output),
            "dataset": self.dataset,
            "recordings": self.recordings,
            "clips": self.clips,
            "digest": self.digest,
            "seconds": round(self.seconds, 3),
            "protocols": {
                name: dict(zip(("train", "test", "neither"), parts, strict=True))
                for name, parts in self.parts.items()
            },
            "findings": self.counts(),
            "treated": self.treated,
            "treatments": dict(self.treatments.most_common()),
        }

    def __str__(self) -> str:
        return "\n".join([self._heading(), *self._protocols(), *self._bodies(), *self._findings()])

    def _heading(self) -> str:
        rate = self.recordings / self.seconds if self.seconds > 0 else 0.0
        line = (
            f"{self.output}: {self.clips} clips from {self.recordings} recordings "
            f"({self.dataset}), {self.seconds:.1f} s, {rate:.0f} recordings/s"
        )
        return f"{line}\n{self.remark}" if self.remark else line

    def _protocols(self) -> list[str]:
        return [
            f"  {name}: {train} train, {test} test" + (f", {neither} in neither" * (neither > 0))
            for name, (train, test, neither) in self.parts.items()
        ]

    def _bodies(self) -> list[str]:
        if not self.treated:
            return []
        rows = [f"{self.treated} clips whose bodies were treated:"]
        return rows + [f"  {count:>7}  {what}" for what, count in self.treatments.most_common(10)]

    def left_out(self) -> str:
        """Return the part of the table that says what was left out or noticed."""
        return "\n".join(self._findings())

    def _findings(self) -> list[str]:
        lines = []
        for severity, reasons in self.counts().items():
            lines.append(f"{sum(reasons.values())} {SEVERITIES[severity]}:")
            for reason, count in reasons.items():
                lines.append(f"  {count:>7}  {reason}")
                lines += [f"           {text}" for text in self._examples(severity, reason)]
        return lines

    def _examples(self, severity: str, reason: str) -> list[str]:
        chosen = [f for f in self.findings if (f.severity, f.reason) == (severity, reason)]
        shown = [finding.detail or finding.name for finding in chosen[:EXAMPLES]]
        return shown if severity != "excluded" else shown[:1]
