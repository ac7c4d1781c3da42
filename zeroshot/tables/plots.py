"""The paper's figures from our results: each function returns a matplotlib ``Figure``.

Colours are Okabe and Ito's (olive for their yellow, which is faint on white), which people with
any colour vision tell apart; where there are more classes than colours, marks differ too.
Nothing global of matplotlib is touched.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.zeroshot.tables.table import printable

Array = np.ndarray
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
# matplotlib's own type of the keys is a Literal of every name, and other in every version.
STYLE: dict[Any, Any] = {"svg.hashsalt": "smie-pipe", "svg.fonttype": "none", "pdf.fonttype": 42}
_DATED = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}
FEWEST_CLIPS = 5
CLIPS_DRAWN = 2000
"""t-SNE of more clips than this takes minutes and shows no more."""


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
                figure.savefig(temporary, format=kind, dpi=150, metadata=metadata)
    return written


def confusion(counts: Array, names: Sequence[str], title: str = "") -> Figure:
    """Draw counts of clips by true class (row) and predicted class (column); figure 3.

    Colour is the share of the true class, the number is the count; zeros stay empty.
    """
    classes = len(names)
    size = 2.6 + 0.52 * classes
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.add_subplot()
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in zip(*np.nonzero(counts), strict=True):
        shade = "white" if share[i, j] > 0.55 else "black"
        number = axes.text(
            j, i, str(counts[i, j]), ha="center", va="center", color=shade, fontsize=8
        )
        number.set_in_layout(False)  # it lies inside the axes; measuring each takes seconds
    wrapped = [_wrap(name) for name in names]
    axes.set_xticks(range(classes), wrapped, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(classes), wrapped)
    axes.tick_params(labelsize=8)
    axes.set(xlabel="predicted", ylabel="true", title=_wrap(title, int(9 * size)))
    figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.7)
    return figure


def score_bars(
    scores: Array,
    truth: Array,
    names: Sequence[str],
    clips: Sequence[str],
    *,
    unit: float = 1.0,
    title: str = "",
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

    Notes
    -----
    Bars show the softmax of the scores, since scores of some methods are negative; the order is
    that of the scores. Of more than eight classes the best eight are shown; a true
    class that is none of them takes the place of the last.
    """
    shown = min(8, scores.shape[1])
    columns = min(3, len(clips))
    rows = -(-len(clips) // columns)
    size = (4.4 * columns, 1.1 + (0.9 + 0.26 * shown) * rows)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(clips) :]:
        axes.set_visible(False)
    for axes, own, true, clip in zip(grid.flat, scores, truth, clips, strict=False):
        _bars(axes, own / unit, int(true), names, shown)
        axes.set_title(_wrap(clip, 40), fontsize=9)
    for axes in grid.flat[max(0, len(clips) - columns) : len(clips)]:
        axes.set_xlabel("softmax of the scores", fontsize=8)
    if title:
        figure.suptitle(_wrap(title, 30 * columns), fontsize=11)
    figure.legend(
        handles=[Patch(color=RIGHT), Patch(color=WRONG)],
        labels=["true class", "wrongly best class"],
        loc="outside lower center",
        ncols=2,
        fontsize=8,
        frameon=False,
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
    axes.set_yticks(range(shown), [_wrap(names[k]) for k in order], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, None)
    axes.tick_params(axis="x", labelsize=8)
    _bare(axes)


def over_beta(
    betas: Sequence[float],
    mean: Sequence[float],
    std: Sequence[float | None],
    *,
    chance: float | None = None,
    without: float | None = None,
    title: str = "",
) -> Figure:
    """Draw accuracy over beta, with its deviation; table 4 as a curve. Accuracies are shares.

    ``without`` is the accuracy without the temporal constraint.
    """
    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.add_subplot()
    at = np.arange(len(betas))
    bars = [100 * (value or 0.0) for value in std]
    centre = [100 * value for value in mean]
    axes.errorbar(
        at, centre, bars, color=COLOURS[0], marker="o", capsize=4, label="SMIE, mean ± deviation"
    )
    if without is not None:
        axes.axhline(100 * without, color=COLOURS[3], linestyle="--", label="SMIE w/o L2")
    if chance is not None:
        axes.axhline(100 * chance, color="black", linestyle=":", label="chance")
    axes.set_xticks(at, [f"{beta:g}" for beta in betas])
    axes.set(xlabel="beta", ylabel="accuracy on unseen classes (%)", title=_wrap(title, 44))
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    _bare(axes)
    return figure


def losses(history: Mapping[str, Sequence[float]], title: str = "") -> Figure:
    """Draw each loss over the epochs, one panel a loss, since their sizes differ."""
    names = list(history)
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3.4 * columns, 2.6 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, names, strict=False):
        values = history[name]
        mark = "o" if len(values) < 3 else None
        axes.plot(range(1, len(values) + 1), values, color=COLOURS[0], marker=mark)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("epoch", fontsize=8)
        axes.tick_params(labelsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _bare(axes)
    if title:
        figure.suptitle(_wrap(title, 30 * columns), fontsize=11)
    return figure


def seen_unseen(curves: Mapping[str, Mapping[str, Sequence[float]]], title: str = "") -> Figure:
    """Draw the accuracy on unseen over that on seen clips, a line a method (GZSL).

    ``curves`` gives for each method ``S`` and ``U`` as shares.
    """
    figure = Figure(figsize=(5.2, 4.2 + 0.2 * len(curves)), layout="constrained")
    axes = figure.add_subplot()
    styles = ("-", "--", ":", "-.")
    for i, (name, points) in enumerate(curves.items()):
        S, U = 100 * np.asarray(points["S"]), 100 * np.asarray(points["U"])
        axes.plot(S, U, styles[i // 8 % 4], color=COLOURS[i % 8], label=_wrap(name, 60))
    axes.set(
        xlabel="accuracy on seen (%)", ylabel="accuracy on unseen (%)", title=_wrap(title, 44)
    )
    axes.set_xlim(0, None)
    axes.set_ylim(0, None)
    figure.legend(loc="outside lower left", fontsize=8, frameon=False)
    _bare(axes)
    return figure


def features_map(
    v: Array, label: Array, names: Sequence[str], *, seed: int = 0, title: str = ""
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
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    axes = figure.add_subplot()
    for i, k in enumerate(np.unique(label)):
        here = label == k
        x, y = places[here].T
        colour, mark = COLOURS[i % 8], MARKS[(i + i // 8) % 8]
        axes.scatter(
            x, y, s=14, c=colour, marker=mark, linewidths=0, alpha=0.8, label=_wrap(names[k])
        )
    axes.set(xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2", title=_wrap(title, 60))
    axes.legend(
        fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), markerscale=1.4
    )
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


def _wrap(name: str, width: int = 24) -> str:
    """Break a name into lines, as plain text: nothing in it is read as a formula."""
    name = printable(name)
    lines = textwrap.wrap(name, width, max_lines=2, placeholder="…")
    return ("\n".join(lines) or name).replace("$", r"\$")


def _bare(axes: Axes) -> None:
    """Take away the frame's upper and right side."""
    axes.spines[["top", "right"]].set_visible(False)
