"""``extract --features``: without a backbone any split, with one the backbone's own."""

import numpy as np
import pytest
from click.testing import CliRunner

from smie_pipe.backbones.features.store import read_features
from smie_pipe.cli import cli
from smie_pipe.preprocessing.skeletons.store import write_skeletons
from smie_pipe.run_folder import RunFolder

KINEMATIC = ("extract", "--features", "kinematic", "--masked-frames", "5")
SUBJECT = ("--protocol", "subjects:1")
PRETRAIN = ("pretrain-backbone", *SUBJECT, "--epochs", "1", "--batch", "16")


@pytest.fixture
def clips(tmp_path):
    """Return a run folder with clips of six classes, half of them by a second subject."""
    clip, rng = np.arange(48), np.random.default_rng(0)
    x = rng.normal(size=(48, 3, 20, 25, 2)).astype("f4") / 9
    x[np.arange(48), clip % 3, :, 3 * (clip % 6), 0] += 1
    x[::2, ..., 1] = 0
    columns = {"label": clip % 6, "subject": clip // 6 % 2 + 1}
    names = ["drink", "eat", "wave", "kick", "hop", "bow"]
    write_skeletons(tmp_path / "skeletons.h5", x, columns, class_names=names, dataset="custom")
    return RunFolder(tmp_path)


def call(run, *words, code=0):
    words = ["--run", run.path, "--device", "cpu", *words]
    result = CliRunner().invoke(cli, list(map(str, words)))
    assert result.exit_code == code, result.output
    return result


def test_own_data_get_a_score_without_a_backbone(clips, tmp_path):
    np.save(tmp_path / "words.npy", np.random.default_rng(0).normal(size=(6, 12)))
    call(clips, *KINEMATIC, *SUBJECT, "--split", "unseen:4,5", "--split", "random:2:0:2")
    assert len(clips.splits_with("features.h5")) == 3
    found = read_features(clips.features("unseen-4-5"))
    assert found.unseen == [4, 5] and found.attrs["protocol"] == "subjects:1"
    words = ("--text-model", tmp_path / "words.npy", "--no-figures", "--jobs", 1)
    result = call(clips, "zeroshot", "--method", "ridge,prototypes", *words)
    assert "prototypes" in result.output
    assert "made already" in call(clips, *KINEMATIC, *SUBJECT, "--split", "unseen:4,5").output
    other = call(clips, *KINEMATIC, "--protocol", "subjects:2", "--split", "unseen:4,5", code=1)
    assert "protocol 'subjects:1' then, 'subjects:2' now" in other.output


def test_a_split_with_a_backbone_keeps_its_protocol(clips):
    call(clips, *PRETRAIN, "--split", "unseen:4,5")
    call(clips, *KINEMATIC)
    assert read_features(clips.features("unseen-4-5")).attrs["protocol"] == "subjects:1"
    refused = call(clips, *KINEMATIC, "--protocol", "subjects:2", "--split", "unseen-4-5", code=2)
    assert "has a backbone" in refused.output
    both = ("extract", "--features", "both", "--masked-frames", "5", "--overwrite")
    call(clips, *both)
    assert read_features(clips.features("unseen-4-5")).attrs["backbone"] == "stgcn+kinematic"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((*KINEMATIC, *SUBJECT), 2, "needs --split"),
        ((*KINEMATIC, *SUBJECT, "--split", "rnadom:2:0"), 1, "random:K:SEED"),
        ((*KINEMATIC, "--protocol", "subjects:9", "--split", "unseen:4,5"), 1, "subject"),
        ((*KINEMATIC, *SUBJECT, "--split", "unseen:4,9"), 1, "outside 0..5"),
        (("extract", *SUBJECT), 2, "--features kinematic"),
        (("extract", "--features", "kinetic"), 2, "kinematic"),
        (("extract", "--features", "both"), 1, "pretrain-backbone"),
    ],
)
def test_wrong_use_is_told_before_any_work(clips, words, code, told):
    assert told in call(clips, *words, code=code).output
    assert not clips.splits_with("features.h5")
