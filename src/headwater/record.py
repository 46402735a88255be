"""What lies on a stream: a record, and its position."""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Body bytes, the key that keeps one client's records in order, and when we received it (epoch ms)."""

    body: bytes
    partition_key: str
    arrival_ms: int


class Position(NamedTuple):
    """Where a record lies: its shard, and a number that only grows within the shard (1 or more, below 2**128)."""

    shard_id: str
    sequence_number: int
