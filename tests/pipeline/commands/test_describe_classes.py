"""``describe-classes``: a table to fill in from a run folder or a list, never over another."""

import csv

from click.testing import CliRunner

from smie_pipe.cli import cli


def invoke(*words):
    return CliRunner().invoke(cli, [str(word) for word in words])


def test_the_classes_of_a_list_are_written_with_what_is_known_of_them(tmp_path):
    (tmp_path / "c.csv").write_text("id,name\n1,hand waving\n2,squat deep\n", encoding="utf-8")
    out = tmp_path / "t.csv"
    found = invoke("describe-classes", "--out", out, "--classes", tmp_path / "c.csv")
    assert found.exit_code == 0, found.output
    assert "2 classes" in found.output and "1 to fill in" in found.output
    with open(out, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [bool(row["motion"]) for row in rows] == [True, False]
    assert "squat deep" in (tmp_path / "t_prompt.txt").read_text(encoding="utf-8")
    again = invoke("describe-classes", "--out", out, "--classes", tmp_path / "c.csv")
    assert again.exit_code == 1 and "--overwrite" in again.output


def test_without_classes_the_way_to_them_is_told(tmp_path):
    found = invoke("describe-classes", "--out", tmp_path / "t.csv")
    assert found.exit_code == 2 and "--run" in found.output
    found = invoke("--run", tmp_path / "r", "describe-classes", "--out", tmp_path / "t.csv")
    assert found.exit_code == 1 and "preprocess" in found.output
