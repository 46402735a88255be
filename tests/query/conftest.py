"""A real lake, a real ledger and an engine over both, in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from headwater.catalog import open_catalog
from headwater.catalog.entries import Entries, open_entries
from headwater.clock import ManualClock
from headwater.lake.index import LakeIndex, open_index
from headwater.lake.writer import Lake
from headwater.ledger import LedgerBatch, Rows
from headwater.ledger.sqlite import SqliteLedger
from headwater.model.system import milliseconds, partition_columns
from headwater.query import Engine

DAY_MS = 86_400_000
# 2026-11-20T00:00:00Z, a Friday.
START_MS = 1_795_132_800_000
TIMESTAMP = pa.timestamp("us", "UTC")
TEXTS = ("event_id", "event_type", "session_id", "app_id", "client_id", "cognito_id")


def events(times_ms: list[int], **columns: list[Any] | pa.Array) -> pa.Table:
    """Return rows with the system columns of the given times, then *columns*."""
    moments = milliseconds(times_ms)
    texts = {name: pa.array([f"{name} {at}" for at in times_ms]) for name in TEXTS}
    parts = dict(zip(("year", "month", "day"), partition_columns(moments.cast(pa.int64()).to_numpy() // 1000), strict=True))
    given = {name: column if isinstance(column, pa.Array) else pa.array(column) for name, column in columns.items()}
    system = {"event_id": texts["event_id"], "event_type": texts["event_type"], "datetime": moments, **dict(list(texts.items())[2:])}
    return pa.table({**system, "arrival_datetime": moments, **parts, **given})


class Project:
    """Writes as the worker does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "lake").mkdir(parents=True)
        self.ledger = SqliteLedger(f"sqlite:///{root}/ledger.db")
        self.catalog = open_catalog(f"sqlite:///{root}/catalog.db", str(root / "lake"))
        self.index = LakeIndex(root / "catalog.db", "analytics")
        self.lake = Lake(self.ledger, self.catalog, self.index, root / "lake", "analytics", ManualClock(START_MS), orphan_grace_s=0)
        self._upto = 0

    def append(self, table: str, rows: pa.Table) -> int:
        """Commit one batch to the ledger and return its number."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        last_ms = rows["datetime"].cast(pa.int64()).to_numpy().max() // 1000 if "datetime" in rows.column_names and len(rows) else 0
        after, self._upto = self._upto, self._upto + len(rows)
        packed = Rows(len(rows), sink.getvalue().to_pybytes(), int(last_ms))
        return self.ledger.commit(LedgerBatch("pipe", "shard", after, self._upto, {table: packed}, [], {}, START_MS))

    def fold(self, table: str, rows: pa.Table | None = None) -> None:
        """Put *rows* (if given) and all that waits of *table* into files."""
        if rows is not None:
            self.append(table, rows)
        while self.lake.fold(table):
            pass

    def entries(self) -> Entries:
        """Open what the catalog has beside the lake's tables, to read."""
        return open_entries(self.root / "catalog.db", "analytics")

    def engine(self, **options: Any) -> Engine:
        """Open an engine as the query process does: read-only."""
        ledger = SqliteLedger(f"sqlite:///{self.root}/ledger.db", read_only=True)
        return Engine(open_index(self.root / "catalog.db", "analytics"), ledger, "analytics", **options)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path / "it's a [lake]*")
    yield made
    made.index.close()
    made.ledger.close()


@pytest.fixture
def engine(project: Project) -> Iterator[Engine]:
    made = project.engine()
    yield made
    made.close()
