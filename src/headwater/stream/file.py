"""The embedded stream: plain segment files, one folder for each shard, as `docs/decisions/0001-plain-segment-files.md` argues."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from headwater.errors import NotFound, SettingsError
from headwater.record import Position, Record
from headwater.stream import FIRST_SHARD, Batch
from headwater.stream.commit import GroupCommit
from headwater.stream.reader import ShardReader
from headwater.stream.stat import ShardStat
from headwater.stream.writer import ShardWriter

SEGMENT_BYTES = 64 * 1024 * 1024

_SHARD_ID = re.compile(r"shardId-\d{12}", re.ASCII)
_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.002, 0.02

# the same as calling Position, at a third of the cost, which is paid for each record
_position: Callable[[tuple[str, int]], Position] = partial(tuple.__new__, Position)


class FileStream:
    """A `Stream` in a folder. One process opens it to write, which includes reading; any number of others read it meanwhile.

    *after* gives, for each shard, a number that must not be handed out again (the ledger's position).
    *max_bytes*: appends beyond it raise `StreamFull`; None = until the disk is full. *segment_bytes*: a segment ends about there.
    """

    def __init__(
        self,
        url: str,
        *,
        mode: Literal["read", "write"] = "read",
        max_bytes: int | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        after: Mapping[str, int] | None = None,
    ) -> None:
        """Open `file:///folder`; a writer creates it and settles what a crash left behind."""
        path = unquote(url.removeprefix("file://"))
        if not url.startswith("file://") or not path.startswith("/"):
            raise SettingsError(f"a file stream's url is file:///absolute/folder, not {url!r}")
        if mode not in {"read", "write"}:
            raise SettingsError(f"a stream's mode is read or write, not {mode!r}")
        self._root = Path(path)
        self._readers: dict[str, ShardReader] = {}
        self._writer: ShardWriter | None = None
        self._closed = False
        if mode == "write":
            self._writer = ShardWriter(self._root / FIRST_SHARD, (after or {}).get(FIRST_SHARD, 0), max_bytes, segment_bytes)
            self._commits = GroupCommit(self._writer.append)

    async def append(self, records: Sequence[Record]) -> list[Position]:
        """Keep the promise of `Stream.append`; the records of one call are all kept or all lost, whatever happens."""
        if self._writer is None:
            raise SettingsError("the stream was opened with mode='read'; its writer is another process")
        if not records:
            return []
        first = await self._commits.append(records)
        return list(map(_position, zip(repeat(FIRST_SHARD), range(first, first + len(records)), strict=False)))

    async def shards(self) -> list[str]:
        """Keep the promise of `Stream.shards`; the first shard is there before its folder is."""
        found = {path.name for path in self._root.glob("shardId-*") if _SHARD_ID.fullmatch(path.name)}
        return sorted(found | {FIRST_SHARD})

    async def read(self, shard_id: str, after: int, limit: int, wait_s: float) -> Batch:
        """Keep the promise of `Stream.read`; a batch of big records ends early, at about 32 MiB.

        Damage is "trimmed", "missing" (no bytes), "bad blob" or "not a list of records".
        """
        reader = self._reader(shard_id)
        deadline = time.monotonic() + wait_s
        pause = _SHORTEST_WAIT_S
        while not reader.has(after):
            left = deadline - time.monotonic()
            if left <= 0:
                return Batch(shard_id, [], [], (), after)
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_WAIT_S)
        return await asyncio.to_thread(reader.read, after, limit)

    async def position_at(self, shard_id: str, time_ms: int) -> int:
        """Keep the promise of `Stream.position_at`, for arrival times that do not go back from one append to the next."""
        return await asyncio.to_thread(self._reader(shard_id).position_at, time_ms)

    async def trim(self, shard_id: str, before: int, older_than_ms: int) -> int:
        """Keep the promise of `Stream.trim`; the newest segment always stays. The writer's to call; `Unavailable` if the disk fails."""
        if self._writer is None:
            raise SettingsError("the stream was opened with mode='read'; its writer is another process")
        if shard_id != FIRST_SHARD:
            raise NotFound("shard", shard_id)
        return await asyncio.to_thread(self._writer.trim, before, older_than_ms)

    async def stat(self, shard_id: str = FIRST_SHARD) -> ShardStat:
        """Return what the shard holds; *cut_bytes* is known to the writer only, 0 for others."""
        return self._reader(shard_id).stat(self._writer.cut_bytes if self._writer else 0)

    async def close(self) -> None:
        """Commit what waits, and let go of all files. Closing twice is harmless."""
        try:
            if self._writer is not None and not self._closed:
                self._closed = True
                await self._commits.close()
                await asyncio.to_thread(self._writer.close)
        finally:
            for reader in self._readers.values():
                reader.close()
            self._readers.clear()

    def _reader(self, shard_id: str) -> ShardReader:
        reader = self._readers.get(shard_id)
        if reader is None:
            # names come from clients: nothing but a shard's id may become a path
            if not _SHARD_ID.fullmatch(shard_id) or (shard_id != FIRST_SHARD and not (self._root / shard_id).is_dir()):
                raise NotFound("shard", shard_id)
            reader = self._readers[shard_id] = ShardReader(self._root / shard_id, shard_id)
        return reader
