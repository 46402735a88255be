"""Records in order, per shard, until every reader that matters has passed them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, cast

from headwater.backend import find_backend
from headwater.record import Position, Record

SUBMODULES = ("named", "streams")
"""What other rooms may import from beside this module, which would load more than they need."""

BACKENDS = {
    "memory": "headwater.stream.memory:MemoryStream",
    "file": "headwater.stream.file:FileStream",
}

FIRST_SHARD = "shardId-000000000000"


class Damage(NamedTuple):
    """A run of sequence numbers, both ends included, that were acknowledged and can no longer be read."""

    first: int
    last: int
    reason: str


class Batch(NamedTuple):
    """What one read gave: `records[i]` has `sequence_numbers[i]`; go on after `upto` (it covers the damage, too)."""

    shard_id: str
    records: list[Record]
    sequence_numbers: list[int]
    damaged: tuple[Damage, ...]
    upto: int

    def until(self, number: int) -> Batch:
        """Return the part up to the record of that number, which is one of them, or `upto`."""
        if number == self.upto:
            return self
        count = bisect_right(self.sequence_numbers, number)
        damaged = tuple(damage for damage in self.damaged if damage.last <= number)
        return Batch(self.shard_id, self.records[:count], self.sequence_numbers[:count], damaged, number)


class Stream(Protocol):
    """An ordered log. One process appends to it; any number of others read it."""

    async def append(self, records: Sequence[Record]) -> list[Position]:
        """Return one position per record, in order, once all are durable; else raise `Unavailable` and promise none."""

    async def shards(self) -> list[str]:
        """Return the ids of the shards, sorted."""

    async def read(self, shard_id: str, after: int, limit: int, wait_s: float) -> Batch:
        """Return up to *limit* durable records after *after* (0 = from the oldest kept), fewer if fewer are there.

        Waits up to *wait_s* seconds for the first one. A record that is not yet durable is never returned.
        Numbers that were acknowledged and cannot be read any more come as `damaged`, each once.
        """

    async def position_at(self, shard_id: str, time_ms: int) -> int:
        """Return the number of the last durable record that arrived before *time_ms*, 0 if there is none."""

    async def trim(self, shard_id: str, before: int, older_than_ms: int) -> int:
        """Drop whole segments whose records all lie at or before *before* and arrived before *older_than_ms*; return the bytes freed."""

    async def close(self) -> None:
        """Make what was accepted durable and let go of all files."""


def open_stream(url: str, **options: Any) -> Stream:
    """Open the stream at *url* (`memory:` or `file:///folder`); *options* go to the backend."""
    return cast(Stream, find_backend("stream", BACKENDS, url)(url, **options))
