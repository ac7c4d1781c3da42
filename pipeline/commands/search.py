"""``smie-pipe search``: which recordings show what a text says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.stage import Stage, json_option, report
from smie_pipe.study import FAILED, Study, pass_study

if TYPE_CHECKING:
    from smie_pipe.zeroshot.recognition.search import Hit

MEANING = (
    "score: 0 where the text fits as the mean of the model's own classes does, 1 the spread of "
    "scores of seen-class clips."
)


@click.command(
    "search",
    cls=Stage,
    example='smie-pipe search "someone waves" recordings/ --model models/mine --when',
)
@click.argument("text")
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--model",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="Model folder of export-model.",
)
@click.option("--when", is_flag=True, help="Find the time in each recording too, by windows.")
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="Hits shown.")
@click.option("--fps", default=30.0, show_default=True, help="Frames a second of .npy arrays.")
@click.option("--text-model", help="Folder of the text model, where its name is not found here.")
@click.option("--own-method", metavar="FILE.py:CLASS", help="A method that is not built in.")
@json_option
@click.pass_context
@pass_study
def search(
    study: Study,
    ctx: click.Context,
    text: str,
    source: Path,
    folder: Path,
    when: bool,
    top: int,
    fps: float,
    text_model: str | None,
    own_method: str | None,
    as_json: bool,
) -> None:
    """Rank the recordings of SOURCE by how well TEXT fits them, the best first.

    SOURCE is a run folder (its clips), or a file or folder that preprocess reads.
    """
    if not source.exists():
        raise InputError(f"{source}: no such file or folder")
    from smie_pipe.zeroshot.recognition.recognizer import Recognizer
    from smie_pipe.zeroshot.recognition.search import search as search_all

    model = Recognizer.load(
        folder, device=study.torch_device(), text_model=text_model, own_method=own_method
    )
    hits, faults = search_all(model, text, source, when=when, fps=fps)
    for fault in faults:
        click.echo(f"left out: {fault}", err=True)
    if faults:
        ctx.meta[FAILED] = True
    values = {"text": text, "searched": len(hits), "hits": [h.as_dict() for h in hits[:top]]}
    report(_table(text, hits, top), values, as_json)


def _table(text: str, hits: list[Hit], top: int) -> str:
    if not hits:
        return "no recording could be searched"
    width = max(len(hit.recording) for hit in hits[:top])
    lines = [f"{text!r} in {len(hits)} recordings, the best {min(top, len(hits))}:"]
    for hit in hits[:top]:
        time = "" if hit.start_s is None else f"  {hit.start_s:8.2f} - {hit.end_s:8.2f} s"
        lines.append(f"  {hit.score:>6.2f}  {hit.recording:<{width}}{time}".rstrip())
    return "\n".join([*lines, MEANING])
