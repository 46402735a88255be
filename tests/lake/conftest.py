"""One project's ledger, catalog, index and lake, which can be dropped at any moment and opened again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from headwater.catalog import open_catalog
from headwater.clock import ManualClock
from headwater.lake.index import LakeIndex
from headwater.lake.maintain import Maintenance
from headwater.lake.writer import Lake
from headwater.ledger import FateCount, LedgerBatch, Rows
from headwater.ledger.sqlite import SqliteLedger

DATABASE, SHARD, NOON = "analytics", "shardId-000000000000", datetime(2026, 11, 23, 12, tzinfo=UTC)

VISITS = pa.schema(
    [
        ("event_id", pa.string()),
        ("datetime", pa.timestamp("us", tz="UTC")),
        ("year", pa.string()),
        ("month", pa.string()),
        ("day", pa.string()),
        ("count", pa.int64()),
    ]
)


class Crash(BaseException):
    """The process dies here. No `except Exception` may stop it."""


class Project:
    """Everything a worker opens, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, ManualClock()
        self.step: Callable[[str], None] = lambda name: None
        self.fold_rows = 128_000
        self.open()

    def open(self) -> None:
        self.ledger = SqliteLedger(f"sqlite:///{self.folder}/ledger.db")
        self.catalog = open_catalog(f"sqlite:///{self.folder}/catalog.db", str(self.folder / "lake"))
        self.index = LakeIndex(self.folder / "catalog.db", DATABASE)
        self.lake = Lake(
            self.ledger,
            self.catalog,
            self.index,
            self.folder / "lake",
            DATABASE,
            self.clock,
            fold_rows=self.fold_rows,
            step=lambda name: self.step(name),
        )
        self.maintenance = Maintenance(self.lake, self.ledger, self.index, self.clock)

    def close(self) -> None:
        self.ledger.close()
        self.index.close()
        self.catalog.close()

    def reopen(self) -> None:
        self.close()
        self.open()

    def lose_ledger(self) -> None:
        self.close()
        for file in self.folder.glob("ledger.db*"):
            file.unlink()
        self.open()

    def commit(self, tables: dict[str, pa.Table], upto: int | None = None, shard: str = SHARD) -> int:
        after = self.ledger.positions().get(("main", shard), 0)
        upto = upto or after + max((len(rows) for rows in tables.values()), default=1)
        fates = [FateCount("lake", "delivered", "", upto - after)]
        rows = {name: as_rows(table) for name, table in tables.items()}
        return self.ledger.commit(LedgerBatch("main", shard, after, upto, rows, fates, {}, self.clock.now_ms()))

    def visible(self, *tables: str) -> Counter[str]:
        """Count event ids as the query room reads: the tail first, then the plan, then only what is not folded."""
        seen: Counter[str] = Counter()
        for table in tables:
            seen.update(self.in_tail(table))
            if table in self.index.tables():
                for file in self.index.plan(table).files:
                    seen.update(pq.read_table(file.path, columns=["event_id"], partitioning=None).column(0).to_pylist())
        return seen

    def in_tail(self, table: str, column: str = "event_id") -> list[Any]:
        tail = self.ledger.tail(tables=[table])
        folded = self.index.plan(table).folded if table in self.index.tables() else 0
        values: list[Any] = []
        for part in tail:
            if part.batch > folded:
                values += pa.ipc.open_stream(part.rows.arrow).read_all().column(column).to_pylist()
        return values

    def in_lake(self, table: str, column: str = "event_id") -> list[Any]:
        """Read by Iceberg's own metadata."""
        if table not in self.index.tables():
            return []
        return list(self.catalog.load_table((DATABASE, table)).scan(selected_fields=(column,)).to_arrow().column(column).to_pylist())

    def data_files(self, table: str) -> set[Path]:
        return {path for path in (self.folder / "lake" / "data" / DATABASE / table).rglob("*") if path.is_file()}

    def metadata_files(self, table: str) -> set[Path]:
        return set((self.folder / "lake" / "metadata" / DATABASE / table).iterdir())


def visits(ids: Sequence[str], *, at: datetime = NOON, apart: timedelta = timedelta(seconds=1)) -> pa.Table:
    times = [at + n * apart for n in range(len(ids))]
    keys = [[str(getattr(time, part)) for time in times] for part in ("year", "month", "day")]
    columns = [
        pa.array(list(ids), pa.string()),
        pa.array(times, VISITS.field("datetime").type),
        *map(pa.array, keys),
        pa.array(range(len(ids))),
    ]
    return pa.Table.from_arrays(columns, schema=VISITS)


def as_rows(table: pa.Table) -> Rows:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return Rows(len(table), sink.getvalue().to_pybytes(), round(NOON.timestamp() * 1000))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    opened = Project(tmp_path)
    yield opened
    opened.close()
