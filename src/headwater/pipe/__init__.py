"""Moves one stream into one target: reads a batch, delivers it, goes on behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from headwater.stream import Stream
from headwater.target import Target

__all__ = ["Pipe"]


class Pipe:
    """One stream into one target. Killed anywhere, it goes on where the target stands.

    between: called with a name between any two steps, so that a test may stop it there.
    """

    def __init__(
        self,
        name: str,
        stream: Stream,
        target: Target,
        batch_size: int = 10_000,
        between: Callable[[str], None] = lambda step: None,
    ) -> None:
        self.name = name
        self._stream, self._target, self._batch_size, self._between = stream, target, batch_size, between

    async def step(self, wait_s: float) -> int:
        """Take one batch of each shard to the target; return how many records that was (0: none came in *wait_s* seconds)."""
        moved = 0
        for shard_id in await self._stream.shards():
            after = self._target.position(shard_id)
            batch = await self._stream.read(shard_id, after, self._batch_size, wait_s)
            if batch.upto > after:
                self._between("read")
                moved += await asyncio.to_thread(self._target.deliver, batch, after) - after
        return moved

    def close(self) -> None:
        """Let go of the target; the stream is another's to close."""
        self._target.close()
