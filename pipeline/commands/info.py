"""``smie-pipe info``: what a bug report needs."""

from __future__ import annotations

import os
import platform

import click

from smie_pipe import provenance
from smie_pipe.stage import Stage, json_option, report


@click.command("info", cls=Stage, example="smie-pipe info --json")
@json_option
def info(as_json: bool) -> None:
    """Print versions, processor and devices, for a bug report."""
    facts = {
        **provenance.versions(),
        "commit": provenance.commit() or "not a checkout",
        "system": platform.platform(),
        "processors": os.cpu_count(),
        **_torch(),
    }
    width = max(map(len, facts))
    report("\n".join(f"{name:<{width}}  {value}" for name, value in facts.items()), facts, as_json)


def _torch() -> dict[str, object]:
    """Return what torch sees; a torch that is missing or broken is said, for then it matters."""
    try:
        import torch
    except (ImportError, OSError) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "torch"
        return {"torch": "not installed" if missing else f"cannot be loaded: {error}"}
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "threads of torch": torch.get_num_threads(),
        "CUDA devices": ", ".join(gpus) or "none",
    }
