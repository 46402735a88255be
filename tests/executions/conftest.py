"""The room of query executions over a real lake, in a folder of the test's own."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from headwater.clock import SystemClock
from headwater.executions import Execution, QueryRequest, QueryRooms, open_queries
from headwater.query.external import ExternalTables
from headwater.sandbox import Sandboxes
from tests.query.conftest import START_MS, Project, engine, events, project
from tests.query.worker import Jobs

__all__ = ["engine", "project"]

# A billion rows: longer than any test waits, and ended within a moment.
SLOW = (
    "SELECT sum(a.x * b.y + c.z) AS s FROM UNNEST(sequence(1, 10000)) AS a(x) CROSS JOIN UNNEST(sequence(1, 10000)) AS b(y)"
    " CROSS JOIN UNNEST(sequence(1, 10000)) AS c(z)"
)
LOCATION = "s3://results/here/"

Open = Callable[..., "Room"]


class Room:
    """The room, and what tests do in it again and again."""

    def __init__(
        self, folder: Path, project: Project, sessions: Sandboxes | None = None, views: Mapping[str, Any] | None = None, **options: Any
    ) -> None:
        self.folder = folder
        self.jobs = Jobs(project, folder / "results", spill=folder / "scratch")
        self.stores = self.jobs.stores
        external = ExternalTables(project.entries(), self.stores, "analytics", SystemClock())
        tables = options.pop("tables", None)
        self.engine = project.engine(external=external, stores=self.stores, sessions=sessions, views=views, tables=tables)
        url = f"sqlite:///{folder}/queries.db"
        given = {
            "stores": self.stores,
            "scratch": folder / "scratch",
            "entries": project.entries(),
            "ask": self.jobs.ask,
            "database": "analytics",
            "location": LOCATION,
        }
        self.queries: QueryRooms = open_queries(url, self.engine, **(given | options))
        self.executions = self.queries.executions
        self._closed = False

    def start(self, query: str, *, token: str | None = None, principal: str = "ada", may_change: bool = False, **asked: Any) -> str:
        request = QueryRequest(query, token or str(uuid.uuid4()), **asked)
        return self.executions.start(request, principal, may_change=may_change)

    def ended(self, execution_id: str, within_s: float = 240) -> Execution:
        return self.until(execution_id, lambda execution: execution.final, within_s)

    def until(self, execution_id: str, reached: Callable[[Execution], bool], within_s: float = 240) -> Execution:
        deadline = time.monotonic() + within_s
        while not reached(execution := self.executions.get(execution_id)):
            assert time.monotonic() < deadline, execution
            time.sleep(0.005)
        return execution

    def run(self, query: str, **asked: Any) -> Execution:
        return self.ended(self.start(query, **asked))

    def rows(self, query: str, **asked: Any) -> list[list[str | None]]:
        execution = self.run(query, **asked)
        assert execution.state == "SUCCEEDED", execution.reason
        return self.executions.results(execution.id).rows

    def file(self, execution: Execution) -> Path:
        return self.folder / "results" / execution.location.removeprefix("s3://")

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.queries.close(2)
            self.engine.close()
            self.jobs.close()


@pytest.fixture
def open_room(tmp_path: Path, project: Project) -> Iterator[Open]:
    """Open the room; a second call opens it anew on the same files."""
    made: list[Room] = []

    def open_it(**options: Any) -> Room:
        if not made:
            project.fold("sign_up_events", events([START_MS, START_MS + 1000], email=["ada@example.org", None]))
        made.append(Room(tmp_path, project, **options))
        return made[-1]

    yield open_it
    for room in made:
        room.close()


@pytest.fixture
def room(open_room: Open) -> Room:
    return open_room()
