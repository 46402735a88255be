"""The server over TLS, on both loops: real clients, and those that do not keep to the protocol."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from headwater.edge.http import handshakes, http1
from headwater.edge.http.http1 import Server
from headwater.edge.wire.protocol import Receive, Scope, Send
from headwater.process.tls import ServerTls, TlsFiles, load_context
from tests.certificates import Authority, Pair
from tests.edge.tls import GET, answer, client_context, connect, received, serial
from tests.edge.tls import authority as authority
from tests.edge.tls import pair as pair
from tests.waiting import until


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of the body; `/early` before it came."""
    size = 0
    while scope["raw_path"] != b"/early":
        message = await receive()
        size += len(message["body"])
        if not message["more_body"]:
            break
    text = b"x" * 3_000_000 if scope["raw_path"] == b"/large" else b"%d %s" % (size, scope["client"][0].encode())
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


class Listening:
    """A server in a thread of its own, on one of the two loops."""

    def __init__(self, loop_factory: Any, pair: Pair) -> None:
        self.tls = ServerTls(TlsFiles(pair.certificate, pair.key))
        self._started, self._loop_factory = threading.Event(), loop_factory
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._started.wait(60)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._loop_factory) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        self.port, self._ending, self._loop = sock.getsockname()[1], asyncio.Event(), asyncio.get_running_loop()
        self.server = Server(echo, sock, self.tls.context)
        await self.server.start()
        self._started.set()
        await self._ending.wait()
        await self.server.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join()


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def listening(request: pytest.FixtureRequest, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listening]:
    monkeypatch.setattr(http1, "HEAD_WITHIN_S", 1.0)
    monkeypatch.setattr(http1, "LINGER_S", 0.2)
    monkeypatch.setattr(handshakes, "FAREWELL_WITHIN_S", 0.2)
    made = Listening(request.param, pair)
    yield made
    made.stop()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_follow_each_other_on_one_connection(listening: Listening, authority: Authority, version: ssl.TLSVersion) -> None:
    context = client_context(authority, minimum_version=version, maximum_version=version)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with connect(listening.port, context) as client:
        client.sendall(GET)
        first = answer(client)
        client.sendall(b"POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n" + b"y" * 4_000_000)
        second = answer(client)
        client.sendall(GET + GET)
        third = answer(client)

        assert client.selected_alpn_protocol() == "http/1.1"
        assert (first, len(second), third) == (b"0 127.0.0.1", 3_000_000, b"0 127.0.0.1")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_versions_before_1_2_are_refused(authority: Authority, pair: Pair, version: ssl.TLSVersion) -> None:
    old = client_context(authority, minimum_version=version, maximum_version=version)
    old.set_ciphers("ALL:@SECLEVEL=0")
    lenient = load_context(TlsFiles(pair.certificate, pair.key))
    lenient.minimum_version = version
    lenient.set_ciphers("ALL:@SECLEVEL=0")

    assert agreed_version(old, lenient) == version.name.replace("_", ".")
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        agreed_version(old, load_context(TlsFiles(pair.certificate, pair.key)))


def agreed_version(client: ssl.SSLContext, server: ssl.SSLContext) -> str | None:
    """Let the two shake hands in memory."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking, answering = client.wrap_bio(down, up, server_hostname="127.0.0.1"), server.wrap_bio(up, down, server_side=True)
    for side in (asking, answering) * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return asking.version()


def test_an_early_answer_is_read_to_its_end(listening: Listening, authority: Authority) -> None:
    with connect(listening.port, client_context(authority)) as client:
        client.sendall(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"y" * 50_000)

        assert received(client).endswith(b"\r\n\r\n0 127.0.0.1")


def test_a_client_that_ends_tls_leaves_nothing_behind(listening: Listening, authority: Authority) -> None:
    client = connect(listening.port, client_context(authority))
    client.sendall(GET)
    answer(client)

    client.unwrap().close()

    assert until(lambda: not listening.server.connections)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", GET, b"\x00" * 1_000, b"\x16\x03\x01\xff\xff" + b"\x01" * 500])
def test_whoever_does_not_finish_a_handshake_is_closed_in_time(listening: Listening, said: bytes) -> None:
    with socket.create_connection(("127.0.0.1", listening.port), 60) as client:
        client.sendall(said)

        assert not received(client).startswith(b"HTTP")


def test_a_slow_head_within_tls_is_closed_in_time(listening: Listening, authority: Authority) -> None:
    with connect(listening.port, client_context(authority)) as client:
        client.sendall(GET[:10])

        assert received(client) == b""


def test_unfinished_handshakes_count_as_connections(listening: Listening, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    listening.server.most = 3
    idle = [socket.create_connection(("127.0.0.1", listening.port), 60) for _ in range(3)]
    assert until(lambda: len(handshakes_of(listening)._begun) == 3)  # a socket is not told that it was accepted

    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(listening.port, client_context(authority))
    for each in idle:
        each.close()

    assert until(lambda: _answers(listening, authority))


def test_a_certificate_that_was_renewed_is_for_the_connections_to_come(
    listening: Listening, authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    renewed = authority.issue(tmp_path / "renewed", "127.0.0.1")
    with connect(listening.port, client_context(authority)) as client:
        pair.take(renewed)
        asyncio.run(listening.tls.refresh())
        client.sendall(GET)

        assert serial(listening.port, authority) == renewed.serial
        assert answer(client) == b"0 127.0.0.1"


def test_stopping_waits_for_no_handshake(listening: Listening, authority: Authority) -> None:
    handshakes_of(listening)._within_s = 600
    with socket.create_connection(("127.0.0.1", listening.port), 60), connect(listening.port, client_context(authority)) as idle:
        idle.sendall(GET)
        answer(idle)
        assert until(lambda: len(handshakes_of(listening)._begun) == 1)
        started = time.monotonic()

        listening.stop()

        assert time.monotonic() - started < 60


def handshakes_of(listening: Listening) -> handshakes.Handshakes:
    begun = listening.server._server
    assert isinstance(begun, handshakes.Handshakes)
    return begun


def _answers(listening: Listening, authority: Authority) -> bool:
    try:
        with connect(listening.port, client_context(authority)) as client:
            client.sendall(GET)
            return answer(client) == b"0 127.0.0.1"
    except OSError:
        return False
