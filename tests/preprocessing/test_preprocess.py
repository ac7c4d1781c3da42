import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest

from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.journal import PartialWork
from smie_pipe.preprocessing.preprocess import _columns, preprocess
from smie_pipe.preprocessing.skeletons.store import SkeletonFile, write_skeletons
from smie_pipe.preprocessing.sources.files import RawFile

ROOT = Path(__file__).resolve().parents[2]
ONE = PreprocessRun(workers=1)


def made(source, output, run=ONE, **options):
    return preprocess(source, output, PreprocessConfig(**options), run)


def test_ntu_folder(ntu_folder, tmp_path):
    report = made(ntu_folder, tmp_path / "s.h5")
    assert (report.clips, report.recordings, report.exit_code) == (12, 12, 0)
    assert report.parts == {"xsub": (8, 4, 0), "xview": (6, 6, 0)}
    with SkeletonFile(tmp_path / "s.h5") as file:
        assert file.x.shape == (12, 3, 50, 25, 2) and file.dataset == "ntu60"
        assert file.name.tolist() == sorted(file.name.tolist())
        assert file.label.tolist() == [0, 49] * 6
        assert file.bodies.tolist() == [1, 2] * 6
        assert file.subject.tolist() == [1, 1, 2, 2, 3, 3] * 2
        assert file.camera.tolist() == [1] * 6 + [2] * 6
        assert set(file.column("treatment")) == {""}
        assert file.protocol("xsub").tolist() == [1, 1, 1, 1, 0, 0] * 2
        assert file.column("frames").min() == 11
        assert file.recipe["frames"] == 50
        assert "content" not in file.columns
    assert [path.name for path in tmp_path.iterdir() if path.name != "raw"] == ["s.h5"]


def test_pku_folder(pku_folder, tmp_path):
    report = made(pku_folder, tmp_path / "s.h5")
    assert (report.clips, report.recordings) == (8, 4)
    with SkeletonFile(tmp_path / "s.h5") as file:
        assert file.dataset == "pku51"
        assert file.label.tolist() == [0, 13] * 4
        assert file.name[:2].tolist() == ["0002-LA001F00001-00025", "0002-LA014F00031-00060"]
        assert file.column("start").tolist() == [1, 31] * 4
        assert file.column("end").tolist() == [25, 60] * 4
        assert file.column("frames").tolist() == [25, 30] * 4
        assert file.column("view").tolist() == ["L", "L", "M", "M"] * 2
        assert file.protocol("xsub").tolist() == [1] * 4 + [0] * 4
        assert file.protocol("xview").tolist() == [1, 1, 0, 0] * 2


def test_real_samples_give_the_golden_arrays(shared, tmp_path):
    golden = np.load(shared / "golden" / "preprocess.npz")
    made(shared / "data" / "ntu_samples", tmp_path / "s.h5")
    with SkeletonFile(tmp_path / "s.h5") as file:
        assert file.name.tolist() == golden["names"].tolist()
        np.testing.assert_allclose(file.x[:], golden["rotated"], atol=1e-4)


def test_the_real_malformed_file_is_refused_at_its_line_6(shared, tmp_path):
    source = tmp_path / "raw"
    shutil.copytree(shared / "data" / "ntu_samples", source)
    broken = shared / "data" / "ntu_malformed_S001C001P001R001A002.skeleton"
    shutil.copy(broken, source / "S001C001P001R001A002.skeleton")
    report = made(source, tmp_path / "s.h5")
    assert (report.clips, report.damaged, report.exit_code) == (6, 1, 1)
    with SkeletonFile(tmp_path / "s.h5") as file:
        finding = file.findings()[0]
    assert finding.line == 6 and finding.path.endswith("A002.skeleton")
    assert "A002.skeleton:6: expected" in str(report) and "found 13" in finding.detail


@pytest.mark.parametrize("frames, turn", [(20, "exact"), (64, "none")])
def test_options_reach_the_clips(ntu_folder, tmp_path, frames, turn):
    made(ntu_folder, tmp_path / "a.h5", frames=frames, turn=turn)
    with SkeletonFile(tmp_path / "a.h5") as file:
        assert file.x.shape[2] == frames and file.recipe["turn"] == turn


def test_archive_workers_and_order_change_nothing(ntu_folder, tmp_path, zipped):
    archive = zipped(ntu_folder, tmp_path / "all.zip")
    first = made(ntu_folder, tmp_path / "a.h5")
    second = made(archive, tmp_path / "b.h5", PreprocessRun(workers=1, batch_files=5))
    third = made(ntu_folder, tmp_path / "c.h5", PreprocessRun(workers=2, batch_files=3))
    assert first.digest == second.digest == third.digest
    whole = [(tmp_path / f"{name}.h5").read_bytes() for name in "abc"]
    assert whole[0] == whole[2]  # and but for the archive's path in nothing else:
    assert whole[0] == whole[1]


def damage(folder):
    """Break three of the twelve files: cut one short, empty one, forbid no body to one."""
    files = sorted(folder.rglob("*.skeleton"))
    files[2].write_bytes(files[2].read_bytes()[:2000])
    files[5].write_bytes(b"")
    files[7].write_bytes(b"9\r\n" + b"0\r\n" * 9)


def test_one_bad_file_never_ends_the_job(ntu_folder, tmp_path):
    damage(ntu_folder)
    report = made(ntu_folder, tmp_path / "s.h5")
    assert (report.clips, report.damaged, report.failed, report.exit_code) == (9, 2, True, 1)
    assert report.counts()["excluded"] == {"no body": 1}
    with SkeletonFile(tmp_path / "s.h5") as file:
        assert len(file) == 9
        assert sorted(finding.severity for finding in file.findings()) == ["damaged"] * 2 + [
            "excluded"
        ]
        assert all(finding.path.endswith(".skeleton") for finding in file.findings())
    table = str(report)
    assert "2 left out, damaged:" in table and "1 left out by rule:" in table
    assert json.loads(json.dumps(report.as_dict()))["clips"] == 9


def test_strict_and_max_bad_stop_and_keep_the_work(ntu_folder, tmp_path):
    damage(ntu_folder)
    output = tmp_path / "s.h5"
    with pytest.raises(InputError, match=r"A001.skeleton:\d+: expected .*\n.*--strict"):
        made(ntu_folder, output, PreprocessRun(workers=1, strict=True, batch_files=2))
    with pytest.raises(InputError, match="2 damaged files, more than --max-bad 1"):
        made(ntu_folder, output, PreprocessRun(workers=1, max_bad=1, batch_files=2))
    assert not output.exists() and (tmp_path / "s.h5.partial").is_dir()
    report = made(ntu_folder, output, PreprocessRun(workers=1, max_bad=2, batch_files=2))
    assert report.clips == 9
    assert not (tmp_path / "s.h5.partial").exists()


def test_a_folder_where_the_output_should_go(ntu_folder, tmp_path):
    (tmp_path / "s.h5").mkdir()
    with pytest.raises(InputError, match="s.h5: expected the name of a file to write"):
        made(ntu_folder, tmp_path / "s.h5")


def test_nothing_usable(ntu_folder, tmp_path):
    for path in ntu_folder.rglob("*.skeleton"):
        path.write_bytes(b"no")
    with pytest.raises(InputError, match=r"(?s)no recording could be used.*12 left out, damaged"):
        made(ntu_folder, tmp_path / "s.h5")
    assert not (tmp_path / "s.h5").exists()


def test_short_clips_are_rejected_with_their_reason(ntu_folder, tmp_path):
    report = made(ntu_folder, tmp_path / "s.h5", min_frames=13)
    assert report.clips == 10
    assert report.counts()["excluded"] == {"fewer than 13 frames with a body": 2}


def test_equal_clips_under_two_names_are_noticed(ntu_folder, tmp_path):
    one = ntu_folder / "s001" / "S001C001P001R001A001.skeleton"
    shutil.copy(one, ntu_folder / "S002C001P001R001A001.skeleton")
    report = made(ntu_folder, tmp_path / "s.h5")
    assert report.clips == 13 and report.exit_code == 0
    assert "S002C001P001R001A001: the same content as S001C001P001R001A001" in str(report)


@pytest.mark.parametrize(
    "labels, clips, reason, severity",
    [
        ("1,1,25,2\n2,50,70,2\n", 8, "label cut at the end of the recording", "noticed"),
        ("1,1,25,2\n2,61,70,2\n", 7, "label past the end of the recording", "damaged"),
        ("1,1,25,2\n2,40,30,2\n", 7, "label ends before it starts", "damaged"),
        ("1,1,25,2\n2,0,30,2\n", 7, "label starts before the first frame, which is 1", "damaged"),
        ("1,1,25,2\n0,30,50,2\n", 7, "class number that the dataset does not have", "damaged"),
        ("1,1,25,2\n2,20,50,2\n", 8, "labels overlap", "noticed"),
        ("1,1,25,2\n1,1,25,2\n", 7, "label written twice", "excluded"),
        ("1,1,25,2\n52,30,50,2\n", 7, "class number that the dataset does not have", "damaged"),
        ("1,1,25,2\n2,30,32,2\n", 7, "fewer than 5 frames with a body", "excluded"),
        ("1,1,25,2\n2,30\n", 6, "expected action_id,start_frame,end_frame,confidence", "damaged"),
    ],
)
def test_labels_that_do_not_fit(pku_folder, tmp_path, labels, clips, reason, severity):
    (pku_folder / "Train_Label_PKU_final" / "0002-L.txt").write_text(labels)
    report = made(pku_folder, tmp_path / "s.h5")
    assert report.clips == clips
    assert report.counts() == {severity: {reason: 1}}
    assert "0002-L" in str(report)


def test_a_recording_in_no_list_is_in_neither_part(pku_folder, tmp_path):
    (pku_folder / "Split" / "cross-view.txt").unlink()
    text = "Training videos:\n0002-L\nTesting videos:\n0003-L\n"
    (pku_folder / "Split" / "cross-subject.txt").write_text(text)
    report = made(pku_folder, tmp_path / "s.h5")
    assert report.parts == {"xsub": (2, 2, 4)}
    assert report.counts() == {"noticed": {"in no list of xsub": 2}}


def test_a_file_without_permission(ntu_folder, tmp_path, monkeypatch):
    """The refusal is made up, since root may read everything."""
    read = RawFile.read

    def refuse(self):
        if self.stem == "S001C001P001R001A001":
            raise PermissionError(13, "Permission denied", self.path)
        return read(self)

    monkeypatch.setattr(RawFile, "read", refuse)
    report = made(ntu_folder, tmp_path / "s.h5")
    assert report.counts()["damaged"] == {"cannot be read: Permission denied": 1}


def test_a_directory_named_as_a_recording(ntu_folder, tmp_path):
    (ntu_folder / "S001C001P003R001A002.skeleton").mkdir()
    report = made(ntu_folder, tmp_path / "s.h5")
    assert report.counts()["damaged"] == {"cannot be read: Is a directory": 1}


@contextlib.contextmanager
def room_for(size):
    """Let no file grow beyond some bytes: what the system then says is a full disk's error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [200_000, 365_000])
def test_a_full_disk_keeps_the_work(ntu_folder, tmp_path, size):
    """Full while clips are kept (360,000 bytes in all), and full while the output is written."""
    whole = made(ntu_folder, tmp_path / "a.h5")
    run = PreprocessRun(workers=1, batch_files=2)
    with room_for(size), pytest.raises(OSError, match="(?i)file too large; the work.*b.h5"):
        made(ntu_folder, tmp_path / "b.h5", run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5.partial", "raw"]
    kept = (tmp_path / "b.h5.partial" / "journal").read_bytes().count(b"\n")
    assert kept == (3 if size == 200_000 else 6)
    assert made(ntu_folder, tmp_path / "b.h5", run).digest == whole.digest


@pytest.mark.parametrize(
    "harm", ["cut the clips", "cut the journal", "change a clip", "garbage", "no clips"]
)
def test_partial_work_that_is_not_whole_is_done_again(ntu_folder, tmp_path, harm):
    whole = made(ntu_folder, tmp_path / "a.h5").digest
    broken = sorted(ntu_folder.rglob("*.skeleton"))[-1]
    data = broken.read_bytes()
    broken.write_bytes(data[:-30])
    stamp = broken.stat().st_mtime_ns
    with pytest.raises(InputError, match="strict"):
        made(ntu_folder, tmp_path / "b.h5", PreprocessRun(workers=1, strict=True, batch_files=2))
    clips, journal = (tmp_path / "b.h5.partial" / name for name in ("clips", "journal"))
    change = {
        "cut the clips": lambda: os.truncate(clips, 200_000),
        "cut the journal": lambda: os.truncate(journal, journal.stat().st_size - 5),
        "change a clip": lambda: clips.write_bytes(b"\1" + clips.read_bytes()[1:]),
        "garbage": lambda: journal.write_bytes(journal.read_bytes() + b"\0\0\0"),
        "no clips": clips.unlink,
    }
    change[harm]()
    broken.write_bytes(data)
    os.utime(broken, ns=(stamp, stamp))
    assert made(ntu_folder, tmp_path / "b.h5").digest == whole


def test_a_damaged_journal_costs_the_work_behind_the_damage_at_most(ntu_folder, tmp_path):
    whole = made(ntu_folder, tmp_path / "a.h5").digest
    damage(ntu_folder)
    output, partial = tmp_path / "b.h5", tmp_path / "b.h5.partial"
    with pytest.raises(InputError, match="max-bad"):
        made(ntu_folder, output, PreprocessRun(workers=1, max_bad=1, batch_files=1))
    kept = tmp_path / "kept"
    shutil.copytree(partial, kept)
    key, shape, place = (kept / "key").read_text(), (3, 50, 25, 2), (50, 2, 4)
    with PartialWork(output, key, shape, place) as work:
        rows, findings = list(work.rows), list(work.findings)
    assert len(rows) > 3 and whole
    rng = random.Random(0)
    for _ in range(300):
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(kept, partial)
        harmed = partial / rng.choice(["journal", "journal", "clips", "places"])
        data = bytearray(harmed.read_bytes())
        at = rng.randrange(len(data))
        accident = rng.choice(["flip", "cut", "lose", "put"])
        if accident == "flip":
            data[at] ^= 1 << rng.randrange(8)
        elif accident == "cut":
            del data[at:]
        elif accident == "lose":
            del data[at : at + rng.choice([1, 100])]
        else:
            data[at:at] = rng.randbytes(rng.choice([1, 100]))
        harmed.write_bytes(data)
        with PartialWork(output, key, shape, place) as work:
            assert work.rows == rows[: len(work.rows)]
            assert work.findings == findings[: len(work.findings)]
            clips = list(work.clips())
            assert sum(map(len, clips)) == len(work.rows)


def test_long_notes_of_one_clip_do_not_lengthen_all(ntu_folder, tmp_path):
    """One recording of 300 changes of id among 100,001 took 5.4 GB."""
    rows = [{"name": f"c{i}", "label": 0, "treatment": ""} for i in range(20_000)]
    rows[7]["treatment"] = "; ".join(["body goes on under another id (frame 1)"] * 300)
    tracemalloc.start()
    columns = _columns(rows)
    write_skeletons(
        tmp_path / "s.h5", np.zeros((20_000, 1, 1, 1, 1), "f4"), columns, class_names=["a"]
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6
    with SkeletonFile(tmp_path / "s.h5") as file:
        assert file.column("treatment")[7] == rows[7]["treatment"]
    assert (tmp_path / "s.h5").stat().st_size < 10e6


def test_a_recording_without_a_last_line_end_is_kept_and_noted(pku_folder, tmp_path):
    one = pku_folder / "PKU_Skeleton_Renew" / "0002-L.txt"
    whole = made(pku_folder, tmp_path / "a.h5").digest
    one.write_bytes(one.read_bytes().rstrip())
    report = made(pku_folder, tmp_path / "b.h5")
    assert (report.digest, report.exit_code) == (whole, 0)
    assert "0002-L.txt:60: no line end after the last number" in str(report)


def test_another_recipe_does_not_go_on_from_this_one(ntu_folder, tmp_path):
    damage(ntu_folder)
    strict = PreprocessRun(workers=1, strict=True, batch_files=2)
    with pytest.raises(InputError, match="strict"):
        made(ntu_folder, tmp_path / "s.h5", strict)
    made(ntu_folder, tmp_path / "s.h5", turn="exact")
    fresh = made(ntu_folder, tmp_path / "t.h5", turn="exact")
    with SkeletonFile(tmp_path / "s.h5") as file:
        assert file.digest == fresh.digest


def test_two_runs_at_once_on_one_output(ntu_folder, tmp_path):
    with (
        PartialWork(tmp_path / "s.h5", "key", (3, 50, 25, 2), (50, 2, 4)),
        pytest.raises(InputError, match="another preprocess is at work"),
    ):
        made(ntu_folder, tmp_path / "s.h5")


KILLED = """
import sys, time
from pathlib import Path
import smie_pipe.preprocessing.clips.from_raw, smie_pipe.preprocessing.preprocess as p
from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
real = smie_pipe.preprocessing.clips.from_raw.finished_clip
def slow(*args, **choices):
    time.sleep(0.02)
    return real(*args, **choices)
smie_pipe.preprocessing.clips.from_raw.finished_clip = slow
if __name__ == "__main__":
    run = PreprocessRun(workers=int(sys.argv[3]), batch_files=1)
    p.preprocess(Path(sys.argv[1]), Path(sys.argv[2]), PreprocessConfig(), run)
"""


def kill_and_resume(source, output, script, workers, kills, seed, stop=signal.SIGKILL):
    """Start it again and again, each time killing it at a random moment; then let it end."""
    rng = random.Random(seed)
    script.write_text(KILLED)
    command = [sys.executable, script, source, output, str(workers)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(kills):
        start_and_stop(command, env, output, rng.uniform(0, 0.25), stop)
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def start_and_stop(command, env, output, delay_s, stop):
    """Send a signal some time after the first recordings are done."""
    program = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    journal = output.with_name(output.name + ".partial") / "journal"
    wait_for(lambda: journal.exists() or output.exists() or program.poll() is not None)
    time.sleep(delay_s)
    program.send_signal(stop)
    program.wait()


def wait_for(condition, timeout_s=30):
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_started_again_gives_the_same_file(ntu_folder, tmp_path, stop):
    made(ntu_folder, tmp_path / "a.h5")
    done = kill_and_resume(ntu_folder, tmp_path / "b.h5", tmp_path / "run.py", 1, 2, 0, stop)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"raw", "a.h5", "b.h5", "run.py"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_many_moments(ntu_folder, pku_folder, tmp_path, seed):
    for source in (ntu_folder, pku_folder):
        made(source, tmp_path / "a.h5")
        output = tmp_path / f"{source.name}.h5"
        done = kill_and_resume(source, output, tmp_path / "run.py", 1 + seed % 2, 6, seed)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "a.h5").read_bytes() == output.read_bytes()


def children(pid):
    """Return the processes that were started by this one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_workers_end_with_a_killed_program(ntu_folder, tmp_path):
    (tmp_path / "run.py").write_text(KILLED)
    command = [sys.executable, tmp_path / "run.py", ntu_folder, tmp_path / "s.h5", "2"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    program = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    journal = tmp_path / "s.h5.partial" / "journal"
    wait_for(lambda: (journal.exists() and journal.stat().st_size) or program.poll() is not None)
    workers = children(program.pid)
    program.kill()
    program.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]


def test_file_is_plain_hdf5(ntu_folder, tmp_path):
    """Other people's programs read it with h5py alone."""
    made(ntu_folder, tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5") as file:
        assert file.attrs["format"] == "smie-pipe skeletons"
        assert file["x"].dtype == np.float32
        assert json.loads(file.attrs["joint_names"])[20] == "spine_shoulder"
