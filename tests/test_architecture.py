"""The house: floors import downwards only, no two rooms import each other, all is packaged."""

import ast
import configparser
from collections import defaultdict
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FLOORS = ("preprocessing", "backbones", "zeroshot", "pipeline")  # the ground first
MOST_FILES = 13
# One file a command and a method: lists to look up, not rooms to learn.
LISTS = ("pipeline/commands", "zeroshot/methods")


def modules():
    """Yield (path, floor, room) of every module; the room is its folder."""
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            yield path, floor, path.parent.relative_to(ROOT).as_posix()


def imports(path):
    """Yield the folders of this project that a module imports, as (floor, room)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "smie_pipe":
                yield place(parts[1:])


def place(parts):
    """Return (floor, room) of a dotted name below smie_pipe."""
    parts = list(parts)
    if not parts or parts[0] not in FLOORS[:-1]:
        parts.insert(0, "pipeline")
    folder = ROOT / parts[0]
    for part in parts[1:]:
        if not (folder / part).is_dir():
            break
        folder = folder / part
    return parts[0], folder.relative_to(ROOT).as_posix()


def test_imports_run_down_the_floors():
    up = [
        f"{path.relative_to(ROOT)} imports {other}"
        for path, floor, _ in modules()
        for other, _ in imports(path)
        if FLOORS.index(other) > FLOORS.index(floor)
    ]
    assert not up


def test_no_module_imports_by_the_old_names():
    for path, _, _ in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = getattr(node, "module", None) or ""
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [name]
            assert not [n for n in names if n.split(".")[0] in FLOORS], path


def test_rooms_do_not_import_each_other_in_a_circle():
    graph = defaultdict(set)
    for path, _, room in modules():
        for _, other in imports(path):
            # A floor's own files stand above its rooms and below the next floor's.
            if other != room and other not in FLOORS and room not in FLOORS:
                graph[room].add(other)
    TopologicalSorter(graph).prepare()  # raises CycleError with the rooms of the circle


@pytest.mark.parametrize("folder", sorted({room for _, _, room in modules()}))
def test_a_room_is_small_documented_and_packaged(folder):
    files = list((ROOT / folder).glob("*.py"))
    assert len([f for f in files if f.name != "__init__.py"]) <= MOST_FILES or folder in LISTS
    assert ast.get_docstring(ast.parse((ROOT / folder / "__init__.py").read_text()))
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    parts = folder.split("/")
    name = ".".join(["smie_pipe", *(parts[1:] if parts[0] == "pipeline" else parts)])
    assert name in setup["options"]["packages"].split()


def test_the_packages_listed_are_there():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    for name in setup["options"]["packages"].split():
        folder = ROOT / place(name.split(".")[1:])[1]
        assert (folder / "__init__.py").is_file(), name
