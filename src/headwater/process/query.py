"""The query role: answers on the private listener."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import msgspec
import structlog

from headwater.errors import HeadwaterError, ProjectError
from headwater.executions.metrics import families
from headwater.jobs.socket import SocketAsk
from headwater.pipeline.query import build_engine, build_query
from headwater.places import Paths
from headwater.places.identity import note_places
from headwater.places.presence import places_of
from headwater.process import listen
from headwater.process.metrics import project_families
from headwater.process.repeat import repeat
from headwater.process.standstill import standing_still
from headwater.process.uvicorn_listener import UvicornListener
from headwater.settings import Settings
from headwater.telemetry.prometheus import CONTENT_TYPE, exposition

# At a project's first start the worker makes the tables while this role waits for them.
TABLES_WITHIN_S = 60.0
FORGET_EVERY_S = 600.0


class QueryRole:
    """Listens on *sock* for people and their tools."""

    def __init__(self, settings: Settings, project: Path, sock: socket.socket) -> None:
        self._settings, self._project, self._socket = settings, project, sock
        self._ready = False

    async def start(self) -> dict[str, Any]:
        """Open the lake, ask it something, and listen."""
        deadline = asyncio.get_running_loop().time() + TABLES_WITHIN_S
        while True:
            try:
                engine = build_engine(self._settings, self._project, sandboxed=True)
                await asyncio.to_thread(engine.tables)
                break
            except ProjectError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.1)
        engine.warm()
        ask = SocketAsk(Paths(self._project).worker_socket)
        self._parts = build_query(self._settings, self._project, engine, ask, self._health, self._metrics)
        note_places(self._project, places_of(self._settings, self._project, "queries", "results"))
        self._listener = UvicornListener(self._parts.app, self._socket)
        await self._listener.start()
        self._learning = asyncio.create_task(self._learn())
        self._forgetting = asyncio.create_task(repeat(FORGET_EVERY_S, self._forget, "forgetting old queries and results"))
        self._ready = True
        return {"url": listen.url(self._socket)}

    async def stop(self, within_s: float) -> None:
        """Answer the requests under way, then close."""
        self._ready = False
        self._learning.cancel()
        self._forgetting.cancel()
        await self._listener.stop()
        await asyncio.to_thread(self._parts.queries.close, within_s / 2)
        self._parts.engine.close()

    async def _learn(self) -> None:
        try:
            await asyncio.to_thread(self._parts.queries.catalog.learn)
        except HeadwaterError as error:
            structlog.get_logger("query").warning("the columns of a table are not known yet", reason=str(error))

    async def _forget(self) -> None:
        await asyncio.to_thread(self._parts.queries.executions.forget_old)

    async def _metrics(self) -> tuple[bytes, str]:
        project = await project_families(self._settings, self._project)
        return exposition([*project, *families(self._parts.queries.executions)]), CONTENT_TYPE

    async def _health(self) -> tuple[bool, dict[str, Any]]:
        """Say whether this role is ready, and whether everything behind it gets on: a monitor needs no more than the code of the answer."""
        still = await standing_still(self._settings, self._project)
        return self._ready and not still, {
            "role": "query",
            "ready": self._ready,
            "standing_still": [msgspec.structs.asdict(each) for each in still],
        }
