"""Garbage at the door: random bytes at every route and at the bare sockets are refused, and the processes live."""

from __future__ import annotations

import json
import random
import socket
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.flow.trouble import Sender, log_of, stored
from tests.served import Served

PATHS = (
    ("POST", "/v1/apps/{app}/events"),
    ("PUT", "/v1/apps/{app}/endpoints/{id}"),
    ("PUT", "/v1/apps/{app}/endpoints"),
    ("GET", "/v1/apps/{app}/endpoints/{id}"),
    ("DELETE", "/v1/apps/{app}/endpoints/{id}"),
    ("GET", "/v1/apps/{app}/users/{id}"),
    ("DELETE", "/v1/apps/{app}/users/{id}"),
    ("POST", "/v1/apps"),
    ("GET", "/v1/apps/{id}"),
    ("DELETE", "/v1/apps/{id}"),
    ("GET", "/healthz"),
    ("PATCH", "/{id}"),
)
WORDS = ("BatchItem", "Endpoint", "Events", "EventType", "Timestamp", "Attributes", "Metrics", "Item", "Id", "User", "UserId", "Session")


def garbage(chance: random.Random, depth: int = 0) -> Any:
    """Return JSON that is nearly what a route expects, or nothing like it."""
    kind = chance.randrange(9 if depth < 6 else 6)
    if kind < 6:
        return (None, True, -(10**30), 1e308, "\x00\ud800\n'\"; DROP TABLE", chance.randbytes(9).decode("latin-1"))[kind]
    if kind == 6:
        return [garbage(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice((*WORDS, "", "é" * 300)): garbage(chance, depth + 1) for _ in range(chance.randrange(6))}


def body_of(chance: random.Random) -> bytes:
    kind = chance.randrange(5)
    if kind == 0:
        return chance.randbytes(chance.randrange(3_000))
    if kind == 1:
        return b"[" * 3_000 + b"{" * chance.randrange(3)
    text = json.dumps({"BatchItem": {"e": {"Endpoint": garbage(chance), "Events": garbage(chance)}}} if kind == 2 else garbage(chance))
    return text[: chance.randrange(len(text) + 1)].encode() if kind == 3 else text.encode("utf-8", "surrogatepass")


def ask(served: Served, method: str, path: str, body: bytes, signed: bool) -> int:
    request = AWSRequest(method, served.url + path, data=body, headers={"content-type": "application/json"})
    if signed:
        SigV4Auth(Credentials(served.owner["access_key_id"], served.owner["secret_access_key"]), "mobiletargeting", "us-east-1").add_auth(
            request
        )
    prepared = request.prepare()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(prepared.url, prepared.body or None, dict(prepared.headers), method=method), timeout=60
        ) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def say(port: int, what: bytes) -> bytes:
    """Send bytes to a bare socket and return what comes back before it is closed or falls silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(what)
        connection.shutdown(socket.SHUT_WR)
        heard = b""
        try:
            while part := connection.recv(65_536):
                heard += part
        except ConnectionResetError:
            pass
        return heard


def test_garbage_at_every_route_is_refused_and_the_collector_lives(served: Served) -> None:
    chance = random.Random(20_261_123)
    pids = {name: role["pid"] for name, role in served.roles().items()}

    statuses = []
    for number in range(240):
        method, path = PATHS[number % len(PATHS)]
        ident = chance.choice(("x", "%00", "..%2f..", "%ff%fe", "a" * 3_000, "%F0%9F%8E%B9", "'", "{app}"))
        path = path.replace("{app}", served.app_id).replace("{id}", ident)
        statuses.append(
            (ask(served, method, path, body_of(chance) if method in ("POST", "PUT") else b"", chance.random() < 0.8), method, path)
        )

    assert [found for found in statuses if found[0] >= 500] == []
    assert {200, 202, 400, 403, 404} <= {status for status, _, _ in statuses}
    assert {name: role["pid"] for name, role in served.roles().items()} == pids
    assert "Traceback" not in log_of(served)


@pytest.mark.parametrize("listener", [0, 1], ids=["public", "private"])
def test_garbage_on_a_bare_socket_harms_nobody(served: Served, listener: int) -> None:
    chance = random.Random(listener)
    heads = (
        b"", b"GET / HTTP/1.1\r\n", b"POST /v1/apps/x/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n", b"GET /\x00\xff HTTP/9.9\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000, b"GET /" + b"a" * 200_000,
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    )  # fmt: skip
    pids = {name: role["pid"] for name, role in served.roles().items()}

    answers = [say(served.ports[listener], head + chance.randbytes(chance.randrange(400))) for head in heads for _ in range(3)]
    sender = Sender(served)
    sender.send(2)
    served.settle()

    statuses = {answer.split(b" ")[1] for answer in answers if answer.startswith(b"HTTP/1.1 ")}
    assert not [status for status in statuses if status.startswith(b"5")]
    assert b"400" in statuses
    assert {name: role["pid"] for name, role in served.roles().items()} == pids
    assert sender.acked <= stored(served).keys()
    assert "Traceback" not in log_of(served)
