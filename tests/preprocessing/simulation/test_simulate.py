"""Simulated raw folders: whole, repeatable, in the formats the readers know."""

import csv
import hashlib
from itertools import pairwise

import numpy as np
import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.raw.ntu import parse_name, read_skeleton
from smie_pipe.preprocessing.raw.pku import parse_recording, read_labels, read_pku, read_split_list
from smie_pipe.preprocessing.simulation.config import SimulateConfig
from smie_pipe.preprocessing.simulation.kinematics import bone_lengths
from smie_pipe.preprocessing.simulation.scenes import FPS, choose_classes
from smie_pipe.preprocessing.simulation.simulate import simulate
from smie_pipe.preprocessing.simulation.write_pku import between, recordings, scene

NTU = SimulateConfig(classes=5, performers=2, seed=3)
PKU = SimulateConfig(layout="pku", classes=6, performers=2, seed=3)


@pytest.fixture(scope="module")
def ntu(tmp_path_factory):
    """Five classes (one of two persons), two performers, three views: 30 files."""
    folder = tmp_path_factory.mktemp("simulated") / "ntu"
    return folder, simulate(folder, NTU)


@pytest.fixture(scope="module")
def pku(tmp_path_factory):
    """Two recordings of six actions each, three views."""
    folder = tmp_path_factory.mktemp("simulated") / "pku"
    return folder, simulate(folder, PKU)


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def read(path):
    return read_skeleton(path.read_bytes(), str(path))


def test_ntu_folder_holds_every_class_performer_and_view(ntu):
    folder, report = ntu
    names = [parse_name(path.stem) for path in folder.glob("*.skeleton")]
    assert report.files == len(names) == 30
    assert {n.action for n in names} == {1, 2, 3, 4, 5}
    assert {n.performer for n in names} == {1, 2} and {n.camera for n in names} == {1, 2, 3}
    assert {n.setup for n in names} == {1, 2}
    assert report.bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert "30 simulated skeleton files of 5 classes" in str(report)


@pytest.mark.parametrize("made", ["ntu", "pku"])
def test_class_list_has_ids_from_one_and_names_in_order(made, request):
    folder, report = request.getfixturevalue(made)
    with open(folder / "classes.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["id"]) for row in rows] == list(range(1, report.classes + 1))
    assert [row["name"] for row in rows] == choose_classes(report.classes)


def test_ntu_files_read_back_within_the_sensors_range(ntu):
    folder, _ = ntu
    for path in folder.glob("*.skeleton"):
        raw = read(path)
        assert 40 <= raw.frames <= 150
        assert raw.body_id.min() > 2**53
        assert raw.xyz[..., 2].min() > 0.5 and raw.xyz[..., 2].max() < 4.5
        assert np.abs(raw.xyz[..., 0]).max() < 2.5


def test_actions_of_two_have_two_bodies(ntu):
    folder, _ = ntu
    for path in folder.glob("*A005.skeleton"):
        counts = np.bincount(read(path).frame)
        assert np.median(counts) == 2
    counts = [np.median(np.bincount(read(p).frame)) for p in folder.glob("*A001.skeleton")]
    assert np.median(counts) == 1


def test_same_seed_same_bytes_whatever_else_is_written(ntu, tmp_path):
    folder, _ = ntu
    simulate(tmp_path / "fewer", SimulateConfig(classes=4, performers=1, views=2, seed=3))
    fewer = digests(tmp_path / "fewer")
    del fewer["classes.csv"]
    assert len(fewer) == 8
    assert fewer.items() <= digests(folder).items()
    simulate(tmp_path / "other", SimulateConfig(classes=4, performers=1, views=2, seed=4))
    assert not set(digests(tmp_path / "other").values()) & set(fewer.values())


@pytest.mark.slow
def test_workers_do_not_change_the_files(ntu, tmp_path):
    folder, _ = ntu
    simulate(tmp_path / "again", NTU, workers=2)
    assert digests(tmp_path / "again") == digests(folder)


def test_views_of_a_repetition_show_one_motion(tmp_path):
    exact = SimulateConfig(
        classes=("salute",), performers=1, noise=0, dropout=0, phantom=0, switch=0
    )
    simulate(tmp_path / "out", exact)
    bodies = [read(path).xyz for path in sorted((tmp_path / "out").glob("*.skeleton"))]
    assert len(bodies) == 3
    for body in bodies:
        np.testing.assert_allclose(bone_lengths(body), bone_lengths(bodies[0]), atol=1e-5)
        np.testing.assert_allclose(bone_lengths(body)[0], bone_lengths(body)[-1], atol=1e-5)


def test_faults_come_when_asked_for(tmp_path):
    many = SimulateConfig(
        classes=("salute", "handshaking"), performers=3, views=1, dropout=1, phantom=1, switch=1
    )
    simulate(tmp_path / "out", many)
    for path in (tmp_path / "out").glob("*.skeleton"):
        raw = read(path)
        assert len(set(raw.frame.tolist())) < raw.frames, "frames without any body"
        assert len(set(raw.body_id.tolist())) == 3, "a body under two ids, or two, and a phantom"
    swapped = read(next((tmp_path / "out").glob("*A002.skeleton")))
    firsts = [swapped.body_id[swapped.frame == t][0] for t in set(swapped.frame.tolist())]
    assert len(set(firsts)) == 2, "the two bodies change places in the file"


def test_lengths_and_number_of_files_for_benchmarks(tmp_path):
    config = SimulateConfig(views=1, mean_frames=85, max_files=40)
    report = simulate(tmp_path / "out", config)
    raws = [read(path) for path in (tmp_path / "out").glob("*.skeleton")]
    assert report.files == len(raws) == 40
    assert np.mean([raw.frames for raw in raws]) == pytest.approx(85, rel=0.2)
    assert np.mean([len(raw.frame) / raw.frames > 1.6 for raw in raws]) == pytest.approx(
        0.2, abs=0.06
    )


def test_pku_labels_lie_in_the_recording_and_do_not_overlap(pku):
    folder, report = pku
    assert report.files == 6
    seen = []
    for path in sorted((folder / "skeleton").glob("*.txt")):
        raw = read_pku(path.read_bytes(), str(path))
        label = folder / "label" / path.name
        actions = read_labels(label.read_bytes(), str(label))
        assert len(actions) == 6
        assert all(1 <= a.start < a.end <= raw.frames for a in actions)
        assert all(b.start - a.end > 30 for a, b in pairwise(actions))
        assert sorted(a.action for a in actions) == [1, 2, 3, 4, 5, 6]
        assert raw.xyz[..., 2].min() > 0.5 and raw.xyz[..., 2].max() < 4.5
        seen.append([(a.action, a.start, a.end) for a in actions])
    assert seen[0] == seen[1] == seen[2], "three views of one recording"


def test_pku_second_body_is_there_for_actions_of_two_only(pku):
    exact = SimulateConfig(layout="pku", classes=6, performers=2, seed=3)
    recording = recordings(exact, 6)[0]
    names = choose_classes(6)
    true = scene(recording, exact, names)
    for class_id, start, end in true.labels:
        both = names[class_id - 1] == "handshaking"
        assert (true.present[1, start - 1 : end] == both).all()
    assert true.present[0].all() and 0 < true.present[1].mean() < 0.5
    np.testing.assert_allclose(np.ptp(bone_lengths(true.room[0]), axis=0), 0, atol=1e-9)


def test_pku_split_lists_name_every_recording_once(pku):
    folder, _ = pku
    names = {path.stem for path in (folder / "skeleton").glob("*.txt")}
    for kind in ("cross-subject", "cross-view"):
        path = folder / "split" / f"{kind}.txt"
        train, test = read_split_list(path.read_bytes(), str(path))
        assert set(train) | set(test) == names and not set(train) & set(test)
        assert train and test
    assert {parse_recording(name).view for name in test} == {"L"}


def test_pku_recordings_have_about_twenty_actions():
    found = recordings(SimulateConfig(layout="pku", repetitions=2), 40)
    assert len(found) == 8 * 4
    assert {len(recording.programme) for recording in found} == {20}
    whole = [action for r in found if r.performer == 1 for action in r.programme]
    assert len(set(whole)) == 80


def test_way_between_two_poses_is_smooth_and_keeps_bones(pku):
    true = scene(recordings(PKU, 6)[1], PKU, choose_classes(6))
    first, last = true.room[0, true.labels[0][2] - 1], true.room[0, true.labels[1][1] - 1]
    way = between(first, last, 60)
    np.testing.assert_allclose(bone_lengths(way), np.tile(bone_lengths(first), (60, 1)), atol=1e-9)
    steps = np.linalg.norm(np.diff(np.concatenate([[first], way, [last]]), axis=0), axis=-1)
    assert FPS * steps.max() < 4


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(InputError, match="expected a folder that is empty"):
        simulate(tmp_path / "mine", NTU)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"
    (tmp_path / "file").write_text("keep")
    with pytest.raises(InputError, match="found a file"):
        simulate(tmp_path / "file", NTU)


def test_failure_leaves_no_folder(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("smie_pipe.preprocessing.simulation.write_ntu.ntu_text", stop)
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "out", NTU)
    assert list(tmp_path.iterdir()) == []


def test_empty_folder_is_filled(tmp_path):
    (tmp_path / "out").mkdir()
    simulate(tmp_path / "out", SimulateConfig(max_files=2))
    assert len(list((tmp_path / "out").glob("*.skeleton"))) == 2


@pytest.mark.parametrize(
    "choices, message",
    [
        ({"layout": "ucf"}, "layout must be one of ntu, pku, got 'ucf'"),
        ({"layout": "pku", "performers": 1}, "performers must be at least 2 for pku"),
        ({"views": 4}, "views must be 1 to 3, got 4"),
        ({"dropout": 1.5}, "dropout must be 0 to 1, got 1.5"),
        ({"noise": -1}, "noise must be 0 to 3"),
        ({"frames": (50, 40)}, "frames must be"),
        ({"max_files": 0}, "max_files must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"views": 0, "setups": 0}, "views must be 1 to 3, got 0; setups must be"),
    ],
)
def test_impossible_choices_are_told_all_at_once(choices, message):
    with pytest.raises(InputError, match=message):
        SimulateConfig(**choices)
