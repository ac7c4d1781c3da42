"""The model card: ``README.md`` of a model folder, with its honest figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def card(config: Mapping[str, Any]) -> str:
    """Return the card's text by what ``config.json`` says."""
    data, figures, texts = config["data"], config["figures"], config["texts"]
    classes, margins = config["classes"], config["calibration"]
    method = config["method"]["method"]
    return f"""---
library_name: smie-pipe
license: other
tags: [skeleton, action-recognition, zero-shot]
---

# {method} on {data["dataset"]}, split {data["split"]}

Names actions in recordings of a body tracker from free text. Made by {config["made_by"]}.

```
smie-pipe predict RECORDING --model THIS_FOLDER --labels "bow, kick, drink from a bottle"
```

## What it was trained on

{data["training_clips"]} clips of {len(classes["seen"])} classes (data set {data["dataset"]},
protocol {data["protocol"]}): {_listed(classes["seen"])}.

Features: {config["features"]["source"]} ({config["features"]["width"]} numbers a clip). Texts:
{" + ".join(texts["sets"])} by {texts["model"]}.

## What it scored

{100 * figures["unseen_accuracy"]:.1f} % of {figures["clips"]} clips of {figures["classes"]}
classes it never saw ({_listed(classes["unseen"])}), by other performers; chance
{100 * figures["chance"]:.1f} %. One training (seed {figures["seed"]}); epoch and options:
{figures["select"]}. Nothing was chosen on these clips. On another choice of classes the figure
may differ by 20 points and more.

## How to read a score

0 is the mean of the labels asked for; 1 is how far scores of seen-class clips spread. Where the
first label leads the second by less than {margins["none_below"]:.2f}, "none of these" is said. On
seen-class clips ({margins["part"]}), among {margins["labels"]} labels, this keeps
{100 * margins["kept"]:.0f} % of those whose class is among the labels and refuses
{100 * margins["refused"]:.0f} % of the others. {_basis(margins["left_out"])}

## Terms and citation

{config["terms"]}

{config["cite"]}
"""


def _listed(names: list[str], most: int = 30) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _basis(left_out: bool) -> str:
    if left_out:
        return "These classes were left out of the training for this measurement."
    return "It was trained on these classes; of classes it never saw it is less sure than that."
