"""Iceberg: what a commit costs as commits pile up, and finding one day's files among ten thousand."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyiceberg.conversions import to_bytes
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.typedef import Record
from pyiceberg.types import TimestamptzType

from benchmarks.events import Source, now_ms
from benchmarks.local import DATABASE, LocalLake
from benchmarks.measure import Scale, cpu_s, fresh_folders, in_turns
from benchmarks.processes import BenchError
from benchmarks.report import Row, at_most, shown
from headwater.lake.iceberg import describe, live_files
from headwater.ledger import LedgerBatch, Rows
from headwater.stream import FIRST_SHARD

TABLE = "practice_events"
# A commit's cost is a mean over a hundred: some expire snapshots, and PyIceberg's merging of manifests comes and goes in about so many.
TURNS, COMMITS_A_TURN = 5, 20
# Commits come some hundred times as fast here as in life, so what they let go of is deleted that much sooner than after 15 minutes.
GRACE_S = 10
DAY_US = 86_400_000_000
FILES, DAYS, FILES_A_COMMIT = 10_000, 100, 500


class _Folds:
    """A lake that gets one small fold after the other, with the upkeep that the worker does between them."""

    def __init__(self, local: LocalLake) -> None:
        self._local = local
        self._commits = 0
        decoded = local.models.decode(Source(31).records(100), FIRST_SHARD, range(1, 101))
        table = decoded.tables()[TABLE]
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        self._rows = Rows(len(table), sink.getvalue().to_pybytes(), now_ms())

    def fold(self, count: int) -> float:
        """Return the CPU seconds of *count* commits, the ledger's part not counted."""
        spent = 0.0
        for _ in range(count):
            number = self._commits
            self._local.ledger.commit(LedgerBatch("bench", FIRST_SHARD, number, number + 1, {TABLE: self._rows}, [], {}, now_ms()))
            spent += cpu_s(lambda: (self._local.lake.fold(TABLE), self._local.maintenance.maintain()), collect=False)
            self._commits += 1
        if (files := len(self._local.index.plan(TABLE).files)) != self._commits:
            raise BenchError(f"{self._commits} folds left {files} files")
        return spent


def commit_rows(scale: Scale) -> list[Row]:
    """Measure small folds of an old table and, in turns, the first ones of new tables."""
    last, measured = scale.of(10_000, 200), TURNS * COMMITS_A_TURN
    young = old = 0.0
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name:
        folders = fresh_folders(Path(name))
        with LocalLake(next(folders), grace_s=GRACE_S) as grown:
            table = _Folds(grown)
            table.fold(last - measured)
            for _ in range(TURNS):
                old += table.fold(COMMITS_A_TURN)
                with LocalLake(next(folders), grace_s=GRACE_S) as fresh:
                    young += _Folds(fresh).fold(COMMITS_A_TURN)
    texts = f"{old / measured * 1000:.1f} ms", f"{young / measured * 1000:.1f} ms"
    note = (
        f"means of the last {measured} and of the first {COMMITS_A_TURN}; 100 rows and one file each, expiry and manifest merges included"
    )
    return [at_most(f"a commit after {last:,} commits / after 10", old / young, 1.5, 1.1, *texts, note=note)]


def plan_rows(scale: Scale) -> list[Row]:
    """Measure which files hold one day's rows: our index beside PyIceberg's `plan_files`, the same 100 of 10,000 files."""
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name, LocalLake(Path(name)) as local:
        table_schema = local.models.tables[TABLE].schema
        local.lake.ensure(TABLE, table_schema)
        iceberg = local.catalog.load_table((DATABASE, TABLE))
        day = _append_files(iceberg)
        iceberg = local.catalog.load_table((DATABASE, TABLE))
        local.index.replace(TABLE, describe(iceberg), live_files(iceberg))
        start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
        condition = f"datetime >= '{start.isoformat()}' AND datetime < '{(start + timedelta(days=1)).isoformat()}'"
        scan = iceberg.scan(row_filter=condition)
        ours = {file.path for file in local.index.plan(TABLE, day, day).files}
        theirs = {task.file.file_path for task in scan.plan_files()}
        if ours != theirs or len(ours) != FILES // DAYS:
            raise BenchError(f"our plan has {len(ours)} files and PyIceberg's {len(theirs)}")
        repeats = scale.of(200, 100)

        def plan_ours() -> float:
            return cpu_s(lambda: [local.index.plan(TABLE, day, day) for _ in range(repeats)]) / repeats

        paired = in_turns(scale.of(7, 3), plan_ours, lambda: cpu_s(lambda: list(scan.plan_files())))
        everything = cpu_s(lambda: local.index.plan(TABLE))
    return [
        at_most(
            "plan of one day among 10,000 files / PyIceberg's",
            paired.ratio,
            0.01,
            0.001,
            f"{paired.ours * 1000:.2f} ms",
            f"{paired.limit * 1000:,.0f} ms",
            note=f"{FILES // DAYS} files planned; PyIceberg's table was loaded before, our plan looks for a newer one each time",
        ),
        shown("plan of all 10,000 files", f"{everything * 1000:.1f} ms"),
    ]


def _append_files(table: Table) -> int:
    """Commit 10,000 files of 100 days, many a commit as if compacted or adopted; planning never opens them. Return a day in the middle."""
    last_day = now_ms() // 86_400_000
    field = table.schema().find_field("datetime").field_id
    folder = table.properties["write.data.path"]
    files = []
    for number in range(FILES):
        day = last_day - number % DAYS
        lower, upper = (to_bytes(TimestamptzType(), day * DAY_US + number * 1_000 + add) for add in (0, 900_000_000))
        files.append(
            DataFile.from_args(
                content=DataFileContent.DATA,
                file_path=f"{folder}/day={day}/{number}.parquet",
                file_format=FileFormat.PARQUET,
                partition=Record(day),
                record_count=1_000,
                file_size_in_bytes=20_000,
                column_sizes={},
                value_counts={field: 1_000},
                null_value_counts={field: 0},
                nan_value_counts={},
                lower_bounds={field: lower},
                upper_bounds={field: upper},
                sort_order_id=None,
                spec_id=table.metadata.default_spec_id,
                equality_ids=None,
                key_metadata=None,
                split_offsets=[4],
            )
        )
    for start in range(0, FILES, FILES_A_COMMIT):
        with table.transaction() as transaction, transaction.update_snapshot().merge_append() as append:
            for file in files[start : start + FILES_A_COMMIT]:
                append.append_data_file(file)
    return int(last_day - DAYS // 2)
