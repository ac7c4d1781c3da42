"""`smie-pipe view` on every kind of file, and on what is none."""

import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from smie_pipe.cli import cli
from smie_pipe.preprocessing.skeletons.store import write_skeletons


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Return a simulated recording of two people in PKU-MMD's form, and its labels."""
    folder = tmp_path_factory.mktemp("raw") / "pku"
    words = ["simulate", str(folder), "--layout", "pku", "--classes", "salute,handshaking"]
    words += ["--performers", "2", "--views", "1", "--workers", "1"]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    recording = sorted(folder.rglob("skeleton/*.txt"))[0]
    return recording, next(folder.rglob(f"label/{recording.name}"))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Return a skeletons.h5 of three clips in two classes."""
    path = tmp_path_factory.mktemp("clips") / "skeletons.h5"
    x = np.random.default_rng(0).normal(size=(3, 3, 50, 25, 2)).astype(np.float32)
    columns = {"label": [0, 0, 1], "name": ["a", "b", "c"]}
    write_skeletons(path, x, columns, class_names=["salute", "</script><b>"])
    return path


@pytest.fixture
def view(tmp_path):
    """Run `smie-pipe view WORDS` in an empty folder; return its output and the page's data."""

    def run(*words, code=0):
        page = tmp_path / "page.html"
        page.unlink(missing_ok=True)
        result = CliRunner().invoke(cli, ["view", *map(str, words), "-o", str(page)])
        assert result.exit_code == code, result.output
        assert page.exists() == (code == 0)
        return (result.output, data_of(page)) if code == 0 else result.output

    return run


def data_of(page):
    text = page.read_text(encoding="utf-8")
    return json.loads(re.findall('id="data">(.*?)</script>', text, re.DOTALL)[0])


def test_a_recording_with_its_label_lines(view, raw):
    recording, labels = raw
    _, data = view(recording, "--labels", labels)
    (motion,) = data["motions"]
    assert motion["bodies"] == 2 and motion["fps"] == 30
    assert {s["label"] for s in motion["segments"]} == {"salute", "handshaking"}


def test_segments_name_their_recording(view, raw, tmp_path):
    path = tmp_path / "out.json"
    segment = {"label": "waves", "start_s": 0, "end_s": 1, "score": 0.9}
    path.write_text(json.dumps({"recording": str(raw[0]), "segments": [segment]}))
    _, data = view(path)
    assert data["motions"][0]["segments"] == [segment]


def test_clips_are_one_of_each_class_or_those_asked_for(view, clips):
    assert [m["name"] for m in view(clips)[1]["motions"]] == ["a", "c"]
    chosen = view(clips, "--clip", "b", "--clip", "0")[1]["motions"]
    assert [m["name"] for m in chosen] == ["b", "a"]


@pytest.mark.parametrize(
    "words, said",
    [
        (["nothing.skeleton"], "no such file"),
        (["{clips}", "--clip", "d"], "no clip 'd'; expected a name such as 'a', or a row from 0"),
        (["{clips}", "--clip", "3"], "no clip '3'"),
        (["{clips}", "--labels", "{labels}"], "holds clips, which have their classes"),
        (["{raw}", "--clip", "0"], "is no skeletons.h5"),
        (["{labels}"], "holds labels; view their recording with --labels"),
        (["{other}"], "no raw recordings"),
        (["{empty}"], "no body in 2 frames"),
        (["{raw}", "--labels", "{late}"], "these are the labels of another recording"),
        (["{nameless}"], "does not name its recording; view the recording with --labels"),
        (["{gone}"], "no such file as its recording"),
        (["{late}", "--labels", "{late}"], "holds segments already"),
    ],
)
def test_what_cannot_be_shown_gets_one_message(view, raw, clips, tmp_path, words, said):
    late = [{"label": "x", "start_s": 9999, "end_s": 9999}]
    files = {
        "other.csv": "a,b\n",
        "empty.skeleton": "2\n0\n0\n",
        "late.json": json.dumps({"recording": str(raw[0]), "segments": late}),
        "nameless.json": '{"segments": []}',
        "gone.json": '{"recording": "gone.skeleton", "segments": []}',
    }
    places = {"raw": raw[0], "labels": raw[1], "clips": clips}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        places[name.partition(".")[0]] = tmp_path / name
    output = view(*(word.format(**places) for word in words), code=1)
    assert said in output and output.count("Error:") == 1


def test_a_page_that_is_there_is_kept(clips, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("mine")
    words = ["view", str(clips), "-o", str(page)]
    assert "exists; give --overwrite" in CliRunner().invoke(cli, words).output
    assert page.read_text() == "mine"
    assert CliRunner().invoke(cli, [*words, "--overwrite"]).exit_code == 0
    assert page.read_text() != "mine"


@pytest.mark.parametrize(
    "name", ["S001C001P001R001A050.skeleton", "S017C003P020R002A055.skeleton"]
)
def test_real_recordings_of_two_people(view, shared, name):
    _, data = view(shared / "data" / "ntu_samples" / name)
    assert data["motions"][0]["bodies"] >= 2
