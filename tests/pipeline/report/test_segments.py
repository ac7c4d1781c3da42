"""Segments and label lines are read whole, or refused with the place of the fault."""

import json

import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.report.segments import is_label_file, read_segments

GOOD = {"label": "wave", "start_s": 0.5, "end_s": 2, "score": 0.25}


def written(folder, content):
    path = folder / "s.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_segments_come_in_order_and_their_recording_from_beside_the_file(tmp_path):
    (tmp_path / "a.skeleton").write_text("0\n")
    later = {"label": "sit", "start_s": 3, "end_s": 3}
    path = written(tmp_path, {"recording": "a.skeleton", "segments": [later, GOOD], "x": 1})
    recording, segments = read_segments(path)
    assert recording == tmp_path / "a.skeleton"
    assert [(s.label, s.start_s, s.end_s, s.score) for s in segments] == [
        ("wave", 0.5, 2.0, 0.25),
        ("sit", 3.0, 3.0, None),
    ]


@pytest.mark.parametrize(
    "content, said",
    [
        ("", "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ([GOOD], "found no object"),
        ({}, "found an empty object"),
        ({"segment": []}, "found 'segment'"),
        ({"segments": [GOOD, "x"]}, "segment 2: expected an object with a text under 'label'"),
        ({"segments": [{**GOOD, "label": 3}]}, "segment 1: expected an object with a text"),
        ({"segments": [{**GOOD, "start_s": None}]}, "number under 'start_s', found nothing"),
        ({"segments": [{**GOOD, "end_s": True}]}, "number under 'end_s', found True"),
        ('{"segments": [{"label": "a", "start_s": NaN, "end_s": 1}]}', "'start_s', found nan"),
        ({"segments": [{**GOOD, "start_s": 3}]}, "0 <= start_s <= end_s, found 3 and 2"),
        ({"segments": [{**GOOD, "start_s": -1}]}, "0 <= start_s <= end_s, found -1"),
        ({"segments": [{**GOOD, "score": "high"}]}, "number under 'score', found 'high'"),
        ({"segments": [], "recording": 7}, "a path under 'recording', found 7"),
    ],
)
def test_another_form_is_refused_with_its_place(tmp_path, content, said):
    with pytest.raises(InputError) as caught:
        read_segments(written(tmp_path, content))
    assert said in str(caught.value) and str(tmp_path) in str(caught.value)


def test_label_lines_count_frames_from_1_with_both_ends(tmp_path):
    path = tmp_path / "0002-L.txt"
    path.write_text("1,31,60,1\n777,1,30,0\n")
    assert is_label_file(path)
    recording, (first, second) = read_segments(path)
    assert recording is None
    assert (first.label, first.start_s, first.end_s) == ("action 777", 0.0, 1.0)
    assert (second.label, second.start_s, second.end_s, second.score) == ("bow", 1.0, 2.0, 1.0)


def test_own_classes_beside_the_labels_name_them(tmp_path):
    (tmp_path / "label").mkdir()
    (tmp_path / "classes.csv").write_text("id,name\n1,jump\n")
    (tmp_path / "label" / "0002-L.txt").write_text("1,1,30,1\n")
    assert read_segments(tmp_path / "label" / "0002-L.txt")[1][0].label == "jump"
