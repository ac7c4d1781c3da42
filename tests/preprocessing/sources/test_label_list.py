"""``labels.csv``: labels for recordings whose names say none."""

import shutil

import pytest

from smie_pipe.preprocessing.datasets import own_dataset
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.preprocess import preprocess
from smie_pipe.preprocessing.skeletons.store import SkeletonFile
from smie_pipe.preprocessing.sources.files import RawFile
from smie_pipe.preprocessing.sources.label_list import Labelled, read_label_lists


def read(tmp_path, text, known=None):
    (tmp_path / "labels.csv").write_text(text)
    return read_label_lists([RawFile.at(tmp_path / "labels.csv")], known)


def test_names_become_the_classes(tmp_path):
    labels, known = read(tmp_path, "file,label\nx/a.skeleton,wave\nb,clap\n\n")
    assert known.class_names == ("clap", "wave") and labels.names_classes
    assert labels.entries == {"a.skeleton": Labelled(1, 0), "b": Labelled(0, 0)}


def test_numbers_and_names_of_given_classes(tmp_path):
    known = own_dataset((0, 3), ("wave", "clap"))
    labels, same = read(tmp_path, "file,label,subject\na,3,2\nb,wave,\n", known)
    assert same is known and not labels.names_classes
    assert labels.entries == {"a": Labelled(1, 2), "b": Labelled(0, 0)}


def test_numbers_alone_name_no_classes(tmp_path):
    assert read(tmp_path, "file,label\na,3\n")[1] is None


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "heading file,label or file,label,subject, found 'an empty file'"),
        ("name,label\n", "labels.csv:1: expected the heading"),
        ("file,label\na\n", "labels.csv:2: expected 2 fields"),
        ("file,label\na,1,2\n", "labels.csv:2: expected 2 fields"),
        ("file,label,subject\na,b,c\n", "labels.csv:2: expected a whole number as subject"),
        ("file,label\na,b\nx/a,b\n", "labels.csv:3: 'a' comes twice"),
        ("file,label\na,b\nc,5\n", "(?s)labels.csv:2: no class 'b'.*:3: no class '5'.*wave, clap"),
    ],
)
def test_faulty_lists(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, text, own_dataset((1, 2), ("wave", "clap")))


def test_fields_that_csv_refuses(tmp_path):
    with pytest.raises(InputError, match="expected CSV in UTF-8"):
        read(tmp_path, "file,label\na," + "x" * 200_000)


def test_own_names_beside_ntu_names(ntu_folder, tmp_path):
    """Only what is listed or named is taken; nothing is called damaged."""
    one = ntu_folder / "s001" / "S001C001P001R001A001.skeleton"
    for name in ("mine", "yours", "unlisted"):
        shutil.copy(one, ntu_folder / f"{name}.skeleton")
    (ntu_folder / "labels.csv").write_text("file,label,subject\nmine,50,9\nyours,sneeze/cough,\n")
    report = preprocess(ntu_folder, tmp_path / "s.h5")
    assert (report.clips, report.exit_code) == (14, 0)
    with SkeletonFile(tmp_path / "s.h5") as file:
        rows = dict(zip(file.name, zip(file.label, file.subject, strict=True), strict=True))
        assert rows["mine"] == (49, 9)
        assert file.class_names[rows["yours"][0]] == "sneeze/cough"
    assert "unlisted.skeleton" in str(report) and "labels.csv" in str(report)


def test_classes_named_by_the_list_alone_are_no_numbers_in_names(ntu_folder, tmp_path):
    (ntu_folder / "labels.csv").write_text("file,label\nS001C001P001R001A050,shove\n")
    report = preprocess(ntu_folder, tmp_path / "s.h5")
    assert (report.clips, report.counts()["excluded"]) == (1, {"no label": 11})


def test_a_whole_pku_recording_is_one_action(pku_folder, tmp_path):
    shutil.copy(pku_folder / "PKU_Skeleton_Renew" / "0002-L.txt", pku_folder / "kitchen.txt")
    (pku_folder / "labels.csv").write_text("file,label,subject\nkitchen.txt,bow,4\n")
    report = preprocess(pku_folder, tmp_path / "s.h5", None)
    with SkeletonFile(tmp_path / "s.h5") as file:
        assert report.clips == 1 and file.class_names == ["bow"]
        assert (file.name[0], file.subject[0], file.column("end")[0]) == ("kitchen", 4, 60)
    assert report.counts()["excluded"] == {"no label": 4}
