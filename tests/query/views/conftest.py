"""Histories: events of people as rows of a real lake, some in files and some in the tail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from headwater.model import compile_models
from headwater.model.system import milliseconds
from headwater.query.views import over_our_events, project_views, saved
from tests.query.conftest import Project, events

ATTRIBUTES = pa.map_(pa.string(), pa.string())
METRICS = pa.map_(pa.string(), pa.float64())
MODELLED = {"SignUpEvent": "sign_up_events", "PracticeEvent": "practice_events"}


class Event(NamedTuple):
    """One event; `who` is the identity that sent it and `device` its endpoint."""

    event_type: str
    at_ms: int
    who: str | None = None
    session: str | None = None
    device: str | None = None
    app: str | None = "app"
    level: int | None = None
    attributes: Mapping[str, str] = {}
    metrics: Mapping[str, float] = {}
    id: str | None = None


def ms(text: str) -> int:
    """Return a time, UTC, as epoch milliseconds."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class History:
    """A lake with the tables of a project, and an engine that has the views."""

    def __init__(self, root: Path) -> None:
        self.project = Project(root)
        for table in compile_models([]).tables.values():
            self.project.lake.ensure(table.name, table.schema)
        for table in MODELLED.values():
            self.project.lake.ensure(table, self._rows(table, []).schema)
        self.engine = self.project.engine(views=project_views(self.project.index))
        self._number = 0

    def add(self, *found: Event, fold: bool = False) -> History:
        """Commit events as one batch a table, and put them into files if *fold* says so."""
        tables: dict[str, list[Event]] = {}
        for event in found:
            self._number += 1
            named = event if event.id else event._replace(id=f"e{self._number:06d}")
            tables.setdefault(MODELLED.get(event.event_type, "other_events"), []).append(named)
        for table, members in tables.items():
            self.project.append(table, self._rows(table, members))
            if fold:
                self.project.fold(table)
        return self

    def merge(self, given_up: str, into: str) -> History:
        """Tell that somebody signed in under *into*, and that the guest *given_up* was them."""
        for who, operation, merged, subject in ((into, "link", None, "s-" + into), (given_up, "merge", into, None)):
            self._number += 1
            columns = {"operation": operation, "identity_pool_id": "pool", "provider": subject and "issuer", "subject": subject}
            rows = events(
                [self._number], **{name: pa.array([text], pa.string()) for name, text in {**columns, "merged_into": merged}.items()}
            )
            self.project.append("identity_log", rows.set_column(rows.column_names.index("cognito_id"), "cognito_id", pa.array([who])))
        return self

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.engine.sql(query).rows()

    def files(self, query: str) -> int:
        with self.engine.sql(query) as result:
            return result.statistics.files

    def ask(self, name: str, **values: str) -> list[tuple[Any, ...]]:
        """Run a saved query as `headwater views` does."""
        return self.rows(self.text(name, **values))

    def text(self, name: str, **values: str) -> str:
        return over_our_events(saved(name).filled(values), self.project.index.tables(), lambda: self.engine.view("events"))

    def close(self) -> None:
        self.engine.close()
        self.project.index.close()
        self.project.ledger.close()

    def _rows(self, table: str, members: Iterable[Event]) -> pa.Table:
        members = list(members)
        own: dict[str, Any] = {}
        if table == "practice_events":
            own = {"level": pa.array([event.level for event in members], pa.int64())}
        elif table == "other_events":
            own["attributes"] = pa.array([list(event.attributes.items()) for event in members], ATTRIBUTES)
            own["metrics"] = pa.array([list(event.metrics.items()) for event in members], METRICS)
        times = [event.at_ms for event in members]
        texts = {
            "event_id": [event.id for event in members],
            "event_type": [event.event_type for event in members],
            "session_id": [event.session for event in members],
            "app_id": [event.app for event in members],
            "client_id": [event.device for event in members],
            "cognito_id": [event.who for event in members],
        }
        rows = (
            events(times, **own) if members else events([0], **{name: pa.nulls(1, column.type) for name, column in own.items()}).slice(0, 0)
        )
        for name, values in texts.items():
            rows = rows.set_column(rows.column_names.index(name), name, pa.array(values, pa.string()))
        assert rows["datetime"].combine_chunks() == milliseconds(times)
        return rows


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path / "p")
    yield made
    made.close()
