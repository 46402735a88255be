"""A small ASGI server for HTTP/1.1: one listening socket, requests answered in the order they came, everything bounded.

What it leaves out is what the doors never use: WebSockets, HTTP/2, lifespan, answers in parts, and of the scope all they do not read.
What a client may cost is limited here: connections, the bytes and number of its headers, how long a head may take, and how long it may
stop in the middle of anything. Framing that two readers could read differently is refused by the parser.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import httptools

from headwater.edge.http.asgi import ASGIApp
from headwater.edge.http.connections import CONNECTIONS_LIMIT, Places, places_in_all
from headwater.edge.http.handshakes import Greeted, Handshakes
from headwater.edge.http.request import Header

HEADERS_LIMIT, HEAD_LIMIT_BYTES = 100, 32 * 1024
READ_AHEAD_BYTES = 256 * 1024
# Requests of one connection that wait for their turn: each takes fifty times the memory that it took to write.
AHEAD_LIMIT = 32
# Answers that nobody reads take memory, too: ours, and the system's, which would let each connection have megabytes of it.
UNSENT_BYTES, UNSENT_BY_SYSTEM_BYTES = 16 * 1024, 128 * 1024
HEAD_WITHIN_S, STALLED_AFTER_S, STOP_WITHIN_S = 10.0, 20.0, 2.0
SLOWEST_READER_BYTES_PER_S = 1_024
# Longer than clients keep theirs (botocore's pool, browsers), so that it is they who close.
IDLE_AFTER_S = 75.0
# After an answer that came before the whole body: closing at once would reset the connection, and the client might lose the answer.
LINGER_S = 1.0

_log = logging.getLogger(__name__)
_STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_CLOSE = (b"connection", b"close")
# 500 and not 503, after which Amplify drops what it has to send.
_TURNED_AWAY = (
    b"HTTP/1.1 500 Internal Server Error\r\nx-amzn-errortype: InternalServerErrorException\r\n"
    b"retry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)


class Server:
    """Answers on *sock* with *app* between `start` and `stop`."""

    def __init__(
        self, app: ASGIApp, sock: socket.socket, tls: Callable[[], ssl.SSLContext] | None = None, places: Places | None = None
    ) -> None:
        """*tls*: asked at each new connection for what to secure it with; None = plain HTTP. *places*: how many one address may have."""
        self.app, self._socket, self._tls = app, sock, tls
        self.places = Places() if places is None else places
        self.most = CONNECTIONS_LIMIT
        self.connections: set[_Connection] = set()

    async def start(self) -> None:
        """Return once requests are answered."""
        self.loop = asyncio.get_running_loop()
        self.most = places_in_all()
        if self._socket.family in (socket.AF_INET, socket.AF_INET6) and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # Every connection has it from the socket that listens.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BY_SYSTEM_BYTES)
        self._server: asyncio.AbstractServer | Handshakes
        if self._tls is None:
            self._server = await self.loop.create_server(lambda: _Connection(self), sock=self._socket, backlog=2_048)
        else:
            self._server = Handshakes(
                self._socket,
                self._tls,
                lambda place: _Connection(self, place),
                places=self.places,
                full=lambda begun: begun + len(self.connections) >= self.most,
                within_s=HEAD_WITHIN_S,
            )
        self._sweeping = self.loop.create_task(self._sweep())

    async def stop(self) -> None:
        """Answer what was asked, for at most `STOP_WITHIN_S`, then close."""
        self._server.close()
        for connection in list(self.connections):
            connection.finish()
        deadline = self.loop.time() + STOP_WITHIN_S
        while self.connections and self.loop.time() < deadline:  # noqa: ASYNC110  (once in the life of a server)
            await asyncio.sleep(0.01)
        for connection in list(self.connections):
            connection.abort()
        self._sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._sweeping

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = self.loop.time()
            for connection in [each for each in self.connections if each.deadline < now or each.reads_too_slowly(now)]:
                connection.abort()


class _Refused(Exception):
    """A request that no application sees."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status.phrase)
        self.status = status


class _Exchange:
    """One request and its answer."""

    def __init__(self, connection: _Connection, scope: dict[str, Any], keep_alive: bool) -> None:
        self._connection, self.scope, self.keep_alive = connection, scope, keep_alive
        self._parts: list[bytes] = []
        self._start: dict[str, Any] = {}
        self.waiter: asyncio.Future[None] | None = None
        self.complete = self.answered = False

    def feed(self, part: bytes) -> None:
        if not self.answered:  # else it comes after an early answer
            self._parts.append(part)
            self.wake()

    def unread(self) -> int:
        return sum(map(len, self._parts))

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def receive(self) -> dict[str, Any]:
        while not self._parts and not self.complete:
            if self._connection.lost:
                return {"type": "http.disconnect"}
            self.waiter = self._connection.want_more(self)
            await self.waiter
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        return {"type": "http.request", "body": body, "more_body": not self.complete}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message.get("more_body"):
            raise RuntimeError("an answer here is one message: its length stands in its head")
        headers = self._start["headers"]
        self.answered = True
        self.keep_alive = self.keep_alive and self.complete and _CLOSE not in headers
        body = message["body"] if self.scope["method"] != "HEAD" else b""
        self._connection.write(_head(self._start["status"], headers, self.keep_alive) + body)


class _Connection(Greeted):
    """One client: its requests, of which the first is being answered while the others wait."""

    def __init__(self, server: Server, place: str | None = None) -> None:
        self._server, self._loop, self._place = server, server.loop, place
        self._parser = httptools.HttpRequestParser(self)
        self._exchanges: deque[_Exchange] = deque()
        self._reading: _Exchange | None = None  # the one whose body is not complete
        self._url, self._headers = b"", list[Header]()
        self._head_bytes, self._in_head = 0, False
        self._working: asyncio.Task[None] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._deaf = self._finishing = self._paused = self._cut = False
        self.lost = False
        self._unsent, self._look_again = 0, math.inf
        self.deadline = self._loop.time() + HEAD_WITHIN_S

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        self._client = transport.get_extra_info("peername")
        self._half_closes = transport.get_extra_info("sslcontext") is None
        self.made = True
        transport.set_write_buffer_limits(high=UNSENT_BYTES)
        if self._place is None:
            self._place = self._server.places.enter(self._client)
        if self._place is None or len(self._server.connections) >= self._server.most:
            # Gone at once: one that lingered would take what there is too little of.
            self._deaf = self._finishing = True
            self.write(_TURNED_AWAY)
            transport.close()
            return
        self._server.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._server.connections.discard(self)
        if self._place is not None:
            self._server.places.leave(self._place)
        self.resume_writing()
        self._wake()
        for exchange in self._exchanges:
            exchange.wake()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = self._finishing = True  # the request is answered as any other; whatever follows it is no HTTP
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.status if isinstance(cause, _Refused) else HTTPStatus.BAD_REQUEST)
            return
        if self._reading is not None:
            self.deadline = self._loop.time() + STALLED_AFTER_S
            if self._reading.unread() > READ_AHEAD_BYTES:
                self._pause()
        elif self._in_head:
            self._head_bytes += len(data)  # parts of a line are not seen by the callbacks below
            if self._head_bytes > 2 * HEAD_LIMIT_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if len(self._exchanges) > 1:
            self._pause()

    def eof_received(self) -> bool:
        self._deaf = self._finishing = True
        # Whoever only half-closed still gets the answers; within TLS there is no such thing.
        return self._half_closes and bool(self._exchanges) and self._reading is None

    def on_message_begin(self) -> None:
        if len(self._exchanges) > AHEAD_LIMIT:
            raise _Refused(HTTPStatus.TOO_MANY_REQUESTS)  # the others are answered, then the connection ends
        self._url, self._headers = b"", []
        self._head_bytes, self._in_head = 0, True
        self.deadline = self._loop.time() + HEAD_WITHIN_S

    def on_url(self, part: bytes) -> None:
        self._url += part
        if len(self._url) > HEAD_LIMIT_BYTES:
            raise _Refused(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_LIMIT_BYTES or len(self._headers) > HEADERS_LIMIT:
            raise _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        parser = self._parser
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):  # none was given, which is 0.9
            raise _Refused(HTTPStatus.BAD_REQUEST)
        raw_path, query = _target(self._url)
        scope = {
            "type": "http",
            "method": parser.get_method().decode("latin-1"),
            "raw_path": raw_path,
            "query_string": query,
            "http_version": version,
            "headers": self._headers,
            "client": self._client,
        }
        self._headers, self._in_head = [], False  # what comes from now on are trailers, which nobody reads
        keep_alive = version == "1.1" and parser.should_keep_alive()
        self._reading = _Exchange(self, scope, keep_alive)
        self._exchanges.append(self._reading)
        if self._working is None:
            self._working = self._loop.create_task(self._work())
        self._wake()

    def on_body(self, part: bytes) -> None:
        if self._reading is not None:
            self._reading.feed(part)

    def on_message_complete(self) -> None:
        if self._reading is not None:
            self._reading.complete = True
            self._reading.wake()
            self._reading, self.deadline = None, math.inf

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()
        self._unsent, self._look_again = self._transport.get_write_buffer_size(), self._loop.time() + STALLED_AFTER_S

    def resume_writing(self) -> None:
        self._look_again = math.inf
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def want_more(self, exchange: _Exchange) -> asyncio.Future[None]:
        """Read on, and return what is done once there is more of the body."""
        if (b"expect", b"100-continue") in exchange.scope["headers"]:
            exchange.scope["headers"].remove((b"expect", b"100-continue"))
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._resume()
        return self._loop.create_future()

    def reads_too_slowly(self, now: float) -> bool:
        """Return whether the client took too little of its answers since this was last looked at."""
        if self._look_again > now:
            return False
        before, self._unsent = self._unsent, self._transport.get_write_buffer_size()
        self._look_again = now + STALLED_AFTER_S
        return before - self._unsent < STALLED_AFTER_S * SLOWEST_READER_BYTES_PER_S

    def write(self, data: bytes) -> None:
        """Send, unless nobody is left."""
        if not self.lost:
            self._transport.write(data)

    def finish(self) -> None:
        """Close after what was asked is answered."""
        self._finishing = True
        if self._exchanges:
            self._exchanges[-1].keep_alive = False
        else:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    async def _work(self) -> None:
        # One task for the life of a connection: making one costs as much as all else that is done here for a request.
        while True:
            while not self._exchanges:
                if self.lost:
                    return
                self._idle = self._loop.create_future()
                await self._idle
            exchange = self._exchanges[0]
            try:
                await self._server.app(exchange.scope, exchange.receive, exchange.send)
            except Exception as error:  # noqa: BLE001  (an application that breaks its promise: the client sees a connection that ends)
                _log.error("the application raised %s", type(error).__name__)
            if self._drained is not None:  # a client that does not read its answers gets no more of them
                await self._drained
                self._drained = None
            self._exchanges.popleft()
            if not (exchange.answered and exchange.keep_alive) or (self._finishing and not self._exchanges):
                self._exchanges.clear()
                self._close(whole=exchange.complete and not self._cut)
            elif not self._exchanges:
                self._resume()
                if not self._in_head:
                    self.deadline = self._loop.time() + IDLE_AFTER_S

    def _refuse(self, status: HTTPStatus) -> None:
        self._deaf = self._finishing = self._cut = True
        if not self._exchanges:
            self.write(_head(status, [(b"content-length", b"0")], keep_alive=False))
            self._close(whole=False)
        elif self._reading is not None:  # its body will never be complete
            self.abort()

    def _close(self, whole: bool) -> None:
        self._deaf = True
        self.deadline = self._loop.time() + STALLED_AFTER_S
        if whole or self.lost:
            self._transport.close()
        else:
            self._resume()
            self._loop.call_later(LINGER_S, self._transport.close)

    def _wake(self) -> None:
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    def _pause(self) -> None:
        if not self._paused and not self.lost:
            self._paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._paused and not self.lost:
            self._paused = False
            self._transport.resume_reading()


def _target(url: bytes) -> tuple[bytes, bytes]:
    """Return the raw path and the raw query of a request's target."""
    if url[:1] != b"/":  # absolute, as to a proxy; or `*`, or what CONNECT wants, which are no path
        try:
            parsed = httptools.parse_url(url)
        except httptools.HttpParserInvalidURLError:
            return url, b""
        return parsed.path or b"/", parsed.query or b""
    raw_path, _, query = url.partition(b"#")[0].partition(b"?")
    return raw_path, query


def _head(status: int, headers: Iterable[Header], keep_alive: bool) -> bytes:
    """Return the head of an answer."""
    lines = b"".join([b"%s: %s\r\n" % header for header in headers if header != _CLOSE])
    return _STATUS_LINES[status] + lines + (b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
