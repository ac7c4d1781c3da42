import csv

import numpy as np
import pytest

from smie_pipe.preprocessing.datasets import DATASETS, custom, dataset, read_classes
from smie_pipe.preprocessing.foundation.errors import InputError


def test_class_names_are_those_of_the_facts(shared):
    for name, count, file in [
        ("ntu60", 60, "ntu120_classes.csv"),
        ("ntu120", 120, "ntu120_classes.csv"),
        ("pku51", 51, "pku51_classes.csv"),
    ]:
        text = (shared / "facts" / file).read_text()
        rows = list(csv.DictReader(text.splitlines()))[:count]
        assert list(dataset(name).class_names) == [row["name"] for row in rows]
        assert dataset(name).class_ids == tuple(range(1, count + 1))


def test_actions_of_two_persons_say_so():
    for name in DATASETS:
        known = dataset(name)
        missed = [
            text
            for label, text in enumerate(known.class_names)
            if ("other person" in text or text in ("handshaking", "high-five"))
            and label not in known.two_persons
        ]
        assert missed == []
    assert dataset("ntu120").two_persons == {*range(49, 60), *range(105, 120)}


def test_performers_of_cross_subject():
    train = {name: dataset(name).train["xsub"][1] for name in ("ntu60", "ntu120")}
    assert len(set(train["ntu60"])) == len(train["ntu60"]) == 20
    assert len(set(train["ntu120"])) == len(train["ntu120"]) == 53
    assert set(train["ntu60"]) < set(train["ntu120"])


def test_protocols_divide_the_clips():
    columns = {
        "subject": np.array([1, 3, 2, 45]),
        "camera": np.array([1, 2, 3, 1]),
        "setup": np.array([1, 2, 17, 32]),
    }
    ntu60 = dataset("ntu60").protocols(columns)
    assert {name: parts.tolist() for name, parts in ntu60.items()} == {
        "xsub": [1, 0, 1, 0],
        "xview": [0, 1, 1, 0],
    }
    ntu120 = dataset("ntu120").protocols(columns)
    assert {name: parts.tolist() for name, parts in ntu120.items()} == {
        "xsub": [1, 0, 1, 1],
        "xset": [0, 1, 0, 1],
    }
    assert dataset("pku51").protocols(columns) == {}


def test_labels_follow_the_ids():
    text = '\ufeffid,name\n7,wave\n2,"sit, down"\n9,handshaking\n'
    own = custom(text.encode(), "classes.csv")
    assert own.class_names == ("sit, down", "wave", "handshaking")
    assert own.class_ids == (2, 7, 9) and own.two_persons == {2}
    assert (own.label(2), own.label(7), own.label(1)) == (0, 1, None)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", ":1: expected the heading id,name, found 'an empty file'"),
        ("1,wave\n", ":1: expected the heading"),
        ("id,name\n", ":2: expected at least one class"),
        ("id,name\n1,wave\n1,sit\n", ":3: id 1 comes twice"),
        ("id,name\n1,wave\n2,wave\n", ":3: name 'wave' comes twice"),
        ("id,name\nx,wave\n2\n", r"(?s):2: .*'x,wave'.*:3: .*found '2'"),
    ],
)
def test_faulty_classes(text, message):
    with pytest.raises(InputError, match=message):
        read_classes(text.encode(), "classes.csv")


def test_unknown():
    with pytest.raises(InputError, match="Did you mean 'ntu60'"):
        dataset("ntu6")
