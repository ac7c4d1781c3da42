"""Text sets: built in for NTU and PKU-MMD, from a CSV for others; views, joining, centring."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import smie_pipe.preprocessing as preprocessing
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.config import TextSource, ZeroShotConfig
from smie_pipe.zeroshot.texts.class_texts import ClassTexts, TextCentre
from smie_pipe.zeroshot.texts.template import prompt, write_template
from smie_pipe.zeroshot.texts.text_sets import SETS, built_in_texts, names_in, text_sets

ACTIONS = ["wave", "kick something", "clapping"]
OURS = Path(__file__).resolve().parents[3] / "benchmarks" / "texts"


def names_of(dataset):
    return names_in(Path(next(iter(preprocessing.__path__))) / f"data/{dataset}_classes.csv")


def csv_of(path, rows, heading="name,label,definition,motion"):
    path.write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("dataset", ["ntu120", "pku51"])
def test_every_class_has_three_texts_of_its_own(dataset):
    names = names_of(dataset)
    sets = text_sets(names, "label+definition+motion")
    assert list(sets) == list(SETS)
    assert sets["label"] == [[name] for name in names]
    motions = [motion for (motion,) in sets["motion"]]
    assert len(set(motions)) == len(names)
    for (definition,), motion in zip(sets["definition"], motions, strict=True):
        assert 3 <= len(definition.split()) <= 20 and definition.endswith(".")
        assert 15 <= len(motion.split()) <= 50 and motion.endswith(".")


def test_the_package_describes_no_class_that_is_not_there():
    assert set(built_in_texts()) == {*names_of("ntu120"), *names_of("pku51")}


# Paraphrases beside them are queries, no class texts, and have columns of their own.
TEXT_SETS = sorted(p for p in OURS.glob("*.csv") if not p.stem.endswith("_paraphrases"))


@pytest.mark.parametrize("path", TEXT_SETS, ids=lambda p: p.stem)
def test_the_texts_of_the_real_sets_are_whole(path):
    sets = text_sets(names_in(path), str(path))
    assert list(sets) == list(SETS)
    assert len({motion for (motion,) in sets["motion"]}) == len(sets["motion"])


def test_the_real_sets_have_the_classes_of_their_recordings(shared):
    for stem, file in (("utd_mhad", "utd_mhad"), ("msr_action3d", "msr_action3d")):
        names = np.load(shared / "data" / f"{file}.npz")["names"].tolist()
        assert set(names_in(OURS / f"{stem}.csv")) == set(names)


def test_sources_of_one_text_give_one_set():
    names = ["hand waving", "bow"]
    assert text_sets(names) == text_sets(names, "label") == {"label": [[n] for n in names]}
    assert list(text_sets(names, "descriptions")) == ["description"]
    assert list(text_sets(names, "motion+label")) == ["motion", "label"]


def test_columns_of_a_file_are_its_sets(tmp_path):
    path = csv_of(
        tmp_path / "t.csv",
        [
            "clapping,,c is,c moves",
            "wave,waving,w is,w moves",
            '"kick something",,k is,"k, moves"',
        ],
    )
    assert text_sets(ACTIONS, path) == {
        "label": [["waving"], ["kick something"], ["clapping"]],
        "definition": [["w is"], ["k is"], ["c is"]],
        "motion": [["w moves"], ["k, moves"], ["c moves"]],
    }
    assert text_sets(ACTIONS, f"{path}:motion") == {
        "motion": [["w moves"], ["k, moves"], ["c moves"]]
    }


def test_the_older_form_still_serves(tmp_path):
    path = csv_of(
        tmp_path / "t.csv", ["wave,a", "wave,b", "kick something,c", "clapping,d"], "name,text"
    )
    assert text_sets(ACTIONS, path) == {"text": [["a", "b"], ["c"], ["d"]]}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["wave,,a,b"], "no row for 'kick something', 'clapping'"),
        (["wave,,a,", "kick something,,a,b", "clapping,,,b"], "empty definition for 'clapping'"),
        (["wave,,a,", "kick something,,a,b", "clapping,,,b"], "empty motion for 'wave'"),
        (["wave,,a,b", "wave,,a,b"], "more than one row for 'wave'"),
        (["wavee,,a,b"], "did you mean 'wave'"),
        (["wave,a"], "another number of cells"),
    ],
)
def test_faults_of_a_file_are_told_in_one_message(tmp_path, rows, told):
    with pytest.raises(InputError, match="t.csv") as caught:
        text_sets(ACTIONS, csv_of(tmp_path / "t.csv", rows))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("lables", "'labels'"),
        ("label+motions", "'motion'"),
        ("label+label", "twice"),
        ("label+motion", "describe-classes"),
        ("none.csv", "no such file"),
    ],
)
def test_unknown_sources_are_refused(source, told):
    with pytest.raises(InputError, match=told):
        text_sets(["draw x", "bow"] if "motion" in source else ["bow"], source)


def test_a_missing_column_is_offered_its_neighbour(tmp_path):
    path = csv_of(tmp_path / "t.csv", ["wave,,a,b"])
    with pytest.raises(InputError, match="'motion'"):
        text_sets(["wave"], f"{path}:motoin")
    with pytest.raises(InputError, match="expected columns name"):
        text_sets(["wave"], csv_of(tmp_path / "u.csv", ["wave,1"], "name,number"))


def tables(seed, widths, classes=5):
    rng = np.random.default_rng(seed)
    return [torch.as_tensor(rng.normal(size=(classes, w)), dtype=torch.float32) for w in widths]


@settings(deadline=None)
@given(st.integers(0, 99), st.lists(st.integers(2, 9), min_size=1, max_size=3))
def test_joined_texts_are_unit_rows_in_which_every_set_weighs_the_same(seed, widths):
    texts = ClassTexts.of_views(tables(seed, widths))
    assert len(texts.views) == len(widths)
    for table in (texts.sentence, *texts.views):
        torch.testing.assert_close(table.norm(dim=1), torch.ones(5))
    cosines = torch.stack([view @ view.T for view in texts.views]).mean(0)
    torch.testing.assert_close(texts.sentence @ texts.sentence.T, cosines, atol=1e-5, rtol=0)


def test_one_set_given_twice_is_the_set_once():
    (a,) = tables(0, [4])
    once, twice = ClassTexts.of_views([a]), ClassTexts.of_views([a, a])
    torch.testing.assert_close(once.sentence @ once.sentence.T, twice.sentence @ twice.sentence.T)
    torch.testing.assert_close(ClassTexts.of_views([a, a], "mean").sentence, once.sentence)


def test_concat_and_mean_leave_one_view():
    sets = tables(1, [4, 4])
    for combine, width in (("concat", 8), ("mean", 4)):
        texts = ClassTexts.of_views(sets, combine)
        assert texts.sentence.shape == (5, width) and texts.views == (texts.sentence,)


def test_views_go_along_with_classes_and_devices():
    texts = ClassTexts.of_views(tables(2, [3, 4]))
    taken = texts.take([3, 1]).to("cpu")
    for view, whole in zip(taken.views, texts.views, strict=True):
        torch.testing.assert_close(view, whole[[3, 1]])
    assert ClassTexts(texts.sentence).take([0, 1]).views[0].shape == (2, 7)


def test_a_faulty_view_is_named():
    with pytest.raises(InputError, match="view 2 is empty or not finite for classes 1"):
        ClassTexts(torch.ones(2, 3), views=(torch.ones(2, 3), torch.tensor([[1.0], [0.0]])))


def test_the_centre_is_of_seen_classes_alone_and_serves_any_others():
    raw = tables(3, [4, 6])
    texts = ClassTexts.of_views(raw)
    seen = [0, 2, 4]
    centre = TextCentre.of(texts.take(seen))
    changed = ClassTexts.of_views([t.index_fill(0, torch.tensor([1, 3]), 7.0) for t in raw])
    for name, mean in TextCentre.of(changed.take(seen)).means.items():
        assert torch.equal(mean, centre.means[name])
    moved = centre.apply(texts)
    expected = torch.nn.functional.normalize(texts.sentence - texts.sentence[seen].mean(0), dim=1)
    torch.testing.assert_close(moved.sentence, expected)
    torch.testing.assert_close(centre.apply(texts.take([3])).views[1], moved.views[1][[3]])


def test_texts_of_another_width_cannot_be_centred():
    centre = TextCentre.of(ClassTexts.of_views(tables(3, [4, 6])))
    with pytest.raises(InputError, match="text sets and the text model"):
        centre.apply(ClassTexts(torch.ones(2, 10)))


def test_sources_say_how_texts_are_combined_and_centred():
    config = ZeroShotConfig(text=("labels", "label+motion"), combine="mean", centre_texts=True)
    assert [source.name for source in config.sources()] == [
        "labels-centred",
        "label+motion-mean-centred",
    ]
    assert TextSource("a/my.csv").name == "my.csv"


def test_a_template_filled_in_is_a_text_source(tmp_path):
    names = ["bow", 'say "hi", twice']
    asked = write_template(tmp_path / "t.csv", names)
    with pytest.raises(InputError, match="empty definition for 'say"):
        text_sets(names, str(tmp_path / "t.csv"))
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    rows[1] |= {"definition": "is", "motion": "moves"}
    with open(tmp_path / "t.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert text_sets(names, str(tmp_path / "t.csv:motion"))["motion"][1] == ["moves"]
    assert all(name in asked.read_text(encoding="utf-8") for name in ("bow", "hi"))
    assert "motion" in prompt(names)
    with pytest.raises(InputError, match="ends in .csv"):
        write_template(tmp_path / "t.txt", names)
