import pytest

from smie_pipe.preprocessing.body import BONES, JOINTS, PARENTS, SPINE_SHOULDER
from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun


def test_defaults_are_valid():
    assert PreprocessConfig().frames == 50
    assert PreprocessRun().strict is False


def test_all_faults_are_told_at_once():
    with pytest.raises(
        ValueError, match="dataset must be.*'ntu'.*frames must be at least 2, got 1"
    ):
        PreprocessConfig(dataset="ntu", frames=1)
    with pytest.raises(ValueError, match="workers must be at least 0, got -1"):
        PreprocessRun(workers=-1)


def test_every_joint_leads_to_the_shoulders():
    assert len(JOINTS) == 25 and len(BONES) == 24
    for joint in range(25):
        for _ in range(25):
            joint = PARENTS[joint]
        assert joint == SPINE_SHOULDER
