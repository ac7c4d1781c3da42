import os
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.skeletons.store import write_skeletons
from smie_pipe.zeroshot.config import ZeroShotConfig, ZeroShotRun
from smie_pipe.zeroshot.tables import figures as drawing
from smie_pipe.zeroshot.tables import plots as figures
from smie_pipe.zeroshot.tables.figures import clip_titles, draw, read_history, some_of_each
from smie_pipe.zeroshot.trials.experiment import run_experiments

NAMES = ["jump up", "pick up", "put on a hat/cap"]


BETA = "beta_fold_epochs-2_batch-64_hidden1-16_hidden2-8"


def _texts(figure):
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def test_confusion_shows_every_count_and_no_zero():
    counts = np.array([[7, 0, 2], [1, 9, 0], [0, 0, 4]])
    said = _texts(figures.confusion(counts, NAMES))
    for number in ("7", "2", "1", "9", "4"):
        assert number in said
    assert "0" not in said
    assert "predicted" in said and "jump up" in said


def test_confusion_with_a_class_without_clips_is_drawn():
    figures.confusion(np.array([[0, 0], [1, 2]]), NAMES[:2])


def test_bars_name_the_best_class_first_and_colour_the_true_one():
    figure = figures.score_bars(np.array([[0.0, 2, 1]]), np.array([2]), NAMES, ["clip"])
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == [NAMES[1], NAMES[2], NAMES[0]]
    colours = [matplotlib.colors.to_hex(bar.get_facecolor()).upper() for bar in axes.patches]
    assert colours == [figures.WRONG, figures.RIGHT, figures.OTHER]
    widths = np.array([bar.get_width() for bar in axes.patches])
    np.testing.assert_allclose(widths, np.exp([2, 1, 0]) / np.exp([2, 1, 0]).sum())


def test_of_many_classes_the_best_eight_have_bars():
    scores = np.arange(20.0)[None]
    figure = figures.score_bars(scores, np.array([0]), [f"c{k}" for k in range(20)], ["clip"])
    assert len(figure.axes[0].patches) == 8


def test_over_beta_holds_the_values():
    figure = figures.over_beta([0.1, 0.5], [0.4, 0.6], [0.1, None], chance=0.2, without=0.5)
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["0.1", "0.5"]
    line, _, _ = axes.containers[0].lines
    np.testing.assert_allclose(np.asarray(line.get_ydata(), float), [40, 60])
    said = _texts(figure)
    assert "chance" in said and "SMIE w/o L2" in said


@pytest.mark.parametrize("epochs", [1, 2, 50])
def test_losses_have_a_panel_each(epochs):
    history = {name: np.linspace(1, 0, epochs) for name in ("loss", "m", "m_hat", "own")}
    figure = figures.losses(history)
    assert [axes.get_title() for axes in figure.axes if axes.get_visible()] == list(history)


def test_map_keeps_classes_apart_and_has_a_legend():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 2], 20)
    v = 9 * rng.normal(size=(3, 8))[label] + rng.normal(size=(40, 8))
    places = figures.tsne(v, 0)
    own = np.linalg.norm(places[:20] - places[:20].mean(0), axis=1).mean()
    apart = np.linalg.norm(places[:20].mean(0) - places[20:].mean(0))
    assert apart > 2 * own
    figure = figures.features_map(v, label, NAMES)
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert legend == [NAMES[0], NAMES[2]]


def test_more_classes_than_colours_get_other_marks():
    pairs = {(figures.COLOURS[i % 8], figures.MARKS[(i + i // 8) % 8]) for i in range(64)}
    assert len(pairs) == 64


def test_figures_are_saved_twice_with_the_same_bytes(tmp_path):
    def make():
        return figures.confusion(np.eye(3, dtype=int), NAMES)

    first = [path.read_bytes() for path in figures.save(make(), tmp_path / "a.b")]
    second = [path.read_bytes() for path in figures.save(make(), tmp_path / "a.b")]
    assert first == second
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.b.pdf", "a.b.png", "a.b.svg"]
    assert b"<text" in first[1]  # words stay words
    assert first[1].startswith(b"<?xml")


def test_clips_for_bars_are_of_different_classes_and_drawn_blindly():
    truth = np.repeat([0, 1, 2], [50, 3, 10])
    chosen = some_of_each(truth, 6, seed=0)
    assert np.bincount(truth[chosen]).tolist() == [2, 2, 2]
    assert chosen == some_of_each(truth, 6, seed=0)
    assert len(some_of_each(truth[:2], 6, seed=0)) == 2


def test_a_study_is_drawn_once(small_study, monkeypatch):
    study = small_study({"fold-1": [0, 3, 7]})
    small = "smie:epochs=2:hidden1=16:hidden2=8:batch=64"
    config = ZeroShotConfig(
        method=(small, f"{small}:beta=1"), seeds=2, gzsl="stacking", held_out_folds=1
    )
    results = run_experiments(
        study.files, study.run_dir, config, texts=study.texts, run=ZeroShotRun(jobs=1)
    )
    monkeypatch.setattr(drawing.figures, "CLIPS_DRAWN", 20)
    drawn = draw(results, study.files)
    variants = {Path(entry.folder).parent for entry in results.entries}
    expected = {folder / name for folder in variants for name in ("confusion", "scores", "losses")}
    expected |= {
        Path(name) for name in ("fold-1/tsne", "fold-1/seen_unseen", BETA, "methods_fold")
    }
    assert {p.relative_to(study.run_dir).with_suffix("") for p in drawn} == expected
    assert {path.suffix for path in drawn} == {".png", ".svg", ".pdf"}
    assert all(_is_drawn(path) for path in drawn if path.suffix == ".png")

    saved = []
    monkeypatch.setattr(drawing.figures, "save", lambda f, t: saved.append(t) or [])
    assert set(draw(results, study.files)) == set(drawn)
    assert not saved
    newer = study.run_dir / results.entries[0].folder / "result.json"
    os.utime(newer, ns=(newer.stat().st_atime_ns, newer.stat().st_mtime_ns + 10**12))
    draw(results, study.files)
    assert {path.name for path in saved} == {
        "confusion",
        "scores",
        "losses",
        BETA,
        "seen_unseen",
        "methods_fold",
    }
    saved.clear()
    draw(results, study.files, width="one-column")
    assert {path.name for path in saved} == {path.stem for path in drawn}


def _is_drawn(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("L")).std() > 5 and min(image.size) > 200


def test_history_is_read_without_the_epoch(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss,m\n1,0.5,2\n2,0.25,3\n")
    assert read_history(tmp_path / "history.csv") == {"loss": [0.5, 0.25], "m": [2.0, 3.0]}


@pytest.mark.parametrize("scale", [0.0, 1e-30])
def test_a_map_of_clips_that_are_all_alike_is_refused(scale):
    v = scale * np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    with pytest.raises(InputError, match="all clips are the same"):
        figures.features_map(v, np.arange(40) % 3, NAMES)


def test_one_clip_is_too_few_for_a_map():
    with pytest.raises(InputError, match="1 clips are too few"):
        figures.features_map(np.ones((1, 8), np.float32), np.array([0]), NAMES)


def test_the_true_class_always_has_a_bar():
    scores = np.arange(20.0)[None]
    figure = figures.score_bars(scores, np.array([0]), [f"c{k}" for k in range(20)], ["clip"])
    assert figure.axes[0].get_yticklabels()[-1].get_text() == "c0"


def test_names_are_no_formulas(tmp_path):
    names = [r"$\frac$", "pay $5_ then $10", "a\x1b[31m"]
    label = np.arange(30) % 3
    v = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    for figure in (
        figures.confusion(np.eye(3, dtype=int), names),
        figures.score_bars(np.eye(3), np.arange(3), names, names),
        figures.features_map(v, label, names),
        figures.seen_unseen({names[0]: {"S": [0, 1], "U": [1, 0]}}),
    ):
        figures.save(figure, tmp_path / "figure")


def test_a_figure_that_fails_costs_no_other(small_study, monkeypatch, caplog):
    study = small_study({"fold-1": [0, 3, 7]})
    results = run_experiments(
        study.files,
        study.run_dir,
        ZeroShotConfig(method=("ridge",)),
        texts=study.texts,
        run=ZeroShotRun(jobs=1),
    )
    monkeypatch.setattr(drawing.figures, "confusion", lambda *a, **k: 1 / 0)
    monkeypatch.setattr(drawing.figures, "CLIPS_DRAWN", 20)
    assert {path.stem for path in draw(results, study.files)} == {"scores", "tsne"}
    assert "confusion is not drawn: ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("width", figures.WIDTHS)
def test_24_classes_are_legible_in_their_width(width):
    names = [f"a class with quite a long name {k}" for k in range(24)]
    counts = np.full((24, 24), 3) + 90 * np.eye(24, dtype=int)
    figure = figures.confusion(counts, names, width=figures.WIDTHS[width])
    assert figure.get_figwidth() == figures.WIDTHS[width]
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(box.x0 >= 0 for box in [*boxes, axes.yaxis.label.get_window_extent()])
    assert all(up.y0 >= down.y1 - 1.5 for up, down in zip(boxes, boxes[1:], strict=False))
    sizes = [text.get_fontsize() for text in figure.findobj(matplotlib.text.Text)]
    assert min(sizes) >= figures.SMALLEST
    assert ("93" in _texts(figure)) == (width == "two-column")


def test_methods_side_by_side_hold_means_and_splits():
    figure = figures.methods(["SMIE", "ridge"], [[0.2, 0.4], [0.5]], chance=0.2, width=3.3)
    axes = figure.axes[0]
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [30, 50])
    np.testing.assert_allclose(axes.lines[0].get_xdata(), [20, 40])
    assert "chance" in _texts(figure)


def test_of_many_clips_a_sample_is_mapped(monkeypatch):
    mapped = []
    monkeypatch.setattr(figures, "tsne", lambda v, seed: mapped.append(len(v)) or v[:, :2])
    v = np.random.default_rng(0).normal(size=(figures.CLIPS_DRAWN + 500, 4))
    figures.features_map(v, np.arange(len(v)) % 3, NAMES)
    assert mapped == [figures.CLIPS_DRAWN]


def test_clips_go_by_their_name_where_the_file_knows_them(tmp_path):
    path = tmp_path / "skeletons.h5"
    assert clip_titles(path, np.array([4]), ["wave"]) == ["wave (row 4)"]
    x = np.zeros((3, 3, 2, 25, 2), np.float32)
    columns = {"label": np.array([0, 1, 0]), "name": ["a", "b", "c"]}
    write_skeletons(path, x, columns, class_names=["wave", "kick"])
    assert clip_titles(path, np.array([2, 1]), ["wave", "kick"]) == ["wave (c)", "kick (b)"]
    for rows, classes in (([2], ["kick"]), ([3], ["wave"])):  # of other clips, too few clips
        assert clip_titles(path, np.array(rows), classes) == [f"{classes[0]} (row {rows[0]})"]
