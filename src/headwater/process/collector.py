"""The collector role: accepts events, and now and then drops what every reader has passed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from pathlib import Path
from typing import Any

from headwater.clock import SystemClock
from headwater.edge.http.connections import Places
from headwater.edge.http.http1 import Server
from headwater.jobs import Handlers, JobRun
from headwater.jobs.roles import Families, Metrics
from headwater.jobs.socket import serve_jobs
from headwater.ledger import LAKE
from headwater.pipeline.collector import build_collector
from headwater.places import Paths
from headwater.places.identity import note_places
from headwater.places.presence import places_of
from headwater.process import listen
from headwater.process.metrics import collector_families
from headwater.process.repeat import repeat
from headwater.process.tls import ServerTls, TlsFiles
from headwater.process.tracing import open_traces
from headwater.settings import Settings
from headwater.telemetry.metrics import Requests

TRIM_EVERY_S = 60.0
RENEWED_WITHIN_S = 10.0


class CollectorRole:
    """Listens on *sock* for apps; over TLS if there are files for it."""

    def __init__(self, settings: Settings, project: Path, sock: socket.socket, files: TlsFiles | None = None) -> None:
        self._settings, self._project, self._socket = settings, project, sock
        self._tls = ServerTls(files) if files else None
        self._ready = False
        self._requests, self._traces = Requests(), open_traces(settings, "collector")

    async def start(self) -> dict[str, Any]:
        """Open the stream and the stores, catch up, and listen."""
        self._parts = await build_collector(self._settings, self._project, self._health, self._requests, self._traces)
        note_places(self._project, places_of(self._settings, self._project, "stream", "endpoints", "control", "master_keys"))
        limits, proxies = self._settings.limits, self._settings.public.trusted_proxies
        places = Places(limits.connections_per_address, exempt=(*limits.exempt, *proxies))
        self._listener = Server(self._parts.app, self._socket, self._tls.context if self._tls else None, places)
        await self._listener.start()
        self._jobs = await serve_jobs(Paths(self._project).collector_socket, Handlers([Metrics.by(self._metrics)]))
        self._trimming = asyncio.create_task(repeat(TRIM_EVERY_S, self._trim, "trimming the stream"))
        self._copying = asyncio.create_task(repeat(0.1, self._parts.rooms.event_streams.run, "filling event streams"))
        if self._tls is not None:
            self._renewing = asyncio.create_task(repeat(RENEWED_WITHIN_S, self._tls.refresh, "looking for a renewed certificate"))
        self._ready = True
        # A request leaves no cycles behind, but its events are many objects: by default the collector of cycles would look at them all,
        # several times a request, and now and then at every module and every kept profile.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        return {"url": listen.url(self._socket, secure=self._tls is not None)}

    async def stop(self, within_s: float) -> None:
        """Answer the requests under way, then close the stream."""
        self._ready = False
        self._trimming.cancel()
        self._jobs.close()
        await self._listener.stop()
        await self._stop_copying()
        await self._parts.rooms.streams.close()
        await self._parts.stream.close()
        await asyncio.to_thread(self._parts.endpoints.close)
        self._parts.control.close()
        self._parts.identities.close()
        self._parts.rooms.documents.close()
        if self._traces is not None:
            await asyncio.to_thread(self._traces.close)

    async def _stop_copying(self) -> None:
        self._copying.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._copying
        await self._parts.rooms.event_streams.save()

    async def _trim(self) -> None:
        settled = await asyncio.to_thread(self._parts.settled)
        older_than_ms = SystemClock().now_ms() - round(self._settings.stream.retention_hours * 3_600_000)
        for shard_id in await self._parts.stream.shards():
            await self._parts.stream.trim(shard_id, settled.get((LAKE, shard_id), 0), older_than_ms)
        await self._parts.rooms.streams.trim()

    async def _metrics(self, job: Metrics, run: JobRun) -> Families:
        return Families(collector_families(self._requests, len(self._listener.connections), self._parts.rooms.streams))

    def _health(self) -> tuple[bool, dict[str, Any]]:
        return self._ready, {"role": "collector", "ready": self._ready}
