"""A table of strings: for a terminal, in Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field

NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """A table of strings: first column left-aligned, the others right-aligned.

    Cells may come from class and file names, so what does not print is escaped.
    """

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)

    def text(self, width: int | None = None) -> str:
        """Return the table for a terminal, one that is ``width`` columns wide if given.

        Notes are wrapped at words; columns that do not fit go below, under the first one again.
        """
        blocks = [line for block in self._blocks(width) for line in block]
        notes = [line for note in self.notes for line in _wrapped(printable(note), width)]
        return "\n".join([*_wrapped(printable(self.title), width), *blocks, *notes])

    def _blocks(self, width: int | None) -> list[list[str]]:
        grid = [[printable(cell) for cell in row] for row in [self.header, *self.rows]]
        widths = [max(len(row[i]) for row in grid) for i in range(len(self.header))]
        return [_aligned(grid, widths, columns) for columns in _fitting(widths, width)]

    def markdown(self) -> str:
        """Return the table in Markdown."""
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        body = [_escaped(cells, _MARKDOWN) for cells in (self.header, *self.rows)]
        lines = ["| " + " | ".join(cells) + " |" for cells in (body[0], rule, *body[1:])]
        notes = [f"\n{note}" for note in _escaped(self.notes, _MARKDOWN)]
        (title,) = _escaped([self.title], _MARKDOWN)
        return "\n".join([f"**{title}**\n", *lines, *notes])

    def latex(self) -> str:
        """Return the table in LaTeX, with rules of the package booktabs."""
        body = [" & ".join(_escaped(cells, _LATEX)) + r" \\" for cells in self.rows]
        header = " & ".join(_escaped(self.header, _LATEX)) + r" \\"
        (title, *notes) = _escaped([self.title, *self.notes], _LATEX)
        return "\n".join(
            [
                r"\begin{table}",
                r"  \centering",
                rf"  \caption{{{title}}}",
                rf"  \begin{{tabular}}{{l{'r' * (len(self.header) - 1)}}}",
                r"    \toprule",
                f"    {header}",
                r"    \midrule",
                *(f"    {line}" for line in body),
                r"    \bottomrule",
                r"  \end{tabular}",
                *(f"  % {note}" for note in notes),
                r"\end{table}",
            ]
        )

    def csv(self) -> str:
        """Return header and rows as CSV, without title and notes."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.header, *self.rows])
        return text.getvalue()


def printable(text: str) -> str:
    """Return text with control characters and line ends written in digits, as in Python."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


_MARKDOWN = {c: f"\\{c}" for c in "\\|*_`<>[]$"}
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "†": r"$\dagger$",
}


def _escaped(cells: Sequence[str], marks: dict[str, str]) -> list[str]:
    return ["".join(marks.get(c, c) for c in printable(cell)) for cell in cells]


def _wrapped(text: str, width: int | None) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False) if width else [text]


def _fitting(widths: Sequence[int], width: int | None) -> list[list[int]]:
    """Return the columns of each block, the first one in all, so that blocks are not too wide."""
    blocks: list[list[int]] = [[0]]
    for column in range(1, len(widths)):
        taken = sum(widths[i] + 2 for i in blocks[-1])
        if width and len(blocks[-1]) > 1 and taken + widths[column] > width:
            blocks.append([0])
        blocks[-1].append(column)
    return blocks


def _aligned(
    grid: Sequence[Sequence[str]], widths: Sequence[int], columns: Sequence[int]
) -> list[str]:
    lines = [
        "  ".join(row[i].rjust(widths[i]) if i else row[i].ljust(widths[i]) for i in columns)
        for row in grid
    ]
    return [lines[0].rstrip(), "-" * len(lines[0]), *(line.rstrip() for line in lines[1:])]
