"""Segments written in each format and read back, where one can by another's library."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.recognition.segment_files import (
    numbered,
    pku_text,
    read_pku_text,
    read_table,
    write_segments,
)
from smie_pipe.zeroshot.recognition.segments import Segment

SEGMENTS = [
    Segment("bow", 0.0, 1.5, 0.25, "0002-L"),
    Segment("kick & <run> --> fast", 3661.25, 3663.0, 1.5, "0002-L", body=1),
    Segment("bow", 2.0, 4.0, -0.5, "A10N08-L"),
]


def written(tmp_path, form):
    return write_segments(SEGMENTS, tmp_path, [form])


@given(st.integers(0, 9000), st.integers(1, 900), st.floats(-5, 5))
@settings(max_examples=100, deadline=None)
def test_pku_lines_come_back(first, frames, score):
    one = Segment("bow", first / 30, (first + frames) / 30, score, "r")
    text = pku_text([one], {"bow": 7})
    assert text.split(",")[:3] == ["7", str(first + 1), str(first + frames)]
    (back,) = read_pku_text(text, {7: "bow"}, "r", "r.txt")
    assert back.start_s == pytest.approx(one.start_s)
    assert back.end_s == pytest.approx(one.end_s)
    assert back.score == pytest.approx(score, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1,2", "expected label,start_frame"),
        ("x,1,2,1", "expected label,start_frame"),
        ("9,1,2,1", "label 9 is not among"),
        ("1,5,2,1", "expected start <= end"),
    ],
)
def test_bad_label_lines_are_named(line, said):
    with pytest.raises(InputError, match=f"f.txt:2: .*{said}|f.txt:2: {said}"):
        read_pku_text(f"1,1,2,1\n{line}\n", {1: "bow"}, "r", "f.txt")


@pytest.mark.parametrize("form", ["csv", "tsv"])
def test_tables_come_back(tmp_path, form):
    (path,) = written(tmp_path, form)
    back = read_table(path.read_text(), path.name)
    assert back == SEGMENTS


def test_a_table_without_its_columns_is_named():
    with pytest.raises(InputError, match="expected the columns"):
        read_table("label,start_s\n", "x.csv")
    with pytest.raises(InputError, match="x.csv:2: expected numbers"):
        read_table("recording,body,start_s,end_s,label,score\nr,,one,2,bow,1\n", "x.csv")


def test_json_is_grouped_by_recording(tmp_path):
    (path,) = written(tmp_path, "json")
    content = json.loads(path.read_text())
    assert [entry["recording"] for entry in content] == ["0002-L", "A10N08-L"]
    assert content[0]["segments"][1]["label"] == "kick & <run> --> fast"
    (path,) = written(tmp_path, "activitynet")
    assert json.loads(path.read_text())["results"]["A10N08-L"][0]["segment"] == [2.0, 4.0]


@pytest.mark.parametrize("form", ["vtt", "srt"])
def test_subtitles_are_read_by_another_library(tmp_path, form):
    webvtt = pytest.importorskip("webvtt")
    first, second = written(tmp_path, form)
    read = webvtt.read if form == "vtt" else webvtt.from_srt
    captions = read(str(first)).captions
    assert [c.start for c in captions] == ["00:00:00.000", "01:01:01.250"]
    assert [c.end for c in captions] == ["00:00:01.500", "01:01:03.000"]
    assert len(read(str(second)).captions) == 1


def test_elan_is_read_by_its_own_library(tmp_path):
    pympi = pytest.importorskip("pympi")
    first, _ = written(tmp_path, "eaf")
    tier = pympi.Eaf(str(first)).get_annotation_data_for_tier("actions")
    assert [tuple(entry[:3]) for entry in tier] == [
        (0, 1500, "bow"),
        (3661250, 3663000, "kick & <run> --> fast"),
    ]


def test_an_unknown_format_names_the_known(tmp_path):
    with pytest.raises(InputError, match="Known: csv, tsv, json, activitynet, pku, vtt, srt, eaf"):
        write_segments(SEGMENTS, tmp_path, ["xls"])


def test_labels_are_numbered_from_one():
    assert numbered(SEGMENTS) == {"bow": 1, "kick & <run> --> fast": 2}
