"""Streams: half lines, pauses, broken lines, ends, the delay, and the page beside it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smie_pipe.preprocessing.body import JOINTS
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.trackers.streams import arrivals
from smie_pipe.zeroshot.recognition.follow import Follower
from smie_pipe.zeroshot.recognition.recognizer import Recognizer

from .conftest import call

LABELS = ["kick something", "put on jacket", "drink water"]


@pytest.fixture(scope="module")
def recognizer(model):
    return Recognizer.load(model)


def joints(frames, seed=0):
    """A body of human size that moves a little, (T, 25, 3)."""
    body = np.random.default_rng(seed).normal(0, 0.02, (25, 3)) + (0, 0, 2)
    body[[3, 20, 4, 8], 1] += (0.75, 0.5, 0.5, 0.5)
    body[[14, 15, 18, 19], 1] -= 0.85
    body[[15, 19], 2] -= 0.15  # toes to the front, which is the camera
    for left, right in ((4, 8), (12, 16), (14, 18), (15, 19)):
        body[left, 0], body[right, 0] = -0.15, 0.15
    return body + 0.05 * np.sin(np.arange(frames) / 5)[:, None, None]


def pku_lines(frames, seed=0):
    rows = np.concatenate([joints(frames, seed).reshape(frames, 75), np.zeros((frames, 75))], 1)
    return [(" ".join(f"{x:.5f}" for x in row) + "\n").encode() for row in rows]


def json_lines(frames, start=0.0, fps=30.0):
    head = {"joints": list(JOINTS), "unit": "m", "axes": "y-up"}
    body = [{"id": 7, "joints": frame.tolist()} for frame in joints(frames)]
    rows = [{"t": start + k / fps, "bodies": [one]} for k, one in enumerate(body)]
    return [json.dumps(line).encode() + b"\n" for line in (head, *rows)]


def followed(recognizer, pieces, pause=0.0, **options):
    """Write pieces into a pipe from a thread; return what a follower says of them."""
    out, into = os.pipe()

    def write():
        with contextlib.suppress(BrokenPipeError):  # a follower that has given up
            for piece in pieces:
                os.write(into, piece)
                time.sleep(pause)
        os.close(into)

    said = []
    follower = Follower(recognizer, LABELS, on_broken=said.append, **options)
    thread = threading.Thread(target=write)
    thread.start()
    try:
        moments = list(follower.follow(out, "pipe"))
    finally:
        os.close(out)
        thread.join(5)
    return moments, said, follower.summary


@pytest.mark.parametrize("lines", [pku_lines, json_lines])
def test_a_window_of_two_seconds_each_half_second(recognizer, lines):
    moments, said, summary = followed(recognizer, lines(120))
    assert [m.end_s for m in moments] == pytest.approx(
        [59 / 30, 74 / 30, 89 / 30, 104 / 30, 119 / 30]
    )
    assert all(m.end_s - m.start_s == pytest.approx(59 / 30, abs=0.04) for m in moments)
    assert all(m.prediction.label in LABELS and m.delay_s > 0 for m in moments)
    assert summary.frames == 120 and summary.broken == 0 and not said


def test_a_window_is_named_as_the_same_frames_as_an_array(recognizer):
    (first, *_), _, _ = followed(recognizer, pku_lines(60))
    alone = recognizer.predict(np.round(joints(60), 5), LABELS)
    assert first.prediction.label == alone.label
    assert first.prediction.margin == pytest.approx(alone.margin, abs=1e-4)


def test_half_lines_and_pauses_change_nothing(recognizer):
    data = b"".join(pku_lines(75))
    pieces = [data[k : k + 4000] for k in range(0, len(data), 4000)]
    whole, _, _ = followed(recognizer, [data])
    parts, said, _ = followed(recognizer, pieces, pause=0.005)
    assert [m.prediction.ranking for m in parts] == [m.prediction.ranking for m in whole]
    assert not said


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(1, 40), max_size=20))
def test_lines_are_those_of_the_bytes_however_they_come(data, cuts):
    out, into = os.pipe()
    for size in cuts:
        piece, rest = data[:size], data[size:]
        os.write(into, piece)
        data = rest
    os.write(into, data)
    os.close(into)
    found = list(arrivals(out, "pipe"))
    os.close(out)
    assert all(one.whole for one in found[:-1])
    assert all(b"\n" not in one.line for one in found)


@pytest.mark.parametrize(
    ("bad", "said_of"),
    [
        (b"1 2 3\n", "expected the 150 numbers, found 3"),
        (b"x " * 150 + b"\n", "a number, found 'x'"),
        (b"\xff\xfe\n", "plain ASCII"),
    ],
)
def test_a_broken_line_is_one_message_and_the_others_go_on(recognizer, bad, said_of):
    lines = pku_lines(90)
    moments, said, summary = followed(recognizer, [*lines[:30], bad, *lines[30:]])
    assert len(said) == 1 and said_of in said[0] and "31" in said[0]
    assert summary.broken == 1 and summary.frames == 90 and len(moments) >= 3


@pytest.mark.parametrize(
    ("bad", "said_of"),
    [
        (b"{]\n", "line 11"),
        (b'{"t": 0.1, "bodies": []}\n', "'t' after that of the frame before"),
        (b'{"t": 3.0, "bodies": [{"id": 1, "joints": [[1, 2, 3]]}]}\n', "25"),
        (b'{"t": NaN, "bodies": []}\n', "line 11"),
    ],
)
def test_a_broken_line_of_json(recognizer, bad, said_of):
    lines = json_lines(70)
    moments, said, _ = followed(recognizer, [*lines[:10], bad, *lines[10:]])
    assert len(said) == 1 and said_of in said[0] and moments


@pytest.mark.parametrize("lines", [pku_lines, json_lines])
def test_a_stream_that_stops_in_mid_line(recognizer, lines):
    rows = lines(70)
    moments, said, summary = followed(recognizer, [*rows, rows[-1][:200]])
    assert moments and summary.broken == 1
    assert "is cut short, and left out" in said[0]


def test_nobody_and_numbers_that_are_none(recognizer):
    empty = (b"0 " * 150 + b"\n") * 70
    moments, _, summary = followed(recognizer, [empty])
    assert moments and all(m.prediction.label is None for m in moments)
    assert "hold a body" in moments[0].prediction.fault and summary.labels == {"nobody": 1}
    lost = (b"nan " * 150 + b"\n") * 70
    assert followed(recognizer, [lost])[0][0].prediction.label is None


def test_a_long_pause_in_the_stream_s_own_time_is_one_stride(recognizer):
    head, *first = json_lines(65)
    late = json_lines(65, start=1e6)[1:]
    moments, _, _ = followed(recognizer, [head, *first, *late])
    assert len(moments) < 10


def test_one_frame_a_second_and_a_stream_shorter_than_a_window(recognizer):
    slow, _, _ = followed(recognizer, json_lines(12, fps=1.0))
    assert slow and all(m.prediction.label or m.prediction.fault for m in slow)
    (short,), _, _ = followed(recognizer, pku_lines(20))
    assert short.prediction.label in LABELS


def test_what_is_no_stream_ends_it(recognizer):
    with pytest.raises(InputError, match="none of the first 20 lines"):
        followed(recognizer, [b"hello\n" * 50])
    with pytest.raises(InputError, match="without a line end"):
        followed(recognizer, [b"1" * 60_000] * 20)
    with pytest.raises(InputError, match="line 1"):
        followed(recognizer, [b'{"format": "azur-32"}\n'])


@pytest.mark.parametrize("option", ["fps", "window_s", "stride_s"])
def test_options_that_cannot_be(recognizer, option):
    with pytest.raises(InputError, match=option):
        Follower(recognizer, LABELS, **{option: 0})


def test_a_growing_file_is_waited_for_and_one_cut_is_told(recognizer, tmp_path):
    path = tmp_path / "live.txt"
    rows = pku_lines(80)
    path.write_bytes(b"".join(rows[:40]))

    def grow():
        with open(path, "ab") as file:
            for row in rows[40:]:
                file.write(row)
                file.flush()
                time.sleep(0.002)

    threading.Timer(0.1, grow).start()
    with open(path, "rb") as file:
        follower = Follower(recognizer, LABELS)
        assert len(list(follower.follow(file.fileno(), "live.txt", idle_s=0.6))) == 2
    with open(path, "rb") as file:
        threading.Timer(0.2, lambda: path.write_bytes(b"")).start()
        with pytest.raises(InputError, match="became shorter"):
            list(Follower(recognizer, LABELS).follow(file.fileno(), "live.txt", idle_s=5))


def test_labels_change_while_it_runs(recognizer, tmp_path):
    follower = Follower(recognizer, LABELS)
    path = tmp_path / "live.txt"
    path.write_bytes(b"".join(pku_lines(60)))
    assert follower.set_labels(["bow"]) is None, "nothing came yet"
    with open(path, "rb") as file:
        moments = list(follower.follow(file.fileno(), "live.txt", idle_s=0.05))
    assert moments[0].prediction.label == "bow"
    again = follower.set_labels(LABELS)
    assert {one.label for one in again.ranking} == set(LABELS)
    with pytest.raises(InputError, match="twice"):
        follower.set_labels(["a", "a"])
    assert follower.labels == LABELS


def predict(model, path, *words, code=0):
    return call("predict", "--follow", path, "--model", model, *words, code=code)


def test_the_command_prints_labels_and_a_summary(model, tmp_path):
    path = tmp_path / "live.txt"
    path.write_bytes(b"".join(pku_lines(75)) + b"1 2\n")
    said = predict(model, path, "--labels", "unseen", "--idle", 0.05, code=1)
    assert "ms behind" in said.stdout and "75 frames, 2 windows, 1 broken lines" in said.stdout
    assert "found 2" in said.stderr
    path.write_bytes(b"".join(json_lines(75)))
    said = predict(model, path, "--labels", "unseen", "--idle", 0.05, "--json")
    *moments, summary = [json.loads(line) for line in said.stdout.splitlines()]
    assert len(moments) == 2 and summary["frames"] == 75 and moments[0]["delay_s"] > 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--labels", "a,b", "--segments"), 2, "excludes"),
        (("--labels", "a,b", "-o", "x"), 2, "writes no files"),
        (("--labels", "a,b", "--fps", "0"), 1, "fps must be above 0"),
        (("--labels", "a,b", "--idle", "0"), 2, "--idle"),
        (("y.txt", "--labels", "a,b"), 2, "one stream"),
    ],
)
def test_misuse_is_one_message(model, tmp_path, words, code, said):
    (tmp_path / "live.txt").touch()
    result = predict(model, tmp_path / "live.txt", *words, code=code)
    assert said in result.output and "Traceback" not in result.output


def test_what_cannot_be_followed_is_named(model, tmp_path):
    assert "no such file" in predict(model, tmp_path / "x", "--labels", "a,b", code=1).output
    assert "is a folder" in predict(model, tmp_path, "--labels", "a,b", code=1).output
    alone = call("predict", "--model", model, "--labels", "a,b", code=2)
    assert "give RECORDINGS, or --follow" in alone.output
    served = call("predict", "a", "--serve", "--model", model, "--labels", "a,b", code=2)
    assert "belong to --follow" in served.output


@pytest.mark.skipif(sys.platform == "win32", reason="signals of another kind")
def test_ctrl_c_ends_with_a_summary_and_the_page_takes_labels(model, tmp_path):
    path = tmp_path / "live.txt"
    path.write_bytes(b"".join(pku_lines(70)))
    words = ("predict", "--follow", path, "--model", model, "--labels", "all", "--serve")
    program = [sys.executable, "-c", "from smie_pipe.cli import main; main()", *map(str, words)]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(program, text=True, env=env, **pipes) as process:
        address = process.stderr.readline().split()[1]
        assert "ms behind" in process.stdout.readline(), "the window is named"
        known = Recognizer.load(model).unseen
        with _events(address) as events:
            assert _ask(address, known) == 200
            shown = _ranking_of(events, set(known))
        assert shown, "the last window is ranked by the new labels, though no frame came"
        assert _ask(address, []) == 400
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert "70 frames, 1 windows" in rest and process.returncode == 0


def _events(address):
    return urllib.request.urlopen(f"{address}events", timeout=10)


def _ask(address, labels):
    origin = "/".join(address.split("/")[:3])
    headers = {"Content-Type": "application/json", "Origin": origin}
    asked = urllib.request.Request(f"{address}labels", json.dumps(labels).encode(), headers)
    try:
        return urllib.request.urlopen(asked, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def _ranking_of(events, labels):
    for _ in range(2000):
        line = events.readline().decode()
        if line.startswith("event: ranking"):
            ranked = json.loads(events.readline().decode().removeprefix("data: "))
            if {label for label, _ in ranked} == labels:
                return True
    return False
