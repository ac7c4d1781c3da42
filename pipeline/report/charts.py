"""Curves and intervals as plain numbers that the template draws: text stays text, and prints."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEFT, RIGHT, TOP, BOTTOM = 46, 342, 12, 176
MOST_LINES = 8
HUGE = 1e300
"""A value beyond, or no number at all, leaves a gap: differences of such overflow."""


@dataclass(frozen=True)
class Line:
    """One curve: its name, its SVG path, and its last value as text."""

    name: str
    path: str
    last: str


@dataclass(frozen=True)
class Chart:
    """Curves over epochs; ticks are (place on the axis, text)."""

    title: str
    lines: list[Line]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    left_out: int = 0
    """Curves beyond `MOST_LINES`."""


def chart(title: str, curves: Mapping[str, Sequence[float | None]]) -> Chart | None:
    """Return the curves as a chart; None where no value is a number.

    Parameters
    ----------
    curves
        Name of each curve and its values at epochs 1, 2, ...; None and NaN leave a gap.
    """
    curves = {
        name: [v if v is not None and abs(v) < HUGE else None for v in values]
        for name, values in curves.items()
    }
    kept = {name: values for name, values in curves.items() if any(v is not None for v in values)}
    if not kept:
        return None
    shown = dict(list(kept.items())[:MOST_LINES])
    values = [v for curve in shown.values() for v in curve if v is not None]
    y_ticks = ticks(min(values), max(values), 5)
    epochs = max(map(len, shown.values()))
    x_ticks = [t for t in ticks(1, max(epochs, 2), 5) if t == int(t) and 1 <= t <= epochs]
    low, high = min(y_ticks[0], *values), max(y_ticks[-1], *values)

    def x(epoch: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (epoch - 1) / max(epochs - 1, 1), 1)

    def y(value: float) -> float:
        return round(BOTTOM - (BOTTOM - TOP) * ((value - low) / (high - low)), 1)

    lines = [
        Line(
            name,
            _path([(x(i), None if v is None else y(v)) for i, v in enumerate(own, 1)]),
            _last(own),
        )
        for name, own in shown.items()
    ]
    return Chart(
        title,
        lines,
        [(x(t), f"{t:g}") for t in x_ticks],
        [(y(t), f"{t:g}") for t in y_ticks],
        len(kept) - len(shown),
    )


def _path(points: Sequence[tuple[float, float | None]]) -> str:
    parts, pen = [], "M"
    for x, y in points:
        if y is None:
            pen = "M"
            continue
        parts.append(f"{pen}{x:g} {y:g}")
        pen = "L"
    if len(parts) == 1:  # a line of no length, so that its round end shows as a dot
        parts.append(parts[0].replace("M", "L"))
    return "".join(parts)


def _last(values: Sequence[float | None]) -> str:
    return f"{[v for v in values if v is not None][-1]:.4g}"


def ticks(low: float, high: float, about: int) -> list[float]:
    """Return round numbers, about so many, from at most ``low`` to at least ``high``."""
    span = high - low or abs(high) or 1.0
    magnitude = 10.0 ** math.floor(math.log10(span / about))
    step = next(m * magnitude for m in (1, 2, 5, 10) if span / (m * magnitude) <= about)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:
        last += 1
    return [round(i * step, 12) for i in range(first, last + 1)]
