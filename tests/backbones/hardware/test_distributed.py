"""Two processes do what one does: the same weights, the same features, one that writes."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from smie_pipe.backbones.config import ExtractConfig, PretrainConfig, PretrainRun
from smie_pipe.backbones.features.extract import extract
from smie_pipe.backbones.features.store import read_features
from smie_pipe.backbones.hardware import distributed
from smie_pipe.backbones.hardware.distributed import Group, join
from smie_pipe.backbones.hardware.shared_layers import SharedBatchNorm, parallel
from smie_pipe.backbones.networks.stgcn import Block
from smie_pipe.backbones.pretraining.pretrain import pretrain

CPU = torch.device("cpu")
# In float32 rounding decides the sign of gradients near zero, and Adam's first steps are of one
# size whatever the gradient's: even another number of threads moves some weights by whole steps.
# In float64 two processes must meet one within rounding.
# 18 clips in batches of 9 make shares of 5 and 4.
OPTIONS = {"seen": (0, 1, 3), "split": "mine", "protocol": "subjects:1"}

BOTH_STAGES = """
import sys
from pathlib import Path
import torch
from smie_pipe.backbones.config import ExtractConfig, PretrainConfig, PretrainRun
from smie_pipe.backbones.features.extract import extract
from smie_pipe.backbones.pretraining.pretrain import pretrain

skeletons, folder = Path(sys.argv[1]), Path(sys.argv[2])
pretrain(
    skeletons, folder / "backbone.safetensors",
    PretrainConfig(sys.argv[3], epochs=2, batch=9, precision="float64"),
    seen=(0, 1, 3), split="mine", protocol="subjects:1",
    run=PretrainRun(checkpoint_steps=1, seen_test_every=2),
)
extract(skeletons, folder / "backbone.safetensors", folder / "features.h5", ExtractConfig(3))
"""


def run_two(script, *arguments, cwd):
    """Run a script in two processes that know each other, and return what each said."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    known = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
    both = [
        subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **known, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=300)[0] for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], said
    return said


@pytest.mark.parametrize("backbone", ["stgcn", pytest.param("shift-gcn", marks=pytest.mark.slow)])
def test_two_processes_train_and_extract_as_one(small_skeletons, tmp_path, repository, backbone):
    skeletons, two = small_skeletons(count=36), tmp_path / "two"
    said = run_two(BOTH_STAGES, skeletons, two, backbone, cwd=repository)
    assert said == ["", ""]
    one = tmp_path / "one"
    report = pretrain(
        skeletons,
        one / "backbone.safetensors",
        PretrainConfig(backbone, epochs=2, batch=9, precision="float64"),
        **OPTIONS,
        run=PretrainRun(seen_test_every=2),
    )
    extract(skeletons, one / "backbone.safetensors", one / "features.h5", ExtractConfig(3))

    alone = load_file(one / "backbone.safetensors")
    together = load_file(two / "backbone.safetensors")
    for name, weights in alone.items():
        torch.testing.assert_close(together[name], weights, rtol=0, atol=1e-5, msg=name)
    first, second = read_features(one / "features.h5"), read_features(two / "features.h5")
    np.testing.assert_array_equal(first.row, second.row)
    np.testing.assert_allclose(first.v, second.v, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first.v_masked, second.v_masked, rtol=1e-4, atol=1e-5)

    logged = [(path / "pretrain_metrics.csv").read_text().splitlines()[-1] for path in (one, two)]
    values = [np.array(line.split(","), float)[[0, 1, 2, 3, 6]] for line in logged]
    np.testing.assert_allclose(*values, atol=1e-6)
    assert values[0][-1] == pytest.approx(report.seen_test_accuracy)
    assert sorted(path.name for path in two.iterdir()) == [
        "backbone.safetensors",
        "features.h5",
        "pretrain_metrics.csv",
    ]


LAYERS = """
import sys
import torch
from torch import nn
from smie_pipe.backbones.hardware.distributed import join
from smie_pipe.backbones.hardware.shared_layers import parallel
from smie_pipe.backbones.networks.stgcn import Block

group = join("cpu")
torch.manual_seed(0)
block, graph = Block(3, 4).double(), torch.rand(3, 25, 25).double()
x = torch.randn(6, 5, 25, 3).double()[:, [slice(0, 2), slice(2, 5)][group.rank]]
torch.manual_seed(1)
shared = parallel(block, group)
y = shared(x, graph)
(y.square().sum() / 5 * group.size).backward()
torch.save([y.detach(), block.gcn.conv.weight.grad, block.tcn[0].running_var],
           f"{sys.argv[1]}/{group.rank}")
"""


@pytest.mark.slow
def test_layers_look_across_uneven_shares(tmp_path, repository):
    run_two(LAYERS, tmp_path, cwd=repository)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        block, graph = Block(3, 4).double(), torch.rand(3, 25, 25).double()
        x = torch.randn(6, 5, 25, 3).double()
        torch.manual_seed(1)
        y = block(x, graph)
    (y.square().sum() / 5).backward()
    shares = [torch.load(tmp_path / name, weights_only=True) for name in "01"]
    torch.testing.assert_close(torch.cat([share[0] for share in shares], dim=1), y.detach())
    for _, gradient, variance in shares:
        torch.testing.assert_close(gradient, block.gcn.conv.weight.grad)
        torch.testing.assert_close(variance, block.tcn[0].running_var)


def test_shares_hold_every_clip_once():
    clips = np.arange(10, 21)
    shares = [Group(rank, 4, CPU).share(clips) for rank in range(4)]
    np.testing.assert_array_equal(np.concatenate(shares), clips)
    assert {len(share) for share in shares} == {2, 3}


def test_alone_nothing_is_exchanged():
    group = join("cpu")
    assert (group.rank, group.size, group.is_main) == (0, 1, True)
    values = torch.ones(3)
    assert torch.equal(group.total(values), values)
    assert group.gather(values).shape == (1, 3)
    assert group.from_main(b"abc") == b"abc"
    group.wait()
    model = nn.Linear(2, 2)
    assert parallel(model, group) is model


def test_torchrun_tells_who_speaks(monkeypatch):
    assert distributed.is_main()
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert not distributed.is_main()
    assert (distributed.rank(), distributed.size()) == (2, 4)


def test_the_shared_layers_evaluate_as_the_plain_ones():
    plain = nn.BatchNorm2d(4)
    plain(torch.randn(8, 4, 5, 5))
    shared = SharedBatchNorm.like(plain).eval()
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(shared(x), plain.eval()(x))
    assert shared.state_dict().keys() == plain.state_dict().keys()
    assert shared.weight is plain.weight


def test_importing_it_does_not_import_torch(repository):
    code = (
        "import sys, smie_pipe.backbones.hardware.distributed, smie_pipe.backbones.config; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=repository).returncode == 0
