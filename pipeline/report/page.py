"""One self-contained HTML file from a template: style and script inside, nothing from outside.

Class names and file names are a user's input. Three walls stand before them: jinja2 escapes every
value; data for the script goes into JSON without a ``<``; and the page's content security policy
allows the two inline blocks by their digests alone, so that anything else that got in cannot run,
nor reach a network.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from smie_pipe.preprocessing.foundation.whole_files import replace_when_whole
from smie_pipe.provenance import versions

TEMPLATES = Path(__file__).parent / "templates"
# Controls and lone surrogates have no glyph; the override and isolate marks turn the text that
# follows around. Tab and line ends are blanks.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufeff\ufffe\uffff]"
)


def visible(text: str) -> str:
    r"""Return a text whose unseen characters are written out, as in ``\x1b`` and ``\u202e``."""
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def json_block(value: Any) -> Markup:
    """Return JSON that is safe inside ``<script type="application/json">``.

    Raises
    ------
    ValueError
        If a number is not finite: a page would not read it.
    """
    text = json.dumps(_all_visible(value), allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - no character that HTML would read is left


def _all_visible(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {visible(str(key)): _all_visible(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_all_visible(item) for item in value]
    return value


def render_page(
    template: str,
    *,
    styles: tuple[str, ...],
    scripts: tuple[str, ...],
    connect: bool = False,
    **values: Any,
) -> str:
    """Return a page.

    Parameters
    ----------
    template
        Name of a file under ``templates``.
    styles, scripts
        Files there that go into the page's one style and one script, in this order.
    connect
        Whether the script may talk to the server that the page came from.
    values
        What the template names.
    """
    style, script = _joined(styles), _joined(scripts)
    return (
        _environment()
        .get_template(template)
        .render(
            style=style,
            script=script,
            policy=policy(style, script, connect),
            version=versions()["smie-pipe"],
            **values,
        )
    )


def policy(style: str, script: str, connect: bool = False) -> str:
    """Return the content security policy: these two blocks, pictures in data, nothing else.

    With ``connect`` also requests of the script to its own server.
    """
    return (
        f"default-src 'none'; style-src '{_source(style)}'; script-src '{_source(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'" + "; connect-src 'self'" * connect
    )


def _source(block: str) -> str:
    digest = hashlib.sha256(block.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _joined(names: tuple[str, ...]) -> Markup:
    return Markup("\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names))  # noqa: S704


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["json_block"] = json_block
    return made


def _shown(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def write_page(path: Path, text: str) -> None:
    """Write a page, whole or not at all."""
    with replace_when_whole(path) as temporary:
        temporary.write_bytes(text.encode())
