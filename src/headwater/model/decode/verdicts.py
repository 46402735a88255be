"""What a batch of records became: rows by table, a letter for each that was rejected, and what every record says of itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from headwater.model.letter import Letter
from headwater.model.wire import NOBODY, RecordIdentity, Stray, digest, key_of, pack, place_key

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000
# 45 days: longer than the window, so that accepted minutes do not share a bucket, and clocks gone wild cannot make buckets without end.
MINUTES = 65_536

Times = np.ndarray[Any, np.dtype[np.int64]]


class Window(NamedTuple):
    """How far the client's clock is believed: from `arrival - past_ms` to `arrival + ahead_ms`, both included."""

    past_ms: int = 30 * _DAY_MS
    ahead_ms: int = _DAY_MS


class Chunk(NamedTuple):
    """Rows of one table, and the number of the record each came from."""

    indices: Sequence[int]
    rows: pa.Table


class DecodedBatch(Protocol):
    """What `Decoded` asks of its batch: `sources[i]` is what record i was decoded to, `tags` the event types of such structs."""

    tags: Mapping[type, str]
    sources: list[Any]
    arrivals: Times
    stamps: Times
    strays: dict[int, Stray]
    shard_id: str
    sequence_numbers: Sequence[int]
    chunks: dict[str, list[Chunk]]

    def event_type(self, source: Any) -> str:
        """Return the event type of a source."""

    def substitute_id(self, index: int) -> str:
        """Return the event id of a record that brings none."""


class Decoded:
    """A decoded batch. Records are numbered as they were given, from 0.

    letters: number -> why that record was rejected. Every other record is a row of exactly one table.
    """

    def __init__(self, batch: DecodedBatch, letters: Mapping[int, Letter]) -> None:
        self._batch = batch
        self.letters = letters

    def __len__(self) -> int:
        return len(self._batch.sources)

    @cached_property
    def keys(self) -> list[bytes]:
        """One 16-byte de-duplication key per record, rejected ones included.

        A hash of app id, endpoint id, event id, event type and client timestamp; of shard and sequence number where there is no event id.
        """
        tags, event_ids = self._batch.tags, self._event_ids
        # `key_of`, written out: a call an event is half of what it costs.
        keys = [
            digest(
                pack(
                    (
                        source.client.client_id,
                        event_id,
                        source.event_timestamp,
                        source.application.app_id,
                        tags.get(type(source)) or source.event_type,
                    )
                )
            )
            for source, event_id in zip(self._sources, event_ids, strict=True)
        ]
        for index in self._odd:
            keys[index] = self._odd_key(index)
        return keys

    @cached_property
    def minutes(self) -> list[int]:
        """The bucket of each key: the client's timestamp as it was sent, in whole minutes since the epoch, modulo `MINUTES`.

        Never the arrival where there is an event id, for that differs from one try of a client to the next.
        """
        batch = self._batch
        stamps = np.array([source.event_timestamp for source in self._sources], np.int64)
        for index in self._odd:
            stray = batch.strays.get(index)
            stamps[index] = (stray.timestamp_ms or 0) if stray is not None and stray.has_event_id else batch.arrivals[index]
        minutes: list[int] = (stamps // _MINUTE_MS % MINUTES).tolist()
        return minutes

    @cached_property
    def _sources(self) -> list[Any]:
        sources = self._batch.sources
        return [NOBODY if source is None else source for source in sources] if self._batch.strays else sources

    @cached_property
    def _event_ids(self) -> list[str | None]:
        return [source.headwater.event_id for source in self._sources]

    @cached_property
    def _odd(self) -> list[int]:
        """The numbers of the records that are malformed or bring no event id."""
        return [index for index, event_id in enumerate(self._event_ids) if event_id is None]

    @cached_property
    def letter_ids(self) -> dict[int, str]:
        """Record number -> the dead letter it was sent again for; only re-driven records."""
        found = enumerate(self._batch.sources)
        return {
            index: letter_id
            for index, source in found
            if source is not None and (provenance := source.headwater) is not None and (letter_id := provenance.letter_id) is not None
        }

    @cached_property
    def _merged(self) -> dict[str, Chunk]:
        return {name: _in_order(chunks) for name, chunks in self._batch.chunks.items()}

    def places(self, table: str) -> Sequence[int]:
        """Return for each row of *table* the number of the record it came from, growing; empty if the batch has no such row."""
        chunk = self._merged.get(table)
        return [] if chunk is None else chunk.indices

    def tables(self, drop: Collection[int] = ()) -> dict[str, pa.Table]:
        """Return table name -> rows in the order of their records, leaving out the records in *drop*; no table is empty."""
        if not drop:
            return {name: chunk.rows for name, chunk in self._merged.items()}
        dropped = drop if isinstance(drop, set | frozenset | dict) else set(drop)
        tables = {}
        for name, (indices, rows) in self._merged.items():
            keep = [position for position, index in enumerate(indices) if index not in dropped]
            if keep:
                tables[name] = rows if len(keep) == len(indices) else rows.take(keep).combine_chunks()
        return tables

    def identity(self, index: int) -> RecordIdentity:
        """Return what a record says of itself, rejected ones included, as far as it can be read."""
        batch = self._batch
        source = batch.sources[index]
        stray = batch.strays.get(index)
        if stray is not None:
            return stray.identity
        event_id = source.headwater.event_id
        return RecordIdentity(
            event_id=batch.substitute_id(index) if event_id is None else event_id,
            event_type=batch.event_type(source),
            app_id=source.application.app_id,
            client_id=source.client.client_id,
            cognito_id=source.client.cognito_id,
            session_id=source.session.session_id,
            datetime_ms=int(batch.stamps[index]),
            arrival_ms=int(batch.arrivals[index]),
        )

    def _odd_key(self, index: int) -> bytes:
        batch = self._batch
        here = place_key(batch.shard_id, batch.sequence_numbers[index])
        if index not in batch.strays:
            return here
        stray, stamp, has_id = batch.strays[index]
        return key_of(stray.app_id, stray.client_id, stray.event_id, stray.event_type, stamp) if has_id else here


def _in_order(chunks: list[Chunk]) -> Chunk:
    """Join what the fast path and Pydantic made, in the order of the records."""
    if len(chunks) == 1:
        return chunks[0]
    indices = np.concatenate([np.asarray(chunk.indices, dtype=np.int64) for chunk in chunks])
    order = np.argsort(indices, kind="stable")
    rows = pa.concat_tables([chunk.rows for chunk in chunks]).take(order).combine_chunks()
    return Chunk(indices[order].tolist(), rows)
