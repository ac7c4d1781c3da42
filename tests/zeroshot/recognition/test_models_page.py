"""The examples of docs/models.md run, and its table of keys is that of a real model."""

import json
import re
import shutil
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "models.md"


@pytest.fixture
def place(model, recording, tmp_path, monkeypatch):
    """A folder with what the examples name."""
    shutil.copytree(model, tmp_path / "models" / "mine")
    shutil.copy(recording, tmp_path / "a.skeleton")
    body = " ".join(f"{k % 7 / 10:.2f}" for k in range(75))
    (tmp_path / "live.txt").write_text(f"{body} {'0 ' * 75}\n" * 70)
    monkeypatch.chdir(tmp_path)


def test_the_examples_in_python_run(place, capsys):
    names = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    said = capsys.readouterr().out
    assert Path("a.json").is_file() and "missing.skeleton" in said
    assert "70 frames" in said


def test_every_key_of_a_model_is_told(model):
    text = PAGE.read_text(encoding="utf-8")
    for key in json.loads((model / "config.json").read_text()):
        assert f"`{key}`" in text, key
    for path in model.iterdir():
        assert f"`{path.name}`" in text
