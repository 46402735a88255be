"""The query role: answers on the private listener."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

from headwater.errors import ProjectError
from headwater.pipeline import build_query
from headwater.process import listen
from headwater.process.metrics import project_families
from headwater.process.uvicorn_listener import Listener
from headwater.settings import Settings
from headwater.telemetry.prometheus import CONTENT_TYPE, exposition

# At a project's first start the worker makes the tables while this role waits for them.
TABLES_WITHIN_S = 60.0


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
                app, self._engine = build_query(self._settings, self._project, self._health, self._metrics)
                await asyncio.to_thread(self._engine.tables)
                break
            except ProjectError:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(0.1)
        self._listener = Listener(app, self._socket)
        await self._listener.start()
        self._ready = True
        return {"url": listen.url(self._socket)}

    async def stop(self, within_s: float) -> None:
        """Answer the requests under way, then close."""
        self._ready = False
        await self._listener.stop()
        self._engine.close()

    async def _metrics(self) -> tuple[bytes, str]:
        return exposition(await project_families(self._settings, self._project)), CONTENT_TYPE

    def _health(self) -> tuple[bool, dict[str, Any]]:
        return self._ready, {"role": "query", "ready": self._ready}
