"""An ASGI app on a socket that is bound already, inside a role that has its own signals and life."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from headwater.edge import SERVER_OPTIONS, ASGIApp


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: the role handles them."""
        yield


class UvicornListener:
    """Answers on *sock* between `start` and `stop`."""

    def __init__(self, app: ASGIApp, sock: socket.socket) -> None:
        self._socket = sock
        # Idle connections are kept longer than clients keep them (botocore's pool, browsers), so that it is they who close.
        options: dict[str, Any] = dict(SERVER_OPTIONS)
        self._server = _Server(
            uvicorn.Config(app, **options, log_config=None, backlog=2048, timeout_keep_alive=75, timeout_graceful_shutdown=2)
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return once requests are answered."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Answer what was asked, then close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
