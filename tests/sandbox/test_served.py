"""The query role of a served project, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.errors import ProjectError, QueryError
from headwater.pipeline.query import build_engine
from headwater.settings import load_settings
from tests.served import Served
from tests.waiting import until

from .test_sandboxes import children, parent_and_state, sandboxes_of


def test_the_query_role_has_sandboxes_and_they_end_with_it(tmp_path: Path) -> None:
    with Served(tmp_path / "app").start() as served:
        role = served.roles()["query"]["pid"]

        spares = until(lambda: sandboxes_of(role), lambda found: len(found) >= 2)
        launchers = children(role)

    assert len(spares) >= 2
    assert all(parent_and_state(pid)[1] == "Z" for pid in [*launchers, *spares])


def test_the_served_engine_answers_and_reads_nothing_else(tmp_path: Path) -> None:
    with (
        Served(tmp_path / "app", "query.max_seconds = 2\nquery.sandboxes = 2\nquery.memory = '300MB'").start() as served,
        build_engine(load_settings(served.folder), served.folder, sandboxed=True) as engine,
    ):
        rows = engine.sql("SELECT count(*) FROM endpoints").rows()
        letters = engine.sql("SELECT count(*) FROM dead_letters").rows()
        with pytest.raises(QueryError):
            engine.sql(f"SELECT * FROM read_text('{served.folder}/data/master-keys.json')")
        with pytest.raises(QueryError, match=r"after 2 s|300MB"):
            engine.sql("SELECT count(*) FROM range(1e12::BIGINT) a(i) WHERE i % 7 = 8")

    assert rows == letters == [(0,)]


def test_a_project_that_was_never_served_has_none(tmp_path: Path) -> None:
    served = Served(tmp_path / "app")

    with pytest.raises(ProjectError):
        build_engine(load_settings(served.folder), served.folder, sandboxed=True)
