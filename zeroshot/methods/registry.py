"""The methods by name, and how a method of the user's own joins them.

Importing this module loads no torch: a method's file is imported when it is built.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice

if TYPE_CHECKING:
    from smie_pipe.zeroshot.methods.base import Method


@dataclass(frozen=True)
class Entry:
    """All that the program knows of a method without loading it.

    Attributes
    ----------
    where
        Its class, or where that is: ``"package.module:Class"`` or ``"path/to/file.py:Class"``.
    title
        Its name in tables and figures, as the literature writes it.
    parts_of_speech
        It reads the verb and the noun of every class.
    only_words
        It reads nothing else, so that its result is the same under any class text.
    in_all
        It is one of ``--method all``.
    without_masks
        The method that stands for it where features hold no masked clips; empty if it needs none.
    text_head
        It needs features of a backbone with a text head.
    ablation_of
        The method that this one is with a part left out.
    """

    where: str | type
    title: str
    parts_of_speech: bool = False
    only_words: bool = False
    in_all: bool = True
    without_masks: str = ""
    text_head: bool = False
    ablation_of: str = ""


_HERE = "smie_pipe.zeroshot.methods"
METHODS: dict[str, Entry] = {
    "smie": Entry(f"{_HERE}.smie:SMIE", "SMIE", without_masks="smie-wo-l2"),
    "smie-wo-l2": Entry(f"{_HERE}.smie:SMIEWithoutTemporal", "SMIE w/o L2", ablation_of="smie"),
    "devise": Entry(f"{_HERE}.devise:DeViSE", "DeViSE"),
    "relationnet": Entry(f"{_HERE}.relationnet:RelationNet", "RelationNet"),
    "revise": Entry(f"{_HERE}.revise:ReViSE", "ReViSE"),
    "jpose": Entry(f"{_HERE}.jpose:JPoSE", "JPoSE", parts_of_speech=True, only_words=True),
    "cada-vae": Entry(f"{_HERE}.cadavae:CADAVAE", "CADA-VAE"),
    "synse": Entry(f"{_HERE}.cadavae:SynSE", "SynSE", parts_of_speech=True, only_words=True),
    "sa-dvae": Entry(f"{_HERE}.sadvae:SADVAE", "SA-DVAE"),
    "flora": Entry(f"{_HERE}.flora:Flora", "Flora (one token)"),
    "tdsm": Entry(f"{_HERE}.tdsm:TDSM", "TDSM (small denoiser)"),
    "contrastive": Entry(f"{_HERE}.contrastive:Contrastive", "contrastive"),
    "ridge": Entry(f"{_HERE}.ridge:Ridge", "ridge regression"),
    "align": Entry(f"{_HERE}.align:Align", "text head (ours)", in_all=False, text_head=True),
    "prototypes": Entry(f"{_HERE}.prototypes:Prototypes", "prototypes (ours)"),
}
"""The methods, in the order of the tables. The only list there is: a method is added by a line."""

BASELINE = "smie"
"""The method that others are compared with, and that ``--beta`` and the ablation are about."""
ABLATION = ("negatives=roll", "layer_norm=train", "layer_norm=none", "estimator=infonce")
"""What is changed in the baseline for its ablation, one thing at a time."""


def groups() -> dict[str, tuple[str, ...]]:
    """Return what stands for several methods: ``all`` of them, and the baseline's ``ablation``."""
    return {
        "all": tuple(name for name, entry in METHODS.items() if entry.in_all),
        "ablation": (*family(), *(f"{BASELINE}:{change}" for change in ABLATION)),
    }


def family() -> tuple[str, ...]:
    """Return the baseline and what it is with a part left out."""
    parts = (name for name, entry in METHODS.items() if entry.ablation_of == BASELINE)
    return (BASELINE, *parts)


def title(method: str) -> str:
    """Return a method's name as the literature writes it; an own method's is its name."""
    return METHODS[method].title if method in METHODS else method


def reads_words(spec: str) -> bool:
    """Return whether a method reads verbs and nouns.

    A method of the user's own says so by a class attribute ``parts_of_speech = True``.
    """
    if spec in METHODS:
        return METHODS[spec].parts_of_speech
    return bool(getattr(method_class(spec), "parts_of_speech", False))


def needs_text_head(spec: str) -> bool:
    """Return whether a method serves only on features of a backbone with a text head."""
    return spec in METHODS and METHODS[spec].text_head


def method_class(spec: str) -> type:
    """Find a method's class by its name or by where it is.

    Parameters
    ----------
    spec
        A name in ``METHODS``, ``"package.module:Class"`` or ``"path/to/file.py:Class"``.

    Raises
    ------
    InputError
        If there is no such method (with the nearest name), module, file or class, or if the
        class lacks ``train`` or ``score``.
    """
    found = METHODS[spec].where if spec in METHODS else spec
    if isinstance(found, type):
        return found
    where, _, name = found.rpartition(":")
    if not where:
        raise unknown_choice("method", spec, METHODS)
    module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where, spec)
    cls = getattr(module, name, None)
    if not isinstance(cls, type):
        raise InputError(f"method {spec!r}: there is no class {name!r} in {where}.")
    missing = [f"{x}()" for x in ("train", "score") if not callable(getattr(cls, x, None))]
    if missing:
        raise InputError(
            f"method {spec!r}: class {name} has no {' and no '.join(missing)}; "
            "smie_pipe.zeroshot.methods.base.Method says what a method must offer."
        )
    return cls


def _load_module(where: str, spec: str) -> Any:
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        raise InputError(f"method {spec!r}: cannot import {where!r}: {error}.") from error


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"{path}: no such file, expected a Python file that holds a method.")
    name = f"smie_pipe_method_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up while it is executed
    try:
        spec.loader.exec_module(module)
    except InputError:
        raise
    except Exception as error:
        del sys.modules[name]
        raise InputError(
            f"method file {path} cannot be loaded: {_from_file(error, path)}"
        ) from error
    return module


def own_traceback(error: BaseException, spec: str) -> str:
    """Return the traceback of an error in a method, from the first line of its own file on."""
    try:
        file = inspect.getsourcefile(method_class(spec))
    except (InputError, TypeError, OSError):
        file = None
    return _from_file(error, Path(file) if file else None)


def _from_file(error: BaseException, file: Path | None) -> str:
    trace = error.__traceback__
    while trace is not None and file is not None:
        if Path(trace.tb_frame.f_code.co_filename) == file:
            break
        trace = trace.tb_next
    lines = traceback.format_exception(
        type(error), error, trace or error.__traceback__, chain=False
    )
    if trace is None and isinstance(error, SyntaxError):
        lines = traceback.format_exception_only(type(error), error)
    return "".join(lines).rstrip()


def method_name(spec: str) -> str:
    """Return the name a method goes by in tables and folders, such as ``"smie"``."""
    return (
        spec
        if spec in METHODS
        else getattr(method_class(spec), "name", method_class(spec).__name__)
    )


def method_options(
    spec: str, options: Mapping[str, Any] | None = None, dataset: str | None = None
) -> dict[str, Any]:
    """Resolve a method's options: its defaults, those for a dataset, then those given.

    Parameters
    ----------
    spec
        As for ``method_class``.
    options
        Option name to value; a text, as from a command line, is read as the default's type.
    dataset
        ``"ntu60"``, ``"ntu120"``, ``"pku51"`` or another; methods with a class method
        ``defaults_for(dataset)`` have defaults of their own for it.

    Raises
    ------
    InputError
        For an unknown option (nearest name offered) or a value of another type.
    """
    cls = method_class(spec)
    resolved = _defaults(cls)
    if dataset is not None and hasattr(cls, "defaults_for"):
        resolved |= cls.defaults_for(dataset)
    for name, value in (options or {}).items():
        if name not in resolved:
            raise unknown_choice(f"option of method {spec!r}", name, resolved)
        resolved[name] = _as_type_of(resolved[name], value, f"{spec}.{name}")
    return resolved


def build_method(
    spec: str, options: Mapping[str, Any] | None = None, dataset: str | None = None
) -> Method:
    """Make an untrained method from its name and options; see ``method_options``."""
    return method_class(spec)(**method_options(spec, options, dataset))


def _defaults(cls: type) -> dict[str, Any]:
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _as_type_of(default: Any, value: Any, where: str) -> Any:
    """Read ``value`` as the default's type; numbers may come as text, never as a bool."""
    kind = type(default)
    if default is None or type(value) is kind:
        return value
    wrong = f"option {where}: expected {kind.__name__} such as {default!r}, got {value!r}."
    if kind is bool and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if kind not in (int, float) or isinstance(value, bool):
        raise InputError(wrong)
    try:
        number = kind(value)
    except (TypeError, ValueError):
        raise InputError(wrong) from None
    if not isinstance(value, str) and number != value:
        raise InputError(wrong)  # 2.5 for a whole number
    return number
