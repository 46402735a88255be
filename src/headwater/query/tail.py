"""The rows that are in no file yet, decoded once and kept across queries by batch number."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from headwater.errors import QueryError
from headwater.lake import TableField
from headwater.query.columns import arrow_type
from headwater.query.source import TailSource


class TailSegment(NamedTuple):
    """Rows of several batches under one schema: those of `batches[i]` end before row `ends[i]`; `last_ms` is their newest `datetime`."""

    batches: tuple[int, ...]
    ends: tuple[int, ...]
    rows: pa.Table
    last_ms: int

    def after(self, batch: int) -> TailSegment | None:
        """Return the rows of later batches only, None if there are none; copies nothing."""
        cut = bisect_right(self.batches, batch)
        if cut == 0:
            return self
        if cut == len(self.batches):
            return None
        start = self.ends[cut - 1]
        return TailSegment(self.batches[cut:], tuple(end - start for end in self.ends[cut:]), self.rows.slice(start), self.last_ms)

    def joined(self, other: TailSegment) -> TailSegment:
        """Return both as one piece of memory."""
        ends = self.ends + tuple(self.ends[-1] + end for end in other.ends)
        rows = pa.concat_tables([self.rows, other.rows]).combine_chunks()
        return TailSegment(self.batches + other.batches, ends, rows, max(self.last_ms, other.last_ms))


class KnownTail(NamedTuple):
    """The tail of one table at one moment; it holds every batch above `floor` that was committed by then."""

    segments: tuple[TailSegment, ...]
    floor: int

    def after(self, batch: int) -> KnownTail:
        """Return what is in no file that holds all batches up to *batch*."""
        found = [segment.after(batch) for segment in self.segments]
        return KnownTail(tuple(segment for segment in found if segment is not None), max(batch, self.floor))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(segment.rows.num_rows for segment in self.segments)

    def table(self, fields: Sequence[TableField]) -> pa.Table:
        """Return the rows under the table's schema: columns by name, null where a batch is older than its column.

        Without *fields* the columns are those of the batches themselves.
        """
        if not fields:
            return pa.concat_tables([segment.rows for segment in self.segments], promote_options="permissive")
        schema = pa.schema([pa.field(field.name, arrow_type(field.type)) for field in fields])
        return pa.concat_tables([_conform(segment.rows, schema) for segment in self.segments]) if self.segments else schema.empty_table()


EMPTY = KnownTail((), 0)


class TailCache:
    """Keeps decoded batches, so that only new ones are read; safe to share between threads.

    Holds at most about *max_bytes* between queries: tables not asked for longest are forgotten first, and read again when needed.
    """

    def __init__(self, source: TailSource, max_bytes: int = 512 << 20) -> None:
        self._source = source
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._tails: dict[str, KnownTail] = {}

    def copy(self, tables: Sequence[str] | None) -> dict[str, KnownTail]:
        """Return the tails of *tables* (None: of all that have one) as of one ledger transaction that starts after this call."""
        with self._lock:
            after = {name: _last(tail) for name, tail in self._tails.items()}
            found: dict[str, list[TailSegment]] = {}
            for rows in self._source.tail(after=after, tables=tables):
                if rows.batch > after.get(rows.table, 0):
                    decoded = pa.ipc.open_stream(rows.rows.arrow).read_all()
                    if decoded.num_rows:
                        found.setdefault(rows.table, []).append(TailSegment((rows.batch,), (decoded.num_rows,), decoded, rows.rows.last_ms))
            for name, new in found.items():
                old = self._tails.get(name, EMPTY)
                self._tails[name] = KnownTail(_merged(old.segments, new), old.floor)
            names = list(self._tails) if tables is None else tables
            answer = {name: self._tails.get(name, EMPTY) for name in names}
            for name in names:
                if name in self._tails:
                    self._tails[name] = self._tails.pop(name)
            self._evict()
            return answer

    def forget(self, table: str, folded: int) -> None:
        """Let go of batches up to *folded*: they are in files now, and every later plan says so."""
        with self._lock:
            tail = self._tails.get(table)
            if tail is not None and folded > tail.floor:
                self._tails[table] = tail.after(folded)

    def reset(self, table: str) -> None:
        """Forget all that is known of *table*; it is read anew the next time."""
        with self._lock:
            self._tails.pop(table, None)

    def _evict(self) -> None:
        total = sum(_size(tail) for tail in self._tails.values())
        for name in list(self._tails):
            if total <= self._max_bytes:
                return
            total -= _size(self._tails.pop(name))


def _last(tail: KnownTail) -> int:
    return max(tail.floor, tail.segments[-1].batches[-1] if tail.segments else 0)


def _size(tail: KnownTail) -> int:
    return sum(segment.rows.nbytes for segment in tail.segments)


def _merged(old: tuple[TailSegment, ...], new: list[TailSegment]) -> tuple[TailSegment, ...]:
    """Append *new*, joining neighbours so that each is at least twice its successor: few pieces, each row copied seldom."""
    stack = list(old)
    for segment in new:
        stack.append(segment)
        while (
            len(stack) > 1 and stack[-2].rows.num_rows < 2 * stack[-1].rows.num_rows and stack[-2].rows.schema.equals(stack[-1].rows.schema)
        ):
            last = stack.pop()
            stack[-1] = stack[-1].joined(last)
    return tuple(stack)


def _conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    if rows.schema.equals(schema):
        return rows
    columns = []
    for field in schema:
        at = rows.schema.get_field_index(field.name)
        if at < 0:
            columns.append(pa.nulls(rows.num_rows, field.type))
        elif rows.schema.field(at).type.equals(field.type):
            columns.append(rows.column(at))
        else:
            try:
                columns.append(rows.column(at).cast(field.type))
            except pa.ArrowInvalid as error:
                raise QueryError(f"recent rows have values in column {field.name!r} that are no {field.type}: {error}") from error
    return pa.Table.from_arrays(columns, schema=schema)
