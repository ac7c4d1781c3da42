"""The run folder: what is done is skipped, what differs is refused, nothing is overwritten."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.locks import Busy
from smie_pipe.run_folder import RunFolder, Task, check_chain


@pytest.fixture
def run(tmp_path):
    """A run folder whose `skeletons.h5` was made with frames=50 from input "a"."""
    run = RunFolder(tmp_path / "run")
    make(run, task(run))
    return run


def task(run, *, frames=50, raw="a", seed=None):
    return Task("preprocess", run.skeletons, {"frames": frames}, {"raw": raw}, seed)


def make(run, task, content="data"):
    with run.recording(task):
        task.output.parent.mkdir(parents=True, exist_ok=True)
        task.output.write_text(content)


def test_what_was_made_in_the_same_way_is_done(run):
    assert run.is_done(task(run), overwrite=False)


def test_overwrite_makes_it_anew(run):
    assert not run.is_done(task(run), overwrite=True)
    run.let_go(task(run))


def test_nothing_is_done_in_a_new_folder(tmp_path):
    run = RunFolder(tmp_path)
    assert not run.is_done(task(run), overwrite=False)
    run.let_go(task(run))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"frames": 64}, "frames 50 then, 64 now"),
        ({"raw": "b"}, "another raw"),
        ({"seed": 1}, "seed None then, 1 now"),
    ],
)
def test_what_was_made_in_another_way_is_refused_with_the_difference(run, other, said):
    with pytest.raises(InputError, match=said) as error:
        run.is_done(task(run, **other), overwrite=False)
    assert "--overwrite" in str(error.value)


def test_a_file_nobody_recorded_is_not_overwritten(tmp_path):
    run = RunFolder(tmp_path)
    run.skeletons.write_text("somebody's")
    with pytest.raises(InputError, match="does not say what made it"):
        run.is_done(task(run), overwrite=False)


def test_a_changed_output_is_noticed(run):
    run.skeletons.write_text("other")
    with pytest.raises(InputError, match="was changed since"):
        run.is_done(task(run), overwrite=False)


def test_a_failed_stage_is_not_recorded(tmp_path):
    run = RunFolder(tmp_path)
    with pytest.raises(RuntimeError), run.recording(task(run)):
        raise RuntimeError
    assert run.records() == {}


def test_the_record_says_versions_options_inputs_and_time(run):
    entry = json.loads((run.path / "run.json").read_text())["stages"]["preprocess"]
    assert entry["options"] == {"frames": 50}
    assert entry["inputs"] == {"raw": "a"}
    assert entry["output"]["path"] == "skeletons.h5"
    assert {"torch", "numpy", "python"} <= set(entry["versions"])
    assert entry["seconds"] >= 0


def test_a_foreign_record_is_refused(tmp_path):
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(InputError, match="run.json: expected a record"):
        RunFolder(tmp_path).records()


def test_a_missing_input_names_the_stage_to_run(run):
    with pytest.raises(InputError, match="pretrain-backbone"):
        run.require(run.backbone("split"), "pretrain-backbone")


def test_pretrainings_are_listed_by_what_they_hold(tmp_path):
    run = RunFolder(tmp_path)
    for split, number in (("b", 1), ("a", 10), ("a", 1), ("a", 2)):
        run.features(split, number).parent.mkdir(parents=True, exist_ok=True)
        run.features(split, number).touch()
    (tmp_path / "a" / "smie").mkdir()
    (tmp_path / "a" / "smie" / "features.h5").touch()  # none of ours
    assert run.pretrainings_with("features.h5") == [("a", 1), ("a", 2), ("a", 10), ("b", 1)]
    assert run.pretrainings_with("features.h5", ["b", "a"])[0] == ("b", 1)
    assert run.pretrainings_with("backbone.safetensors") == []
    assert run.splits_with("features.h5") == ["a", "b"]
    assert run.features("a", 2) == tmp_path / "a" / "pretraining-2" / "features.h5"


def test_the_record_says_where_and_by_which_command(run):
    entry = run.records()["preprocess"]
    assert entry["host"] and "command" in entry


def elsewhere(folder, code, **more):
    """Run code in a process of its own, with `run`, `task` and `make` at hand."""
    head = f"""
    import os, signal, sys, time
    from pathlib import Path
    from smie_pipe.run_folder import RunFolder, Task
    run = RunFolder(Path({str(folder)!r}))
    def task(frames=50, output=run.skeletons, key="preprocess", **more):
        return Task(key, output, dict(frames=frames), dict(raw="a"), None, **more)
    """
    script = textwrap.dedent(head) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, **more
    )


@pytest.fixture
def maker(tmp_path):
    """A process that makes the run folder's skeletons.h5 until it is told to end."""
    process = elsewhere(
        tmp_path / "run",
        """
        assert not run.is_done(task(), overwrite=True)
        with run.recording(task()):
            print("at it", flush=True)
            sys.stdin.readline()
            run.skeletons.write_text("made")
        """,
        stdin=subprocess.PIPE,
    )
    assert process.stdout.readline() == "at it\n"
    yield process
    process.stdin.close()
    process.wait(20)
    process.stdout.close()


def test_the_second_who_makes_an_output_is_told_who_is_at_it(maker, tmp_path):
    run = RunFolder(tmp_path / "run")
    with pytest.raises(Busy, match=rf"in use by process {maker.pid} on \S+ since 20.*wait for it"):
        run.is_done(task(run), overwrite=False)
    maker.stdin.write("\n")
    maker.stdin.flush()
    assert maker.wait(20) == 0
    assert run.is_done(task(run), overwrite=False)


def test_who_reads_what_is_being_made_is_told_too(maker, tmp_path):
    run = RunFolder(tmp_path / "run")
    reader = Task("extract/s", run.features("s"), {}, {}, reads=(run.skeletons,))
    with pytest.raises(Busy, match="skeletons.h5 is being made by process"):
        run.is_done(reader, overwrite=False)


def test_two_may_read_and_none_may_replace_what_is_read(run):
    reader = elsewhere(
        run.path,
        """
        it = task(key="extract/a", output=run.features("a"), reads=(run.skeletons,))
        run.is_done(it, overwrite=True)
        print("reading", flush=True)
        sys.stdin.readline()
        """,
        stdin=subprocess.PIPE,
    )
    assert reader.stdout.readline() == "reading\n"
    with pytest.raises(Busy, match=f"skeletons.h5 is in use by process {reader.pid}"):
        run.is_done(task(run), overwrite=True)
    other = Task("extract/b", run.features("b"), {}, {}, reads=(run.skeletons,))
    assert not run.is_done(other, overwrite=False)
    run.let_go(other)
    reader.communicate("\n", timeout=20)


def test_a_killed_process_holds_nothing(maker, tmp_path):
    maker.kill()
    maker.wait(20)
    run = RunFolder(tmp_path / "run")
    assert not run.is_done(task(run), overwrite=False)
    run.let_go(task(run))


def test_no_note_is_lost_by_several_writers(tmp_path):
    code = """
    for i in range(10):
        it = task(key=f"extract/{sys.argv[1]}-{i}", output=run.features(f"{sys.argv[1]}-{i}"))
        with run.recording(it):
            it.output.parent.mkdir(parents=True)
            it.output.write_text("made")
    """
    code = code.replace("sys.argv[1]", "os.getpid()")
    writers = [elsewhere(tmp_path, code) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    for writer in writers:
        writer.stdout.close()
    assert len(RunFolder(tmp_path).records()) == 30


KILLED = """
import smie_pipe.record
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
{when}
assert not run.is_done(task({frames}), overwrite={overwrite})
with run.recording(task({frames})):
    {before}
    run.skeletons.write_text("made by {frames}")
    smie_pipe.record.Record.note = die
"""


def killed(folder, frames, *, overwrite=False, before="pass", when=""):
    code = KILLED.format(frames=frames, overwrite=overwrite, before=before, when=when)
    process = elsewhere(folder, code)
    assert process.wait(20) != 0
    process.stdout.close()


def test_killed_before_the_note_the_same_command_goes_on(tmp_path):
    run = RunFolder(tmp_path)
    killed(tmp_path, 50)
    assert run.records() == {}
    assert run.is_done(task(run), overwrite=False)
    assert run.records()["preprocess"]["options"] == {"frames": 50}
    with pytest.raises(InputError, match="frames 50 then, 64 now"):
        run.is_done(task(run, frames=64), overwrite=False)


def test_killed_before_the_output_the_older_one_stays_what_it_was(run):
    killed(run.path, 64, overwrite=True, before="die()")
    assert run.is_done(task(run), overwrite=False)
    with pytest.raises(InputError, match="frames 50 then, 64 now"):
        run.is_done(task(run, frames=64), overwrite=False)


def test_killed_while_it_is_made_anew_the_new_one_is_known(run):
    killed(run.path, 64, overwrite=True)
    assert run.is_done(task(run, frames=64), overwrite=False)


@pytest.fixture
def made(run):
    """A run folder with a backbone of the skeletons, and features of both."""

    def make_from(key, output, **inputs):
        digests = {name: run.digest(path) for name, path in inputs.items()}
        it = Task(key, output, {}, digests, reads=tuple(inputs.values()))
        make(run, it, content=key)

    make_from("pretrain-backbone/s", run.backbone("s"), skeletons=run.skeletons)
    make_from("extract/s", run.features("s"), skeletons=run.skeletons, backbone=run.backbone("s"))
    check_chain(run, run.features("s"))
    return run


def test_clips_made_anew_are_noticed_at_the_end_of_the_chain(made):
    make(made, task(made, frames=64), content="other clips")
    with pytest.raises(InputError, match="another skeletons.h5.*extract --split s ... --overw"):
        check_chain(made, made.features("s"))


def test_features_of_a_backbone_of_other_clips_are_refused(made):
    make(made, task(made, frames=64), content="other clips")
    made.features("s").unlink()
    it = Task("extract/s", made.features("s"), {}, {}, reads=(made.backbone("s"),))
    with pytest.raises(InputError, match="backbone.safetensors was made from another skeletons"):
        made.is_done(it, overwrite=False)


@pytest.mark.parametrize("which", ["skeletons", "backbone", "features"])
def test_a_flipped_bit_is_noticed_before_it_is_used(made, which):
    place = made.skeletons if which == "skeletons" else getattr(made, which)("s")
    stat, content = place.stat(), bytearray(place.read_bytes())
    content[2] ^= 1
    place.write_bytes(content)
    os.utime(place, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    with pytest.raises(InputError, match="changed or damaged|made or changed since"):
        check_chain(made, made.features("s"))


def test_without_the_clips_the_features_serve(made):
    made.skeletons.unlink()
    check_chain(made, made.features("s"))


def test_temporary_files_of_the_dead_are_swept_and_those_of_the_living_stay(run):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = [run.path / "s" / f".scores.safetensors.{dead.pid}.tmp"]
    kept = [run.path / f".run.json.{os.getpid()}.tmp", run.path / "notes.tmp"]
    left[0].parent.mkdir()
    for path in (*left, *kept):
        path.touch()
    assert run.is_done(task(run), overwrite=False)
    assert not left[0].exists() and all(path.exists() for path in kept)
