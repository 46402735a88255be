"""A room is entered by what its `__init__` offers, or by a submodule that it names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "headwater"
ROOMS = sorted(path.parent.name for path in SOURCE.glob("*/__init__.py"))
# Nobody is above them but the command line, which names the function it runs; each is a file.
OPEN = {"process"}


def entries() -> Iterator[tuple[str, str, str]]:
    """Yield who imports, the room it imports from, and the submodule there, "" for the room itself."""
    for path in sorted(SOURCE.rglob("*.py")):
        here = path.relative_to(SOURCE).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("headwater."):
                continue
            room, _, submodule = str(node.module).removeprefix("headwater.").partition(".")
            if room == here or room not in ROOMS:
                continue
            if submodule:
                yield str(path.relative_to(SOURCE)), room, submodule
                continue
            for name in node.names:
                is_file = (SOURCE / room / f"{name.name}.py").exists() or (SOURCE / room / name.name).is_dir()
                offered = name.name in getattr(import_module(f"headwater.{room}"), "__all__", ())
                yield str(path.relative_to(SOURCE)), room, name.name if is_file and not offered else ""


def submodules(room: str) -> tuple[str, ...]:
    return getattr(import_module(f"headwater.{room}"), "SUBMODULES", ())


def test_no_room_is_entered_by_a_file_it_does_not_name() -> None:
    past = [f"{who}: headwater.{room}.{sub}" for who, room, sub in entries() if sub and room not in OPEN and sub not in submodules(room)]

    assert past == []


@pytest.mark.parametrize("room", ROOMS)
def test_what_a_room_names_is_there_and_somebody_enters_by_it(room: str) -> None:
    used = {submodule for _, other, submodule in entries() if other == room}

    assert sorted(set(submodules(room)) - used) == []
    assert list(submodules(room)) == sorted(submodules(room))
