"""Methods by class texts: what another text source or text model does (tables 5 and 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from smie_pipe.zeroshot.config import LABELS
from smie_pipe.zeroshot.tables.published import published_accuracy
from smie_pipe.zeroshot.tables.table import (
    NAMES,
    NOTHING,
    Row,
    Table,
    against,
    grouped,
    how_many,
    is_ready_made,
    mean_cell,
    method_name,
    names_for,
    not_defaults,
    once,
    plainest,
)
from smie_pipe.zeroshot.trials.results import Results


def text_table(results: Results, rows: Sequence[Row]) -> Table | None:
    """Return methods (rows) by class texts (columns); None where there is one text source.

    A method stands as in the table of methods; each source is compared with the first one.
    """
    by_source: dict[tuple[str, str], dict[str, Row]] = {}
    for source, group in grouped(rows, _source):
        plain = plainest(group)
        by_source[source] = {names_for(plain)(row): row for row in plain}
    if len(by_source) < 2:
        return None
    sources = sorted(by_source, key=lambda s: (is_ready_made(s[0]), s[1] != LABELS))
    first, *others = (by_source[source] for source in sources)
    names = once(name for source in sources for name in by_source[source])
    body = [
        [name, _cell(first.get(name)), *_beside(results, name, first, others)] for name in names
    ]
    s = rows[0].summary
    title = f"Class texts, {s.dataset}, {s.split_set}, {s.backbone}, select {s.select}"
    told = [m if is_ready_made(m) else f"{text} ({m})" for m, text in sources]
    header = ["", told[0]]
    for column in told[1:]:
        header += [column, "less the first [95 %]"]
    shown = [row for source in sources for row in by_source[source].values()]
    notes = [
        how_many(shown),
        "less the first: paired bootstrap over the unseen test clips, in points.",
        *not_defaults(shown),
        *_reading_words(shown),
        *_paper_texts(shown),
    ]
    return Table(title, header, body, notes)


def _beside(
    results: Results, name: str, first: Mapping[str, Row], others: Sequence[Mapping[str, Row]]
) -> Iterable[str]:
    for source in others:
        row, base = source.get(name), first.get(name)
        yield _cell(row)
        yield NOTHING if row is None or base is None else against(results, row, base)


def _cell(row: Row | None) -> str:
    return NOTHING if row is None else mean_cell(row.summary)


def _source(row: Row) -> tuple[str, str]:
    return row.summary.text_model, row.summary.text


def _reading_words(rows: Sequence[Row]) -> list[str]:
    names = once(method_name(row) for row in rows if row.summary.method in ("jpose", "synse"))
    if not names:
        return []
    return [f"{' and '.join(names)}: from the class's verb and noun alone, whatever its text."]


def _paper_texts(rows: Sequence[Row]) -> list[str]:
    known = [(row.summary, published_accuracy(row.summary)) for row in rows]
    return [
        f"Paper: {NAMES.get(s.method, s.method)} with {s.text} {value:.2f}."
        for s, value in known
        if value is not None
    ]
