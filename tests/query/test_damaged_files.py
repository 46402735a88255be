"""A file that is cut, emptied or damaged inside: the failure names the table, and the file where that can be told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.errors import QueryError
from tests.query.conftest import DAY_MS, START_MS, Project, events

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut in half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "longer": lambda content: content + b"more",
    "its end overwritten": lambda content: content[:-8] + b"overwrit",
    "its footer overwritten": lambda content: content[:-200] + b"\xff" * 180 + content[-20:],
    "its first pages overwritten": lambda content: content[:4] + b"\xff" * 300 + content[304:],
}


def damage(project: Project, how: str) -> Path:
    project.fold("visits", events([START_MS + n for n in range(3)]))
    project.fold("visits", events([START_MS + DAY_MS]))
    project.fold("plays", events([START_MS]))
    path = Path(project.index.plan("visits").files[0].path)
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(DAMAGES[how](content))
    return path


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_file_is_named_with_its_table_and_what_to_do(project: Project, how: str) -> None:
    path = damage(project, how)

    with project.engine() as engine:
        if how == "longer":  # what is behind the end is where the engine looks first
            assert path.stat().st_size > 0
        with pytest.raises(QueryError) as failure:
            engine.sql("SELECT * FROM visits").arrow()
        others = engine.sql("SELECT count(*) FROM plays").arrow().to_pylist()

    assert "visits" in str(failure.value)
    assert "restore it from a backup" in str(failure.value)
    if how != "its first pages overwritten":  # the engine does not say in which file these are, and its size is right
        assert str(path) in str(failure.value)
    assert others == [{"count_star()": 1}]


def test_a_failure_that_is_about_values_blames_no_file(project: Project) -> None:
    project.fold("visits", events([START_MS]))

    with project.engine() as engine, pytest.raises(QueryError) as failure:
        engine.sql("SELECT CAST(event_type || ' Corrupt, Out of buffer' AS INTEGER) FROM visits").arrow()

    assert "restore" not in str(failure.value)
