"""What the HTTP server does with whatever bytes come."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from headwater.edge import http1
from headwater.edge.http1 import Server
from headwater.edge.places import Places
from headwater.edge.protocol import Receive, Scope, Send

GET = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD_LIMIT = http1.HEAD_LIMIT_BYTES


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
            await asyncio.sleep(0.002 * (len(parts) > 1))

    async def head(self) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)

    async def answer(self) -> bytes:
        """Return the body of the next answer."""
        head = await self.head()
        length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length: "))
        return await asyncio.wait_for(self.reader.readexactly(int(length[16:])), 5)

    async def rest(self) -> bytes:
        """Return all until the server closes."""
        return await asyncio.wait_for(self.reader.read(), 5)


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


async def test_a_connection_serves_one_request_after_the_other(served: Listening) -> None:
    client = await served.connect()

    await client.say(GET % b"a?x=%20y#z")
    first = await client.answer()
    await client.say(b"POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
    second = await client.answer()

    assert (first, second) == (b"GET /a x=%20y 0 ", b"POST /b  3 abc")


async def test_a_request_that_comes_byte_by_byte_is_read_whole(served: Listening) -> None:
    request = b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX-Long:  some value \r\n\r\nabc"
    client = await served.connect()

    await client.say(*[request[i : i + 1] for i in range(len(request))])

    assert await client.answer() == b"POST /b  3 abc"
    assert dict(served.echo.seen[0]["headers"])[b"x-long"].strip() == b"some value"


async def test_requests_sent_ahead_are_answered_in_order(served: Listening) -> None:
    client = await served.connect()

    await client.say(GET % b"slow" + b"".join(GET % b"%d" % number for number in range(30)))
    await asyncio.sleep(0.02)
    waiting = len(served.echo.seen)
    served.echo.go.set()
    answers = [await client.answer() for _ in range(31)]

    assert waiting == 1
    assert answers == [b"GET /slow  0 ", *[b"GET /%d  0 " % number for number in range(30)]]


async def test_of_too_many_requests_sent_ahead_the_first_are_answered_and_the_connection_ends(served: Listening) -> None:
    answers = await served.exchange(b"".join(GET % b"%d" % number for number in range(10_000)))

    assert answers.count(b"HTTP/1.1 200 ") == http1.AHEAD_LIMIT + 1
    assert answers.endswith(b"GET /%d  0 " % http1.AHEAD_LIMIT)


async def test_a_chunked_body_is_read_and_its_trailers_are_no_headers(served: Listening) -> None:
    client = await served.connect()

    await client.say(b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\nHost: evil\r\n\r\n")

    assert await client.answer() == b"POST /c  5 abcde"
    assert [name for name, _ in served.echo.seen[0]["headers"]] == [b"transfer-encoding"]


async def test_a_large_body_arrives_whole(served: Listening) -> None:
    client = await served.connect()
    body = bytes(3_000_000)

    await client.say(b"POST /big HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    assert (await client.answer()).startswith(b"POST /big  3000000 ")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: \0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
async def test_framing_that_can_be_read_in_two_ways_is_refused(served: Listening, request_bytes: bytes) -> None:
    answer = await served.exchange(request_bytes)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in answer
    assert served.echo.seen == []


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"x" * HEAD_LIMIT + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * HEAD_LIMIT + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 101 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 3 * HEAD_LIMIT, b"431"),
        (b"GET / HTTP/1.1\r\n" + b"z" * 3 * HEAD_LIMIT, b"431"),
    ],
)
async def test_a_head_over_its_limits_is_refused(served: Listening, request_bytes: bytes, status: bytes) -> None:
    at_once = await served.exchange(request_bytes)
    in_parts = await served.exchange(*[request_bytes[i : i + 9_000] for i in range(0, len(request_bytes), 9_000)])

    assert at_once.startswith(b"HTTP/1.1 %s " % status)
    assert in_parts.startswith(b"HTTP/1.1 %s " % status)
    assert served.echo.seen == []


async def test_a_head_at_its_limits_is_taken(served: Listening) -> None:
    client = await served.connect()

    await client.say(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 99 + b"Z: " + b"z" * (HEAD_LIMIT - 300) + b"\r\n\r\n")

    assert await client.answer() == b"GET /  0 "


async def test_a_refusal_comes_after_the_answers_that_are_due(served: Listening) -> None:
    answers = await served.exchange((GET % b"a") + b"nonsense\r\n\r\n")

    assert answers.count(b"HTTP/1.1 ") == 1
    assert answers.endswith(b"GET /a  0 ")


async def test_a_client_that_asks_first_is_told_to_go_on(served: Listening) -> None:
    client = await served.connect()

    await client.say(b"POST /e HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    told = await client.head()
    await client.say(b"abc")

    assert told == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert await client.answer() == b"POST /e  3 abc"


async def test_an_answer_that_comes_before_the_body_ends_the_connection(served: Listening) -> None:
    answer = await served.exchange(b"POST /early HTTP/1.1\r\nContent-Length: 900000\r\n\r\n", bytes(100_000), bytes(100_000))

    assert b"connection: close" in answer
    assert answer.endswith(b"POST /early  0 ")


@pytest.mark.parametrize(
    "line", [b"GET /o HTTP/1.0\r\n", b"GET /o HTTP/1.0\r\nConnection: keep-alive\r\n", b"GET /o HTTP/1.1\r\nConnection: close\r\n"]
)
async def test_a_connection_that_is_not_to_be_kept_is_closed(served: Listening, line: bytes) -> None:
    answer = await served.exchange(line + b"\r\n")

    assert b"connection: close" in answer
    assert answer.endswith(b"GET /o  0 ")


async def test_head_has_the_length_and_no_body(served: Listening) -> None:
    answer = await served.exchange(b"HEAD /h HTTP/1.1\r\nConnection: close\r\n\r\n")

    assert b"content-length: 11\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


async def test_an_upgrade_is_answered_as_a_plain_request_and_ends(served: Listening) -> None:
    answer = await served.exchange(b"GET /u HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x00\x01\x02")

    assert answer.endswith(b"GET /u  0 ")


async def test_a_target_with_a_host_is_reduced_to_its_path(served: Listening) -> None:
    client = await served.connect()

    await client.say(b"GET http://other.example/p/a?b=c HTTP/1.1\r\n\r\nOPTIONS * HTTP/1.1\r\n\r\n")

    assert [await client.answer(), await client.answer()] == [b"GET /p/a b=c 0 ", b"OPTIONS *  0 "]


async def test_a_client_that_only_stops_sending_still_gets_its_answer(served: Listening) -> None:
    client = await served.connect()
    await client.say(GET % b"slow")
    client.writer.write_eof()
    await asyncio.sleep(0.02)

    served.echo.go.set()

    assert (await client.rest()).endswith(b"GET /slow  0 ")


async def test_an_application_that_breaks_closes_only_its_connection(served: Listening) -> None:
    kept = await served.connect()

    broken = await served.exchange(GET % b"broken")
    await kept.say(GET % b"a")

    assert broken == b""
    assert await kept.answer() == b"GET /a  0 "


async def test_a_client_that_goes_away_in_its_body_is_forgotten(served: Listening) -> None:
    client = await served.connect()
    await client.say(b"POST /g HTTP/1.1\r\nContent-Length: 3\r\n\r\na")
    await asyncio.sleep(0.02)

    client.writer.transport.abort()

    await until(lambda: not served.server.connections)


@pytest.mark.parametrize("start", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na"])
async def test_a_client_that_stops_is_cut_off(monkeypatch: pytest.MonkeyPatch, start: bytes) -> None:
    monkeypatch.setattr(http1, "HEAD_WITHIN_S", 0.1)
    monkeypatch.setattr(http1, "STALLED_AFTER_S", 0.1)
    async with listening() as served:
        client = await served.connect()
        await client.say(start)

        assert await client.rest() == b""


async def test_an_idle_connection_is_closed_in_the_end_and_a_request_under_way_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_WITHIN_S", "STALLED_AFTER_S", "IDLE_AFTER_S"):
        monkeypatch.setattr(http1, name, 0.1)
    async with listening() as served:
        idle, busy = await served.connect(), await served.connect()
        await idle.say(GET % b"a")
        await idle.answer()
        await busy.say(GET % b"slow")

        closed = await idle.rest()
        served.echo.go.set()

        assert closed == b""
        assert await busy.answer() == b"GET /slow  0 "


async def test_a_connection_too_many_is_turned_away(served: Listening) -> None:
    served.server.most = 1
    kept = await served.connect()
    await kept.say(GET % b"a")
    await kept.answer()

    turned_away = await served.exchange()
    await kept.say(GET % b"b")

    assert turned_away.startswith(b"HTTP/1.1 500 ")
    assert await kept.answer() == b"GET /b  0 "


async def test_one_address_cannot_take_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(Places(2)) as served:
        kept = [await served.connect(), await served.connect()]
        for client in kept:
            await client.say(GET % b"a")
            await client.answer()

        turned_away = await served.exchange()
        other = await served.connect(("127.0.0.2", 0))
        await other.say(GET % b"other")
        answer = await other.answer()
        kept[0].writer.close()
        await until(lambda: len(served.server.connections) == 2)
        again = await served.connect()
        await again.say(GET % b"again")

        assert turned_away.startswith(b"HTTP/1.1 500 ")
        assert b"retry-after: 1\r\n" in turned_away
        assert (answer, await again.answer()) == (b"GET /other  0 ", b"GET /again  0 ")
    assert len(served.server.places) == 0


async def test_a_proxy_may_have_as_many_connections_as_there_are() -> None:
    async with listening(Places(1, exempt=("127.0.0.0/8",))) as served:
        clients = [await served.connect() for _ in range(5)]
        for client in clients:
            await client.say(GET % b"a")

        assert [await client.answer() for client in clients] == [b"GET /a  0 "] * 5


async def test_a_handshake_takes_a_place_and_one_that_fails_gives_it_back() -> None:
    places = Places(1)
    async with listening(places, lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) as served:
        begun = await served.connect()
        await until(lambda: len(places) == 1)

        assert await served.exchange() == b""
        await begun.say(GET % b"a")
        await begun.rest()
        await until(lambda: len(places) == 0)
        again = await served.connect()
        await until(lambda: len(places) == 1)
        again.writer.close()
        await until(lambda: len(places) == 0)


def test_the_addresses_of_one_ipv6_customer_have_their_places_together() -> None:
    places = Places(2)

    told = [places.enter((address, 1, 0, 0)) for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1")]
    places.leave("2001:db8::/64")

    assert told == ["2001:db8::/64", "2001:db8::/64", None, "2001:db8:0:1::/64"]
    assert places.enter(("2001:db8::9", 1, 0, 0)) == "2001:db8::/64"
    assert places.enter(None) == places.enter("") == ""


async def test_a_client_that_reads_slowly_is_cut_off_even_if_it_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "STALLED_AFTER_S", 0.3)
    async with listening() as served:
        client = await served.connect()
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.transport.set_write_buffer_limits(high=1 << 30)
        for _ in range(300):
            client.writer.write(b"GET /" + b"p" * 20_000 + b" HTTP/1.1\r\n\r\n")

        await until(lambda: len(served.server.connections) == 1)
        await until(lambda: not served.server.connections)


async def test_a_client_that_does_not_read_its_answers_gets_no_more_of_them(served: Listening) -> None:
    client = await served.connect()
    client.writer.transport.set_write_buffer_limits(high=1 << 30)
    request = b"GET /" + b"p" * 20_000 + b" HTTP/1.1\r\n\r\n"

    for _ in range(1_500):  # 30 MB of requests and as much of answers: more than the sockets' buffers hold
        client.writer.write(request)
    await asyncio.sleep(0.5)

    assert len(served.echo.seen) < 1_500


async def test_stopping_lets_requests_finish_and_closes_idle_connections(served: Listening) -> None:
    idle, busy = await served.connect(), await served.connect()
    await idle.say(GET % b"a")
    await idle.answer()
    await busy.say(GET % b"slow")
    await until(lambda: len(served.echo.seen) == 2)

    stopping = asyncio.create_task(served.server.stop())
    closed = await idle.rest()
    served.echo.go.set()
    answer = await busy.rest()
    await stopping

    assert closed == b""
    assert answer.endswith(b"GET /slow  0 ")
    assert b"connection: close" in answer
    with pytest.raises(ConnectionRefusedError):
        await served.connect()


async def test_stopping_does_not_wait_for_ever(served: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "STOP_WITHIN_S", 0.05)
    client = await served.connect()
    await client.say(GET % b"slow")
    await until(lambda: len(served.echo.seen) == 1)

    await served.server.stop()

    assert await client.rest() == b""


async def until(true: Callable[[], Any]) -> None:
    """Wait until it is, for at most 5 s."""
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)
