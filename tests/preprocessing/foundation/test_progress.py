import logging

import pytest

from smie_pipe.preprocessing.foundation import progress as module
from smie_pipe.preprocessing.foundation.progress import progress


@pytest.fixture
def clock(monkeypatch):
    """Make time pass by ten seconds at each look at the clock, and stderr no terminal."""
    now = iter(range(0, 10_000, 10))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(module.sys.stderr, "isatty", lambda: False, raising=False)


def said(caplog, items, **options):
    """What is logged while the loop runs, and what the loop gives."""
    with caplog.at_level(logging.INFO, logger=module.__name__):
        found = list(progress(items, what="read", unit="file", **options))
    return [record.getMessage() for record in caplog.records], found


def test_without_a_terminal_a_long_loop_logs_its_way_and_its_end(clock, caplog):
    lines, found = said(caplog, iter(range(7)), total=7)
    assert found == list(range(7))
    assert lines == [
        "read: 2/7 file, 15 s each",
        "read: 5/7 file, 12 s each",
        "read: 7/7 file, 11 s each",
    ]


def test_a_short_loop_logs_nothing(clock, caplog):
    assert said(caplog, [1, 2]) == ([], [1, 2])


def test_quiet_logs_nothing(clock, caplog):
    with caplog.at_level(logging.WARNING, logger=module.__name__):
        assert list(progress(range(100))) == list(range(100))
    assert not caplog.records


def test_a_file_that_is_left_half_read_stays_open(tmp_path, monkeypatch):
    monkeypatch.setattr(logging.getLogger(progress.__module__), "disabled", True)
    (tmp_path / "a").write_text("1\n2\n3\n")
    with open(tmp_path / "a") as file:
        for _ in progress(file):
            break
        assert not file.closed


@pytest.mark.parametrize(
    "done, seconds, said",
    [
        (0, 31.0, "extract: 0/4 batch after 31 s"),
        (1, 40.0, "extract: 1/4 batch, 40 s each"),
        (4, 2.0, "extract: 4/4 batch, 2.0 batch/s"),
    ],
)
def test_a_slow_rate_is_told_in_seconds(caplog, done, seconds, said):
    with caplog.at_level("INFO"):
        module._log("extract", done, 4, "batch", seconds)
    assert caplog.messages == [said]
