"""The collector role: accepts events, and now and then drops what every reader has passed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from pathlib import Path
from typing import Any

from headwater.clock import SystemClock
from headwater.edge.http1 import Server
from headwater.pipeline import PIPE, build_collector
from headwater.process import listen
from headwater.process.repeat import repeat
from headwater.settings import Settings

TRIM_EVERY_S = 60.0


class CollectorRole:
    """Listens on *sock* for apps."""

    def __init__(self, settings: Settings, project: Path, sock: socket.socket) -> None:
        self._settings, self._project, self._socket = settings, project, sock
        self._ready = False

    async def start(self) -> dict[str, Any]:
        """Open the stream and the stores, catch up, and listen."""
        self._parts = await build_collector(self._settings, self._project, self._health)
        self._listener = Server(self._parts.app, self._socket)
        await self._listener.start()
        self._trimming = asyncio.create_task(repeat(TRIM_EVERY_S, self._trim, "trimming the stream"))
        self._copying = asyncio.create_task(repeat(0.1, self._parts.rooms.event_streams.run, "filling event streams"))
        self._ready = True
        # A request leaves no cycles behind, but its events are many objects: by default the collector of cycles would look at them all,
        # several times a request, and now and then at every module and every kept profile.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        return {"url": listen.url(self._socket)}

    async def stop(self, within_s: float) -> None:
        """Answer the requests under way, then close the stream."""
        self._ready = False
        self._trimming.cancel()
        await self._listener.stop()
        await self._stop_copying()
        await self._parts.rooms.streams.close()
        await self._parts.stream.close()
        await asyncio.to_thread(self._parts.endpoints.close)
        self._parts.control.close()
        self._parts.identities.close()
        self._parts.rooms.documents.close()

    async def _stop_copying(self) -> None:
        self._copying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._copying
        await self._parts.rooms.event_streams.save()

    async def _trim(self) -> None:
        settled = await asyncio.to_thread(self._parts.settled)
        older_than_ms = SystemClock().now_ms() - round(self._settings.stream.retention_hours * 3_600_000)
        for shard_id in await self._parts.stream.shards():
            await self._parts.stream.trim(shard_id, settled.get((PIPE, shard_id), 0), older_than_ms)
        await self._parts.rooms.streams.trim()

    def _health(self) -> tuple[bool, dict[str, Any]]:
        return self._ready, {"role": "collector", "ready": self._ready}
