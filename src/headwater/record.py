"""What lies on a stream: records, and their positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import msgspec


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Body bytes, the key that keeps one client's records in order, and when we received it (epoch ms)."""

    body: bytes
    partition_key: str
    arrival_ms: int


class Run(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Records of one key and one arrival whose bodies all end alike: that of record i is `heads[i] + tail`."""

    partition_key: str
    arrival_ms: int
    tail: bytes
    heads: list[bytes]

    def records(self) -> list[Record]:
        """Return the records themselves."""
        key, arrival_ms, tail = self.partition_key, self.arrival_ms, self.tail
        return [Record(head + tail, key, arrival_ms) for head in self.heads]

    def size(self) -> int:
        """Return how many bytes the bodies of the records have."""
        return sum(map(len, self.heads)) + len(self.tail) * len(self.heads)


class Runs(Sequence[Record]):
    """The records of some runs, in order. A stream may keep what they share once; whoever only iterates sees plain records."""

    __slots__ = ("_count", "runs")

    def __init__(self, runs: list[Run]) -> None:
        self.runs = runs
        self._count = sum([len(run.heads) for run in runs])

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Record]:
        for run in self.runs:
            yield from run.records()

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        return list(self)[index]


class Position(NamedTuple):
    """Where a record lies: its shard, and a number that only grows within the shard (1 or more, below 2**128)."""

    shard_id: str
    sequence_number: int
