"""Curves keep to their frame, and ticks are round numbers around the values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smie_pipe.report.charts import BOTTOM, HUGE, LEFT, MOST_LINES, RIGHT, TOP, chart, ticks

VALUES = st.floats(-1e9, 1e9).filter(lambda v: v == 0 or abs(v) > 1e-9)


@given(VALUES, VALUES, st.integers(2, 8))
def test_ticks_are_few_even_and_around(a, b, about):
    low, high = min(a, b), max(a, b)
    found = ticks(low, high, about)
    slack = 1e-6 * max(abs(low), abs(high), 1e-9)
    assert found[0] <= low + slack and found[-1] >= high - slack
    assert 2 <= len(found) <= about + 3 and found == sorted(set(found))


@given(st.lists(st.one_of(st.none(), st.floats(), VALUES), min_size=1, max_size=30))
def test_a_curve_stays_in_its_frame(values):
    found = chart("t", {"a": values})
    numbers = [v for v in values if v is not None and abs(v) < HUGE]
    if not numbers:
        assert found is None
        return
    (line,) = found.lines
    points = [tuple(map(float, p.split())) for p in line.path.replace("L", "M").split("M")[1:]]
    assert all(LEFT <= x <= RIGHT and TOP - 1 <= y <= BOTTOM + 1 for x, y in points)
    assert len(points) == max(2, len(numbers)) or line.path.count("M") > 0


@pytest.mark.parametrize(
    "values, path",
    [
        ([0, 1], f"M{LEFT} {BOTTOM}L{RIGHT} {TOP}"),
        ([0, None, 1], f"M{LEFT} {BOTTOM}M{RIGHT} {TOP}"),
        ([5], None),
    ],
)
def test_a_gap_is_a_gap_and_one_value_a_dot(values, path):
    (line,) = chart("t", {"a": values}).lines
    assert line.path == path if path else line.path.startswith("M") and "L" in line.path


def test_curves_beyond_what_one_can_tell_apart_are_counted():
    found = chart("t", {str(i): [1, 2] for i in range(MOST_LINES + 2)})
    assert len(found.lines) == MOST_LINES and found.left_out == 2
