"""Small questions: through our API, and to bare DuckDB on the same rows in ideally compacted files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import headwater
from benchmarks.events import Source
from benchmarks.local import LocalLake
from benchmarks.measure import Paired, Scale, in_turns, wall_s
from benchmarks.processes import BenchError, Project, temporary_project
from benchmarks.report import Row, at_most_ms, milliseconds, shown

DAYS = 20
TAIL = 5_000
ASKED = 20  # times a question is asked in one turn; the turn's cost is one of them
ONE_DAY = """
SELECT piece_id, count(*) AS plays, round(avg(accuracy), 6) AS accuracy FROM {table}
WHERE datetime >= TIMESTAMPTZ '{day} 00:00:00+00' AND datetime < TIMESTAMPTZ '{next} 00:00:00+00'
GROUP BY piece_id ORDER BY piece_id
"""
BY_DAY = "SELECT year, month, day, count(*) AS plays FROM {table} GROUP BY ALL ORDER BY year, month, day"


def question_rows(scale: Scale) -> list[Row]:
    """Measure, by the wall, a question about one day and one about all, on a lake of 20 days with rows still in the tail."""
    with temporary_project() as project:
        rows = _fill(project, scale.of(300_000, 60_000))
        ideal = project.folder / "ideal"
        compact(project, ideal)
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        one_day = {"day": yesterday.isoformat(), "next": (yesterday + timedelta(days=1)).isoformat()}
        file = ideal / f"year={yesterday.year}" / f"month={yesterday.month}" / f"day={yesterday.day}" / "data.parquet"
        everything = f"read_parquet('{ideal}/*/*/*/data.parquet', hive_partitioning = true, hive_types_autocast = false)"
        with headwater.open(project.folder) as lake, duckdb.connect() as bare:
            bare.execute("SET TimeZone = 'UTC'")
            # What the engine may keep between two questions, bare DuckDB may keep as well.
            bare.execute("SET parquet_metadata_cache = true")

            def ask_ours(text: str) -> pa.Table:
                table: pa.Table = lake.sql(text).arrow()
                return table

            def ask_bare(text: str) -> pa.Table:
                table: pa.Table = bare.sql(text).to_arrow_table()
                return table

            rounds = scale.of(15, 5)
            day = _compare(
                rounds,
                ask_ours,
                ONE_DAY.format(table="practice_events", **one_day),
                ask_bare,
                ONE_DAY.format(table=f"read_parquet('{file}')", **one_day),
            )
            all_days = _compare(rounds, ask_ours, BY_DAY.format(table="practice_events"), ask_bare, BY_DAY.format(table=everything))
    note = f"{rows:,} rows of {DAYS} days, part of them in the tail; medians of {rounds} turns of {ASKED} questions"
    return [
        at_most_ms("question about one day / bare DuckDB on its one file, wall", day, (1.3, 20), (1.05, 5), note),
        shown(
            "count by day over all / bare DuckDB on a file a day, wall",
            milliseconds(all_days.ours),
            milliseconds(all_days.limit),
            all_days.ratio,
        ),
    ]


def compact(project: Project, ideal: Path) -> None:
    """Write what the lake holds of practice_events into one file a day, in time order."""
    with headwater.open(project.folder) as lake:
        table = lake.sql("SELECT * FROM practice_events ORDER BY datetime").arrow()
    days = [
        tuple(row.values()) for row in table.select(["year", "month", "day"]).group_by(["year", "month", "day"]).aggregate([]).to_pylist()
    ]
    columns = [name for name in table.column_names if name not in ("year", "month", "day")]
    for year, month, day in days:
        chosen = pc.equal(table["day"], day)
        chosen = pc.and_(chosen, pc.and_(pc.equal(table["year"], year), pc.equal(table["month"], month)))
        folder = ideal / f"year={year}" / f"month={month}" / f"day={day}"
        folder.mkdir(parents=True)
        pq.write_table(table.filter(chosen).select(columns), folder / "data.parquet", compression="zstd", compression_level=3)


def _fill(project: Project, count: int) -> int:
    """Put events of the last days into the project's lake, and some of now into its tail; return how many are practice."""
    with LocalLake(project.folder) as local:
        local.append(Source(21, spread_s=DAYS * 86_400).records(count))
        local.drain()
        local.maintenance.fold_all()
        local.append(Source(22).records(TAIL))
        local.drain()
        files = sum(file.rows for file in local.index.plan("practice_events").files)
        return files + sum(part.rows.count for part in local.ledger.tail(tables=["practice_events"]))


def _compare(rounds: int, ours: Callable[[str], pa.Table], ours_text: str, bare: Callable[[str], pa.Table], bare_text: str) -> Paired:
    if _rows(ours(ours_text)) != _rows(bare(bare_text)):
        raise BenchError(f"ours and bare DuckDB answer differently: {ours_text} {bare_text}")

    def repeated(ask: Callable[[str], pa.Table], text: str) -> float:
        def work() -> None:
            for _ in range(ASKED):
                ask(text)

        return wall_s(work) / ASKED

    return in_turns(rounds, lambda: repeated(ours, ours_text), lambda: repeated(bare, bare_text))


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    return list(table.to_pylist())
