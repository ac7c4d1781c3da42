"""``smie-pipe demo``: the whole way on a simulated Kinect v2, without data or network."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from smie_pipe.backbones.config import ExtractConfig, ExtractRun, PretrainConfig, PretrainRun
from smie_pipe.commands.extract import run_extract
from smie_pipe.commands.preprocess import run_preprocess
from smie_pipe.commands.pretrain import run_pretrain
from smie_pipe.commands.zeroshot import draw_figures, results_of, run_zeroshot
from smie_pipe.preprocessing.config import PreprocessConfig, PreprocessRun
from smie_pipe.preprocessing.simulation.config import SimulateConfig
from smie_pipe.split_choice import resolve_splits
from smie_pipe.stage import Stage, json_option, report
from smie_pipe.study import Study, pass_study
from smie_pipe.zeroshot.config import ZeroShotConfig, ZeroShotRun

if TYPE_CHECKING:
    from smie_pipe.zeroshot.trials.results import Results

logger = logging.getLogger(__name__)

FOLDER = Path("runs/demo")
UNSEEN = 5
TEXT_MODEL = "all-minilm-l6-v2"
EPOCHS = 20
SAID = (
    "All of this was measured on simulated recordings. It shows that the pipeline works, "
    "and says nothing about real data."
)


@click.command("demo", cls=Stage, example="smie-pipe demo --splits 3")
@click.option(
    "--splits",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help=f"How many random splits with {UNSEEN} unseen classes to average over.",
)
@click.option(
    "--layout",
    default="ntu",
    show_default=True,
    type=click.Choice(["ntu", "pku"]),
    help="Layout of the simulated raw files.",
)
@json_option
@pass_study
def demo(study: Study, splits: int, layout: Literal["ntu", "pku"], as_json: bool) -> None:
    """Go the whole way on a simulated Kinect v2: raw files, four stages, a table.

    Without --run the files go to runs/demo. Needs the text model of the extra `demo` and no
    network. Half of the performers train, the other half test.
    """
    study = Study(study.folder or FOLDER, study.device, study.seed)
    results = run_demo(study, splits, layout)
    text, values = results_of(results)
    report(f"{text}\n\nSIMULATED DATA. {SAID}", {"simulated": True, **values}, as_json)
    draw_figures(study, results, ZeroShotConfig())


def run_demo(study: Study, splits: int, layout: Literal["ntu", "pku"]) -> Results:
    """Simulate, then run the four stages as the commands do; return the results."""
    config = SimulateConfig(layout=layout, seed=study.seed)
    raw = study.run.path / f"raw-{layout}"
    if raw.is_dir():
        logger.info("1/5 simulate: %s is there", raw)
    else:
        from smie_pipe.preprocessing.simulation.simulate import simulate

        logger.info("1/5 simulate: raw files in the layout of %s", layout)
        logger.info("    %s", simulate(raw, config, workers=2))
    logger.info("2/5 preprocess")
    run_preprocess(study, raw, PreprocessConfig(dataset="custom"), PreprocessRun())
    training = ",".join(str(number) for number in range(1, config.performers + 1, 2))
    protocol = f"subjects:{training}" if layout == "ntu" else "xsub"
    logger.info("3/5 pretrain-backbone: ST-GCN, %d epochs, protocol %s", EPOCHS, protocol)
    chosen = resolve_splits(study, [f"random:{UNSEEN}:{study.seed}:{splits}"])
    for split in chosen:
        run_pretrain(study, split, protocol, PretrainConfig(epochs=EPOCHS), PretrainRun())
    logger.info("4/5 extract: features of whole and key-frame-masked clips")
    for split in chosen:
        run_extract(study, split.name, ExtractConfig(), ExtractRun())
    logger.info("5/5 zeroshot: SMIE, and ridge regression as the floor")
    zero_shot = ZeroShotConfig(method=("smie", "ridge"), text_model=(TEXT_MODEL,))
    names = [split.name for split in chosen]
    results, failed = run_zeroshot(study, names, zero_shot, ZeroShotRun())
    if failed is not None:
        raise failed
    return results
