"""Splits: what each form of a spec stands for, and one clear message for each that is wrong."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.splits import BUILT_IN, built_in, resolve, split_names

CLASSES = {"ntu60": 60, "ntu120": 120, "pku51": 51, "custom": 27}


def names(dataset):
    return [f"class {label}" for label in range(CLASSES[dataset])]


def found(spec, dataset="custom"):
    return resolve(spec, dataset, names(dataset))


def test_every_built_in_split_fits_its_dataset():
    for split in built_in():
        (same,) = found(split.name, split.dataset)
        assert same == split
        assert (
            len(split.unseen) + len(split.seen(CLASSES[split.dataset])) == CLASSES[split.dataset]
        )


def test_names_of_published_splits_tell_their_sizes():
    for split in built_in():
        if split.group == split.name:
            seen, unseen = (int(n) for n in split.name.split("-")[2:])
            assert (seen, unseen) == (len(split.seen(CLASSES[split.dataset])), len(split.unseen))


def test_built_in_splits_are_the_shared_facts(shared):
    facts = json.loads((shared / "facts" / "splits.json").read_text())
    for split in facts.values():
        split.pop("validation_unseen", None)  # SynSE's; --select held-out draws its own groups
    assert facts == json.loads(BUILT_IN.read_text())


def test_the_papers_folds_come_by_one_name():
    folds = found("ntu60-smie", "ntu60")
    assert [s.name for s in folds] == [f"ntu60-smie-{k}" for k in (1, 2, 3)]
    assert {s.group for s in folds} == {"ntu60-smie"}
    assert folds[0].unseen == (4, 19, 31, 47, 51)


def test_splits_of_different_sizes_are_not_one_group():
    assert len({s.group for s in found("ntu60-synse", "ntu60")}) == 2


def test_a_list_is_sorted_and_names_its_folder():
    (split,) = found("unseen: 12,3 , 5")
    assert (split.unseen, split.name, split.dataset) == ((3, 5, 12), "unseen-3-5-12", "custom")


OWN = ["throw", "carry, with both hands", "walk", "sit down", "carry"]


@pytest.mark.parametrize(
    "spec, unseen",
    [
        ("unseen:throw,walk", (0, 2)),
        ("unseen: Walk , THROW", (0, 2)),
        ("unseen:carry, with both hands,walk", (1, 2)),
        ("unseen:carry,walk", (2, 4)),
        ("ids:7,3", (0, 2)),
        ("ids:A007,a3", (0, 2)),
        ("unseen:A003,A007", (0, 2)),
        ("labels:0,2", (0, 2)),
        ("unseen:0,2", (0, 2)),
    ],
)
def test_classes_go_by_name_by_number_in_the_files_or_by_label(spec, unseen):
    (split,) = resolve(spec, "custom", OWN, class_ids=[3, 5, 7, 9, 11])
    assert split.unseen == unseen
    assert split.name == "unseen-" + "-".join(map(str, unseen))


@pytest.mark.parametrize("spec", ["unseen:3,A005", "ids:throw", "ids:4", "unseen:throw,trow"])
def test_what_is_no_class_is_refused(spec):
    with pytest.raises(InputError, match="ids|as files carry"):
        resolve(spec, "custom", OWN, class_ids=[3, 5, 7, 9, 11])


def test_the_numbers_of_a_known_dataset_are_known():
    (split,) = found("ids:A001,60", "ntu60")
    assert split.unseen == (0, 59)


def test_a_long_list_has_a_short_name_of_its_own():
    (one,) = found("unseen:" + ",".join(map(str, range(13))))
    (two,) = found("unseen:" + ",".join(map(str, range(1, 14))))
    assert one.name != two.name
    assert one.name.startswith("unseen-13-") and len(one.name) < 30


@given(st.integers(1, 25), st.integers(0, 2**31))
def test_random_splits_are_repeatable_and_of_the_size_asked(count, seed):
    (split,) = found(f"random:{count}:{seed}")
    assert split == found(f"random:{count}:{seed}")[0]
    assert len(set(split.unseen)) == count
    assert set(split.unseen) <= set(range(27))


def test_a_random_draw_stays_what_it_was():
    # Drawn with numpy 2.4's default generator: results on file name these splits by seed.
    assert found("random:5:0")[0].unseen == (7, 8, 12, 15, 19)


def test_several_random_splits_have_following_seeds_and_one_group():
    splits = found("random:5:3:4")
    assert [s.name for s in splits] == [f"random-5-seed{k}" for k in (3, 4, 5, 6)]
    assert {s.group for s in splits} == {"random-5"}
    assert splits[2] == found("random:5:5")[0]


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_own_file_of_splits(tmp_path):
    path = write(
        tmp_path / "mine.json",
        {
            "arms-1": {"unseen": [2, 1], "source": "mine"},
            "arms-2": {"unseen": [3]},
            "legs": {"unseen": [4], "dataset": "custom"},
            "elsewhere": {"unseen": [59], "dataset": "ntu60"},
        },
    )
    assert [s.name for s in found(path)] == ["arms-1", "arms-2", "legs"]
    assert [s.unseen for s in found(f"{path}:arms")] == [(1, 2), (3,)]
    assert [s.source for s in found(f"{path}:arms")] == ["mine", "mine.json"]
    assert [s.group for s in found(path)] == ["arms", "arms", "legs"]


@pytest.mark.parametrize(
    ("spec", "dataset", "message"),
    [
        ("ntu60-smi-1", "ntu60", "Did you mean 'ntu60-smie-1'"),
        ("anything", "custom", "random:K:SEED"),
        ("ntu60-smie-1", "ntu120", "belongs to dataset ntu60, but the data are ntu120"),
        ("ntu60-smie", "custom", "none by name"),
        ("unseen:3,27,99", "custom", "labels 27, 99 are outside 0..26"),
        ("unseen:3,4,3", "custom", "labels given twice: 3"),
        ("unseen:", "custom", "unknown class ''"),
        ("labels:a", "custom", "expected labels from 0"),
        ("ids:0", "ntu60", "numbers of classes as files carry them (1 to 60, or A001), found '0'"),
        ("ids:3", "custom", "give their names"),
        ("unseen:clappin", "custom", "unknown class 'clappin'"),
        ("unseen:" + ",".join(map(str, range(27))), "custom", "0 of 27 classes would be seen"),
        ("unseen:" + ",".join(map(str, range(26))), "custom", "1 of 27 classes would be seen"),
        ("random:5", "custom", "random:K:SEED:COUNT"),
        ("random:5:-1", "custom", "random:K:SEED:COUNT"),
        ("random:0:1", "custom", "K must be from 1 to 25"),
        ("random:26:1", "custom", "K must be from 1 to 25"),
        ("random:5:1:0", "custom", "COUNT must be at least 1"),
    ],
)
def test_a_wrong_spec_gets_one_message(spec, dataset, message):
    with pytest.raises(InputError) as error:
        found(spec, dataset)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "expected JSON"),
        ("[1]", "found a list"),
        ({"a/b": {"unseen": [1]}}, "a name becomes a folder"),
        ({"..": {"unseen": [1]}}, "a name becomes a folder"),
        ({"a": [1]}, 'expected an object with "unseen"'),
        ({"a": {"unseen": [1], "unsen": 2}}, "unknown keys unsen"),
        ({"a": {"unseen": ["1"]}}, "expected a list of whole numbers"),
        ({"a": {"unseen": [True]}}, "expected a list of whole numbers"),
        ({"a": {"unseen": [1, 1]}}, "labels given twice: 1"),
        ({"a": {"unseen": []}}, "no class is unseen"),
        ({"a": {"unseen": [-1]}}, "outside 0..26"),
        ({"a": {"unseen": [1], "dataset": "ntu60"}}, "expected splits of custom, found ntu60"),
        ({}, "found none"),
    ],
)
def test_a_wrong_file_gets_one_message(tmp_path, content, message):
    path = write(tmp_path / "mine.json", content)
    with pytest.raises(InputError, match="mine.json|split 'a'") as error:
        found(path)
    assert message in str(error.value)


def test_a_name_that_the_file_lacks(tmp_path):
    path = write(tmp_path / "mine.json", {"arms": {"unseen": [1]}})
    with pytest.raises(InputError, match="Did you mean 'arms'"):
        found(f"{path}:amrs")


def test_a_missing_file_is_an_error_of_the_system():
    with pytest.raises(FileNotFoundError):
        found("nowhere.json")


def test_names_by_dataset():
    assert len(split_names("pku51")) == 7
    assert len(split_names()) == len(built_in())


def test_splits_need_no_torch():
    code = "import sys, smie_pipe.zeroshot.splits; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
