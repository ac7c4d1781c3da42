"""What is said of each class: its label, a description, texts of the user; its verb and noun.

Texts are plain strings here; ``smie_pipe.zeroshot.texts.embeddings`` turns them into vectors.
Everything is keyed by class name, so NTU and PKU-MMD classes of one name share a text.
"""

from __future__ import annotations

import csv
import difflib
import logging
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice

logger = logging.getLogger(__name__)

DATA = Path(__file__).parents[1] / "data"
DESCRIPTIONS = DATA / "descriptions.csv"
VERBS_NOUNS = DATA / "verbs_nouns.csv"
LABELS = ("labels", "names")
WHOLE_BODY = "body"
_TEXT_COLUMNS = ("text", "description")
# Words that carry no meaning of their own here; verb particles are among them on purpose.
_FUNCTION_WORDS = """
    a an the of to on in into at with from for by and or then up down off out over apart together
    towards toward something somebody one's
"""
_JOINING = frozenset(["and", "or", "to", "then", "/", ",", "&"])
# Movements that the checked list lacks and people record; only the fallback rule reads them.
_MORE_VERBS = """
    swipe draw bowl box curl serve catch jog stand lunge lift pull press turn twist bend roll slide
    climb crawl dance march spin swim row pour stir chop wash clean sweep close lock hold lean
    strike lie rise dribble pass cook paint smoke skip punch slap rotate raise lower tap grasp
    pedal dig hammer saw screw type steer balance crouch kneel leap limp sneak wait
"""
# Verbs of the checked list that are mostly nouns in other people's class names.
_MOSTLY_NOUNS = frozenset(["ball", "circle", "fan", "photo", "step"])


def class_sentences(class_names: Sequence[str], source: str = "labels") -> list[list[str]]:
    """Return the texts of each class, one list a class, in the order of the classes.

    Parameters
    ----------
    class_names
        Names by label.
    source
        ``labels`` (or ``names``): the label itself, word for word, parentheses and slashes
        included, as published work feeds it. ``descriptions``: the package's own sentence for
        every class of NTU RGB+D 60/120 and PKU-MMD. Otherwise a CSV with the columns
        ``name,text``; several rows of one class are several texts.

    Raises
    ------
    InputError
        Naming all classes that have no text, all names that are no class, all rows without a
        text; or an unknown source.
    """
    if source in LABELS:
        return [[name] for name in class_names]
    if source == "descriptions":
        return _built_in_descriptions(class_names)
    if not source.lower().endswith(".csv"):
        raise unknown_choice("text source", source, ("labels", "descriptions", "FILE.csv"))
    return _own_texts(Path(source), class_names)


def verbs_and_nouns(
    class_names: Sequence[str], own: Path | None = None
) -> tuple[list[str], list[str]]:
    """Return the verb and the noun of each class, for JPoSE and SynSE.

    Rows of the user's CSV ``own`` (columns ``name,verb,noun``) come first, then the package's
    list for NTU RGB+D and PKU-MMD, then a rule (``guess_verb_and_noun``), with a warning that
    names what was guessed.

    Raises
    ------
    InputError
        For names in ``own`` that are no class, rows without a verb, a class named twice.

    Notes
    -----
    SynSE tags the label texts with a part-of-speech tagger; the package's list is written by
    hand. Both sides need a word for every class, so where a label has no noun it gets the part
    of the body or the thing that the action is about (``clapping``: hands; ``reading``: book),
    and ``body`` where the whole body moves (``jump up``). An empty noun in ``own`` is ``body``.
    """
    known = dict(_built_in_parts())
    if own is not None:
        known |= _own_parts(own, class_names)
    guessed = [name for name in class_names if name not in known]
    known |= {name: guess_verb_and_noun(name) for name in guessed}
    if guessed:
        logger.warning(
            "verb and noun guessed from the name for: %s. Give a CSV with the columns "
            "name,verb,noun to set them.",
            "; ".join(f"{name} -> {known[name][0]}, {known[name][1]}" for name in guessed),
        )
    return [known[name][0] for name in class_names], [known[name][1] for name in class_names]


def guess_verb_and_noun(name: str) -> tuple[str, str]:
    """Return a verb and a noun for a class name that nobody has tagged.

    The verb is the first word that names a movement known to the package, in its base form, and
    any other that *and*, *to* or a slash joins to it; failing that the first word in -ing, or
    else the first word. The noun is what remains without articles, prepositions and repeated
    words, or ``body``. Words of side and direction stay, since they may be all that tells two
    classes apart.
    """
    verbs: list[str] = []
    nouns: list[str] = []
    before = ""
    words = re.findall(r"[^\W_][\w'-]*|[/,&]", name.lower())
    for word in words:
        base = _known_verb(word)
        if base and (not verbs or before in _JOINING or word.endswith("ing")):
            verbs.append(base)
        elif word not in _function_words() and word not in _JOINING:
            nouns.append(word)
        before = word
    if not verbs:
        first = next((w for w in nouns if len(w) > 5 and w.endswith("ing")), (nouns or [name])[0])
        verbs, nouns = [first], [w for w in nouns if w != first]
    return " ".join(_once(verbs)), " ".join(_once(nouns)) or WHOLE_BODY


def _known_verb(word: str) -> str | None:
    """Return the base form of a word if it names a known movement."""
    forms = [word]
    if word.endswith("ing"):
        stem = word[:-3]
        forms += [stem, stem + "e", stem[:-1] if stem[-2:-1] == stem[-1:] else stem]
    elif word.endswith("s"):
        forms += [word[:-1], word[:-2]]
    return next((form for form in forms if form in _known_verbs()), None)


@cache
def _function_words() -> frozenset[str]:
    return frozenset(_FUNCTION_WORDS.split())


@cache
def _known_verbs() -> frozenset[str]:
    listed = frozenset(word for verb, _ in _built_in_parts().values() for word in verb.split())
    return listed.union(_MORE_VERBS.split()) - _function_words() - _MOSTLY_NOUNS


@cache
def _built_in_parts() -> dict[str, tuple[str, str]]:
    return {row["name"]: (row["verb"], row["noun"]) for row in _rows(VERBS_NOUNS)}


def _built_in_descriptions(class_names: Sequence[str]) -> list[list[str]]:
    known = {row["name"]: row["description"] for row in _rows(DESCRIPTIONS)}
    missing = [name for name in class_names if name not in known]
    if missing:
        raise InputError(
            f"the package has no description of {_listed(missing)}. Write a CSV with the columns "
            "name,text that has at least one row for every class, and give it as text source."
        )
    return [[known[name]] for name in class_names]


def _own_texts(path: Path, class_names: Sequence[str]) -> list[list[str]]:
    rows = _rows(path)
    column = next((c for c in _TEXT_COLUMNS if rows and c in rows[0]), "text")
    _need_columns(path, rows, ("name", column))
    texts: dict[str, list[str]] = {name: [] for name in class_names}
    for row in rows:
        if row[column]:
            texts.setdefault(row["name"], []).append(row[column])
    faults = _unknown_names(rows, class_names) + _empty_cells(rows, column)
    without = [name for name in class_names if not texts[name]]
    if without:
        faults.append(f"no text for {_listed(without)}")
    _raise_all(path, faults)
    return [texts[name] for name in class_names]


def _own_parts(path: Path, class_names: Sequence[str]) -> dict[str, tuple[str, str]]:
    rows = _rows(path)
    _need_columns(path, rows, ("name", "verb", "noun"))
    names = [row["name"] for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults = _unknown_names(rows, class_names) + _empty_cells(rows, "verb")
    if twice:
        faults.append(f"more than one row for {_listed(twice)}")
    _raise_all(path, faults)
    return {row["name"]: (row["verb"], row["noun"] or WHOLE_BODY) for row in rows}


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV by column name, blank lines left out, cells stripped."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected a CSV in UTF-8, found: {error}") from None
    ragged = [n for n, row in enumerate(rows, start=1) if None in row or None in row.values()]
    if ragged:
        raise InputError(
            f"{path}: rows {', '.join(map(str, ragged))} have another number of cells than the "
            'heading; put texts with a comma in "double quotes"'
        )
    stripped = [{str(k).strip(): v.strip() for k, v in row.items()} for row in rows]
    return [row for row in stripped if any(row.values())]


def _need_columns(path: Path, rows: list[dict[str, str]], columns: Iterable[str]) -> None:
    if not rows:
        raise InputError(f"{path}: expected a heading {','.join(columns)} and rows, found no rows")
    missing = [column for column in columns if column not in rows[0]]
    if missing:
        raise InputError(
            f"{path}: expected columns {','.join(columns)}, found {','.join(rows[0])}"
        )


def _unknown_names(rows: list[dict[str, str]], class_names: Sequence[str]) -> list[str]:
    unknown = _once(row["name"] for row in rows if row["name"] not in class_names)
    if not unknown:
        return []
    near = difflib.get_close_matches(unknown[0], class_names, n=1)
    hint = f" (did you mean {near[0]!r} by {unknown[0]!r}?)" if near else ""
    return [f"no class is called {_listed(unknown)}{hint}"]


def _empty_cells(rows: list[dict[str, str]], column: str) -> list[str]:
    empty = _once(row["name"] for row in rows if not row[column])
    return [f"empty {column} for {_listed(empty)}"] if empty else []


def _raise_all(path: Path, faults: list[str]) -> None:
    if faults:
        raise InputError(f"{path}: {'; '.join(faults)}")


def _once(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)
