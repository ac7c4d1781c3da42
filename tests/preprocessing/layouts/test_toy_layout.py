"""One more raw layout is one class and one line in the registry: shown with a toy."""

import json

import numpy as np
import pytest

from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.layouts import registry
from smie_pipe.preprocessing.layouts.base import Layout, Listing, RawClip, Recording, without_label
from smie_pipe.preprocessing.layouts.find import may_be_input
from smie_pipe.preprocessing.layouts.read import read_recordings
from smie_pipe.preprocessing.preprocess import preprocess
from smie_pipe.preprocessing.raw.records import bodies_of_array
from smie_pipe.preprocessing.skeletons.store import SkeletonFile


class Toy(Layout):
    """A JSON list of frames (T, 25, 3) in a file whose name is free."""

    name = "toy"
    expects = "toys (.toy)"
    patterns = ("*.toy",)

    def recordings(self, files, known, config):
        good, findings = [], []
        for file in files.own:
            listed = files.labels.of(file)
            if known is None or listed:
                good.append(Recording(file.stem, file, listed=listed))
            else:
                findings.append(without_label(file.stem, file.path, "not in labels.csv"))
        return Listing(good, findings)

    def clips(self, recording, known, config):
        file, listed = recording.file, recording.listed
        try:
            joints = np.array(json.loads(file.read()))[None]
        except ValueError as error:
            raise InputError(f"{file.path}: {error}") from None
        facts = {"subject": listed.subject if listed else 0}
        label = listed.label if listed else None
        raw = bodies_of_array(joints, file.path)
        return [RawClip(recording.name, raw, label, facts=facts)], []


@pytest.fixture
def toys(tmp_path, monkeypatch, ntu_folder):
    """Four toys, the last one damaged, and the layout in the registry."""
    real = registry.layouts()
    from smie_pipe.preprocessing import config
    from smie_pipe.preprocessing.layouts import find

    for module in (registry, find):
        monkeypatch.setattr(module, "layouts", lambda: {**real, "toy": Toy()})
    assert config.PreprocessConfig(layout="toy").layout == "toy"
    folder = tmp_path / "toys"
    folder.mkdir()
    clips = [reading.clips[0].bodies.xyz for reading in read_recordings(ntu_folder)][:3]
    for name, xyz in zip(("wave", "my clap", "other"), clips, strict=True):
        (folder / f"{name}.toy").write_text(json.dumps(xyz.tolist()))
    (folder / "bad.toy").write_text("[")
    return folder


def test_a_toy_layout_goes_through_preprocess(toys, tmp_path):
    (toys / "labels.csv").write_text(
        "file,label,subject\nwave.toy,waving,7\nmy clap,clapping,2\nbad,clapping,\n"
    )
    report = preprocess(toys, tmp_path / "s.h5", run=PreprocessRun(workers=1))
    assert (report.clips, report.damaged) == (2, 1)
    assert report.counts()["excluded"] == {"no label": 1}
    with SkeletonFile(tmp_path / "s.h5") as file:
        assert file.class_names == ["clapping", "waving"]
        assert dict(zip(file.name, file.label, strict=True)) == {"my clap": 0, "wave": 1}
        assert dict(zip(file.name, file.subject, strict=True)) == {"my clap": 2, "wave": 7}
        assert file.attrs["layout"] == "toy"


def test_a_toy_layout_needs_classes_to_be_trained_on(toys, tmp_path):
    with pytest.raises(InputError, match="toy do not say whose actions they are"):
        preprocess(toys, tmp_path / "s.h5")


def test_a_toy_layout_is_read_without_labels(toys):
    readings = {reading.name: reading for reading in read_recordings(toys)}
    assert set(readings) == {"wave", "my clap", "other", "bad"}
    assert readings["wave"].clips[0].label is None
    assert not readings["bad"].clips and "Expecting value" in readings["bad"].findings[0].detail


def test_the_other_parts_know_the_toy(toys):
    assert may_be_input("x.toy") and not may_be_input("x.play")
    (toys / "x.skeleton").write_text("0")
    with pytest.raises(InputError, match=r"several layouts \(ntu, toy\)"):
        next(read_recordings(toys))
    assert next(read_recordings(toys, PreprocessConfig(layout="ntu"))).name == "x"
