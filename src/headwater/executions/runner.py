"""What runs a statement: an interface, and the engine of this process behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import pyarrow as pa

from headwater.query import Engine, Result
from headwater.query.watch import Watch


class RunLimits(NamedTuple):
    """What one query may use: seconds until it is stopped, and bytes it may read (None = any number)."""

    time_s: float
    scanned_bytes: int | None = None


class Scan(NamedTuple):
    """What a query has read up to now, and how long it was planned and worked on."""

    bytes: int
    rows: int
    planning_ms: float
    engine_ms: float


class RunningQuery(Protocol):
    """A query under way. `cancel` and `scan` may be called from any thread, the rest from one."""

    @property
    def schema(self) -> pa.Schema:
        """Wait until the query has been planned and return its columns. Raises `QueryError`."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as they come. Raises `QueryError` where the query fails, or was cancelled, on the way."""

    def scan(self) -> Scan:
        """Return what it has cost up to now."""

    def cancel(self) -> None:
        """End it soon; safe to call again, and when it has ended."""

    def close(self) -> None:
        """Let go of all it holds."""


class Runner(Protocol):
    """Where statements run."""

    def run(self, sql: str, *, limits: RunLimits) -> RunningQuery:
        """Begin a SELECT in DuckDB's SQL; returns at once. Who calls watches the time; the limits are what a process is given besides."""


class EngineRunner:
    """Runs statements on the engine of this process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run(self, sql: str, *, limits: RunLimits) -> RunningQuery:
        """Begin a SELECT."""
        return _EngineQuery(self._engine, sql, Watch(limits.scanned_bytes))


class _EngineQuery:
    def __init__(self, engine: Engine, sql: str, watch: Watch) -> None:
        self._engine, self._sql, self._watch = engine, sql, watch
        self._result: Result | None = None

    @property
    def schema(self) -> pa.Schema:
        return self._open().schema

    def batches(self) -> Iterator[pa.RecordBatch]:
        return self._open().batches()

    def scan(self) -> Scan:
        engine_ms = 0.0 if self._result is None else self._result.statistics.engine_ms
        return Scan(self._watch.bytes, self._watch.rows, self._watch.planning_ms, engine_ms)

    def cancel(self) -> None:
        self._watch.stop()

    def close(self) -> None:
        if self._result is not None:
            self._result.close()

    def _open(self) -> Result:
        if self._result is None:
            self._result = self._engine.sql(self._sql, watch=self._watch)
        return self._result
