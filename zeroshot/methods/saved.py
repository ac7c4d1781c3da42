"""A trained method as one safetensors file: its tensors, and what is needed to make it anew.

The file's metadata name the method, its options and plain settings, and a digest of all of
it, so that a changed byte is found. Reading it runs no code of the file's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from safetensors import SafetensorError
from torch import Tensor, nn

from smie_pipe.backbones.tensor_files import Damaged, pack, unpack
from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.zeroshot.methods.registry import METHODS, method_class, method_name

KEY = "smie-pipe method"
VERSION = 1
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class MethodState:
    """What training left in a method: tensors by name, and plain settings (JSON values)."""

    tensors: dict[str, Tensor]
    settings: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class Savable(Protocol):
    """A method whose trained state can be taken out and put back.

    A method made with the same options and given the state of a trained one must score the
    same to the bit. Methods without these two calls are trained and tested like others, and
    cannot be saved.
    """

    def state(self) -> MethodState:
        """Return the trained state."""
        ...

    def restore(self, state: MethodState) -> None:
        """Take a state that ``state()`` of the same class and options gave."""
        ...


@dataclass
class OneNetwork(Generic[Network]):
    """The two calls for a method whose whole trained state is the network ``net``.

    ``network`` builds it untrained from the widths of features and texts; ``train`` keeps these
    in ``widths``.
    """

    net: Network = field(init=False, repr=False, compare=False)
    widths: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def network(self, *widths: int) -> Network:
        """Return the untrained network for features and texts of these widths."""
        raise NotImplementedError

    def state(self) -> MethodState:
        """Return the network's weights, and the widths it is built for."""
        return MethodState(dict(self.net.state_dict()), {"widths": list(self.widths)})

    def restore(self, state: MethodState) -> None:
        """Build the network again and give it the weights."""
        self.widths = tuple(state.settings["widths"])
        self.net = self.network(*self.widths)
        self.net.load_state_dict(state.tensors)


def save_method(
    path: Path, method: Any, spec: str, options: Mapping[str, Any], facts: Mapping[str, Any]
) -> bool:
    """Write a trained method; return False, and write nothing, where it has no ``state()``.

    Parameters
    ----------
    spec, options
        How it was found and made, as for ``method_class``.
    facts
        Plain values kept beside it, such as where its class texts come from.
    """
    if not isinstance(method, Savable):
        return False
    state = method.state()
    tensors = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.tensors.items()
    }
    said = {
        "version": VERSION,
        "method": method_name(spec),
        "spec": spec if spec in METHODS else spec.rpartition(":")[2],
        "options": dict(options),
        "settings": state.settings,
        "facts": dict(facts),
    }
    with replace_when_whole(path) as temporary:
        temporary.write_bytes(pack(tensors, KEY, said))
    return True


def read_method_facts(path: Path) -> dict[str, Any]:
    """Return the method's name, options, settings and facts from a file.

    Raises
    ------
    InputError
        If the file is none that `save_method` writes, or of a newer version.
    """
    return _opened(path)[1]


def load_method(path: Path, own: str | None = None) -> Any:
    """Return the trained method of a file.

    Parameters
    ----------
    own
        Where a method that is not built in is found, ``file.py:Class``. The file names no code
        by itself, so that reading it runs none.

    Raises
    ------
    InputError
        If the file is none that `save_method` writes, is damaged or of a newer version, or if
        its method is not built in and ``own`` is not given, or does not fit the state.
    """
    tensors, facts = _opened(path)
    spec = facts["spec"]
    if spec not in METHODS and own is None:
        raise InputError(
            f"{path}: holds the method {facts['method']!r}, which is not built in: give its file "
            "with --own-method file.py:Class. Running it runs that file's code"
        )
    made_of = method_class(spec if spec in METHODS else str(own))
    try:
        method = made_of(**facts["options"])
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: holds options that {spec!r} does not take here ({error}): it was written "
            "by another version; train it again, or use the version that wrote it"
        ) from error
    if not isinstance(method, Savable):
        raise InputError(f"{own}: has no state() and restore(), so it cannot be restored")
    try:
        method.restore(MethodState(tensors, facts["settings"]))
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: does not fit the method {spec!r}: {first}") from error
    return method


def _opened(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors and the facts of a file that says it is a method."""
    try:
        tensors, facts = unpack(Path(path).read_bytes(), KEY)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file, expected a trained method") from None
    except Damaged as fault:
        raise InputError(f"{path}: damaged: {fault}; copy it again") from None
    except (SafetensorError, ValueError, LookupError) as fault:
        raise InputError(
            f"{path}: expected a method saved by zeroshot, found other content ({fault})"
        ) from None
    if facts.get("version", 0) > VERSION:
        raise InputError(
            f"{path}: of version {facts['version']}, this program reads up to {VERSION}; "
            "update smie-pipe"
        )
    return tensors, facts
