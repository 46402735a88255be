"""The questions of a product team on ten million events: through our API, and to bare DuckDB on the very same files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import headwater
from benchmarks.events import APP_ID, PIECES
from benchmarks.local import DATABASE, LocalLake
from benchmarks.measure import Paired, Scale, in_turns, wall_s
from benchmarks.processes import BenchError, temporary_project
from benchmarks.report import Row, at_most_ms, milliseconds, shown
from headwater.lake import open_index
from headwater.ledger import LAKE, LedgerBatch, Rows
from headwater.ledger.sqlite import SqliteLedger
from headwater.query import Engine
from headwater.sandbox import Sandboxes

TABLE = "practice_events"
DAYS = 30
PEOPLE = 20_000
BATCH = 131_072
ONE_FILE_EACH = 5_000
AT_ONCE = (1, 4, 16)
ASKED_AT_ONCE = 32

QUESTIONS = {
    "count by day": "SELECT date_trunc('day', datetime) AS day, count(*) AS plays FROM {table} GROUP BY 1 ORDER BY 1",
    "top users": "SELECT client_id, count(*) AS plays, round(sum(duration_s), 1) AS seconds FROM {table} GROUP BY 1"
    " ORDER BY 2 DESC, 1 LIMIT 10",
    "funnel of two steps": """
        WITH first AS (SELECT client_id, min(datetime) AS began_at FROM {table} WHERE piece_id = 'minuet-in-g' GROUP BY 1)
        SELECT count(*) AS began, count(*) FILTER (reached) AS came_on FROM (
            SELECT f.client_id, bool_or(p.datetime > f.began_at AND p.datetime < f.began_at + INTERVAL 1 DAY) AS reached
            FROM first AS f LEFT JOIN {table} AS p ON p.client_id = f.client_id AND p.piece_id = 'clair-de-lune' GROUP BY 1
        )""",
    "one day": "SELECT piece_id, count(*) AS plays FROM {table} WHERE datetime >= TIMESTAMPTZ '{day} 00:00:00+00'"
    " AND datetime < TIMESTAMPTZ '{next} 00:00:00+00' GROUP BY 1 ORDER BY 1",
    "percentile by level": "SELECT level, quantile_disc(accuracy, 0.9) AS best FROM {table} GROUP BY 1 ORDER BY 1",
}


def analytics_rows(scale: Scale) -> list[Row]:
    """Measure each question by the wall on a lake of 30 days, then several at a time, then the layout of one file an event."""
    count = scale.of(10_000_000, 1_000_000)
    with temporary_project() as project:
        files = _fill(project.folder, count)
        listed = ", ".join(f"'{file}'" for file in files)
        bare_table = f"read_parquet([{listed}], hive_partitioning = false)"
        note = f"{count:,} events of {PEOPLE:,} people over {DAYS} days in {len(files)} files, the same for both sides"
        with headwater.open(project.folder) as lake, _bare() as bare:
            rows = [
                _judged(name, _compare(scale, _ours(lake), bare, _text(text, TABLE), _text(text, bare_table)), note)
                for name, text in QUESTIONS.items()
            ]
            rows += _several(project.folder / "data", bare, bare_table)
            rows.append(_one_file_each(project.folder, bare, files, count))
    return rows


def _judged(name: str, paired: Paired, note: str) -> Row:
    return at_most_ms(f"{name}, all events / bare DuckDB on the same files, wall", paired, (1.2, 20), (1.05, 5), note)


def _several(data: Path, bare: duckdb.DuckDBPyConnection, bare_table: str) -> list[Row]:
    """Ask all questions in turn from several threads: ours in sandboxes, as the Athena door does, DuckDB on one cursor a thread."""
    sandboxes = Sandboxes([data / "lake"], database=DATABASE, memory="2GB", threads=2, max_seconds=600, most=4)
    ledger = SqliteLedger(f"sqlite:///{data / 'ledger.db'}", read_only=True)
    rows = []
    with Engine(open_index(data / "catalog.db", DATABASE), ledger, DATABASE, sessions=sandboxes) as served:
        for threads in AT_ONCE:
            ours = _throughput(threads, _ours(served), TABLE)
            limit = _throughput(threads, _on_cursors(bare), bare_table)
            name = f"{threads} at a time, each in a sandbox / bare DuckDB with a cursor each, seconds a question"
            rows.append(shown(name, milliseconds(ours), milliseconds(limit), ours / limit, "x"))
    return rows


def _throughput(threads: int, ask: Callable[[str], pa.Table], table: str) -> float:
    """Return the wall seconds that one question takes while *threads* ask at a time."""
    texts = [_text(text, table) for text in QUESTIONS.values()]
    asked = [texts[number % len(texts)] for number in range(ASKED_AT_ONCE)]
    with ThreadPoolExecutor(threads) as pool:
        return wall_s(lambda: list(pool.map(ask, asked))) / len(asked)


def _one_file_each(folder: Path, bare: duckdb.DuckDBPyConnection, files: list[str], count: int) -> Row:
    """Ask bare DuckDB to count by day where every event is a file: the layout that the article's last function made."""
    sample = pq.read_table(files[0]).slice(0, ONE_FILE_EACH)
    own = folder / "one-file-each"
    own.mkdir()
    for number in range(len(sample)):
        pq.write_table(sample.slice(number, 1), own / f"{number}.parquet")
    text = _text(QUESTIONS["count by day"], f"read_parquet('{own}/*.parquet')")
    each = wall_s(lambda: bare.sql(text).to_arrow_table()) / len(sample)
    return shown(
        "count by day where each event is a file: bare DuckDB, for every event",
        f"{each * 1e6:,.0f} µs",
        note=f"measured on {len(sample):,} files; {count:,} would take {each * count / 60:,.0f} min",
    )


def _compare(scale: Scale, ours: Callable[[str], pa.Table], bare: duckdb.DuckDBPyConnection, ours_text: str, bare_text: str) -> Paired:
    def ask_bare(text: str) -> pa.Table:
        table: pa.Table = bare.sql(text).to_arrow_table()
        return table

    if ours(ours_text).to_pylist() != ask_bare(bare_text).to_pylist():
        raise BenchError(f"ours and bare DuckDB answer differently: {ours_text}")
    return in_turns(scale.of(9, 3), lambda: wall_s(lambda: ours(ours_text)), lambda: wall_s(lambda: ask_bare(bare_text)))


def _text(text: str, table: str) -> str:
    day = datetime.now(UTC).date() - timedelta(days=2)
    return text.format(table=table, day=day.isoformat(), next=(day + timedelta(days=1)).isoformat())


def _ours(engine: Engine) -> Callable[[str], pa.Table]:
    def ask(text: str) -> pa.Table:
        table: pa.Table = engine.sql(text).arrow()
        return table

    return ask


def _on_cursors(bare: duckdb.DuckDBPyConnection) -> Callable[[str], pa.Table]:
    def ask(text: str) -> pa.Table:
        with bare.cursor() as cursor:
            table: pa.Table = cursor.sql(text).to_arrow_table()
            return table

    return ask


@contextmanager
def _bare() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as bare:
        bare.execute("SET TimeZone = 'UTC'")
        # What the engine may keep between two questions, bare DuckDB may keep as well.
        bare.execute("SET parquet_metadata_cache = true")
        yield bare


def _fill(folder: Path, count: int) -> list[str]:
    """Put *count* practice events of the last days into the project's lake, by folds as the worker does; return its files."""
    with LocalLake(folder) as local, duckdb.connect() as maker:
        maker.execute("SET TimeZone = 'UTC'")
        start_us = (time.time_ns() // 1000) - DAYS * 86_400_000_000
        for first in range(0, count, BATCH):
            rows: pa.Table = maker.sql(_MADE, params=_made(first, min(first + BATCH, count), start_us, count)).to_arrow_table()
            local.ledger.commit(_batch(rows, first))
            local.lake.fold(TABLE)
        local.maintenance.fold_all()
        plan = local.index.plan(TABLE)
    if sum(file.rows for file in plan.files) != count:
        raise BenchError(f"{count:,} events were put into the lake, and it has {sum(file.rows for file in plan.files):,}")
    return [file.path for file in plan.files]


# By a hash of its number, so that every run has the same events: few people play most, as in life.
_MADE = """
SELECT CAST(uuid() AS VARCHAR) AS event_id, 'PracticeEvent' AS event_type, moment AS datetime,
    's' || person || '-' || dayofyear(moment) AS session_id,
    $app AS app_id, 'c' || person AS client_id, 'us-east-1:' || person AS cognito_id, moment AS arrival_datetime,
    CAST(year(moment) AS VARCHAR) AS year, CAST(month(moment) AS VARCHAR) AS month, CAST(day(moment) AS VARCHAR) AS day,
    CAST(1 + hash(i + 1) % 12 AS BIGINT) AS level, list_extract($pieces, 1 + CAST(hash(i + 2) % len($pieces) AS BIGINT)) AS piece_id,
    round(0.6 + (hash(i + 3) % 4000) / 10000, 4) AS accuracy, CAST(60 + hash(i + 4) % 80 AS DOUBLE) AS tempo,
    round(20 + (hash(i + 5) % 2800) / 10, 1) AS duration_s
FROM (
    SELECT i, make_timestamptz($start + CAST(i * $step AS BIGINT)) AS moment,
        CAST($people * pow((hash(i) % 1000003) / 1000003, 3) AS BIGINT) AS person
    FROM range($first, $upto) AS r(i)
)
"""


def _made(first: int, upto: int, start_us: int, count: int) -> dict[str, Any]:
    step = DAYS * 86_400_000_000 / count
    return {"first": first, "upto": upto, "start": start_us, "step": step, "app": APP_ID, "people": PEOPLE, "pieces": list(PIECES)}


def _batch(rows: pa.Table, first: int) -> LedgerBatch:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    last_ms = int(rows["datetime"].cast(pa.int64()).to_numpy().max() // 1000)
    packed = Rows(len(rows), sink.getvalue().to_pybytes(), last_ms)
    return LedgerBatch(LAKE, "shardId-000000000000", first, first + len(rows), {TABLE: packed}, [], {}, time.time_ns() // 1_000_000)
