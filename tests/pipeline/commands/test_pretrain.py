"""``pretrain-backbone`` and what older versions recorded of it."""

import json

import pytest

from smie_pipe.commands.pretrain import modernise
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.run_folder import RunFolder, Task


@pytest.fixture
def made(tmp_path):
    """Return a run folder and a task, made by a version that said ``settle``."""
    run = RunFolder(tmp_path)
    run.skeletons.touch()
    old = Task("pretrain-backbone/s", tmp_path / "b", {"settle": True, "compile": False}, {}, 0)
    with run.recording(old):
        old.output.write_bytes(b"weights")
    return run


def test_a_backbone_of_the_version_that_settled_is_taken(made, tmp_path):
    new = Task("pretrain-backbone/s", tmp_path / "b", {"recalibrate": True}, {}, 0, modernise)
    assert made.is_done(new, overwrite=False)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"recalibrate": False}, "made in another way: recalibrate True then, False now; give"),
        ({"recalibrate": True, "lr": 1}, "lr None then, 1 now"),
    ],
)
def test_another_way_is_told_in_todays_words(made, tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        made.is_done(
            Task("pretrain-backbone/s", tmp_path / "b", options, {}, 0, modernise), overwrite=False
        )


def test_a_compiled_training_of_before_is_another_one():
    assert modernise({"compile": True, "settle": False}) == {"compile": True, "recalibrate": False}
    assert json.dumps(modernise({"compile": False})) == "{}"
    old = {"select": "best-on-seen-test"}
    assert modernise(old) == {"keep_epoch": "best-seen-test"}
