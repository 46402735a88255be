"""The room of query executions, and files that somebody else has put into a bucket."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.executions import Execution
from headwater.sandbox import Sandboxes
from tests.executions.conftest import Open, Room, open_room, room
from tests.query.conftest import Project, engine, project

__all__ = ["engine", "open_room", "project", "room"]


class Bucket:
    """`s3://files/` of a room, and what tests do in one again and again."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.store = room.stores.find("s3://files/")

    def put(self, key: str, content: str | bytes) -> None:
        """Put an object there."""
        self.store.write(f"s3://files/{key}", content.encode() if isinstance(content, str) else content)

    def put_parquet(self, key: str, **columns: Any) -> None:
        """Put a Parquet file there."""
        sink = io.BytesIO()
        pq.write_table(pa.table(columns), sink)
        self.put(key, sink.getvalue())

    def do(self, statement: str, **asked: Any) -> list[str | None]:
        """Run a statement that changes something, and return its lines."""
        execution = self.run(statement, **asked)
        assert execution.state == "SUCCEEDED", execution.reason
        return [row[0] for row in self.room.executions.results(execution.id).rows]

    def run(self, statement: str, **asked: Any) -> Execution:
        """Run a statement, with the permission to change something."""
        return self.room.run(statement, may_change=True, **asked)

    def reason(self, statement: str) -> str:
        """Return why a statement fails."""
        execution = self.run(statement)
        assert execution.state == "FAILED", execution
        return execution.reason or ""

    def rows(self, query: str) -> list[list[str | None]]:
        """Return the rows of a query, without the header."""
        return self.room.rows(query)[1:]


@pytest.fixture
def bucket(room: Room) -> Bucket:
    return Bucket(room)


@pytest.fixture(params=["here", "sandboxed"])
def everywhere(request: pytest.FixtureRequest, tmp_path: Path, project: Project, open_room: Open) -> Iterator[Bucket]:
    """The bucket, where statements run in this process, and where they run in sandboxes."""
    if request.param == "here":
        yield Bucket(open_room())
        return
    results = tmp_path / "results"
    results.mkdir()
    folders = [project.root / "lake", results]
    sandboxes = Sandboxes(folders, database="analytics", memory="1GB", threads=1, max_seconds=60, most=2)
    yield Bucket(open_room(sessions=sandboxes))
