"""The engine of tests/query, with its statements in sandboxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headwater.query import Engine
from headwater.sandbox import Sandboxes
from tests.query.conftest import Project
from tests.query.conftest import project as project


def open_sandboxes(project: Project, **options: Any) -> Sandboxes:
    given = {"database": "analytics", "memory": "512MB", "threads": 2, "max_seconds": 600, "most": 4, **options}
    return Sandboxes([project.root / "lake"], **given)


@pytest.fixture
def engine(project: Project) -> Iterator[Engine]:
    made = project.engine(sessions=open_sandboxes(project))
    made.sql("SELECT 1").rows()  # the first waits for what the others find loaded
    yield made
    made.close()
