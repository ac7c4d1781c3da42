"""The methods by name, and how a method of the user's own joins them.

Importing this module loads no torch: a method's file is imported when it is built.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smie_pipe.preprocessing.foundation.errors import InputError, unknown_choice

if TYPE_CHECKING:
    from smie_pipe.zeroshot.methods.base import Method

METHODS: dict[str, str | type] = {
    "smie": "smie_pipe.zeroshot.methods.smie:SMIE",
    "smie-wo-l2": "smie_pipe.zeroshot.methods.smie:SMIEWithoutTemporal",
    "devise": "smie_pipe.zeroshot.methods.devise:DeViSE",
    "relationnet": "smie_pipe.zeroshot.methods.relationnet:RelationNet",
    "revise": "smie_pipe.zeroshot.methods.revise:ReViSE",
    "jpose": "smie_pipe.zeroshot.methods.jpose:JPoSE",
    "cada-vae": "smie_pipe.zeroshot.methods.cadavae:CADAVAE",
    "synse": "smie_pipe.zeroshot.methods.cadavae:SynSE",
    "ridge": "smie_pipe.zeroshot.methods.ridge:Ridge",
    "prototypes": "smie_pipe.zeroshot.methods.prototypes:Prototypes",
}
"""Name -> class, or where it is: ``"package.module:Class"`` or ``"path/to/file.py:Class"``."""


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
    found = METHODS.get(spec, spec)
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
    spec.loader.exec_module(module)
    return module


def method_name(spec: str) -> str:
    """Return the name a method goes by in tables and folders, such as ``"smie"``."""
    return (
        spec
        if spec in METHODS
        else getattr(method_class(spec), "name", method_class(spec).__name__)
    )


def reads_parts_of_speech(spec: str, own: str | None = None) -> bool:
    """Return whether a method reads verbs and nouns: JPoSE, SynSE, or one that says so.

    A method of the user's own, found at ``own`` where ``spec`` is not built in, says so by a class
    attribute ``parts_of_speech = True``.
    """
    found = method_class(spec if spec in METHODS or own is None else own)
    return bool(getattr(found, "parts_of_speech", spec in ("jpose", "synse")))


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
