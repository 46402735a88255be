"""The HTTP server in the test's own loop, and clients that send it whatever bytes they like."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headwater.edge.http import http1
from headwater.edge.http.connections import Places
from headwater.edge.http.http1 import Server
from headwater.edge.wire.protocol import Receive, Scope, Send

GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"


class Echo:
    """Answers with method, path, query and body; `/early` before the body, `/slow` when told to, `/broken` not at all."""

    def __init__(self) -> None:
        self.go, self.seen = asyncio.Event(), list[Scope]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope)
        if scope["raw_path"] == b"/broken":
            raise ValueError
        if scope["raw_path"] == b"/slow":
            await self.go.wait()
        body = b""
        while scope["raw_path"] != b"/early" and (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        text = b" ".join([scope["method"].encode(), scope["raw_path"], scope["query_string"], b"%d" % len(body), body[:20]])
        headers = [(b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text})


class Client:
    """A socket that says what it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0.002 * (len(parts) > 1))  # so that they are parts for the server, too

    async def head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 60)

    async def answer(self) -> bytes:
        """Return the body of the next answer."""
        head = await self.head()
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length: "))
        return await asyncio.wait_for(self.reader.readexactly(int(length[16:])), 60)

    async def rest(self) -> bytes:
        """Return all until the server closes."""
        return await asyncio.wait_for(self.reader.read(), 60)


class Listening:
    """A server with `Echo` behind it."""

    def __init__(self, server: Server, echo: Echo, port: int) -> None:
        self.server, self.echo, self._port = server, echo, port
        self._clients: list[Client] = []

    async def connect(self, local: tuple[str, int] | None = None) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self._port, local_addr=local))
        self._clients.append(client)
        return client

    async def exchange(self, *parts: bytes) -> bytes:
        """Send on a new connection, and return all that comes until the server closes."""
        client = await self.connect()
        await client.say(*parts)
        return await client.rest()

    def close(self) -> None:
        for client in self._clients:
            client.writer.close()


@pytest.fixture(autouse=True)
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "LINGER_S", 0.2)


@asynccontextmanager
async def listening(places: Places | None = None, tls: Callable[[], ssl.SSLContext] | None = None) -> AsyncIterator[Listening]:
    sock, echo = socket.create_server(("127.0.0.1", 0)), Echo()
    server = Server(echo, sock, tls, places)
    await server.start()
    made = Listening(server, echo, sock.getsockname()[1])
    try:
        yield made
    finally:
        made.close()
        await server.stop()


@pytest.fixture
async def served() -> AsyncIterator[Listening]:
    async with listening() as made:
        yield made


async def until(true: Callable[[], Any]) -> None:
    """Wait until it is, for at most a minute."""
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.005)  # the server's turn, in the same loop
