"""Memory: what is free, what a step needs, and what is said when it runs out."""

import pytest
import torch
from torch import nn

from smie_pipe.backbones.hardware import memory
from smie_pipe.backbones.hardware.memory import (
    available_bytes,
    check_training_fits,
    memory_explained,
    training_bytes,
)
from smie_pipe.preprocessing.foundation.errors import InputError

CPU = torch.device("cpu")


class Squares(nn.Module):
    """Keeps its input and one product for the backward pass."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return (x * self.scale).square().mean(dim=(1, 2, 3, 4))


def test_a_step_needs_what_autograd_keeps():
    clip = torch.zeros(3, 10, 25, 2)
    needed = training_bytes(Squares(), clip, batch=8)
    kept = 8 * clip.numel() * 4 * 2
    assert kept <= needed <= 1.3 * kept


def test_the_trial_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(1500), nn.Dropout())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    training_bytes(model, torch.zeros(3, 10, 25, 2), batch=8)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


def test_too_much_is_refused_with_a_batch_that_fits(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda device: 100 * 2**20)
    clip = torch.zeros(3, 500, 25, 2)
    with pytest.raises(InputError, match=r"step of 1024 clips needs .* GiB.*--batch \d+ or less"):
        check_training_fits(Squares(), clip, batch=1024)
    check_training_fits(Squares(), clip, batch=2)


@pytest.mark.parametrize("times_needed, heap", [(3, "kept"), (1.2, "returned")])
def test_freed_memory_is_kept_where_there_is_room(monkeypatch, times_needed, heap):
    clip, said = torch.zeros(3, 500, 25, 2), []
    free = int(times_needed * training_bytes(Squares(), clip, batch=512))
    monkeypatch.setattr(memory, "available_bytes", lambda device: free)
    monkeypatch.setattr(memory, "keep_freed_memory", lambda: said.append("kept"))
    monkeypatch.setattr(memory, "return_freed_memory", lambda: said.append("returned"))
    check_training_fits(Squares(), clip, batch=512)
    assert said == [heap]


def test_processes_of_one_machine_share_its_memory(monkeypatch):
    clip = torch.zeros(3, 500, 25, 2)
    free = int(1.5 * training_bytes(Squares(), clip, batch=512))
    monkeypatch.setattr(memory, "available_bytes", lambda device: free)
    check_training_fits(Squares(), clip, batch=512)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(InputError, match="512 clips needs"):
        check_training_fits(Squares(), clip, batch=512)


def test_free_memory_of_this_machine_is_plausible():
    free = available_bytes(CPU)
    assert free is None or 2**20 < free < 2**50


def test_a_container_limit_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 500\nfile 400\n")
    assert available_bytes(CPU) == 500
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes(CPU) != 500


def test_running_out_is_explained_and_nothing_else_is():
    with pytest.raises(InputError, match="too little memory for a step: .* use --batch 2"):  # noqa: SIM117
        with memory_explained("a step", "use --batch 2"):
            raise torch.OutOfMemoryError("CUDA out of memory.")
    with pytest.raises(RuntimeError, match="shapes"), memory_explained("a step", ""):
        raise RuntimeError("shapes do not match")
