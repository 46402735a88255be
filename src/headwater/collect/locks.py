"""Locks by key, for as long as somebody holds or wants them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager


class KeyedLocks:
    """One lock per key within one event loop; a key nobody holds costs nothing."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, list[None]]] = {}

    @asynccontextmanager
    async def hold(self, keys: Iterable[tuple[str, str]]) -> AsyncIterator[None]:
        """Hold the locks of all *keys*; taken in sorted order, so that two holders never wait for each other."""
        async with AsyncExitStack() as held:
            for key in sorted(set(keys)):
                await held.enter_async_context(self._hold_one(key))
            yield

    @asynccontextmanager
    async def _hold_one(self, key: Hashable) -> AsyncIterator[None]:
        lock, wanted = self._locks.setdefault(key, (asyncio.Lock(), []))
        wanted.append(None)
        try:
            async with lock:
                yield
        finally:
            wanted.pop()
            if not wanted:
                del self._locks[key]
