"""Pictures of skeletons: a strip of frames as PNG, a moving one as GIF."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from smie_pipe.preprocessing.body import BONES, JOINTS
from smie_pipe.preprocessing.clips.recipe import present
from smie_pipe.preprocessing.clips.tracking import choose_bodies
from smie_pipe.preprocessing.config import PreprocessConfig
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.preprocessing.skeletons.describe import HDF5_SUFFIXES, read_raw
from smie_pipe.preprocessing.skeletons.store import SkeletonFile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

FRAMES_IN_STRIP = 8
FPS = 15  # half the sensor's rate: stored clips have 50 frames for 3 seconds
SPACING_M = 1.2  # between the bodies of a stored clip, which are all centred
COLOURS = {"left": "#c2410c", "right": "#1d4ed8", "middle": "#334155"}


def render_file(path: Path, output: Path, clip: str | None = None) -> str:
    """Draw one clip of a ``skeletons.h5``, or a raw file, and return its caption.

    Parameters
    ----------
    path
        A ``skeletons.h5``, a ``.skeleton`` file or a PKU-MMD skeleton file.
    output
        Ending in ``.png`` for a strip of frames or ``.gif`` for a moving picture.
    clip
        Name or row number of the clip; the first one where missing.

    Raises
    ------
    InputError
        If there is no such clip, no body in the file, or the ending is another.
    """
    if path.suffix.lower() not in HDF5_SUFFIXES:
        bodies = choose_bodies(read_raw(path), PreprocessConfig()).bodies
        caption = f"{path.stem}, {bodies.shape[1] if len(bodies) else 0} frames"
    else:
        with SkeletonFile(path) as file:
            row = _row(file, clip)
            bodies = bodies_of(file.x[row])
            caption = f"{file.name[row]}: {file.class_names[file.label[row]]}"
    if not len(bodies) or not present(bodies).any():
        raise InputError(f"{path}: no body to draw")
    render(bodies, output, caption)
    return caption


def _row(file: SkeletonFile, clip: str | None) -> int:
    if clip is None:
        return 0
    if clip in file.name:
        return int(np.flatnonzero(file.name == clip)[0])
    if clip.isdecimal() and int(clip) < len(file):
        return int(clip)
    raise InputError(
        f"{file.path}: no clip {clip!r}; expected a name such as {file.name[0]!r}, or a row from "
        f"0 to {len(file) - 1}"
    )


def bodies_of(clip: np.ndarray) -> np.ndarray:
    """Return a stored clip (3, T, V, M) as bodies (M, T, V, 3) side by side, NaN where absent."""
    bodies = clip.transpose(3, 1, 2, 0).astype(np.float64)
    absent = ~bodies.any(axis=(2, 3))
    bodies += np.arange(len(bodies))[:, None, None, None] * np.array([SPACING_M, 0, 0])
    bodies[absent] = np.nan
    return bodies[~absent.all(axis=1)]


def render(bodies: np.ndarray, output: Path, caption: str = "") -> None:
    """Draw bodies (M, T, V, 3), NaN where absent, seen from the sensor.

    Raises
    ------
    InputError
        If ``output`` ends neither in ``.png`` nor in ``.gif``.
    """
    suffix = output.suffix.lower()
    if suffix not in (".png", ".gif"):
        raise InputError(f"{output}: expected a name that ends in .png or .gif")
    figure = _strip(bodies, caption) if suffix == ".png" else None
    with replace_when_whole(output) as temporary:
        if figure is not None:
            figure.savefig(temporary, format="png", dpi=110)
        else:
            _animate(bodies, temporary, caption)


def _strip(bodies: np.ndarray, caption: str) -> Figure:
    from matplotlib.figure import Figure

    frames = np.linspace(0, bodies.shape[1] - 1, FRAMES_IN_STRIP).round().astype(int)
    width, height = _size(bodies)
    inches = 2.6 * width / height + 0.1
    figure = Figure(figsize=(max(6.0, FRAMES_IN_STRIP * inches), 3.2), layout="constrained")
    for axes, frame in zip(figure.subplots(1, len(frames)), frames.tolist(), strict=True):
        _frame_axes(axes, bodies)
        _draw(axes, bodies, frame)
        axes.set_xlabel(f"frame {frame + 1}", fontsize=8, color=COLOURS["middle"])
    figure.suptitle(caption, fontsize=10)
    return figure


def _animate(bodies: np.ndarray, output: Path, caption: str) -> None:
    from PIL import Image

    pictures = [Image.fromarray(pixels) for pixels in _pictures(bodies, caption)]
    first, rest = pictures[0], pictures[1:]
    duration_ms = round(1000 / FPS)
    first.save(output, "GIF", save_all=True, append_images=rest, duration=duration_ms, loop=0)


def _pictures(bodies: np.ndarray, caption: str) -> Iterator[np.ndarray]:
    """Yield each frame as pixels (height, width, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width, height = _size(bodies)
    figure = Figure(figsize=(max(3.0, 3.6 * width / height), 4.0), dpi=80, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.subplots()
    _frame_axes(axes, bodies)
    axes.set_title(caption, fontsize=9)
    for frame in range(bodies.shape[1]):
        lines = _draw(axes, bodies, frame)
        canvas.draw()
        yield np.array(canvas.buffer_rgba())[..., :3]
        for line in lines:
            line.remove()


def _size(bodies: np.ndarray) -> np.ndarray:
    flat = bodies[..., :2].reshape(-1, 2)
    return np.maximum(np.nanmax(flat, axis=0) - np.nanmin(flat, axis=0), 0.5)


def _frame_axes(axes: Axes, bodies: np.ndarray) -> None:
    """Give all frames the same bounds, and nothing but a box around them."""
    flat = bodies[..., :2].reshape(-1, 2)
    low, high = np.nanmin(flat, axis=0) - 0.1, np.nanmax(flat, axis=0) + 0.1
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[], aspect="equal")
    for spine in axes.spines.values():
        spine.set_color("#cbd5e1")


def _draw(axes: Axes, bodies: np.ndarray, frame: int) -> list[Line2D]:
    lines = []
    for number, body in enumerate(bodies[:, frame]):
        for joint, towards in BONES:
            x, y = body[[joint, towards], 0], body[[joint, towards], 1]
            colour, alpha = COLOURS[_side(joint)], 1.0 if number == 0 else 0.6
            lines += axes.plot(x, y, color=colour, alpha=alpha, linewidth=2)
        head = body[JOINTS.index("head")]
        lines += axes.plot(head[0], head[1], "o", color=COLOURS["middle"], markersize=6)
    return lines


def _side(joint: int) -> str:
    return next((side for side in ("left", "right") if side in JOINTS[joint]), "middle")
