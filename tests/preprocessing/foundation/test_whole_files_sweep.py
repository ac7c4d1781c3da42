"""Temporary files: whose process is dead they go, all others stay."""

import os
import socket

import pytest

from smie_pipe.preprocessing.foundation.processes import is_alive
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole, sweep

HOST, DEAD = (
    socket.gethostname().replace(".", "_"),
    2**22 + 1,
)  # above the largest number of a process


@pytest.mark.parametrize(
    "name, age_s, goes",
    [
        (f".a.h5.{HOST}-{DEAD}.tmp", 0, True),
        (f".a.h5.{DEAD}.tmp", 0, True),  # as an older version named them
        (f".a.h5.{HOST}-{os.getpid()}.tmp", 0, False),
        (f".a.h5.other-host-{DEAD}.tmp", 0, False),
        (f".a.h5.other-host-{DEAD}.tmp", 2 * 86400, True),
        (".a.h5.tmp", 2 * 86400, False),
        (f"a.h5.{DEAD}.tmp", 0, False),
    ],
)
def test_only_what_the_dead_left_goes(tmp_path, name, age_s, goes):
    path = tmp_path / "deep" / name
    path.parent.mkdir()
    path.touch()
    if age_s:
        then = path.stat().st_mtime - age_s
        os.utime(path, (then, then))
    assert sweep(tmp_path) == [path] * goes
    assert path.exists() != goes


def test_what_is_being_written_is_not_swept(tmp_path):
    with replace_when_whole(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        assert sweep(tmp_path) == []
    assert (tmp_path / "a.json").read_text() == "half"


def test_a_process_is_alive_or_not():
    assert is_alive(os.getpid()) and not is_alive(DEAD)
