"""Methods by class texts: what another text source or text model does (tables 5 and 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from smie_pipe.zeroshot.config import LABELS
from smie_pipe.zeroshot.methods.registry import METHODS, title
from smie_pipe.zeroshot.tables.published import published_accuracy
from smie_pipe.zeroshot.tables.rows import (
    Row,
    against,
    grouped,
    in_order,
    is_ready_made,
    mean_cell,
    method_title,
    name_and_options,
    once,
    spread_notes,
)
from smie_pipe.zeroshot.tables.table import NOTHING, Table
from smie_pipe.zeroshot.trials.results import Results

Source = tuple[str, str, str]


def text_table(results: Results, rows: Sequence[Row]) -> Table | None:
    """Return methods (rows) by class texts (columns); None where there is one text source.

    Each source is compared with the first one.
    """
    by_source: dict[Source, dict[str, Row]] = {
        source: {name_and_options(row): row for row in in_order(group)}
        for source, group in grouped(rows, _source)
    }
    if len(by_source) < 2:
        return None
    sources = sorted(by_source, key=lambda s: (is_ready_made(s[0]), s[1] != LABELS))
    first, *others = (by_source[source] for source in sources)
    names = once(name for source in sources for name in by_source[source])
    body = [
        [name, _cell(first.get(name)), *_beside(results, name, first, others)] for name in names
    ]
    s = rows[0].summary
    told = [_told(source) for source in sources]
    header = ["", told[0]]
    for column in told[1:]:
        header += [column, "less the first [95 %]"]
    shown = [row for source in sources for row in by_source[source].values()]
    notes = [
        *spread_notes(shown)[:1],
        "less the first: paired bootstrap over the unseen test clips, in points.",
        *_reading_words(shown),
        *_paper_texts(shown),
    ]
    name = f"Class texts, {s.dataset}, {s.split_set}, {s.backbone}, select {s.select}"
    return Table(name, header, body, notes)


def _told(source: Source) -> str:
    model, text, digest = source
    name = model if is_ready_made(model) else f"{text} ({model})"
    return f"{name} {digest}".rstrip()


def _beside(
    results: Results, name: str, first: Mapping[str, Row], others: Sequence[Mapping[str, Row]]
) -> Iterable[str]:
    for source in others:
        row, base = source.get(name), first.get(name)
        yield _cell(row)
        yield NOTHING if row is None or base is None else against(results, row, base)


def _cell(row: Row | None) -> str:
    return NOTHING if row is None else mean_cell(row.summary)


def _source(row: Row) -> Source:
    return row.summary.text_model, row.summary.text, row.summary.text_digest


def _reading_words(rows: Sequence[Row]) -> list[str]:
    only = {method for method, entry in METHODS.items() if entry.only_words}
    names = once(method_title(row) for row in rows if row.summary.method in only)
    if not names:
        return []
    return [f"{' and '.join(names)}: from the class's verb and noun alone, whatever its text."]


def _paper_texts(rows: Sequence[Row]) -> list[str]:
    known = [(row.summary, published_accuracy(row.summary)) for row in rows]
    return [
        f"Paper: {title(s.method)} with {s.text} {value:.2f}."
        for s, value in known
        if value is not None
    ]
