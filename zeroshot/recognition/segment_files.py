"""Segments as files: PKU-MMD's label lines, CSV, TSV, JSON, WebVTT, SRT, ELAN, ActivityNet.

Times are seconds from the start of the recording. Frames stand in PKU-MMD's form only: from 1,
both ends included, at 30 frames a second.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.zeroshot.recognition.segments import Segment

FPS = 30.0
COLUMNS = ("recording", "body", "start_s", "end_s", "label", "score")


def write_segments(
    segments: Sequence[Segment],
    folder: Path,
    formats: Sequence[str],
    labels: Mapping[str, int] | None = None,
) -> list[Path]:
    """Write segments in each of the formats and return the files, in the order written.

    ``pku``, ``vtt``, ``srt`` and ``eaf`` give a file a recording; ``csv``, ``tsv``, ``json`` and
    ``activitynet`` one for all.

    Parameters
    ----------
    labels
        Number of each label for ``pku``, as in the data set's label files (from 1); by default
        the labels are counted in alphabetical order.

    Raises
    ------
    InputError
        For an unknown format, or if ``eaf`` is asked for and pympi-ling is not installed.
    """
    written: list[Path] = []
    folder.mkdir(parents=True, exist_ok=True)
    grouped = by_recording(segments)
    for form in formats:
        if form in WHOLE:
            name, text = WHOLE[form]
            written.append(_write(folder / name, text(segments)))
        elif form == "pku":
            numbers = labels or numbered(segments)
            for recording, found in grouped.items():
                written.append(_write(folder / f"{recording}.txt", pku_text(found, numbers)))
        elif form in EACH:
            for recording, found in grouped.items():
                written.append(_write(folder / f"{recording}.{form}", EACH[form](found)))
        elif form == "eaf":
            for recording, found in grouped.items():
                written.append(_write_eaf(folder / f"{recording}.eaf", found))
        else:
            known = ", ".join([*WHOLE, "pku", *EACH, "eaf"])
            raise InputError(f"unknown format of segments {form!r}. Known: {known}")
    return written


def by_recording(segments: Sequence[Segment]) -> dict[str, list[Segment]]:
    """Return the segments of each recording, in order of time."""
    grouped: dict[str, list[Segment]] = defaultdict(list)
    for segment in sorted(segments, key=lambda s: (s.recording, s.start_s)):
        grouped[segment.recording].append(segment)
    return dict(grouped)


def numbered(segments: Sequence[Segment]) -> dict[str, int]:
    """Return a number from 1 for each label, in alphabetical order."""
    return {name: k for k, name in enumerate(sorted({s.label for s in segments}), start=1)}


def pku_text(segments: Sequence[Segment], numbers: Mapping[str, int]) -> str:
    """Return PKU-MMD's label lines: ``label,start_frame,end_frame,confidence``."""
    lines = []
    for s in segments:
        first = round(s.start_s * FPS) + 1
        last = max(round(s.end_s * FPS), first)
        lines.append(f"{numbers[s.label]},{first},{last},{s.score:.6g}\n")
    return "".join(lines)


def read_pku_text(text: str, names: Mapping[int, str], recording: str, path: str) -> list[Segment]:
    """Return the segments of PKU-MMD label lines.

    Parameters
    ----------
    names
        Label of each number; a line of another number is refused.
    path
        The file's name, for messages.

    Raises
    ------
    InputError
        With the line of the first fault.
    """
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.replace(",", " ").split()
        if not fields:
            continue
        try:
            label, first, last = (int(float(field)) for field in fields[:3])
            score = float(fields[3]) if len(fields) > 3 else 1.0
        except ValueError:
            raise InputError(
                f"{path}:{number}: expected label,start_frame,end_frame,confidence, found {line!r}"
            ) from None
        if label not in names:
            raise InputError(f"{path}:{number}: label {label} is not among the {len(names)} known")
        if last < first or first < 0:
            raise InputError(f"{path}:{number}: expected start <= end, found {first} and {last}")
        found.append(Segment(names[label], (first - 1) / FPS, last / FPS, score, recording))
    return found


def _table(separator: str) -> Callable[[Sequence[Segment]], str]:
    def text(segments: Sequence[Segment]) -> str:
        out = io.StringIO()
        writer = csv.writer(out, delimiter=separator, lineterminator="\n")
        writer.writerow(COLUMNS)
        for s in segments:
            body = "" if s.body is None else s.body
            times = (f"{s.start_s:.3f}", f"{s.end_s:.3f}")
            writer.writerow([s.recording, body, *times, s.label, f"{s.score:.6g}"])
        return out.getvalue()

    return text


def read_table(text: str, path: str) -> list[Segment]:
    """Return the segments of a CSV or TSV in the form that `write_segments` writes.

    Raises
    ------
    InputError
        If a column is missing or a row holds no number where one is expected.
    """
    lines = text.splitlines()
    reader = csv.DictReader(lines, delimiter="\t" if lines and "\t" in lines[0] else ",")
    missing = {"recording", "start_s", "end_s", "label"} - set(reader.fieldnames or ())
    if missing:
        raise InputError(f"{path}: expected the columns {', '.join(COLUMNS)}; no {min(missing)}")
    found = []
    for number, row in enumerate(reader, start=2):
        try:
            start, end = float(row["start_s"]), float(row["end_s"])
            score = float(row.get("score") or 1.0)
        except (TypeError, ValueError):
            raise InputError(f"{path}:{number}: expected numbers for times and score") from None
        body = int(row["body"]) if (row.get("body") or "").isdigit() else None
        found.append(Segment(row["label"], start, end, score, row["recording"], body))
    return found


def _json(segments: Sequence[Segment]) -> str:
    grouped = by_recording(segments)
    content = [
        {
            "recording": recording,
            "segments": [
                {
                    "label": s.label,
                    "start_s": round(s.start_s, 3),
                    "end_s": round(s.end_s, 3),
                    "score": s.score,
                    **({} if s.body is None else {"body": s.body}),
                }
                for s in found
            ],
        }
        for recording, found in grouped.items()
    ]
    return json.dumps(content, indent=1) + "\n"


def _activitynet(segments: Sequence[Segment]) -> str:
    results = {
        recording: [
            {"label": s.label, "score": s.score, "segment": [s.start_s, s.end_s]} for s in found
        ]
        for recording, found in by_recording(segments).items()
    }
    return json.dumps({"version": "1.3", "results": results, "external_data": {}}, indent=1) + "\n"


def _clock(seconds: float, separator: str) -> str:
    millis = round(seconds * 1000)
    hours, rest = divmod(millis, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{separator}{rest % 1000:03}"


def _vtt(segments: Sequence[Segment]) -> str:
    cues = [
        f"{_clock(s.start_s, '.')} --> {_clock(s.end_s, '.')}\n{_cue(s.label)}\n" for s in segments
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _srt(segments: Sequence[Segment]) -> str:
    cues = [
        f"{k}\n{_clock(s.start_s, ',')} --> {_clock(s.end_s, ',')}\n{_plain(s.label)}\n"
        for k, s in enumerate(segments, start=1)
    ]
    return "\n".join(cues)


def _plain(label: str) -> str:
    """Return a label on one line; an arrow would be read as a cue's times."""
    return " ".join(label.split()).replace("-->", "->")


def _cue(label: str) -> str:
    return _plain(label).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _write_eaf(path: Path, segments: Sequence[Segment]) -> Path:
    try:
        from pympi import Eaf
    except ImportError:
        raise InputError(
            "ELAN files are written by pympi-ling: pip install 'smie-pipe[elan]'"
        ) from None
    file = Eaf(author="smie-pipe")
    file.remove_tier("default")
    file.add_tier("actions")
    for s in segments:
        file.add_annotation("actions", round(s.start_s * 1000), round(s.end_s * 1000), s.label)
    with replace_when_whole(path) as temporary:
        file.to_file(str(temporary))
    return path


def _write(path: Path, text: str) -> Path:
    with replace_when_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


WHOLE: dict[str, tuple[str, Callable[[Sequence[Segment]], str]]] = {
    "csv": ("segments.csv", _table(",")),
    "tsv": ("segments.tsv", _table("\t")),
    "json": ("segments.json", _json),
    "activitynet": ("activitynet.json", _activitynet),
}
EACH: dict[str, Callable[[Sequence[Segment]], str]] = {"vtt": _vtt, "srt": _srt}
