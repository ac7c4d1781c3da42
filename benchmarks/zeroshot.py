"""What training SMIE and scoring with it cost, beside the plain form and the published way.

    python -m benchmarks.zeroshot [--epochs 3] [--device cpu] [--threads 2] [--json]

Synthetic features of NTU-60's size: 36,745 clips of 55 seen classes, 256-d visual, 768-d text,
batches of 128. One epoch is timed, the best of the repeats, and stated for 100:

- plain: T on concatenated pairs, three for each clip through the whole perceptron, LayerNorm in
  every step, torch's default Adam; with a loader as published code has it (in this process, on
  features in memory), and without;
- ours, in float32 and with ``precision=bf16``: the first epochs, where the temporal margin is
  still open; and float32 where it is kept (from about epoch 15 on here), which spares the way
  back over the masked clips;
- published: the plain step after the frozen backbone, in its published form, has run on the
  batch's 50-frame clips and on their 35-frame masked ones. Measured on a few batches and
  extrapolated.

Scoring: 16,000 clips against 120 classes with the T just trained, in float32 and in bf16, and
how far the two agree.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.backbone import plain_stgcn
from smie_pipe.backbones.networks.registry import build
from smie_pipe.zeroshot.methods.base import TrainingData
from smie_pipe.zeroshot.methods.batches import batches
from smie_pipe.zeroshot.methods.smie import SMIE
from smie_pipe.zeroshot.texts.class_texts import ClassTexts

CLIPS, CLASSES, BATCH, EPOCHS = 36_745, 55, 128, 100
FRAMES, FRAMES_LEFT = 50, 35
SCORED_CLIPS, SCORED_CLASSES = 16_000, 120


def features(clips: int = CLIPS) -> TrainingData:
    """Clips around a prototype for each class; masked ones nearer to the mean of all."""
    rng = torch.Generator().manual_seed(0)
    prototypes = torch.randn(CLASSES, 256, generator=rng)
    label = torch.arange(clips) % CLASSES
    v = prototypes[label] + torch.randn(clips, 256, generator=rng)
    masked = 0.8 * prototypes[label] + torch.randn(clips, 256, generator=rng)
    return TrainingData(v, masked, label, texts(CLASSES))


def texts(classes: int) -> ClassTexts:
    rng = torch.Generator().manual_seed(1)
    return ClassTexts(torch.randn(classes, 768, generator=rng))


class PlainT(nn.Module):
    """T on concatenated pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, 1)
        )

    def forward(self, v: Tensor, a: Tensor) -> Tensor:
        """Score pairs of rows."""
        return self.layers(torch.cat([v, a], dim=1))[:, 0]


def plain_loss(net: PlainT, v: Tensor, masked: Tensor, a: Tensor) -> Tensor:
    v, masked = F.layer_norm(v, (256,)), F.layer_norm(masked, (256,))
    false = F.softplus(net(v.roll(-1, 0), a)).mean()
    m = -F.softplus(-net(v, a)).mean() - false
    m_hat = -F.softplus(-net(masked, a)).mean() - false
    return -m + 0.5 * F.relu(0.1 - (m - m_hat))


Parts = tuple[Tensor, Tensor, Tensor]


def loaded(data: TrainingData) -> Iterator[Parts]:
    """Yield v, masked v and label of each batch from torch's loader."""
    assert data.v_masked is not None
    clips = TensorDataset(data.v, data.v_masked, data.label)
    yield from DataLoader(clips, BATCH, shuffle=True)


def indexed(data: TrainingData) -> Iterator[Parts]:
    """Yield the same by a shuffled index."""
    assert data.v_masked is not None
    for clips in batches(len(data), BATCH, torch.Generator()):
        yield data.v[clips], data.v_masked[clips], data.label[clips]


def plain_epochs(
    data: TrainingData, feed: Callable[[TrainingData], Iterator[Parts]], device: torch.device
) -> Iterator[None]:
    """Train the plain form, an epoch at a time."""
    table, net = data.texts.sentence.to(device), PlainT().to(device)
    adam = torch.optim.Adam(net.parameters(), 1e-5)
    while True:
        for parts in feed(data):
            v, masked, label = (x.to(device) for x in parts)
            loss = plain_loss(net, v, masked, table[label])
            adam.zero_grad()
            loss.backward()
            adam.step()
        yield


def seconds(act: Callable[[], object], device: torch.device) -> float:
    start = time.perf_counter()
    act()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


@torch.no_grad()
def backbone_seconds(device: torch.device, repeats: int) -> float:
    """Return the best time of the frozen backbone on one batch and on its masked clips."""
    net = build("stgcn").to(device).eval()
    whole = torch.randn(BATCH, 3, FRAMES, 25, 2, device=device)
    left = whole[:, :, :FRAMES_LEFT].contiguous()

    def both() -> tuple[Tensor, Tensor]:
        return plain_stgcn(net, whole), plain_stgcn(net, left)

    return min(seconds(both, device) for _ in range(repeats))


def training(data: TrainingData, device: torch.device, repeats: int) -> dict[str, float]:
    """Seconds for 100 epochs each way; the ways take turns, so that noise meets all alike."""
    ways = {
        "plain with loader": plain_epochs(data, loaded, device),
        "plain": plain_epochs(data, indexed, device),
        "ours, float32": SMIE(lr=1e-5).train(data, seed=0, device=device),
        "ours, margin kept": SMIE(lr=1e-5, beta=-9.0).train(data, seed=0, device=device),
        "ours, bf16": SMIE(lr=1e-5, precision="bf16").train(data, seed=0, device=device),
    }
    best = dict.fromkeys(ways, math.inf)
    for _ in range(repeats):
        for name, epochs in ways.items():
            best[name] = min(best[name], seconds(lambda e=epochs: next(e), device))
    steps = math.ceil(CLIPS / BATCH)
    best["published"] = best["plain"] + steps * backbone_seconds(device, repeats)
    return {name: EPOCHS * value for name, value in best.items()}


def scoring(data: TrainingData, device: torch.device, repeats: int) -> dict[str, float]:
    """Seconds for scoring all pairs."""
    method = SMIE(epochs=2, lr=1e-3, warmup=0.0)
    for _ in method.train(data, seed=0, device=device):
        pass
    v, table = data.v[:SCORED_CLIPS], texts(SCORED_CLASSES)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        method.score(v, table)  # on the CPU when it returns
        times.append(time.perf_counter() - start)
    return {"scoring": min(times)}


def run(device: torch.device, repeats: int) -> dict[str, float]:
    data = features()
    times = training(data, device, repeats)
    ratios = {
        f"{plain} / {ours}": times[plain] / times[ours]
        for ours in ("ours, float32", "ours, margin kept", "ours, bf16")
        for plain in ("plain", "plain with loader", "published")
    }
    per_100 = {f"100 epochs, {name}": value for name, value in times.items()}
    return per_100 | ratios | scoring(data, device, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=3, help="epochs timed, of which the best")
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    figures = run(chosen.device, chosen.epochs)
    if chosen.json:
        print(json.dumps(figures, indent=2))
    else:
        print("\n".join(f"{name:44}{value:12.3f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
