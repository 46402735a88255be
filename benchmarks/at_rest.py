"""What events take on disk: the bytes of one in compacted Parquet, and of the whole project beside its Parquet."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.events import Source, iso, now_ms
from benchmarks.local import LocalLake
from benchmarks.measure import Scale
from benchmarks.processes import BenchError
from benchmarks.report import Row, at_most, shown
from headwater.clock import ManualClock
from headwater.demo.students import Student
from headwater.lake.rewrite import TableChanges
from headwater.lake.snapshots import Keep
from headwater.record import Record
from headwater.stream import FIRST_SHARD

TABLE = "practice_events"
STUDENTS, DAY_MS = 2_000, 86_400_000
# Longer than snapshots, keys and the stream are kept.
LATER_S = 40 * 86_400
# Random, and nearly one for each event: nothing that compresses.
IDS = ("event_id", "session_id", "client_id", "cognito_id")
FOLDS = 10


def at_rest_rows(scale: Scale) -> list[Row]:
    """Measure a day of the demo's events: folded in ten turns and compacted, and when all that is kept for a while has gone."""
    count = scale.of(1_000_000, 100_000)
    clock = ManualClock(now_ms())
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name, LocalLake(Path(name), clock=clock) as local:
        records = _records(count)
        for _ in range(FOLDS):
            local.append(list(islice(records, count // FOLDS)))
            local.drain()
            local.maintenance.fold_all()
        tables = TableChanges(local.lake, (), Path(name) / "scratch", clock)
        for table in local.index.tables():
            tables.compact(f"compact-{table}", table)
        before = _size(Path(name) / "data")
        for _ in range(2):  # what is expired is deleted once nobody can read it any more
            clock.advance(LATER_S)
            for table in local.index.tables():
                local.lake.tidy(table, keep=Keep(0))
        local.ledger.forget_keys(clock.now_ms())
        asyncio.run(local.stream.trim(FIRST_SHARD, count + 1, clock.now_ms()))
        files = {table: [Path(file.path) for file in local.index.plan(table).files] for table in local.index.tables()}
        practice = [pq.read_metadata(path) for path in files[TABLE]]
        rows = sum(metadata.num_rows for metadata in practice)
        columns: dict[str, int] = {}
        for metadata in practice:
            for group in map(metadata.row_group, range(metadata.num_row_groups)):
                for chunk in map(group.column, range(group.num_columns)):
                    columns[chunk.path_in_schema] = columns.get(chunk.path_in_schema, 0) + chunk.total_compressed_size
        parquet = sum(path.stat().st_size for paths in files.values() for path in paths)
        whole = _size(Path(name) / "data")
        parts = {part.name: _size(part) for part in (Path(name) / "data").iterdir()}
    if rows < count // 2:
        raise BenchError(f"{rows} of {count} events are practice events")
    bare = sum(size for column, size in columns.items() if column not in IDS) / rows
    dearest = ", ".join(f"{column} {size / rows:.1f}" for column, size in sorted(columns.items(), key=lambda item: -item[1])[:8])
    what = "bytes of a practice event in compacted Parquet, without its ids"
    return [
        at_most(what, bare, 12, 7, f"{bare:.1f} B", unit=" B", note=f"{rows:,} events in {len(practice)} files; {dearest}"),
        at_most("bytes of the whole project / its Parquet, once its retention has passed", whole / parquet, 3, 2,
                f"{whole / count:.1f} B/event", f"{parquet / count:.1f} B/event",
                note=", ".join(f"{part} {size / count:.1f}" for part, size in parts.items() if size > count)),
        shown("the same before that", f"{before / count:.1f} B/event", f"{parquet / count:.1f} B/event", before / parquet),
    ]  # fmt: skip


def _records(count: int) -> Iterator[Record]:
    """Yield *count* events of many students, spread over a day until now, as the collector writes them."""
    source, students = Source(47), [Student(number, 7) for number in range(STUDENTS)]
    recorders = [student.events() for student in students]
    begin = now_ms() - DAY_MS
    for number in range(count):
        which = number // 5 % STUDENTS  # an app's buffer has some events of one device
        event_id, event = next(recorders[which])
        event |= {"Timestamp": iso(begin + DAY_MS * number // count)}
        yield source.record(event_id, event, students[which].endpoint_id)


def _size(folder: Path) -> int:
    if folder.is_file():
        return folder.stat().st_size
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
