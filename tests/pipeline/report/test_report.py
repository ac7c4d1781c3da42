"""`smie-pipe report` on whole, partial, damaged, hostile and paired run folders."""

import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from smie_pipe.cli import cli
from smie_pipe.report.checks import checks
from smie_pipe.report.contents import read_run
from smie_pipe.report.page import visible
from smie_pipe.report.report import report_page

from .conftest import HOSTILE
from .runs import CLASSES, SPLIT, make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "study")


@pytest.fixture
def own(run, tmp_path):
    """Return a copy that a test may spoil."""
    return shutil.copytree(run, tmp_path / "own")


def data_of(text):
    return json.loads(re.findall('id="data">(.*?)</script>', text, re.DOTALL)[0])


def states(path):
    return [(check.state, check.text) for check in checks(read_run(path))]


def test_a_whole_run_is_told_in_full(run):
    text = report_page([run])
    for section in ("trust", "results", "fails", "clips", "curves", "data-section", "ran"):
        assert f'id="{section}"' in text
    for said in (
        "SMIE",
        "ridge regression",
        "chance",
        "[95 %]",
        "labels overlap",
        "left out, damaged",
    ):
        assert said in text
    assert "seen_test_accuracy" not in text and "Accuracy on seen test clips" in text
    assert len(data_of(text)["clips"]) == 30 and "Not here" not in text


def test_clips_carry_the_scores_that_are_in_the_files(run):
    clips = data_of(report_page([run], clips=6))["clips"]
    assert len(clips) == 6 and {clip["caption"] for clip in clips} == set(CLASSES[-3:])
    for clip in clips:
        assert [method["method"] for method in clip["methods"]] == ["SMIE", "ridge regression"]
        for method in clip["methods"]:
            assert sum(share for _, share, _ in method["bars"]) == pytest.approx(1, abs=1e-3)
            assert [name for name, _, true in method["bars"] if true] == [clip["caption"]]
            assert method["right"] == method["bars"][0][2]
    assert data_of(report_page([run], clips=0))["clips"] == []


def test_every_table_can_be_copied(run):
    text = report_page([run])
    copies = data_of(text)["copies"]
    assert set(re.findall('data-copy="([^"]+)"', text)) == set(copies)
    assert "| SMIE |" in copies["r-accuracy"]["Markdown"]
    assert "\\toprule" in copies["r-accuracy"]["LaTeX"]


def test_the_confusions_add_up(run):
    entry = read_run(run).results.entries[0]
    table = re.findall(r'class="matrix".*?</table>', report_page([run]), re.DOTALL)[1]
    cells = re.findall(r"<td[^>]*>(\d*)</td>", table)
    assert [int(cell or 0) for cell in cells] == np.concatenate(entry.confusion).tolist()


def test_a_sound_run_is_called_sound(run):
    found = states(run)
    assert ("good", "4 of 4 outputs are, to the bit, those recorded") in found
    assert ("good", "3 inputs are the outputs of the stages before them") in found
    assert not [text for state, text in found if state == "bad"]
    assert ("note", "1 recordings or actions were left out as damaged, see Data") in found


def test_changed_and_lost_files_are_named(own):
    (own / SPLIT / "backbone.safetensors").write_bytes(b"another")
    (own / SPLIT / "features.h5").unlink()
    bad = [text for state, text in states(own) if state == "bad"]
    assert any("backbone.safetensors was changed since" in text for text in bad)
    assert any("features.h5, made by extract" in text for text in bad)


@pytest.mark.parametrize(
    "lost, said",
    [
        ("run.json", "What made these files is not recorded"),
        ("skeletons.h5", "no skeleton plays here"),
        (f"{SPLIT}/smie_all-minilm-l6-v2/seed-0/result.json", "ridge regression"),
        (f"{SPLIT}/pretrain_metrics.csv", "pretrain_metrics.csv, made by pretrain-backbone"),
        (
            f"{SPLIT}/smie_all-minilm-l6-v2/seed-0/scores.safetensors",
            "which intervals and clips need",
        ),
    ],
)
def test_a_missing_part_is_named_and_the_rest_is_shown(own, lost, said):
    (own / lost).unlink()
    text = report_page([own])
    assert said.lower() in text.lower() and 'id="trust"' in text


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("run.json", "[]", "expected a record written by smie-pipe"),
        ("results.json", '{"format": 3}', "move the file away"),
        ("skeletons.h5", "text", "expected a skeletons.h5 written by preprocess"),
        (f"{SPLIT}/pretrain_metrics.csv", "epoch,loss\n1,high\n", "expected a number"),
        (f"{SPLIT}/smie_all-minilm-l6-v2/seed-0/history.csv", "loss\nx\n", "expected a number"),
    ],
)
def test_a_damaged_part_is_named_and_the_rest_is_shown(own, name, content, said):
    (own / name).write_text(content)
    text = report_page([own])
    assert "✗ Bad" in text and said in text


def test_damaged_scores_leave_the_accuracy_without_an_interval(own):
    (own / SPLIT / "smie_all-minilm-l6-v2" / "seed-0" / "scores.safetensors").write_text("x")
    copies = data_of(report_page([own]))["copies"]
    assert re.search(r"\| SMIE \| [\d.]+ \| – \|", copies["r-accuracy"]["Markdown"])


def test_one_part_alone_is_enough_for_a_page(tmp_path, run):
    (tmp_path / "new").mkdir()
    shutil.copy(run / "skeletons.h5", tmp_path / "new")
    text = report_page([tmp_path / "new"])
    assert text.count("! Not here") == 5 and 'id="results"' not in text


def test_two_runs_stand_side_by_side(run, own, tmp_path):
    other = make_run(tmp_path / "other", seed=1, methods=("ridge",))
    text = report_page([run, other])
    copies = data_of(text)["copies"]
    assert re.search(r"\| ridge regression \|.*\| [+-]\d", copies["compare-accuracy"]["Markdown"])
    assert re.search(r"\| SMIE \|.*\| – \| – \|", copies["compare-accuracy"]["Markdown"])
    assert "| zeroshot | method | smie, ridge | ridge |" in copies["compare-made"]["Markdown"]
    methods = {m["method"] for clip in data_of(text)["clips"] for m in clip["methods"]}
    assert methods == {"A: SMIE", "A: ridge regression", "B: ridge regression"}
    assert "Nothing: both were made in the same way" in report_page([run, own])
    assert "The same clips as those of A" in report_page([run, own])


def test_hostile_names_stay_text(tmp_path):
    classes = tuple(name for key, name in HOSTILE.items() if key not in ("surrogate", "controls"))
    names = [f"{i} {HOSTILE['markup']}" for i in range(60)]
    path = make_run(tmp_path / "<b>run", classes=classes, names=names)
    text = report_page([path])
    assert text.count("<script") == 2 and text.count("</script>") == 2
    assert "<img" not in text and "<b>run" not in text
    clips = data_of(text)["clips"]
    assert {clip["caption"] for clip in clips} == {visible(name) for name in classes[-3:]}


@pytest.mark.parametrize(
    "words, code, said",
    [
        (["{gone}"], 1, "expected a run folder, found nothing"),
        (["{file}"], 1, "expected a run folder, found a file"),
        (["{empty}"], 1, "with run.json, skeletons.h5 or results.json, found none of them"),
        (["{run}", "{run}", "{run}"], 2, "expected one run folder or two, found 3"),
        ([], 2, "needs a run folder"),
        (["{run}", "--clips", "-1"], 2, "-1"),
    ],
)
def test_misuse_gets_one_message(run, tmp_path, words, code, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    places = {"run": run, **{name: tmp_path / name for name in ("gone", "file", "empty")}}
    words = [word.format(**places) for word in words]
    result = CliRunner().invoke(cli, ["report", *words, "-o", str(tmp_path / "page.html")])
    assert result.exit_code == code and said in result.output
    assert result.output.count("Error:") == 1 and not (tmp_path / "page.html").exists()


def test_the_command_writes_a_page_once(run, tmp_path):
    page = tmp_path / "deep" / "page.html"
    words = ["--run", str(run), "report", "-o", str(page)]
    assert CliRunner().invoke(cli, words).exit_code == 0 and page.is_file()
    assert "exists; give --overwrite" in CliRunner().invoke(cli, words).output
    assert CliRunner().invoke(cli, [*words, "--overwrite"]).exit_code == 0
