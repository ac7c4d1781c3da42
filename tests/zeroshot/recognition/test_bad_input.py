"""What cannot be named gets one message, and what stands beside it is named."""

import subprocess
import sys

import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.methods import saved
from smie_pipe.zeroshot.recognition.label_texts import LabelTexts
from smie_pipe.zeroshot.recognition.recognizer import Recognizer

from .conftest import call


def moving(frames=40, seed=0):
    return np.random.default_rng(seed).normal(size=(frames, 25, 3))


ARRAYS = {
    "no body": (np.zeros((40, 25, 3)), "0 of 40 frames hold a body"),
    "one frame": (moving(1), "1 of 1 frames"),
    "all NaN": (np.full((40, 25, 3), np.nan), "0 of 40 frames hold a body"),
    "joint count": (np.ones((40, 17, 3)), "(T, 25, 3)"),
    "text": (np.array(["a", "b"]), "array of numbers"),
    "object": (np.array([{}], dtype=object), "array of numbers"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_bad_array_is_one_message_and_the_next_is_named(model, recording, tmp_path, name):
    array, said = ARRAYS[name]
    np.save(tmp_path / "bad.npy", array, allow_pickle=True)
    words = ("predict", tmp_path / "bad.npy", recording, "--model", model, "--labels", "unseen")
    result = call(*words, code=1)
    assert result.stderr.count("not named") == 1 and said in result.stderr
    assert recording.stem in result.stdout and "Traceback" not in result.output


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"hello", b"\x93NUMPY\x01\x00\xff\xff{"])
def test_a_damaged_array(model, recording, tmp_path, content):
    (tmp_path / "bad.npy").write_bytes(content)
    words = ("predict", tmp_path / "bad.npy", recording, "--model", model, "--labels", "unseen")
    result = call(*words, code=1)
    assert "bad.npy" in result.stderr and recording.stem in result.stdout


def test_one_frame_a_second_and_some_nan_are_named(model, tmp_path):
    recognizer = Recognizer.load(model)
    assert recognizer.predict(moving(9), recognizer.unseen, fps=1).label
    holed = moving()
    holed[3:9] = np.nan
    assert recognizer.predict(holed, recognizer.unseen).label
    assert isinstance(recognizer.segments(moving(9), recognizer.unseen, fps=1), list)
    with pytest.raises(InputError, match="frame rate above 0"):
        recognizer.predict(moving(), recognizer.unseen, fps=0)


def test_a_recording_cut_in_mid_line(model, recording, tmp_path):
    data = recording.read_bytes()
    (tmp_path / "cut.skeleton").write_bytes(data[: len(data) // 2])
    words = ("predict", tmp_path / "cut.skeleton", "--model", model, "--labels", "unseen")
    assert "cut.skeleton" in call(*words, code=1).stderr


def test_ten_thousand_labels_are_scored_and_one_more_is_not(model, tmp_path):
    recognizer = Recognizer.load(model)
    most = [f"action {k}" for k in range(10_000)]
    known = next(iter(recognizer._texts.vectors.values()))
    recognizer._texts.vectors.update(dict.fromkeys(most, known))
    assert len(recognizer.predict(moving(), most).ranking) == 10_000
    (tmp_path / "many.txt").write_text("\n".join([*most, "one more"]))
    np.save(tmp_path / "a.npy", moving())
    words = ("predict", tmp_path / "a.npy", "--model", model)
    result = call(*words, "--labels-file", tmp_path / "many.txt", code=1)
    assert "10,001 labels, at most 10,000" in result.output


def test_a_method_of_another_version_is_one_message(model, monkeypatch):
    opened = saved._opened

    def with_more(path):
        tensors, facts = opened(path)
        return tensors, {**facts, "options": {**facts["options"], "unheard": 1}}

    monkeypatch.setattr(saved, "_opened", with_more)
    with pytest.raises(InputError, match="another version"):
        Recognizer.load(model)


def test_a_text_model_of_another_width(model, monkeypatch):
    recognizer = Recognizer.load(model)
    monkeypatch.setattr(
        "smie_pipe.zeroshot.texts.embeddings.embed_texts",
        lambda texts, model: np.zeros((len(texts), 7), np.float32),
    )
    assert isinstance(recognizer._texts, LabelTexts)
    with pytest.raises(InputError, match="gives 7 numbers a text"):
        recognizer.predict(moving(), ["something new", "another"])


def test_a_short_recording_is_read_without_numba(recording):
    code = (
        "import sys; from pathlib import Path\n"
        "from smie_pipe.preprocessing.raw.ntu import read_skeleton\n"
        f"data = Path({str(recording)!r}).read_bytes()\n"
        "short = read_skeleton(data, 'x'); assert 'numba' not in sys.modules\n"
        "while 'numba' not in sys.modules: long = read_skeleton(data, 'x')\n"
        "assert (short.xyz == long.xyz).all() and (short.state == long.state).all()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
