"""Write what the documents take from the program: the table of rooms and the help texts.

``python docs/generate.py`` rewrites the blocks between ``<!-- generated: NAME -->`` and
``<!-- end -->``; with ``--check`` it only says which are out of date, and ends with 1.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable
from pathlib import Path

import click
from click.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("docs/design.md", "docs/commands.md", "docs/kinematics.md")
BLOCK = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def rooms() -> str:
    """Return a table of all rooms and what each is for, by the docstrings of their packages."""
    lines = ["| room | holds |", "|---|---|"]
    for floor in ("preprocessing", "backbones", "zeroshot", "pipeline"):
        for path in sorted((ROOT / floor).rglob("__init__.py")):
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
            folder = path.parent.relative_to(ROOT)
            lines.append(f"| `{folder}/` | {text.splitlines()[0]} |")
    return "\n".join(lines)


def commands() -> str:
    """Return the help text of the program and of each command."""
    from smie_pipe.cli import cli

    parts = [_help(cli, "smie-pipe", ["--help"])]
    parts += [_help(cli, f"smie-pipe {name}", [name, "--help"]) for name in cli.commands]
    return "\n\n".join(parts)


def _help(command: click.Command, title: str, words: list[str]) -> str:
    text = CliRunner().invoke(command, words, prog_name="smie-pipe", terminal_width=99).output
    return f"## {title}\n\n```\n{text.rstrip()}\n```"


def kinematics() -> str:
    """Return the table of kinematic measures."""
    from smie_pipe.backbones.kinematics.quantities import COLUMNS, table

    return f"{len(COLUMNS)} numbers in all.\n\n{table()}"


BLOCKS: dict[str, Callable[[], str]] = {
    "rooms": rooms,
    "commands": commands,
    "kinematics": kinematics,
}


def renewed(text: str) -> str:
    """Return a page with its generated blocks as the program gives them now."""
    return BLOCK.sub(lambda m: f"{m[1]}{BLOCKS[m[2]]()}\n{m[3]}", text)


def main() -> int:
    """Rewrite the pages, or say which are out of date."""
    old = {page: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
    stale = [page for page, text in old.items() if renewed(text) != text]
    for page in stale:
        if "--check" in sys.argv:
            print(f"{page} is out of date; run python docs/generate.py")
        else:
            (ROOT / page).write_text(renewed(old[page]), encoding="utf-8")
    return int(bool(stale) and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
