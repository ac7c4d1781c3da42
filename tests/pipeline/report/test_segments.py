"""Segments and label lines are read whole, or refused with the place of the fault."""

import json

import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.report.segments import is_label_file, is_segment_file, read_segments
from smie_pipe.zeroshot.recognition.segment_files import write_segments
from smie_pipe.zeroshot.recognition.segments import Segment

GOOD = {"label": "wave", "start_s": 0.5, "end_s": 2, "score": 0.25}


def written(folder, content):
    path = folder / "s.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_segments_come_in_order_with_the_name_of_their_recording(tmp_path):
    later = {"label": "sit", "start_s": 3, "end_s": 3}
    path = written(tmp_path, {"recording": "a.skeleton", "segments": [later, GOOD], "x": 1})
    (found,) = read_segments(path)
    assert is_segment_file(path) and found.is_of("a") and not found.is_of("b")
    segments = found.segments
    assert [(s.label, s.start_s, s.end_s, s.score) for s in segments] == [
        ("wave", 0.5, 2.0, 0.25),
        ("sit", 3.0, 3.0, None),
    ]


@pytest.mark.parametrize(
    "content, said",
    [
        ("", "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        (["x"], "found no object"),
        ([], "segments of no recording"),
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
        ({"segments": [], "recording": 7}, "a name or path under 'recording', found 7"),
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
    (found,) = read_segments(path)
    assert found.recording is None and found.is_of("any")
    first, second = found.segments
    assert (first.label, first.start_s, first.end_s) == ("action 777", 0.0, 1.0)
    assert (second.label, second.start_s, second.end_s, second.score) == ("bow", 1.0, 2.0, 1.0)


def test_own_classes_beside_the_labels_name_them(tmp_path):
    (tmp_path / "label").mkdir()
    (tmp_path / "classes.csv").write_text("id,name\n1,jump\n")
    (tmp_path / "label" / "0002-L.txt").write_text("1,1,30,1\n")
    assert read_segments(tmp_path / "label" / "0002-L.txt")[0].segments[0].label == "jump"


def test_several_recordings_stand_in_one_file_as_predict_writes_them(tmp_path):
    segments = [Segment("wave", 0.0, 1.0, 0.5, name) for name in ("a", "b", "a")]
    (path,) = write_segments(segments, tmp_path, ["json"])
    found = read_segments(path)
    assert [(entry.recording, len(entry.segments)) for entry in found] == [("a", 2), ("b", 1)]


@pytest.mark.parametrize("content", ['{"frames": []}', "[]", "[1]", "", '[{"keypoint": []}]'])
def test_json_of_trackers_is_not_taken_for_segments(tmp_path, content):
    assert not is_segment_file(written(tmp_path, content))
