"""The answer to one query, read as it is made or all at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import duckdb
import pyarrow as pa

from headwater.errors import QueryError
from headwater.query.reading import Reading


class Statistics(NamedTuple):
    """What a query cost: files it may open and their bytes, tail rows offered, milliseconds before and within the engine."""

    files: int
    bytes: int
    tail_rows: int
    planning_ms: float
    engine_ms: float


class Batches(Protocol):
    """What gives the rows of a query, as `pyarrow.RecordBatchReader` does."""

    @property
    def schema(self) -> pa.Schema:
        """The columns."""

    def read_next_batch(self) -> pa.RecordBatch:
        """Return the next rows; raises `StopIteration` after the last."""

    def close(self) -> None:
        """Want no more rows."""


class Running(NamedTuple):
    """A query under way: its batches, what planning it took, and what to call when no more of it will be read.

    *told* gives what the engine says for others to read.
    """

    reader: Batches
    files: int
    bytes: int
    tail_rows: int
    planning_ms: float
    engine_ms: float
    release: Callable[[bool], None]
    lost_files: Callable[[], list[str]]
    told: Callable[[Exception], str]


class Result(Reading):
    """The answer of the engine; use it in a `with`, or read it to its end, so that its connection is free again."""

    def __init__(self, start: Callable[[], Running], attempts: int = 3) -> None:
        self._start = start
        self._attempts = attempts
        self._closed = self._streamed = False
        self._table: pa.Table | None = None
        self._run, self._first = self._begin()
        self._engine_ms = self._run.engine_ms
        self.schema: pa.Schema = self._run.reader.schema

    @property
    def statistics(self) -> Statistics:
        """What the query has cost up to now."""
        run = self._run
        return Statistics(run.files, run.bytes, run.tail_rows, run.planning_ms, self._engine_ms)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as they come, once; no more than a few batches are in memory at a time."""
        if self._table is not None:
            yield from self._table.to_batches()
            return
        self._claim()
        self._streamed = True
        while (batch := self._next()) is not None:
            yield batch

    def arrow(self) -> pa.Table:
        """Return all rows as one Arrow table."""
        while self._table is None:
            self._claim()
            collected: list[pa.RecordBatch] = []
            try:
                while (batch := self._next()) is not None:
                    collected.append(batch)
            except _FilesLostError:
                # Nothing was handed out yet, so the whole query can be asked again.
                self._run, self._first = self._begin()
                self._closed = False
                continue
            self._table = pa.Table.from_batches(collected, schema=self.schema)
        return self._table

    def close(self) -> None:
        """Stop the query, if it is still running; rows not read are dropped."""
        if not self._closed:
            self._closed = True
            self._run.reader.close()
            self._run.release(False)

    def __del__(self) -> None:
        if hasattr(self, "_run"):
            self.close()

    def _claim(self) -> None:
        if self._streamed:
            raise QueryError("this result has been streamed already; ask the query again")
        if self._closed:
            raise QueryError("this result is closed; ask the query again")

    def _begin(self) -> tuple[Running, pa.RecordBatch | None]:
        """Start the query and wait for its first batch: until then it can be planned anew when files of the plan are gone."""
        while True:
            self._attempts -= 1
            try:
                run = self._start()
                started = time.perf_counter()
                try:
                    first = _read(run)
                except BaseException:
                    run.release(True)
                    raise
                return run._replace(engine_ms=run.engine_ms + (time.perf_counter() - started) * 1000), first
            except _FilesLostError as lost:
                if self._attempts < 1:
                    others = f" ({len(lost.files) - 1} others, too)" if lost.files[1:] else ""
                    raise QueryError(
                        f"files were removed, and asking again did not help: {lost.files[0]} is missing{others}; "
                        "put it back, or restore the lake from a backup"
                    ) from lost

    def _next(self) -> pa.RecordBatch | None:
        if self._closed:
            return None
        batch, self._first = self._first, None
        if batch is None:
            started = time.perf_counter()
            try:
                batch = _read(self._run)
            except BaseException:
                self._closed = True
                self._run.release(True)
                raise
            finally:
                self._engine_ms += (time.perf_counter() - started) * 1000
        if batch is None:
            self._closed = True
            self._run.release(False)
        return batch


class _FilesLostError(QueryError):
    """Files of the plan do not exist any more: removed after it was made, or by somebody else; `files` says which, of which table."""

    def __init__(self, files: list[str]) -> None:
        super().__init__("files were removed while they were read; ask the query again")
        self.files = files


def _read(run: Running) -> pa.RecordBatch | None:
    try:
        return run.reader.read_next_batch()
    except StopIteration:
        return None
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise refused(error, run.lost_files, run.told) from error


def refused(error: Exception, lost_files: Callable[[], list[str]], told: Callable[[Exception], str]) -> QueryError:
    """Return the error to raise for what the engine said, as it is *told*."""
    if lost := lost_files():
        return _FilesLostError(lost)
    return QueryError(told(error))
