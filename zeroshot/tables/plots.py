"""The paper's figures from our results: each function returns a matplotlib ``Figure``.

Figures are as wide as one or two columns of a paper and bear no title. Sizes and fonts of all of
them stand in ``WIDTHS`` and ``STYLE``. Colours are Okabe and Ito's (olive for their yellow, which
is faint on white), which people with any colour vision tell apart; where there are more classes
than colours, marks differ too. matplotlib's global settings are as before when a function returns.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.zeroshot.tables.table import printable

Array = np.ndarray
Given = ParamSpec("Given")
COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#999933",
    "#000000",
)
MARKS = ("o", "^", "s", "D", "v", "P", "X", "*")
RIGHT, WRONG, OTHER = "#009E73", "#D55E00", "#BBBBBB"
KINDS = ("png", "svg", "pdf")
WIDTHS = {"one-column": 3.3, "two-column": 7.0}
"""Inches, as in papers of two columns."""
WIDE = WIDTHS["two-column"]
LABEL = 6  # points
LETTER = 0.56 / 72  # inches that a letter of one point is wide, on average
# matplotlib's own type of the keys is a Literal of every name, and other in every version.
STYLE: dict[Any, Any] = {
    "font.size": LABEL,
    "axes.labelsize": 7,
    "axes.titlesize": 7,
    "axes.titlepad": 3,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": LABEL,
    "ytick.labelsize": LABEL,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": LABEL,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "savefig.dpi": 200,
    "svg.hashsalt": "smie-pipe",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
SMALLEST = 4.5
"""Points; a number in a cell that had to be smaller is left out."""
_DATED = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}
FEWEST_CLIPS = 5
CLIPS_DRAWN = 2000
"""t-SNE of more clips than this takes minutes and memory, and shows no more."""


def pixels(width: str) -> int:
    """Return how wide a PNG of ``one-column`` or ``two-column`` is."""
    return int(WIDTHS[width] * STYLE["savefig.dpi"])


def in_style(draw: Callable[Given, Figure]) -> Callable[Given, Figure]:
    """Make a function draw with ``STYLE``."""

    @wraps(draw)
    def drawn(*args: Given.args, **kwargs: Given.kwargs) -> Figure:
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawn


def save(figure: Figure, path: Path) -> list[Path]:
    """Write ``path`` with .png, .svg and .pdf for suffix; return the paths. Text stays text.

    The same figure gives the same bytes: no date, fixed names inside the SVG.
    """
    written = [Path(f"{path}.{kind}") for kind in KINDS]
    with matplotlib.rc_context(STYLE):
        for target in written:
            kind = target.suffix[1:]
            metadata = {_DATED[kind]: None}
            with replace_when_whole(target) as temporary:
                figure.savefig(temporary, format=kind, metadata=metadata)
    return written


@in_style
def confusion(counts: Array, names: Sequence[str], *, width: float = WIDE) -> Figure:
    """Draw counts of clips by true class (row) and predicted class (column); figure 3.

    Colour is the share of the true class, the number is the count; zeros stay empty. Where the
    names of the classes would not fit under the columns, classes are numbered.
    """
    if 0.3 * len(names) > width - 1.2:
        return _numbered(counts, names, width)
    shown = [_wrap(name) for name in names]
    longest = max(len(line) for name in shown for line in name.split("\n")) * LETTER * LABEL
    side = min(width - longest - 0.9, 0.55 * len(names))  # inches of the matrix
    size = (width, side + 0.45 + 0.72 * longest)
    figure, axes, image = _matrix(counts, size, 72 * side / len(names))
    axes.set_xticks(range(len(names)), shown, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), shown)
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.7, aspect=25)
    return figure


def _numbered(counts: Array, names: Sequence[str], width: float) -> Figure:
    """Draw a confusion matrix with a name a row, one line each, and numbers under the columns."""
    longest = int(width / 3 / (LETTER * LABEL))
    shown = [f"{_wrap(name, longest, 1)}  {k}" for k, name in enumerate(names, 1)]
    guess = width - 0.6 - LETTER * LABEL * max(map(len, shown))
    font = min(LABEL, 72 * guess / len(names))  # lines must not touch
    side = width - 0.7 - LETTER * font * max(map(len, shown))
    cell = 72 * side / len(names)
    figure, axes, image = _matrix(counts, (width, side + 0.75), cell)
    turn = 90 if cell < 2 * LABEL else 0
    numbers = [str(k) for k in range(1, len(names) + 1)]
    axes.set_xticks(range(len(names)), numbers, rotation=turn, fontsize=font)
    axes.set_yticks(range(len(names)), shown, fontsize=font)
    bar = figure.colorbar(image, ax=axes, location="bottom", shrink=0.7, aspect=40, pad=0.02)
    bar.set_label("share of the true class")
    return figure


def _matrix(
    counts: Array, size: tuple[float, float], cell: float
) -> tuple[Figure, Axes, AxesImage]:
    """Draw the matrix alone; a cell is about so many points wide."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[:].set_visible(True)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    _write_counts(axes, counts, share, cell)
    axes.set(xlabel="predicted", ylabel="true")
    return figure, axes, image


def _write_counts(axes: Axes, counts: Array, share: Array, cell: float) -> None:
    """Write the numbers into cells of so many points, where they can be read."""
    size = min(7.0, 1.5 * cell / max(2, len(str(counts.max()))))  # a digit is 0.6 as wide as high
    if size < SMALLEST:
        return
    for i, j in zip(*np.nonzero(counts), strict=True):
        shade = "white" if share[i, j] > 0.55 else "black"
        number = axes.text(
            j, i, str(counts[i, j]), ha="center", va="center", color=shade, fontsize=size
        )
        number.set_in_layout(False)  # it lies inside the axes; measuring each takes seconds


@in_style
def score_bars(
    scores: Array,
    truth: Array,
    names: Sequence[str],
    clips: Sequence[str],
    *,
    unit: float = 1.0,
    width: float = WIDE,
) -> Figure:
    """Draw the scores of a few clips as bars, best class on top; figure 4.

    Parameters
    ----------
    scores, truth
        Of the clips to draw: (n, K), and the column of the true class, (n,).
    clips
        What to write over each.
    unit
        What the scores are divided by first; their deviation over the split makes bars of
        different methods alike.
    width
        In inches.

    Notes
    -----
    Bars show the softmax of the scores, since scores of some methods are negative; the order is
    that of the scores. Of more than eight classes the best eight are shown; a true
    class that is none of them takes the place of the last.
    """
    shown = min(8, scores.shape[1])
    columns = min(max(1, round(width / 2.3)), len(clips))
    rows = -(-len(clips) // columns)
    size = (width, 0.45 + (0.4 + 0.17 * shown) * rows)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(clips) :]:
        axes.set_visible(False)
    for axes, own, true, clip in zip(grid.flat, scores, truth, clips, strict=False):
        _bars(axes, own / unit, int(true), names, shown)
        axes.set_title(_wrap(clip, 40))
    for axes in grid.flat[max(0, len(clips) - columns) : len(clips)]:
        axes.set_xlabel("softmax of the scores")
    figure.legend(
        handles=[Patch(color=RIGHT), Patch(color=WRONG)],
        labels=["true class", "wrongly best class"],
        loc="outside lower center",
        ncols=2,
    )
    return figure


def _bars(axes: Axes, scores: Array, true: int, names: Sequence[str], shown: int) -> None:
    order = np.argsort(-scores, kind="stable")[:shown]
    if true not in order:
        order[-1] = true  # the true class always has its bar
    shares = np.exp(scores - scores.max())
    shares = (shares / shares.sum())[order]
    wrong = WRONG if order[0] != true else RIGHT
    colours = [RIGHT if k == true else wrong if i == 0 else OTHER for i, k in enumerate(order)]
    axes.barh(range(shown), shares, color=colours)
    axes.set_yticks(range(shown), [_wrap(names[k]) for k in order])
    axes.invert_yaxis()
    axes.set_xlim(0, None)


@in_style
def methods(
    names: Sequence[str],
    splits: Sequence[Sequence[float]],
    *,
    chance: float | None = None,
    width: float = WIDE,
) -> Figure:
    """Draw the accuracies of methods side by side: a bar for the mean, a dot for each split.

    Parameters
    ----------
    names
        Of the methods, top to bottom.
    splits
        Accuracy (share) of each method on each split.
    chance
        Drawn as a dotted line.
    """
    figure = Figure(figsize=(width, 0.75 + 0.26 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    for at, own in enumerate(splits):
        axes.barh(at, 100 * np.mean(own), color=COLOURS[5], height=0.62)
        dots = axes.plot(100 * np.asarray(own), np.full(len(own), at), "o", color=COLOURS[0])
    dots[0].set_label("one split")
    if chance is not None:
        axes.axvline(100 * chance, color="black", linestyle=":", label="chance")
    axes.set_yticks(range(len(names)), [_wrap(name, 30) for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, None)
    axes.set_xlabel("accuracy on unseen classes (%); bar: mean")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@in_style
def over_beta(
    betas: Sequence[float],
    mean: Sequence[float],
    std: Sequence[float | None],
    *,
    chance: float | None = None,
    without: float | None = None,
    width: float = WIDE,
) -> Figure:
    """Draw accuracy over beta, with its deviation; table 4 as a curve. Accuracies are shares.

    ``without`` is the accuracy without the temporal constraint.
    """
    figure = Figure(figsize=(width, 1.1 + 0.3 * width), layout="constrained")
    axes = figure.add_subplot()
    at = np.arange(len(betas))
    bars = [100 * (value or 0.0) for value in std]
    centre = [100 * value for value in mean]
    axes.errorbar(
        at, centre, bars, color=COLOURS[0], marker="o", capsize=2, label="SMIE, mean ± deviation"
    )
    if without is not None:
        axes.axhline(100 * without, color=COLOURS[3], linestyle="--", label="SMIE w/o L2")
    if chance is not None:
        axes.axhline(100 * chance, color="black", linestyle=":", label="chance")
    axes.set_xticks(at, [f"{beta:g}" for beta in betas])
    axes.set(xlabel="beta", ylabel="accuracy on unseen classes (%)")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


@in_style
def losses(history: Mapping[str, Sequence[float]], *, width: float = WIDE) -> Figure:
    """Draw each loss over the epochs, one panel a loss, since their sizes differ."""
    names = list(history)
    columns = min(max(2, round(width / 2.3)), len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(width, 0.4 + 1.1 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, names, strict=False):
        values = history[name]
        mark = "o" if len(values) < 3 else None
        axes.plot(range(1, len(values) + 1), values, color=COLOURS[0], marker=mark)
        axes.set_title(name)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@in_style
def seen_unseen(
    curves: Mapping[str, Mapping[str, Sequence[float]]], *, width: float = WIDE
) -> Figure:
    """Draw the accuracy on unseen over that on seen clips, a line a method (GZSL).

    ``curves`` gives for each method ``S`` and ``U`` as shares.
    """
    size = (width, 0.7 + 0.5 * width + 0.13 * len(curves))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot()
    styles = ("-", "--", ":", "-.")
    for i, (name, points) in enumerate(curves.items()):
        S, U = 100 * np.asarray(points["S"]), 100 * np.asarray(points["U"])
        axes.plot(S, U, styles[i // 8 % 4], color=COLOURS[i % 8], label=_wrap(name, 60))
    axes.set(xlabel="accuracy on seen (%)", ylabel="accuracy on unseen (%)")
    axes.set_xlim(0, None)
    axes.set_ylim(0, None)
    figure.legend(loc="outside lower left")
    return figure


@in_style
def features_map(
    v: Array, label: Array, names: Sequence[str], *, seed: int = 0, width: float = WIDE
) -> Figure:
    """Draw t-SNE of features (N, D), a colour and mark per class; at least 5 clips.

    Parameters
    ----------
    v
        Features; each is layer-normed first, as SMIE sees them.
    label
        Index into ``names``, shape (N,).
    seed
        Of the choice of clips, where there are more than ``CLIPS_DRAWN``, and of t-SNE.
    """
    v, label = _some(v, label, seed)
    places = tsne(v, seed)
    classes = np.unique(label)
    wide = width > 5
    under = 0.0 if wide else 0.2 * -(-len(classes) // 2)
    figure = Figure(figsize=(width, 0.62 * width + under), layout="constrained")
    axes = figure.add_subplot()
    for i, k in enumerate(classes):
        here = label == k
        x, y = places[here].T
        colour, mark = COLOURS[i % 8], MARKS[(i + i // 8) % 8]
        axes.scatter(
            x, y, s=8, c=colour, marker=mark, linewidths=0, alpha=0.8, label=_wrap(names[k])
        )
    axes.set(xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
    place: Literal["outside right center", "outside lower center"]
    place = "outside right center" if wide else "outside lower center"
    columns = 2 if not wide or len(classes) > 24 else 1
    figure.legend(loc=place, ncols=columns, markerscale=1.4)
    return figure


def tsne(v: Array, seed: int) -> Array:
    """Return places on a plane, (N, 2), that keep near clips near."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if len(v) < FEWEST_CLIPS:
        raise InputError(
            f"{len(v)} clips are too few for t-SNE, at least {FEWEST_CLIPS} are needed"
        )
    x = v - v.mean(1, keepdims=True)
    x = x / np.maximum(x.std(1, keepdims=True), 1e-6)
    if not np.isfinite(x).all() or x.std(0).max() < 1e-4:  # scikit-learn crashes on such clips
        raise InputError("the features of all clips are the same, so there is no map of them")
    perplexity = min(30.0, (len(x) - 1) / 3)
    with threadpool_limits(1):  # its threads wait for each other longer than they work
        return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(x)


def _some(v: Array, label: Array, seed: int) -> tuple[Array, Array]:
    if len(v) <= CLIPS_DRAWN:
        return v, label
    rows = np.sort(np.random.default_rng(seed).choice(len(v), CLIPS_DRAWN, replace=False))
    return v[rows], label[rows]


def _wrap(name: str, width: int = 24, lines: int = 2) -> str:
    """Break a name into lines, as plain text: nothing in it is read as a formula."""
    name = printable(name)
    broken = textwrap.wrap(name, width, max_lines=lines, placeholder="…")
    return ("\n".join(broken) or name).replace("$", r"\$")
