"""How fast the backbones train and extract, beside ST-GCN as published code runs it, in one run.

    python -m benchmarks.backbone [--clips 128] [--repeats 5] [--device cuda] [--json]

The plain form maps first and aggregates over the graph afterwards, and runs both bodies of every
clip; it stands at the top of networks/stgcn.py and works on our network's weights. The clips are
random, 50 frames, 80 % of them with one body. All forms take turns, and the best of the repeats
counts; both have freed memory kept in the process, which helps the plain form too.

The shares are of the device's rate for a large product in the same numbers, and for a large copy,
both measured in the same run. "made" counts the multiplications that a form does make, "worth"
those of the plain form on the bodies that are there: what is saved by making fewer shows in the
second. Bytes are those that each operation reads and writes, caches apart. Peak memory is that of
one training step in a process of its own (on a GPU: of its allocator), less what was there before.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from smie_pipe.backbones.hardware.memory import keep_freed_memory
from smie_pipe.backbones.kernels.matmul import matmul
from smie_pipe.backbones.networks.registry import build
from smie_pipe.backbones.networks.stgcn import plain_stgcn

CLASSES = 55
ONE_BODY = 0.8
NTU60_CLIPS, NTU60_EPOCHS = 36_745, 150
Step = Callable[[], Any]


def random_clips(count: int, device: torch.device, frames: int = 50) -> Tensor:
    """Return clips of which the share ``ONE_BODY`` has one body."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 3, frames, 25, 2, generator=generator) / 2
    x[torch.arange(count) % 10 < 10 * ONE_BODY, ..., 1] = 0
    return x.to(device)


@dataclass(frozen=True)
class Form:
    """One way to run a backbone."""

    name: str
    backbone: str = "stgcn"
    plain: bool = False
    bf16: bool = False

    def batch(self, clips: int) -> int:
        """Return how many clips it takes at once: Shift-GCN a quarter, for all need 15 GB."""
        return max(1, clips // 4) if self.backbone == "shift-gcn" else clips


FORMS = (
    Form("plain", plain=True),
    Form("plain, bf16", plain=True, bf16=True),
    Form("ours"),
    Form("ours, bf16", bf16=True),
    Form("Shift-GCN", backbone="shift-gcn"),
    Form("Shift-GCN, bf16", backbone="shift-gcn", bf16=True),
)


@dataclass
class Figures:
    """What is measured of one form: seconds a batch, and what a batch takes."""

    seconds: float = float("inf")
    flops: float = 0.0
    moved_bytes: float = 0.0


@dataclass
class Result:
    """One form's figures for inference and for a training step, and its peak memory."""

    clips: int
    inference: Figures = field(default_factory=Figures)
    training: Figures = field(default_factory=Figures)
    peak_bytes: float = 0.0


def steps_of(form: Form, x: Tensor) -> tuple[Step, Step]:
    """Return inference and one training step without the optimiser, each as a function."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build(form.backbone).to(x.device)
        head = nn.Linear(model.features, CLASSES).to(x.device)
    label = torch.arange(len(x), device=x.device) % CLASSES
    network: Any = (lambda clips: plain_stgcn(model, clips)) if form.plain else model

    def features() -> Tensor:
        with torch.autocast(x.device.type, torch.bfloat16, enabled=form.bf16):
            return network(x)

    def infer() -> None:
        model.eval()
        with torch.no_grad():
            features()

    def train() -> None:
        model.train()
        model.zero_grad()
        functional.cross_entropy(head(features().float()), label).backward()

    return infer, train


def seconds(step: Step, device: torch.device) -> float:
    began = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


class BytesMoved(TorchDispatchMode):
    """Counts what operations read and write; views are none."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.total += sum(t.nbytes for t in tensors([args, kwargs or {}, result]))
        return result


def tensors(tree: Any) -> Iterable[Tensor]:
    leaves = torch.utils._pytree.tree_leaves(tree)
    return [leaf for leaf in leaves if isinstance(leaf, Tensor)]


def linear_flops(x: Any, weight: Any, *_: Any, **__: Any) -> int:
    """Return the operations of oneDNN's linear map, from shapes: torch does not count it."""
    return 2 * int(x[0]) * int(x[1]) * int(weight[0])


def count_work(step: Step) -> tuple[float, float]:
    """Return how many operations of products a step makes, and how many bytes it moves."""
    own = {torch.ops.mkldnn._linear_pointwise: linear_flops}
    with FlopCounterMode(display=False, custom_mapping=own) as flops:
        step()
    with BytesMoved() as moved:
        step()
    return flops.get_total_flops(), moved.total


def peak_bytes(form: Form, clips: int, device: torch.device) -> float:
    """Return how much memory one training step takes above what the process had before."""
    if device.type == "cuda":
        _, train = steps_of(form, random_clips(clips, device))
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        train()
        return torch.cuda.max_memory_allocated(device) - before
    command = [sys.executable, "-m", "benchmarks.backbone", "--clips", str(clips)]
    command += ["--peak-of", form.name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def own_peak_bytes(name: str, clips: int) -> float:
    """Do what ``peak_bytes`` asks a process of its own for."""
    form = next(form for form in FORMS if form.name == name)
    steps_of(form, random_clips(1, torch.device("cpu")))[1]()  # libraries take theirs once
    _, train = steps_of(form, random_clips(clips, torch.device("cpu")))
    before = highest_bytes()
    train()
    return highest_bytes() - before


def highest_bytes() -> float:
    """Return the most memory that this process has held, from Linux.

    ``getrusage`` will not do: there a process starts with what the one that started it holds.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def machine_steps(device: torch.device) -> dict[str, tuple[Step, float]]:
    """Return large products and a large copy, with the operations or bytes that they take."""
    size = 2048 if device.type == "cpu" else 8192
    a = torch.randn(size, size, device=device)
    half = a.bfloat16()
    long = torch.randn(64 << 20, device=device)
    into = torch.empty_like(long)
    return {
        "float32": (lambda: a @ a, 2.0 * size**3),
        "float32, oneDNN": (lambda: matmul(a, a), 2.0 * size**3),
        "bf16": (lambda: half @ half, 2.0 * size**3),
        "copy": (lambda: into.copy_(long), 2.0 * long.nbytes),
    }


def measure(
    forms: list[Form], clips: int, repeats: int, device: torch.device
) -> tuple[dict[str, Result], dict[str, float]]:
    """Return every form's figures, and the machine's rates, the best of interleaved repeats."""
    x = random_clips(clips, device)
    results = {form.name: Result(form.batch(clips)) for form in forms}
    for form in forms:  # first: this process still leaves the memory to those that it asks
        results[form.name].peak_bytes = peak_bytes(form, form.batch(clips), device)
    steps: dict[str, tuple[Step, Step]] = {}
    for form in forms:
        steps[form.name] = steps_of(form, x[: form.batch(clips)])
        for step, figures in pairs(steps[form.name], results[form.name]):
            step()
            figures.flops, figures.moved_bytes = count_work(step)
    machine = machine_steps(device)
    rates = dict.fromkeys(machine, 0.0)
    for _ in range(repeats):
        for name, (step, amount) in machine.items():
            rates[name] = max(rates[name], amount / seconds(step, device))
        for name, both in steps.items():
            for step, figures in pairs(both, results[name]):
                figures.seconds = min(figures.seconds, seconds(step, device))
    rates["float32"] = max(rates["float32"], rates.pop("float32, oneDNN"))
    return results, rates


def pairs(steps: tuple[Step, Step], result: Result) -> list[tuple[Step, Figures]]:
    return [(steps[0], result.inference), (steps[1], result.training)]


def worth(results: dict[str, Result], training: bool) -> float:
    """Return the plain form's operations for the bodies that are there."""
    plain = results["plain"]
    flops = (plain.training if training else plain.inference).flops
    return flops * (2 - ONE_BODY) / 2


def table(results: dict[str, Result], rates: dict[str, float]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        f"rates: {rates['float32'] / 1e9:.0f} GFLOP/s float32, {rates['bf16'] / 1e9:.0f} bf16, "
        f"{rates['copy'] / 1e9:.1f} GB/s copy",
        "",
        "| form | step | clips/s | ms a clip | x plain | made | worth | bytes | peak MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        for training in (False, True):
            lines.append(row(name, result, training, results, rates))
    ours = results["ours"]
    hours = NTU60_CLIPS * NTU60_EPOCHS * ours.training.seconds / ours.clips / 3600
    lines += ["", f"NTU-60 (36,745 clips, 150 epochs) at the rate of 'ours': {hours:.2f} h"]
    return "\n".join(lines)


def row(
    name: str,
    result: Result,
    training: bool,
    results: dict[str, Result],
    rates: dict[str, float],
) -> str:
    plain = results["plain"].training if training else results["plain"].inference
    figures = result.training if training else result.inference
    rate = rates["bf16" if "bf16" in name else "float32"] * figures.seconds
    stgcn = "Shift" not in name
    cells = [
        name,
        "training" if training else "inference",
        f"{result.clips / figures.seconds:.0f}",
        f"{1e3 * figures.seconds / result.clips:.2f}",
        f"{plain.seconds / figures.seconds:.2f}" if stgcn else "",
        f"{figures.flops / rate:.2f}" if figures.flops else "",
        f"{worth(results, training) / rate:.2f}" if stgcn else "",
        f"{figures.moved_bytes / figures.seconds / rates['copy']:.2f}" if figures.flops else "",
        f"{result.peak_bytes / 1e6:.0f}" if training and result.peak_bytes else "",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=128, help="clips a batch")
    parser.add_argument("--repeats", type=int, default=5, help="turns, of which the best counts")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=0, help="threads on a CPU; 0: as set")
    parser.add_argument("--only", default="", help="forms whose name starts so, beside plain")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--peak-of", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    keep_freed_memory()
    torch.backends.cudnn.allow_tf32 = False  # float32 is to mean float32 on a GPU too
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    if chosen.peak_of:
        print(own_peak_bytes(chosen.peak_of, chosen.clips))
        return
    forms = [f for f in FORMS if f.name.startswith(chosen.only) or f.name == "plain"]
    results, rates = measure(forms, chosen.clips, chosen.repeats, torch.device(chosen.device))
    if chosen.json:
        found = {name: asdict(result) for name, result in results.items()}
        print(json.dumps({"rates": rates, "forms": found}, indent=2))
    else:
        print(table(results, rates))


if __name__ == "__main__":
    main()
