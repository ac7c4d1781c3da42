"""From what a user asks for to the list of methods to train, each with its options."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from smie_pipe.preprocessing.foundation.errors import InputError
from smie_pipe.zeroshot.config import ZeroShotConfig
from smie_pipe.zeroshot.methods.registry import (
    BASELINE,
    METHODS,
    groups,
    method_class,
    method_name,
    method_options,
    own_traceback,
    title,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variant:
    """A method with all its options.

    ``spec`` finds the method, ``method`` is its name in tables, ``changed`` are the options that
    differ from its defaults for the dataset, and ``name`` says both, fit for a folder.
    """

    spec: str
    method: str
    options: Mapping[str, Any]
    changed: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The method and what is changed in it, as in ``smie_beta-0.5``."""
        parts = [self.method, *(f"{key}-{value}" for key, value in self.changed.items())]
        return re.sub(r"[^A-Za-z0-9._+-]+", "-", "_".join(parts))


def variants(config: ZeroShotConfig, dataset: str, *, masked: bool = True) -> list[Variant]:
    """Return the methods that ``config`` asks for, each once, in the order asked.

    Several betas are a sweep of SMIE as it is, and of what the user asks for by name with other
    options; the members of "ablation" that change something else keep one beta.

    Parameters
    ----------
    masked
        Whether there are features of masked clips. Without them SMIE is trained without its
        temporal constraint, under that method's own name, and a warning says so.

    Raises
    ------
    InputError
        For an unknown method or option (the nearest is named), or a value that cannot be.
    """
    found: dict[str, Variant] = {}
    for asked in config.method:
        for part in groups().get(asked, (asked,)):
            own = config
            if part != asked and ":" in part and len(config.beta) > 1:
                own = replace(config, beta=())
            for variant in _variants_of(part if masked else _unmasked(part), own, dataset):
                found.setdefault(variant.name, variant)
    return list(found.values())


def _variants_of(asked: str, config: ZeroShotConfig, dataset: str) -> Iterator[Variant]:
    spec, own = parse(asked)
    name = method_name(spec)
    known = method_options(spec, {}, dataset)
    shared = {"epochs": config.epochs} if config.epochs and "epochs" in known else {}
    betas = config.beta if name == BASELINE and "beta" not in own else ()
    for sweep in [{"beta": b} for b in betas] or [{}]:
        options = method_options(spec, {**shared, **sweep, **own}, dataset)
        _refuse_bad_values(spec, options)
        changed = {key: value for key, value in options.items() if value != known[key]}
        yield Variant(spec, name, options, changed)


def _refuse_bad_values(spec: str, options: Mapping[str, Any]) -> None:
    """Build the method now, so that a value that cannot be is told before any work."""
    try:
        method_class(spec)(**options)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"method {spec!r} cannot be built: {own_traceback(error, spec)}"
        ) from error


def _unmasked(asked: str) -> str:
    """Return what stands for a method that compares clips with masked ones; others as they are."""
    method, colon, options = asked.partition(":")
    instead = METHODS[method].without_masks if method in METHODS else ""
    if not instead:
        return asked
    logger.warning("these features hold no masked clips: %s stands for %s", title(instead), asked)
    return f"{instead}{colon}{options}"


def parse(asked: str) -> tuple[str, dict[str, str]]:
    """Take ``smie:beta=0.5:lr=1e-4`` apart into the method and its options.

    Raises
    ------
    InputError
        If an option is given twice.
    """
    parts = asked.split(":")
    options: dict[str, str] = {}
    while len(parts) > 1 and "=" in parts[-1]:
        key, _, value = parts.pop().partition("=")
        key = key.strip().replace("-", "_")
        if key in options:
            raise InputError(f"method {asked!r}: option {key} is given twice.")
        options[key] = value.strip()
    return ":".join(parts).strip(), dict(reversed(options.items()))
