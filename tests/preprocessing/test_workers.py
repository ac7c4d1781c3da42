"""Who does the work: how many processes, and a cluster instead of them."""

import pytest

from smie_pipe.preprocessing import workers as module
from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.preprocess import preprocess


def made(source, output, run=None):
    return preprocess(source, output, PreprocessConfig(), run or PreprocessRun(workers=1))


@pytest.mark.parametrize(
    "batches, processors, workers", [(16, 2, 1), (47, 64, 1), (48, 2, 2), (1800, 64, 8)]
)
def test_as_many_workers_as_are_of_use(monkeypatch, batches, processors, workers):
    monkeypatch.setattr(module, "available_processors", lambda: processors)
    assert module._useful_workers(batches) == workers


def test_a_cluster_of_two_processes_gives_the_same_file(ntu_folder, pku_folder, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        run = PreprocessRun(scheduler=cluster.scheduler_address, batch_files=2)
        for source in (ntu_folder, pku_folder):
            made(source, tmp_path / "a.h5")
            made(source, tmp_path / "b.h5", run)
            assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_scheduler_that_is_not_there(ntu_folder, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(module, "CONNECT_TIMEOUT", "200ms")
    run = PreprocessRun(scheduler="tcp://127.0.0.1:9")
    with pytest.raises(InputError, match="scheduler 'tcp://127.0.0.1:9' does not answer"):
        made(ntu_folder, tmp_path / "s.h5", run)
