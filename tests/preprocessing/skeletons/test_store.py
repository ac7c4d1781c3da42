import numpy as np
import pytest

from smie_pipe.preprocessing.findings import Finding
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import SEAL_BYTES, damage_said
from smie_pipe.preprocessing.skeletons.store import SkeletonFile, write_skeletons


@pytest.fixture
def clips():
    """Six clips of 4 frames; the last three have a second body."""
    x = np.random.default_rng(0).normal(size=(6, 3, 4, 25, 2)).astype(np.float32)
    x[:3, ..., 1] = 0
    return x


def write(path, x, **changes):
    columns = {
        "label": [0, 1, 2, 0, 1, 2],
        "subject": [1, 1, 2, 2, 3, 3],
        "camera": [1, 2, 3, 1, 2, 3],
    }
    names = ["sit down", "bow", "Gruß"]
    return write_skeletons(path, x, columns, **{"class_names": names, **changes})


def test_what_is_written_is_read(tmp_path, clips):
    lost = Finding("S1", "a/S1.skeleton", 6, "wrong number of fields", "S1:6: ...")
    seen = Finding("S2", "a/S2.skeleton", 0, "in no split list", severity="noticed")
    digest = write(tmp_path / "s.h5", clips, findings=[seen, lost], recipe={"frames": 4})
    with SkeletonFile(tmp_path / "s.h5") as file:
        np.testing.assert_array_equal(file.x[:], clips)
        assert file.label.tolist() == [0, 1, 2, 0, 1, 2]
        assert file.class_names == ["sit down", "bow", "Gruß"]
        assert file.class_ids.tolist() == [1, 2, 3]
        assert file.bodies.tolist() == [1, 1, 1, 2, 2, 2]
        assert file.findings() == [lost, seen]
        assert file.recipe == {"frames": 4}
        assert (file.digest, len(file), file.name[2]) == (digest, 6, "clip000002")


def test_batches_give_the_same_data_as_one_array(tmp_path, clips):
    whole = write(tmp_path / "a.h5", clips)
    columns = {
        "label": [0, 1, 2, 0, 1, 2],
        "subject": [1, 1, 2, 2, 3, 3],
        "camera": [1, 2, 3, 1, 2, 3],
        "bodies": [1, 1, 1, 2, 2, 2],
        "frames": [4] * 6,
        "frames_valid": [4] * 6,
    }
    names = ["sit down", "bow", "Gruß"]
    parts = write_skeletons(
        tmp_path / "b.h5", iter([clips[:2], clips[2:]]), columns, class_names=names
    )
    assert parts == whole


@pytest.mark.parametrize(
    "name, train",
    [
        ("xsub", [1, 1, 0, 0, -1, -1]),
        ("subjects:1,3", [1, 1, 0, 0, 1, 1]),
        ("cameras:2", [0, 1, 0, 0, 1, 0]),
    ],
)
def test_protocols(tmp_path, clips, name, train):
    write(tmp_path / "s.h5", clips, protocols={"xsub": np.array([1, 1, 0, 0, -1, -1])})
    with SkeletonFile(tmp_path / "s.h5") as file:
        assert file.protocol(name).tolist() == train


@pytest.mark.parametrize(
    "name, message",
    [
        ("xviw", "unknown protocol of .* 'xviw'. .*subjects:..., xsub"),
        ("subjects:1,9", r"no subjects \[9\] .* it has 1, 2, 3"),
        ("subjects:1,2,3", "none is left to test"),
        ("subjects:a", "expected numbers"),
        ("setups:1", "unknown protocol"),
    ],
)
def test_protocol_that_does_not_exist(tmp_path, clips, name, message):
    write(tmp_path / "s.h5", clips, protocols={"xsub": np.zeros(6)})
    with SkeletonFile(tmp_path / "s.h5") as file, pytest.raises(InputError, match=message):
        file.protocol(name)


def test_opening_something_else(tmp_path):
    import h5py

    (tmp_path / "text").write_text("no")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["format"] = "smie-pipe features"
    for name, message in [
        ("none.h5", "no such file"),
        ("text", "no readable HDF5"),
        ("other.h5", "found one of format 'smie-pipe features'"),
    ]:
        with pytest.raises(InputError, match=f"{name}.*{message}"):
            SkeletonFile(tmp_path / name)


def test_a_label_without_class_is_refused_and_nothing_is_written(tmp_path, clips):
    with pytest.raises(ValueError, match="expected labels 0 to 1"):
        write(tmp_path / "s.h5", clips, class_names=["a", "b"])
    assert list(tmp_path.iterdir()) == []


def everything(path):
    """All that a file holds, as its readers give it."""
    with SkeletonFile(path) as file:
        columns = [file.column(name).tolist() for name in file.columns]
        protocols = [file.protocol(name).tolist() for name in file.protocols]
        head = [file.dataset, file.digest, file.recipe, file.class_names, file.findings()]
        with damage_said(path, "clips"):  # a dataset of h5py's own, with its errors
            x = file.x[:].tobytes()
        return x, columns, protocols, head, file.class_ids.tolist()


@pytest.mark.parametrize("sealed, mutants", [(True, 300), (False, 60)])
def test_a_damaged_file_never_ends_in_another_error(tmp_path, clips, sealed, mutants):
    """And with its seal, unlike files from before there were seals, never in other numbers."""
    path = tmp_path / "s.h5"
    lost = Finding("S1", "a/S1.skeleton", 6, "wrong number of fields", "S1:6: ...")
    write(path, clips, findings=[lost], protocols={"xsub": np.array([1, 1, 0, 0, -1, -1])})
    whole, data = everything(path), path.read_bytes()
    data = data if sealed else data[:-SEAL_BYTES]
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, len(data) - SEAL_BYTES * sealed, mutants):
        mutant = bytearray(data)
        mutant[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(mutant)
        try:
            found = everything(path)
        except InputError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert not sealed or found == whole
    assert refused == mutants if sealed else refused > 0
