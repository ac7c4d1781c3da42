import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from smie_pipe.backbones.features.store import FeatureFile
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.config import TextSource, ZeroShotConfig, ZeroShotRun
from smie_pipe.zeroshot.methods import registry as methods
from smie_pipe.zeroshot.methods.registry import Entry
from smie_pipe.zeroshot.methods.ridge import Ridge
from smie_pipe.zeroshot.texts.class_texts import ClassTexts
from smie_pipe.zeroshot.trials import experiment
from smie_pipe.zeroshot.trials.experiment import SomeFailed, run_experiments
from smie_pipe.zeroshot.trials.results import read_results
from smie_pipe.zeroshot.trials.workers import processes_for

ONE = ZeroShotRun(jobs=1)
SMIE = "smie:epochs=3:hidden1=16:hidden2=8:batch=64"
TWO_FOLDS = {"fold-1": [0, 3, 7], "fold-2": [1, 2, 11]}


def _run(study, run=ONE, seed=0, **choices):
    config = ZeroShotConfig(**{"method": ("ridge",), **choices})
    return run_experiments(
        study.files, study.run_dir, config, texts=study.texts, run=run, seed=seed
    )


def test_a_run_of_all_splits_methods_and_seeds(small_study):
    study = small_study(TWO_FOLDS)
    results = _run(study, method=("ridge", SMIE), seeds=2, seed=5)
    assert len(results.entries) == 2 * 2 * 2
    assert {entry.seed for entry in results.entries} == {5, 6}
    ridge = next(e for e in results.entries if e.method == "ridge")
    assert ridge.chance == pytest.approx(1 / 3)
    assert ridge.accuracy > 0.5
    assert ridge.classes == ["action 0", "action 3", "action 7"]
    assert np.sum(ridge.confusion) == ridge.clips == 30
    assert read_results(study.run_dir).entries == results.entries


def test_the_folder_of_a_training_holds_what_it_says(small_study):
    study = small_study()
    entry = _run(study, method=(SMIE,)).entries[0]
    folder = study.run_dir / entry.folder
    assert entry.folder.startswith("fold-1/smie_") and entry.folder.endswith("/seed-0")
    found = load_file(folder / "scores.safetensors")
    unseen = study.sets["fold-1"].take("unseen_test")
    np.testing.assert_array_equal(found["row"], unseen.row)
    np.testing.assert_array_equal(np.array([0, 3, 7])[found["truth"]], unseen.label)
    assert (found["scores"].argmax(1) == found["truth"]).mean() == entry.accuracy
    with open(folder / "predictions.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert np.mean([int(row["right"]) for row in rows]) == pytest.approx(entry.accuracy)
    with open(folder / "history.csv", newline="") as file:
        history = list(csv.DictReader(file))
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    assert float(history[-1]["loss"]) == entry.losses["loss"]


def test_what_is_done_is_not_done_again(small_study, monkeypatch):
    study = small_study()
    before = _run(study, seeds=2)
    monkeypatch.setattr(Ridge, "train", _no_training)
    assert _run(study, seeds=2).entries == before.entries


def _no_training(*arguments, **options):
    raise AssertionError("trained again")


@pytest.mark.parametrize(
    "change", ["features", "texts", "options", "select", "optimistic", "overwrite"]
)
def test_what_is_made_otherwise_is_done_again(change, small_study, monkeypatch):
    study = small_study()
    _run(study)
    trained = []
    train = Ridge.train
    monkeypatch.setattr(Ridge, "train", lambda *a, **k: trained.append(1) or train(*a, **k))
    choices, run = {}, ONE
    if change == "features":
        study.rewrite("fold-1", v=study.sets["fold-1"].v * 2)
    if change == "texts":
        words = study.texts[TextSource()].sentence.flip(1)
        study.texts[TextSource()] = ClassTexts(words)
    if change == "options":
        choices["method"] = ("ridge:alpha=3",)
    if change == "select":
        choices |= {"select": "held-out", "held_out_folds": 1}
    if change == "optimistic":
        choices["also_optimistic"] = True
    if change == "overwrite":
        run = replace(ONE, overwrite=True)
    _run(study, run, **choices)
    assert trained


def test_verbs_do_not_matter_to_methods_that_read_none(small_study, monkeypatch):
    study = small_study()
    words = study.texts[TextSource()].sentence
    study.texts[TextSource()] = ClassTexts(words, words, words)
    _run(study)
    study.texts[TextSource()] = ClassTexts(words)
    monkeypatch.setattr(Ridge, "train", _no_training)
    _run(study)


def test_other_results_stay_but_those_of_other_features(small_study, caplog):
    study = small_study(TWO_FOLDS)
    first = _run(study, seeds=2)
    study.features.pop("fold-2")
    study.rewrite("fold-1", v=-study.sets["fold-1"].v)
    found = _run(study, method=("ridge", "ridge:alpha=9"))
    assert "1 results in" in caplog.text and "made anew since" in caplog.text  # seed 1 of fold-1
    assert len(found.entries) == 2 + 2
    same = [e for e in first.entries if e.split == "fold-2"]
    assert [e for e in found.entries if e in same] == same
    new = next(e for e in found.entries if e.variant == "ridge" and e.split == "fold-1")
    assert new.digest not in {e.digest for e in first.entries}


def test_processes_give_the_same_bits_as_one_by_one(small_study, tmp_path):
    study = small_study(TWO_FOLDS)
    alone = _run(study, method=("ridge", SMIE), gzsl="both", held_out_folds=1)
    kept = {p: p.read_bytes() for p in study.run_dir.glob("*/*/*/scores.safetensors")}
    assert len(kept) == 4
    overwrite = ZeroShotRun(jobs=2, overwrite=True)
    together = _run(study, overwrite, method=("ridge", SMIE), gzsl="both", held_out_folds=1)
    assert {p: p.read_bytes() for p in kept} == kept
    for a, b in zip(alone.entries, together.entries, strict=True):
        assert replace(a, seconds={}) == replace(b, seconds={})


def test_held_out_choosing_is_told_in_the_result(small_study):
    study = small_study()
    entry = _run(study, select="held-out", held_out_folds=2).entries[0]
    assert entry.folder == "fold-1/ridge_held-out/seed-0"
    assert entry.chosen["chance"] == 0.5
    assert entry.chosen["tried"]["as given"] <= entry.chosen["accuracy"] <= 1
    assert entry.options["alpha"] == entry.chosen["options"].get("alpha", 1.0)


def test_gzsl_figures_hold_together(small_study):
    study = small_study()
    entry = _run(study, gzsl="both", held_out_folds=2).entries[0]
    for way in ("plain", "stacking", "gate"):
        S, U, harmonic = (entry.gzsl[way][name] for name in ("S", "U", "H"))
        assert 0 <= S <= 1 and 0 <= U <= entry.accuracy + 1e-9
        assert harmonic == pytest.approx(2 * S * U / (S + U))
    assert entry.gzsl["stacking"]["H"] > entry.gzsl["plain"]["H"]
    assert 0 < entry.gzsl["ausuc"] <= 1
    assert read_results(study.run_dir).summary()[0].gzsl["gate_H"] == entry.gzsl["gate"]["H"]


def test_stacking_alone_fits_no_gate(small_study):
    assert "gate" not in _run(small_study(), gzsl="stacking").entries[0].gzsl


def test_a_method_of_the_users_own_is_tested_like_any(small_study, tmp_path):
    (tmp_path / "own.py").write_text(
        "import torch\n"
        "class Own:\n"
        "    name = 'own'\n"
        "    def __init__(self, power: float = 1.0):\n"
        "        self.power = power\n"
        "    def train(self, data, *, seed, device):\n"
        "        self.width = data.v.shape[1]\n"
        "        yield {'loss': 0.0}\n"
        "    def score(self, v, texts):\n"
        "        return v @ texts.sentence[:, : self.width].T ** self.power\n"
    )
    own = f"{tmp_path / 'own.py'}:Own"
    found = _run(small_study(), method=(own, f"{own}:power=2"))
    assert [e.variant for e in found.entries] == ["own", "own_power-2.0"]


def test_a_method_of_the_users_own_is_trained_again_when_its_file_changes(small_study, tmp_path):
    study, file = small_study(), tmp_path / "own.py"
    before = (
        "from smie_pipe.zeroshot.methods.ridge import Ridge\n"
        "class Own(Ridge):\n    name = 'own'\n    SIGN = 1\n"
        "    def score(self, v, texts):\n        return self.SIGN * super().score(v, texts)\n"
    )
    file.write_text(before)
    first = _run(study, method=(f"{file}:Own",)).entries[0]
    file.write_text(before.replace("SIGN = 1", "SIGN = -1"))
    second = _run(study, method=(f"{file}:Own",)).entries[0]
    assert first.digest != second.digest
    assert first.confusion != second.confusion


def test_a_registered_method_goes_by_its_name(small_study, monkeypatch):
    monkeypatch.setitem(
        methods.METHODS, "mine", Entry(type("Mine", (Ridge,), {"name": "mine"}), "Mine")
    )
    assert _run(small_study(), method=("mine",)).entries[0].folder == "fold-1/mine/seed-0"


def test_one_training_that_diverges_does_not_end_the_others(small_study, monkeypatch):
    class Diverging(Ridge):
        name = "diverging"

        def train(self, data, *, seed, device):
            yield {"loss": float("nan")}

    monkeypatch.setitem(methods.METHODS, "diverging", Entry(Diverging, "Diverging"))
    study = small_study()
    with pytest.raises(SomeFailed, match=r"1 of 2 trainings failed:\nfold-1/diverging.*lr") as e:
        _run(study, method=("diverging", "ridge"))
    assert [r.method for r in e.value.results.entries] == ["ridge"]
    assert read_results(study.run_dir).entries == e.value.results.entries


BOOM = """
class Boom:
    name = "boom"
    def train(self, data, *, seed, device):
        yield {"loss": 1.0}
        self.deeper(data)
    def deeper(self, data):
        data.v[10_000_000]
    def score(self, v, texts):
        return v @ texts.sentence[:, :16].T
"""


def test_an_error_in_a_method_ends_that_method_only_and_shows_its_own_lines(small_study, tmp_path):
    (tmp_path / "bad.py").write_text(BOOM)
    with pytest.raises(SomeFailed) as error:
        _run(small_study(), method=("ridge", f"{tmp_path}/bad.py:Boom", "ridge:alpha=3"))
    assert [e.variant for e in error.value.results.entries] == ["ridge", "ridge_alpha-3.0"]
    first, said, trace, own, *_ = str(error.value).splitlines()
    assert first == "1 of 3 trainings failed:"
    assert said.startswith("fold-1/boom/seed-0: Traceback")
    assert trace.strip().startswith(f'File "{tmp_path}/bad.py", line 6, in train')
    assert own.strip() == "self.deeper(data)"
    assert "IndexError" in str(error.value).splitlines()[-1]


@pytest.mark.parametrize(
    "change, said",
    [
        (('yield {"loss": 1.0}\n', "pass\n"), "train() returned None, expected a generator"),
        (('yield {"loss": 1.0}', "yield 1.0"), "train() yielded a float"),
        (("yield {", "return\n        yield {"), "train() ended without a yield"),
    ],
)
def test_a_train_that_is_no_generator_is_explained(change, said, small_study, tmp_path):
    source = BOOM.replace(*change).replace("self.deeper(data)", "pass")
    (tmp_path / "bad.py").write_text(source)
    with pytest.raises(SomeFailed, match=re.escape(said)):
        _run(small_study(), method=(f"{tmp_path}/bad.py:Boom",))


def test_scores_of_another_shape_are_told(small_study, tmp_path):
    source = BOOM.replace("        self.deeper(data)\n", "").replace(":16].T", ":16].T).T")
    (tmp_path / "bad.py").write_text(source.replace("return v @", "return (v @"))
    with pytest.raises(SomeFailed, match=r"score returned \(3, 30\), expected \(30, 3\)"):
        _run(small_study(), method=(f"{tmp_path}/bad.py:Boom",))


def test_scores_with_a_gradient_serve(small_study, tmp_path):
    (tmp_path / "net.py").write_text(
        "import torch\nclass Net:\n    name = 'net'\n"
        "    def train(self, data, *, seed, device):\n"
        "        self.layer = torch.nn.Linear(data.v.shape[1], data.texts.sentence.shape[1])\n"
        "        yield {'loss': 0.0}\n"
        "    def score(self, v, texts):\n"
        "        return self.layer(v).double() @ texts.sentence.double().T\n"
    )
    found = _run(small_study(), method=(f"{tmp_path}/net.py:Net",), gzsl="both", held_out_folds=1)
    assert found.entries[0].method == "net"


@pytest.mark.parametrize(
    "source, said",
    [
        ("class Own(\n", "SyntaxError"),
        ("import nothing_of_this_name\n", "ModuleNotFoundError"),
        (
            "class Own:\n    def __init__(self):\n        1 / 0\n    train = score = print\n",
            "cannot be built",
        ),
    ],
)
def test_a_method_file_that_cannot_be_loaded_is_refused_first(
    source, said, small_study, no_work, tmp_path
):
    (tmp_path / "own.py").write_text(source)
    with pytest.raises(InputError, match=said):
        _run(small_study(), method=(f"{tmp_path}/own.py:Own", "ridge"))


def test_what_was_done_before_an_interrupt_is_kept(small_study, monkeypatch):
    class Interrupting(Ridge):
        name = "interrupting"

        def train(self, data, *, seed, device):
            raise KeyboardInterrupt
            yield {}

    monkeypatch.setitem(methods.METHODS, "interrupting", Entry(Interrupting, "Interrupting"))
    study = small_study()
    with pytest.raises(KeyboardInterrupt):
        _run(study, method=("ridge", "interrupting"))
    assert [r.method for r in read_results(study.run_dir).entries] == ["ridge"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_is_left_when_the_first_one_ends(how, small_study, tmp_path):
    study = small_study(TWO_FOLDS)
    torch.save(study.texts[TextSource()].sentence, tmp_path / "words.pt")
    script = tmp_path / "run.py"
    script.write_text(
        "import sys, torch\nfrom pathlib import Path\n"
        "from smie_pipe.zeroshot.methods.base import ClassTexts\n"
        "from smie_pipe.zeroshot.config import *\n"
        "from smie_pipe.backbones.features.store import FeatureFile\n"
        "from smie_pipe.zeroshot.trials.experiment import run_experiments\n"
        "if __name__ == '__main__':\n"
        "    run, words = Path(sys.argv[1]), torch.load(sys.argv[2], weights_only=True)\n"
        "    files = {s: FeatureFile(run / s / 'features.h5') for s in ('fold-1', 'fold-2')}\n"
        "    run_experiments(files, run,\n"
        "        ZeroShotConfig(method=('smie:epochs=100000',)), run=ZeroShotRun(jobs=2),\n"
        "        texts={TextSource(): ClassTexts(words)})\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, str(script), str(study.run_dir), str(tmp_path / "words.pt")]
    first = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    _wait(lambda: len(_children(first.pid)) >= 3)
    time.sleep(3)
    children = _children(first.pid)
    first.send_signal(how)
    first.wait(60)
    assert first.returncode != 0
    _wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def _children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _wait(happens, timeout_s=60):
    end = time.monotonic() + timeout_s
    while not happens():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


@pytest.mark.parametrize(
    "jobs, tasks, device, processes",
    [(1, 9, "cpu", 1), (4, 2, "cpu", 2), (0, 9, "cuda:0", 1), (3, 9, "cuda", 3), (0, 1, "cpu", 1)],
)
def test_how_many_processes(jobs, tasks, device, processes):
    assert processes_for(jobs, tasks, device) == processes


# What is wrong is said before any work, and all of it.


@pytest.fixture
def no_work(monkeypatch):
    def work(*arguments):
        raise AssertionError("work has begun")

    monkeypatch.setattr(experiment, "perform_all", work)


@pytest.mark.parametrize(
    "choices, message",
    [
        ({"method": ("smee",)}, r"unknown method 'smee'. Did you mean 'smie'\?"),
        ({"method": ("ridge:alphas=1",)}, "Did you mean 'alpha'"),
    ],
)
def test_unknown_names_are_refused(choices, message, small_study, no_work):
    with pytest.raises(InputError, match=message):
        _run(small_study(), **choices)


def _without(study, part, label):
    found = study.sets["fold-1"]
    keep = ~((found.part == part) & (found.label == label))
    names = ("v", "v_masked", "label", "row", "part")
    study.rewrite("fold-1", **{name: getattr(found, name)[keep] for name in names})


@pytest.mark.parametrize(
    "part, label, message",
    [
        (2, 3, "fold-1/features.h5: no test clips of 'action 3'"),
        (0, 4, "fold-1/features.h5: no training clips of 'action 4'"),
    ],
)
def test_a_class_without_clips_is_refused(part, label, message, small_study, no_work):
    study = small_study()
    _without(study, part, label)
    with pytest.raises(InputError, match=message):
        _run(study)


def test_gzsl_needs_seen_test_clips(small_study, no_work):
    study = small_study()
    for label in study.sets["fold-1"].seen:
        _without(study, 1, label)
    with pytest.raises(InputError, match="no test clips of seen classes"):
        _run(study, gzsl="both")


def test_one_seen_class_is_refused(small_study, no_work):
    with pytest.raises(InputError, match="1 seen class.*at least 2"):
        _run(small_study({"fold-1": list(range(11))}))


def test_three_seen_classes_cannot_be_held_out_from(small_study, no_work):
    study = small_study({"fold-1": list(range(9))})
    with pytest.raises(InputError, match="3 seen classes, at least 4"):
        _run(study, select="held-out")


def test_features_that_are_not_finite_are_refused(small_study, no_work, monkeypatch):
    study = small_study()
    broken = study.sets["fold-1"]
    broken.v[3, 2] = np.nan
    monkeypatch.setattr(FeatureFile, "arrays", broken)
    with pytest.raises(InputError, match="not finite"):
        _run(study)


def test_features_of_another_split_are_refused(small_study, no_work):
    study = small_study()
    study.features = {"fold-9": study.features["fold-1"]}
    with pytest.raises(
        InputError, match="holds the features of split 'fold-1', expected 'fold-9'"
    ):
        _run(study)


def test_datasets_are_not_mixed_and_all_faults_are_told(small_study, no_work):
    study = small_study(TWO_FOLDS)
    attrs = {**study.sets["fold-2"].attrs, "dataset": "ntu60"}
    study.rewrite("fold-2", attrs=attrs, class_names=[f"other {k}" for k in range(12)])
    _without(study, 2, 3)
    with pytest.raises(InputError) as error:
        _run(study)
    for said in ("another dataset", "'ntu60' and 'custom'", "another class names", "'action 3'"):
        assert said in str(error.value)


def test_embeddings_of_another_class_count_are_refused(small_study, no_work):
    study = small_study()
    study.texts = {TextSource(): ClassTexts(torch.randn(11, 24))}
    with pytest.raises(InputError, match="11 embeddings for 12 classes"):
        _run(study)


def test_ready_made_embeddings_of_another_shape_are_refused(small_study, no_work, tmp_path):
    study = small_study()
    np.save(tmp_path / "few.npy", np.ones((5, 24), np.float32))
    config = ZeroShotConfig(method=("ridge",), text_model=(str(tmp_path / "few.npy"),))
    with pytest.raises(InputError, match=r"\(12, width\), found shape \(5, 24\)"):
        run_experiments(study.files, study.run_dir, config, run=ONE)


def test_ready_made_embeddings_serve_and_name_their_folder(small_study, tmp_path):
    study = small_study()
    np.save(tmp_path / "words.npy", study.texts[TextSource()].sentence.numpy())
    config = ZeroShotConfig(method=("ridge",), text_model=(str(tmp_path / "words.npy"),))
    found = run_experiments(study.files, study.run_dir, config, run=ONE).entries[0]
    assert re.fullmatch("fold-1/ridge_words-[0-9a-f]{8}/seed-0", found.folder)
    assert found.accuracy == _run(study).entries[0].accuracy


def test_two_embedding_files_of_one_name_keep_results_of_their_own(small_study, tmp_path):
    study = small_study()
    words = study.texts[TextSource()].sentence.numpy()
    for folder, rows in (("A", words), ("B", -words)):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "emb.npy", rows)
        config = ZeroShotConfig(
            method=("ridge",), text_model=(str(tmp_path / folder / "emb.npy"),)
        )
        found = run_experiments(study.files, study.run_dir, config, run=ONE)
    assert len(found.entries) == len(found.summary()) == 2
    assert len(found.of_interest().entries) == len(found.others().entries) == 1


def test_only_what_was_asked_for_is_of_interest(small_study):
    study = small_study()
    _run(study, method=("ridge:alpha=4",))
    found = _run(study, method=(["ridge:alpha=9", "ridge:alpha=5"]))
    assert [e.changed for e in found.of_interest().entries] == [{"alpha": 5.0}, {"alpha": 9.0}]
    assert [e.changed for e in found.others().entries] == [{"alpha": 4.0}]


def test_a_deleted_folder_is_a_missing_result_not_a_broken_run(small_study):
    study = small_study()
    _run(study, method=("ridge", "ridge:alpha=4"))
    shutil.rmtree(study.run_dir / "fold-1" / "ridge_alpha-4.0")
    found = _run(study)
    assert [entry.variant for entry in found.entries] == ["ridge"]


def test_a_method_that_needs_verbs_says_so_first(small_study, no_work):
    study = small_study()
    study.texts = {TextSource(): ClassTexts(study.texts[TextSource()].sentence)}
    with pytest.raises(InputError, match="jpose needs a verb and a noun"):
        _run(study, method=("ridge", "jpose"))


def test_two_sources_of_one_name_are_refused(small_study, no_work):
    study = small_study()
    words = study.texts[TextSource()]
    sources = [TextSource("labels", "a/words.npy"), TextSource("labels", "b/words.npy")]
    study.texts = dict.fromkeys(sources, words)
    with pytest.raises(InputError, match="two text sources or methods have the same name"):
        _run(study, text_model=("a/words.npy", "b/words.npy"))


def test_a_file_of_other_results_is_not_overwritten(small_study):
    study = small_study()
    (study.run_dir / "results.json").write_text(json.dumps({"format": "mine"}))
    with pytest.raises(InputError, match="results.json: expected"):
        _run(study)


def test_features_that_are_all_alike_are_warned_of(small_study, caplog):
    study = small_study()
    one = study.sets["fold-1"].v[:1]
    study.rewrite("fold-1", v=one + 1e-4 * study.sets["fold-1"].v)
    _run(study)
    assert "nearly the same" in caplog.text and "more epochs" in caplog.text


def test_the_readmes_method_of_ones_own_runs_beside_the_others(small_study, tmp_path):
    readme = Path(__file__).parents[3] / "README.md"
    blocks = re.findall(r"```python\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    (own,) = (block for block in blocks if "def train" in block)
    (tmp_path / "mine.py").write_text(own)
    found = _run(small_study(), method=(f"{tmp_path / 'mine.py'}:Centroid", "ridge"))
    accuracy = {entry.method: entry.accuracy for entry in found.entries}
    assert set(accuracy) == {"centroid", "ridge"}
    assert accuracy["centroid"] > found.entries[0].chance


def test_shards_give_what_one_run_gives(small_study, monkeypatch):
    study = small_study(TWO_FOLDS)
    asked = {"method": ("ridge", SMIE), "seeds": 2}
    whole = _run(study, **asked).entries
    for path in study.run_dir.glob("*/*/seed-*/result.json"):
        path.unlink()
    counts = [
        len(_run(study, replace(ONE, shard=f"{k}/3"), **asked).of_interest().entries)
        for k in (3, 1, 2)
    ]
    assert counts == [2, 3, 3]
    monkeypatch.setattr(Ridge, "train", _no_training)
    gathered = _run(study, **asked).entries
    assert [replace(e, seconds={}) for e in gathered] == [replace(e, seconds={}) for e in whole]


@pytest.mark.parametrize("shard", ["0/3", "4/3", "1/0", "1", "a/b", "1/2/3", "-1/2", ""])
def test_a_shard_that_cannot_be_is_refused_before_any_work(shard):
    with pytest.raises(InputError, match="expected K/N with K from 1 to N"):
        ZeroShotRun(shard=shard)


def test_a_method_that_fails_does_not_show_the_score_of_one_before(small_study, tmp_path):
    study, file = small_study(), tmp_path / "own.py"
    good = (
        "from smie_pipe.zeroshot.methods.ridge import Ridge\nclass Own(Ridge):\n    name = 'own'\n"
    )
    file.write_text(good)
    config = ZeroShotConfig(method=(f"{file}:Own",), figures=False)
    run_experiments(study.files, study.run_dir, config, texts=study.texts)
    file.write_text(good + "    def score(self, v, texts):\n        raise ValueError('oops')\n")
    with pytest.raises(SomeFailed) as failed:
        run_experiments(study.files, study.run_dir, config, texts=study.texts)
    assert not failed.value.results.entries
