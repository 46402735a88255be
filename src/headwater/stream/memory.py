"""A stream in this process's memory, for tests and for trying things out: the same promises, but for durability."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headwater.errors import NotFound, StreamFull, Unavailable
from headwater.record import Position, Record
from headwater.stream import FIRST_SHARD, Batch, Damage
from headwater.stream.stat import ShardStat


class _Segment(NamedTuple):
    first: int
    records: tuple[Record, ...]
    newest_ms: int
    bytes: int


class MemoryStream:
    """A `Stream` of one shard; each append is a segment of its own. *mode* is accepted because other backends need it."""

    def __init__(
        self, url: str = "memory:", *, mode: str = "write", max_bytes: int | None = None, after: Mapping[str, int] | None = None
    ) -> None:
        """Make an empty stream; two with the same *url* share nothing."""
        self._max_bytes = max_bytes
        self._segments: list[_Segment] = []
        self._next = self._oldest = (after or {}).get(FIRST_SHARD, 0) + 1
        self._appended = asyncio.Event()
        self._closed = False

    async def append(self, records: Sequence[Record]) -> list[Position]:
        """Keep the promise of `Stream.append`."""
        if self._closed:
            raise Unavailable("the stream is closed")
        if not records:
            return []
        size = sum(len(record.body) + len(record.partition_key) + 8 for record in records)
        if self._max_bytes is not None and self._bytes() + size > self._max_bytes:
            raise StreamFull(f"the stream holds its limit of {self._max_bytes} bytes and nothing may be dropped yet")
        first, self._next = self._next, self._next + len(records)
        self._segments.append(_Segment(first, tuple(records), max(record.arrival_ms for record in records), size))
        self._appended.set()
        self._appended = asyncio.Event()
        return [Position(FIRST_SHARD, number) for number in range(first, self._next)]

    async def shards(self) -> list[str]:
        """Keep the promise of `Stream.shards`."""
        return [FIRST_SHARD]

    async def read(self, shard_id: str, after: int, limit: int, wait_s: float) -> Batch:
        """Keep the promise of `Stream.read`."""
        _check(shard_id)
        deadline = time.monotonic() + wait_s
        while self._next <= max(after + 1, self._oldest):
            try:
                await asyncio.wait_for(self._appended.wait(), max(0, deadline - time.monotonic()))
            except TimeoutError:
                return Batch(shard_id, [], [], (), after)
        trimmed = (Damage(after + 1, self._oldest - 1, "trimmed"),) if 0 < after < self._oldest - 1 else ()
        start = max(after + 1, self._oldest)
        records: list[Record] = []
        for segment in self._segments[self._index(start) :]:
            records += segment.records[max(0, start - segment.first) :]
            if len(records) >= limit:
                break
        del records[limit:]
        return Batch(shard_id, records, list(range(start, start + len(records))), trimmed, start + len(records) - 1)

    async def position_at(self, shard_id: str, time_ms: int) -> int:
        """Keep the promise of `Stream.position_at`."""
        _check(shard_id)
        for segment in reversed(self._segments):
            for index in range(len(segment.records) - 1, -1, -1):
                if segment.records[index].arrival_ms < time_ms:
                    return segment.first + index
        return 0

    async def trim(self, shard_id: str, before: int, older_than_ms: int) -> int:
        """Keep the promise of `Stream.trim`; the newest segment always stays."""
        _check(shard_id)
        kept = self._bytes()
        while len(self._segments) > 1 and self._segments[1].first - 1 <= before and self._segments[0].newest_ms < older_than_ms:
            del self._segments[0]
            self._oldest = self._segments[0].first
        return kept - self._bytes()

    async def stat(self, shard_id: str = FIRST_SHARD) -> ShardStat:
        """Return what the shard holds."""
        _check(shard_id)
        return ShardStat(self._bytes(), len(self._segments), self._oldest, self._next, 0)

    async def close(self) -> None:
        """Refuse further appends."""
        self._closed = True

    def _bytes(self) -> int:
        return sum(segment.bytes for segment in self._segments)

    def _index(self, number: int) -> int:
        return max(0, bisect_right(self._segments, number, key=lambda segment: segment.first) - 1)


def _check(shard_id: str) -> None:
    if shard_id != FIRST_SHARD:
        raise NotFound("shard", shard_id)
