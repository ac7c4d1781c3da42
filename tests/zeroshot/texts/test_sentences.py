"""Class texts: each class of NTU and PKU-MMD has its own; every fault of a user's CSV is named."""

import csv
import logging
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import smie_pipe.preprocessing as preprocessing
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.texts.sentences import (
    class_sentences,
    guess_verb_and_noun,
    verbs_and_nouns,
)

ACTIONS = ["wave", "kick something", "clapping"]


def names_of(dataset):
    path = next(iter(preprocessing.__path__)) + f"/data/{dataset}_classes.csv"
    with open(path, encoding="utf-8", newline="") as file:
        return [row["name"] for row in csv.DictReader(file)]


DATASETS = pytest.mark.parametrize("dataset", ["ntu120", "pku51"])


@DATASETS
def test_labels_are_fed_word_for_word(dataset):
    names = names_of(dataset)
    assert class_sentences(names) == class_sentences(names, "names") == [[n] for n in names]


@DATASETS
def test_every_class_has_one_description_of_its_own(dataset):
    texts = [text for (text,) in class_sentences(names_of(dataset), "descriptions")]
    assert len(set(texts)) == len(texts) == len(names_of(dataset))
    for text in texts:
        assert re.fullmatch(r"[A-Z][^.\n]{50,170}\.", text), text


def test_classes_of_one_name_share_a_description():
    both = [name for name in names_of("pku51") if name in names_of("ntu120")]
    assert len(both) == 47
    ntu = dict(
        zip(names_of("ntu120"), class_sentences(names_of("ntu120"), "descriptions"), strict=True)
    )
    assert class_sentences(both, "descriptions") == [ntu[name] for name in both]


@DATASETS
def test_every_class_has_a_verb_and_a_noun_that_tell_it_apart(dataset, caplog):
    verbs, nouns = verbs_and_nouns(names_of(dataset))
    assert all(verbs) and all(nouns)
    assert len(set(zip(verbs, nouns, strict=True))) == len(verbs)
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "verb", "noun"),
    [
        ("brushing teeth", "brush", "teeth"),
        ("jump up", "jump up", "body"),
        ("punching/slapping other person", "punch slap", "person"),
    ],
)
def test_listed_verbs_and_nouns(name, verb, noun):
    assert verbs_and_nouns([name]) == ([verb], [noun])


@pytest.mark.parametrize(
    ("name", "verb", "noun"),
    [
        ("right arm swipe to the left", "swipe", "right arm left"),
        ("draw circle (clockwise)", "draw", "circle clockwise"),
        ("draw x", "draw", "x"),
        ("basketball shooting", "shoot", "basketball"),
        ("bowling (right hand)", "bowl", "right hand"),
        ("cross arms in the chest", "cross", "arms chest"),
        ("pick up and throw", "pick throw", "body"),
        ("sit to stand", "sit stand", "body"),
        ("stand to sit", "stand sit", "body"),
        ("jogging", "jog", "body"),
        ("open box", "open", "box"),
        ("drink/eat", "drink eat", "body"),
        ("knocks on door", "knock", "door"),
        ("lassoing cattle", "lassoing", "cattle"),
        ("moonwalk", "moonwalk", "body"),
    ],
)
def test_rule_for_classes_that_nobody_has_tagged(name, verb, noun):
    assert guess_verb_and_noun(name) == (verb, noun)


def test_rule_keeps_real_custom_classes_apart(shared):
    names = [str(name) for name in np.load(shared / "data" / "utd_mhad.npz")["names"]]
    assert len({guess_verb_and_noun(name) for name in names}) == len(names)


@given(st.text(min_size=1))
def test_rule_always_gives_both(name):
    verb, noun = guess_verb_and_noun(name)
    assert verb and noun


def test_guesses_are_told(caplog):
    with caplog.at_level(logging.WARNING):
        assert verbs_and_nouns(["draw x", "clapping"]) == (["draw", "clap"], ["x", "hands"])
    assert "draw x -> draw, x" in caplog.text
    assert "clapping" not in caplog.text


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "mine.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_own_texts_several_to_a_class(tmp_path):
    path = write(
        tmp_path,
        'name,text\r\nclapping,one\r\nwave,"two, three"\r\n\r\nwave,four\nkick something,five\n',
        "utf-8-sig",
    )
    assert class_sentences(ACTIONS, str(path)) == [["two, three", "four"], ["five"], ["one"]]


def test_own_texts_may_be_an_edited_copy_of_the_packages(tmp_path):
    path = write(tmp_path, "name,description\nclapping,one\nwave,two\nkick something,three\n")
    assert class_sentences(ACTIONS, str(path)) == [["two"], ["three"], ["one"]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,text\nwave,a\n", "no text for 'kick something', 'clapping'"),
        ("name,text\nwawe,a\nx,b\n", "no class is called 'wawe', 'x' (did you mean 'wave'"),
        ("name,text\nwave,\nclapping,a\nkick something,b\n", "empty text for 'wave'"),
        ("name;text\nwave;a\n", "expected columns name,text, found name;text"),
        ("name,text\nwave,a,b\n", "rows 1 have another number of cells"),
        ("name,text\nwave\n", "rows 1 have another number of cells"),
        ("name,text\n", "found no rows"),
        ("", "found no rows"),
        ('name,text\nwave,"a\n', "expected a CSV in UTF-8"),
    ],
)
def test_a_wrong_csv_of_texts_gets_one_message(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(InputError) as error:
        class_sentences(ACTIONS, str(path))
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_a_csv_in_another_encoding(tmp_path):
    path = write(tmp_path, "name,text\nwave,Grüße\n", "latin-1")
    with pytest.raises(InputError, match="expected a CSV in UTF-8"):
        class_sentences(ACTIONS, str(path))


def test_all_faults_come_in_one_message(tmp_path):
    path = write(tmp_path, "name,text\nwave,\njump,b\n")
    with pytest.raises(InputError, match=r"no class is called 'jump'.*empty text.*no text for"):
        class_sentences(ACTIONS, str(path))


def test_classes_without_a_description_are_all_named():
    with pytest.raises(InputError, match=r"no description of 'draw x', 'squat'.*name,text"):
        class_sentences(["draw x", "clapping", "squat"], "descriptions")


def test_an_unknown_source():
    with pytest.raises(InputError, match="Did you mean 'descriptions'"):
        class_sentences(ACTIONS, "description")


def test_own_verbs_and_nouns_come_first(tmp_path, caplog):
    path = write(tmp_path, "name,verb,noun\nwave,greet,\nclapping,applaud,palms\n")
    verbs, nouns = verbs_and_nouns(ACTIONS, path)
    assert verbs == ["greet", "kick", "applaud"]
    assert nouns == ["body", "body", "palms"]
    assert "wave" not in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,verb\nwave,greet\n", "expected columns name,verb,noun"),
        ("name,verb,noun\nwave,,hand\n", "empty verb for 'wave'"),
        ("name,verb,noun\nwave,a,b\nwave,c,d\n", "more than one row for 'wave'"),
        ("name,verb,noun\njump,a,b\n", "no class is called 'jump'"),
    ],
)
def test_a_wrong_csv_of_verbs_gets_one_message(tmp_path, text, message):
    with pytest.raises(InputError) as error:
        verbs_and_nouns(ACTIONS, write(tmp_path, text))
    assert message in str(error.value)


def test_texts_need_no_torch():
    code = "import sys, smie_pipe.zeroshot.texts.sentences; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
