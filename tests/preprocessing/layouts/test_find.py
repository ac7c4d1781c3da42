import shutil
import tracemalloc
import zipfile

import pytest

from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.layouts.find import describe_source, find_source
from smie_pipe.preprocessing.layouts.ntu import read_missing_list
from smie_pipe.preprocessing.sources.files import MAX_BYTES, DamagedArchive, RawFile, walk


def find(source, **options):
    return find_source(source, PreprocessConfig(**options))


def reasons(found):
    return sorted((finding.name, finding.reason, finding.severity) for finding in found.findings)


def test_ntu_in_nested_folders(ntu_folder):
    found = find(ntu_folder)
    names = [recording.name for recording in found.recordings]
    assert (found.layout.name, found.dataset.name, len(names)) == ("ntu", "ntu60", 12)
    assert names == sorted(names) and found.findings == []
    assert describe_source(found) == "12 recordings of NTU RGB+D 60 in ntu layout"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archives_are_read_in_place(ntu_folder, tmp_path, zipped, method):
    archive = zipped(ntu_folder, tmp_path / "nturgbd_skeletons_s001_to_s017.zip", method)
    plain = {r.name: r.file.read() for r in find(ntu_folder).recordings}
    for source in (archive, tmp_path / "in"):
        if not source.exists():
            source.mkdir()
            shutil.copy(archive, source)
        found = find(source)
        assert {r.name: r.file.read() for r in found.recordings} == plain
        assert "1 archive read in place" in describe_source(found)
        first = found.recordings[0].file
        assert first.path.endswith(
            "s017.zip!/nturgb+d_skeletons/s001/S001C001P001R001A001.skeleton"
        )


def test_an_action_above_60_makes_it_ntu120(ntu_folder):
    one = ntu_folder / "s001" / "S001C001P001R001A001.skeleton"
    shutil.copy(one, ntu_folder / "S018C001P045R001A061.skeleton")
    assert find(ntu_folder).dataset.name == "ntu120"
    older = find(ntu_folder, dataset="ntu60")
    assert len(older.recordings) == 12
    assert reasons(older) == [("S018C001P045R001A061", "setup above 17, not of ntu60", "excluded")]


def test_names_numbers_and_duplicates(ntu_folder):
    one = ntu_folder / "s001" / "S001C001P001R001A001.skeleton"
    shutil.copy(one, ntu_folder / "wave.skeleton")
    shutil.copy(one, ntu_folder / "S001C001P001R001A061.skeleton")
    shutil.copy(one, ntu_folder / one.name)
    (ntu_folder / "z").mkdir()
    (ntu_folder / "z" / one.name).write_text("3")
    found = find(ntu_folder, dataset="ntu60")
    assert len(found.recordings) == 12
    assert reasons(found) == [
        ("S001C001P001R001A001", "duplicate recording", "excluded"),
        ("S001C001P001R001A001", "duplicate recording of another size", "damaged"),
        ("S001C001P001R001A061", "class number that the dataset does not have", "damaged"),
        ("wave", "no label", "excluded"),
    ]
    wrong = next(finding for finding in found.findings if "class" in finding.reason)
    assert "expected an action of NTU RGB+D 60, 60 numbers from 1 to 60, found 61" in wrong.detail


def test_own_classes(ntu_folder):
    (ntu_folder / "classes.csv").write_text("id,name\n50,shove\n1,drink\n")
    found = find(ntu_folder)
    assert (found.dataset.name, found.dataset.class_names) == ("custom", ("drink", "shove"))
    assert find(ntu_folder, dataset="ntu60").dataset.class_names[0] == "drink water"
    (ntu_folder / "s001" / "classes.csv").write_text("id,name\n1,drink\n")
    with pytest.raises(InputError, match="found 2 classes.csv .*, expected one"):
        find(ntu_folder)
    chosen = find(ntu_folder, classes=str(ntu_folder / "s001" / "classes.csv"))
    assert chosen.dataset.class_names == ("drink",)
    assert {f.reason for f in chosen.findings} == {"class number that the dataset does not have"}


def test_classes_in_an_archive(ntu_folder, tmp_path, zipped):
    (ntu_folder / "classes.csv").write_text("id,name\n50,shove\n1,drink\n")
    archive = zipped(ntu_folder, tmp_path / "own.zip")
    assert find(archive).dataset.class_names == ("drink", "shove")
    (ntu_folder / "classes.csv").write_text("id,name\n50,push\n1,drink\n")
    chosen = find(archive, classes=str(ntu_folder / "classes.csv"))
    assert chosen.dataset.class_names == ("drink", "push")


def test_no_classes(ntu_folder, tmp_path):
    with pytest.raises(InputError, match="raw: no classes.csv. Own recordings need one"):
        find(ntu_folder, dataset="custom")
    with pytest.raises(InputError, match="none.csv: no such file; expected a classes.csv"):
        find(ntu_folder, classes=str(tmp_path / "none.csv"))


def test_an_archive_inside_an_archive_is_said(ntu_folder, tmp_path, zipped):
    zipped(ntu_folder, ntu_folder / "inner.zip")
    archive = zipped(ntu_folder, tmp_path / "outer.zip")
    found = find(archive)
    assert len(found.recordings) == 12
    assert reasons(found) == [("inner", "archive inside an archive", "excluded")]


@pytest.mark.parametrize("prefix", ["/etc/", "../../", "./", "C:\\"])
def test_members_are_read_wherever_their_names_lead(ntu_folder, tmp_path, zipped, prefix):
    archive = zipped(ntu_folder, tmp_path / "all.zip", prefix=prefix)
    assert len(find(archive).recordings) == 12


def test_missing_list(ntu_folder, tmp_path):
    listed = tmp_path / "missing.txt"
    head = "The names of\n302 samples\n\n"
    listed.write_text(
        head + "S001C001P001R001A001\nS001C002P002R001A050.skeleton\nS009C001P001R001A001\n"
    )
    found = find(ntu_folder, missing_list=str(listed))
    assert len(found.recordings) == 10
    assert {f.severity for f in found.findings} == {"excluded"}
    for text, message in [
        (head, "then a name a line, found none"),
        (head + "S001\n", "missing.txt:4: expected the name of a recording"),
    ]:
        listed.write_text(text)
        with pytest.raises(InputError, match=message):
            read_missing_list(listed)
    with pytest.raises(InputError, match="no such file"):
        read_missing_list(tmp_path / "none")


def test_pku_under_the_names_it_is_given_out(pku_folder):
    found = find(pku_folder)
    assert (found.layout.name, found.dataset.name) == ("pku", "pku51")
    assert [r.name for r in found.recordings] == ["0002-L", "0002-M", "0003-L", "0003-M"]
    assert found.recordings[0].labels.read() == b"1,1,25,2\n14,31,60,1\n"
    assert found.splits["xsub"] == {"0002-L": 1, "0002-M": 1, "0003-L": 0, "0003-M": 0}
    assert found.splits["xview"] == {"0002-L": 1, "0002-M": 0, "0003-L": 1, "0003-M": 0}
    assert found.findings == []


def test_pku_without_telling_folder_names(pku_folder, tmp_path):
    for old, new in [("PKU_Skeleton_Renew", "a"), ("Train_Label_PKU_final", "b"), ("Split", "c")]:
        (pku_folder / old).rename(pku_folder / new)
    pku_folder.rename(tmp_path / "mine")
    assert len(find(tmp_path / "mine").recordings) == 4
    assert len(find(tmp_path / "mine").splits) == 2


def test_pku_folders_as_options(pku_folder, tmp_path):
    (pku_folder / "Train_Label_PKU_final").rename(tmp_path / "elsewhere")
    old = pku_folder / "old_label"
    old.mkdir()
    (old / "0002-L.txt").write_text("9,1,9,1\n")
    found = find(pku_folder, label_dir=str(tmp_path / "elsewhere"))
    assert len(found.recordings) == 4
    assert all("elsewhere" in r.labels.path for r in found.recordings)
    with pytest.raises(InputError, match="no such folder, given for PKU-MMD"):
        find(pku_folder, split_dir=str(tmp_path / "none"))


def test_pku_partners_and_lists(pku_folder):
    skeletons, labels, split = (
        pku_folder / name for name in ("PKU_Skeleton_Renew", "Train_Label_PKU_final", "Split")
    )
    (skeletons / "0002-M.txt").unlink()
    (labels / "0003-M.txt").unlink()
    shutil.copy(skeletons / "0002-L.txt", skeletons / "0009-R.txt")
    shutil.copy(labels / "0002-L.txt", labels / "0009-R.txt")
    (skeletons / "a.txt").write_text("")
    (split / "cross-view.txt").write_text("Training videos:\n\nTesting videos:\n0002-L\n")
    assert reasons(find(pku_folder)) == [
        ("0002-M", "label file without skeleton file", "excluded"),
        ("0002-M", "listed in xsub, but not found", "noticed"),
        ("0003-M", "listed in xsub, but not found", "noticed"),
        ("0003-M", "skeleton file without label file", "excluded"),
        ("0009-R", "in no list of xsub", "noticed"),
        ("a", "name of another form", "damaged"),
        ("cross-view", "split list with an empty part", "noticed"),
    ]


def test_lists_that_contradict_each_other(pku_folder):
    text = "Training videos:\n0003-L\nTesting videos:\n0002-L\n"
    (pku_folder / "Split" / "cross_subject_v2.txt").write_text(text)
    with pytest.raises(InputError, match="lists 0003-L otherwise than another list of xsub"):
        find(pku_folder)


def test_nothing_and_too_much(tmp_path, ntu_folder, pku_folder):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="empty: no raw recordings. Expected .*; found no files"):
        find(empty)
    (empty / "note.txt").write_text("x")
    with pytest.raises(InputError, match="found 1 other files, such as .*note.txt"):
        find(empty, layout="pku")
    with pytest.raises(InputError, match="no such file or folder"):
        find(tmp_path / "none")
    with pytest.raises(InputError, match=r"several layouts \(ntu, pku\); choose one"):
        find(tmp_path)
    assert find(tmp_path, layout="ntu").layout.name == "ntu"


def test_hidden_files_and_links_in_a_circle(ntu_folder):
    (ntu_folder / "._S001C001P001R001A002.skeleton").write_bytes(b"\0")
    (ntu_folder / "__MACOSX").mkdir()
    (ntu_folder / "__MACOSX" / "S001C001P001R001A003.skeleton").write_bytes(b"\0")
    (ntu_folder / "s001" / "up").symlink_to(ntu_folder)
    (ntu_folder / "gone.skeleton").symlink_to(ntu_folder / "nowhere")
    found = find(ntu_folder)
    assert len(found.recordings) == 12
    assert reasons(found) == [("gone", "cannot be read: No such file or directory", "damaged")]


def member(archive, number=0):
    return list(walk(archive))[number]


def altered(archive, change):
    data = bytearray(archive.read_bytes())
    change(data)
    archive.write_bytes(data)


def test_a_member_that_is_damaged_is_named(ntu_folder, tmp_path, zipped):
    archive = zipped(ntu_folder, tmp_path / "a.zip")
    raw = member(archive)
    altered(archive, lambda data: data.__setitem__(slice(300, 310), b"\xff" * 10))
    with pytest.raises(DamagedArchive, match="a.zip!/nturgb.*A001.skeleton: expected"):
        raw.read()
    altered(archive, lambda data: data.__setitem__(slice(0, 4), b"none"))
    with pytest.raises(DamagedArchive, match="expected a member's header at byte 0, found none"):
        raw.read()
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(DamagedArchive, match="found none"):
        raw.read()


def test_a_wrong_checksum_is_found(ntu_folder, tmp_path, zipped):
    archive = zipped(ntu_folder, tmp_path / "a.zip", zipfile.ZIP_STORED)
    raw = member(archive)
    altered(archive, lambda data: data.__setitem__(200, data[200] ^ 1))
    with pytest.raises(DamagedArchive, match="the bytes that were packed"):
        raw.read()


def test_an_encrypted_member_is_named(ntu_folder, tmp_path, zipped):
    archive = zipped(ntu_folder, tmp_path / "a.zip")

    def encrypt(data):
        data[data.index(b"PK\x01\x02") + 8] |= 1

    altered(archive, encrypt)
    with pytest.raises(InputError, match="found an encrypted one; unpack the archive"):
        member(archive).read()


@pytest.mark.parametrize("harm", ["name of no UTF-8", "extract version 99"])
def test_an_archive_that_zipfile_cannot_list_is_a_finding(ntu_folder, zipped, harm):
    archive = zipped(ntu_folder, ntu_folder / "more.zip", prefix="ünder/")

    def change(data):
        entry = data.rindex(b"PK\x01\x02")
        if harm == "extract version 99":
            data[entry + 6] = 99
        else:
            data[data.index("ü".encode(), entry)] = 0xFF

    altered(archive, change)
    found = find(ntu_folder)
    assert len(found.recordings) == 12
    assert reasons(found) == [("more", "damaged archive", "damaged")]


def test_a_bomb_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("S001C001P001R001A001.skeleton", bytes(48 * 2**20))
    bomb = member(tmp_path / "a.zip")
    tracemalloc.start()
    with pytest.raises(InputError, match=r"found 48 MB packed into 4\d kB: no recording"):
        bomb.read()
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_list_of_classes_that_is_none(ntu_folder, tmp_path):
    (ntu_folder / "classes.csv").write_text("id,name\n1," + "x" * 200_000)
    with pytest.raises(InputError, match="expected CSV with id and name, found field"):
        find(ntu_folder)
    with open(ntu_folder / "classes.csv", "wb") as file:
        file.truncate(500 * 2**20)
    with pytest.raises(InputError, match="classes.csv: expected a file of at most 4 MB"):
        find(ntu_folder)


@pytest.mark.parametrize("keep", [0, 10, 500, -1])
def test_an_archive_cut_short_is_a_finding_and_the_rest_goes_on(ntu_folder, zipped, keep):
    archive = zipped(ntu_folder, ntu_folder / "more.zip")
    archive.write_bytes(archive.read_bytes()[:keep])
    found = find(ntu_folder)
    assert len(found.recordings) == 12
    assert reasons(found) == [("more", "damaged archive", "damaged")]
    assert "download or copy it again" in found.findings[0].detail
    with pytest.raises(InputError, match="(?s)no raw recordings.*more.zip: expected a whole zip"):
        find(archive)


def test_a_huge_file_is_refused_unread(tmp_path):
    huge = tmp_path / "S001C001P001R001A001.skeleton"
    with open(huge, "wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match="expected a file of at most 512 MB"):
        member(huge).read()


def test_a_raw_file_knows_its_names():
    raw = RawFile("/data/x.zip", "Skeleton/L/0002-L.txt", 1, 1, 0)
    assert (raw.name, raw.stem) == ("0002-L.txt", "0002-L")
    assert raw.parents == ("L", "Skeleton", "x.zip")
