"""``evaluate-segments`` as its user meets it."""

import json

import pytest
from click.testing import CliRunner

from smie_pipe.cli import cli


@pytest.fixture
def folders(tmp_path):
    """Two recordings with bow (1) and kick (2); predictions right in the first only."""
    (tmp_path / "classes.csv").write_text("id,name\n1,bow\n2,kick\n")
    for name in ("truth", "found"):
        (tmp_path / name).mkdir()
    (tmp_path / "truth" / "r.txt").write_text("1,1,60,1\n2,90,150,1\n")
    (tmp_path / "truth" / "s.txt").write_text("1,1,60,1\n")
    (tmp_path / "found" / "r.txt").write_text("1,1,60,0.9\n2,90,150,0.8\n")
    return tmp_path


def call(folders, *words):
    options = ("--classes", str(folders / "classes.csv"), *words)
    paths = [str(folders / "found"), str(folders / "truth")]
    return CliRunner().invoke(cli, ["evaluate-segments", *paths, *options])


def test_measures_by_hand(folders):
    values = json.loads(call(folders, "--iou", "0.5", "--json").stdout)
    (row,) = values["measures"]
    assert row["mAP_a"] == pytest.approx((0.5 + 1) / 2)
    assert row["mAP_v"] == pytest.approx((1 + 0) / 2)
    assert row["f1"] == pytest.approx(2 * 1 * (2 / 3) / (1 + 2 / 3))
    assert values["shuffled_labels"][0]["mAP_a"] < row["mAP_a"]


def test_only_some_classes(folders):
    values = json.loads(call(folders, "--labels", "kick", "--iou", "0.5", "--json").stdout)
    assert values["true_segments"] == 1
    assert values["measures"][0]["mAP_a"] == 1


def test_the_table_has_a_row_for_each_overlap(folders):
    assert call(folders).stdout.count("\n") == 3 + 9


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--iou", "2"), 2, "above 0 and up to 1"),
        (("--labels", "kik"), 1, "kick"),
        (("--matching", "twice"), 2, "published"),
    ],
)
def test_misuse_is_one_message(folders, words, code, said):
    result = call(folders, *words)
    assert result.exit_code == code
    assert said in result.output


def test_predictions_of_other_recordings_are_refused(folders):
    (folders / "found" / "r.txt").rename(folders / "found" / "other.txt")
    result = call(folders)
    assert result.exit_code == 1
    assert "no recording of" in result.output


def test_a_folder_without_label_files_is_named(folders):
    (folders / "found" / "r.txt").unlink()
    assert "expected label files" in call(folders).output
