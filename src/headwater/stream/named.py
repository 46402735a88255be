"""What is kept of a named stream beside its records: its state in one small file, and what went in and out of it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol, get_args

import msgspec

from headwater.errors import NotFound, Unavailable
from headwater.record import Position, Record, Runs
from headwater.store.durable import sync_folder
from headwater.stream import FIRST_SHARD, Batch, Stream
from headwater.stream.stat import ShardStat
from headwater.telemetry.metrics import Histogram

FORMAT = 1
STATE_FILE = "stream.json"

Mode = Literal["PROVISIONED", "ON_DEMAND"]
ShardMetric = Literal[
    "IncomingBytes",
    "IncomingRecords",
    "IteratorAgeMilliseconds",
    "OutgoingBytes",
    "OutgoingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
]
SHARD_METRICS: tuple[ShardMetric, ...] = get_args(ShardMetric)


class StreamState(msgspec.Struct, frozen=True):
    """What was said of a stream. `metrics` are the shard-level metrics that are shown; all seven are always counted."""

    name: str
    stream_id: str
    created_ms: int
    mode: Mode = "PROVISIONED"
    retention_hours: float = 24
    max_record_kib: int = 1024
    tags: dict[str, str] = {}
    metrics: tuple[ShardMetric, ...] = ()
    format: int = FORMAT


class ShardStream(Stream, Protocol):
    """A stream that can say cheaply which numbers it holds."""

    async def stat(self, shard_id: str = FIRST_SHARD) -> ShardStat:
        """Return what the shard holds."""


class NamedStream:
    """A stream with its state, counting what goes in and out since this process began. It is a `ShardStream` itself."""

    def __init__(self, state: StreamState, stream: ShardStream) -> None:
        self.state = state
        self._stream = stream
        self._counts: dict[ShardMetric, int] = dict.fromkeys(SHARD_METRICS, 0)
        #: how long appends took until they were durable, and how many wait now
        self.append_seconds, self.waiting = Histogram(), 0
        self._reading, self._closed = 0, False
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def name(self) -> str:
        """Return the name callers use."""
        return self.state.name

    async def append(self, records: Sequence[Record]) -> list[Position]:
        """Keep the promise of `Stream.append`."""
        size = sum([run.size() for run in records.runs]) if isinstance(records, Runs) else sum([len(record.body) for record in records])
        began = time.perf_counter()
        self.waiting += 1
        try:
            positions = await self._stream.append(records)
        except Unavailable:
            self._counts["WriteProvisionedThroughputExceeded"] += len(records)
            raise
        finally:
            self.waiting -= 1
        self.append_seconds.observe(time.perf_counter() - began)
        self._counts["IncomingRecords"] += len(positions)
        self._counts["IncomingBytes"] += size
        return positions

    async def shards(self) -> list[str]:
        """Keep the promise of `Stream.shards`."""
        with self._read():
            return await self._stream.shards()

    async def read(self, shard_id: str, after: int, limit: int, wait_s: float) -> Batch:
        """Keep the promise of `Stream.read`. What our own pipes read is not counted: `count_read` is for consumers."""
        with self._read():
            return await self._stream.read(shard_id, after, limit, wait_s)

    async def position_at(self, shard_id: str, time_ms: int) -> int:
        """Keep the promise of `Stream.position_at`."""
        with self._read():
            return await self._stream.position_at(shard_id, time_ms)

    async def trim(self, shard_id: str, before: int, older_than_ms: int) -> int:
        """Keep the promise of `Stream.trim`."""
        with self._read():
            return await self._stream.trim(shard_id, before, older_than_ms)

    async def stat(self, shard_id: str = FIRST_SHARD) -> ShardStat:
        """Return what the shard holds."""
        with self._read():
            return await self._stream.stat(shard_id)

    async def close(self) -> None:
        """Make what was accepted durable and let go of all files, once the reads under way are done; later ones raise `NotFound`."""
        self._closed = True
        await self._idle.wait()
        await self._stream.close()

    @contextmanager
    def _read(self) -> Iterator[None]:
        """Keep the files where they are meanwhile: who deletes the stream closes it first."""
        if self._closed:
            raise NotFound("stream", self.name)
        self._reading += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._reading -= 1
            if not self._reading:
                self._idle.set()

    def count_read(self, records: Sequence[Record], age_ms: int) -> None:
        """Note that a consumer was given *records*, the last of which is *age_ms* old (0 once there is nothing left to read)."""
        self._counts["OutgoingRecords"] += len(records)
        self._counts["OutgoingBytes"] += sum([len(record.body) for record in records])
        self._counts["IteratorAgeMilliseconds"] = age_ms

    def count_refused_read(self) -> None:
        """Note that a consumer was told to come back later."""
        self._counts["ReadProvisionedThroughputExceeded"] += 1

    def counts(self) -> dict[ShardMetric, int]:
        """Return all seven metrics of the one shard; IteratorAgeMilliseconds is that of the last read, the others only grow."""
        return dict(self._counts)


def read_state(path: Path) -> StreamState:
    """Return the state in the file at *path*. Raises `OSError`, or `msgspec.MsgspecError` if it is none that this code knows."""
    state = msgspec.json.decode(path.read_bytes(), type=StreamState)
    if state.format > FORMAT:
        raise msgspec.ValidationError(f"{path} has format {state.format}; this Headwater reads up to {FORMAT}")
    return state


def write_state(path: Path, state: StreamState) -> None:
    """Put *state* into the file at *path*, all of it or nothing, durable on return."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
