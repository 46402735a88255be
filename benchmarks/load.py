"""The load generator's own process: prepares signed requests, then sends them over connections that are kept alive.

Orders come as JSON lines on standard input; each is answered by one JSON line on standard output.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvloop

from benchmarks.events import Source
from benchmarks.sigv4 import Keyed, Signer

ACCEPTED = b'"StatusCode":202'


class Order(msgspec.Struct):
    """`prepare` makes *requests* requests of *events* events each; `run` sends them.

    *rate*: requests a second, whether answered or not; 0 sends as fast as they are answered. *write_key*: what the requests carry
    in place of a signature.
    """

    do: str
    url: str = ""
    app_id: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""
    requests: int = 0
    events: int = 1
    seed: int = 0
    bad_share: float = 0.0
    connections: int = 32
    rate: float = 0.0
    write_key: str = ""


class Outcome(msgspec.Struct):
    """What came back: requests answered 202, events accepted by name, wall seconds, and latencies in ms as p50, p99."""

    requests: int
    accepted: int
    failed: int
    wall_s: float
    p50_ms: float
    p99_ms: float
    first_failure: str = ""


class Load:
    """The requests that wait, and the connections they go over."""

    def __init__(self, requests: list[bytes]) -> None:
        self._waiting = deque(requests)
        self._left = len(requests)
        self._idle: deque[_Lane] = deque()
        self._due = 0
        self.latencies: list[float] = []
        self.accepted = self.failed = 0
        self.first_failure = ""
        self.done = asyncio.get_running_loop().create_future()

    def release(self, requests: int) -> None:
        """Let that many more requests go, as soon as a connection is free."""
        self._due += requests
        while self._idle and self._due and self._waiting:
            self._due -= 1
            # The one that waited longest, so that none looks abandoned to the server.
            self._idle.popleft().send(self._waiting.popleft())

    def free(self, lane: _Lane) -> None:
        """Give the connection its next request, or let it wait for one."""
        if self._waiting and self._due:
            self._due -= 1
            lane.send(self._waiting.popleft())
        else:
            self._idle.append(lane)

    def answered(self, lane: _Lane, status: bytes, body: bytes, seconds: float) -> None:
        """Note an answer."""
        self.latencies.append(seconds)
        if status == b"202":
            self.accepted += body.count(ACCEPTED)
        else:
            self.failed += 1
            self.first_failure = self.first_failure or f"{status.decode()} {body[:300].decode(errors='replace')}"
        self._left -= 1
        if not self._left and not self.done.done():
            self.done.set_result(None)
        self.free(lane)

    def lost(self, lane: _Lane, error: Exception | None) -> None:
        """End the run: a server that closes connections cannot be measured."""
        if self._left and not self.done.done():
            self.done.set_exception(ConnectionError(f"the server closed a connection with {self._left} requests to go: {error}"))


class _Lane(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._load.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._load.lost(self, error)

    def send(self, request: bytes) -> None:
        """Send one request; its time runs from here."""
        self._sent = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(received[:end]).lower()
        at = head.find(b"content-length:")
        stop = head.find(b"\r\n", at)
        length = int(head[at + 15 : stop if stop >= 0 else None])
        if len(received) < end + 4 + length:
            return
        body = bytes(received[end + 4 : end + 4 + length])
        received.clear()
        self._load.answered(self, head[9:12], body, time.perf_counter() - self._sent)


def prepare(order: Order) -> list[bytes]:
    """Return the requests of an order, made and signed now."""
    host = urlsplit(order.url).netloc
    signer = Keyed(order.write_key, host) if order.write_key else Signer(order.access_key_id, order.secret_access_key, order.region, host)
    source = Source(order.seed, order.bad_share)
    path = f"/v1/apps/{order.app_id}/events"
    return [signer.request(path, source.body(number, order.events)) for number in range(order.requests)]


async def run(order: Order, requests: list[bytes]) -> Outcome:
    """Send the requests and return what came back; raises `ConnectionError` if the server closes connections."""
    loop = asyncio.get_running_loop()
    where = urlsplit(order.url)
    assert where.hostname is not None
    assert where.port is not None
    host, port = where.hostname, where.port
    load = Load(requests)
    gc.disable()
    try:
        lanes = [(await loop.create_connection(lambda: _Lane(load), host, port))[1] for _ in range(order.connections)]
        start = time.perf_counter()
        if order.rate:
            await _pace(load, order.rate, len(requests), start)
        else:
            load.release(len(requests))
        await load.done
        wall_s = time.perf_counter() - start
    finally:
        gc.enable()
    for lane in lanes:
        lane.transport.close()
    ordered = sorted(load.latencies)
    p50_ms, p99_ms = (ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1000 for share in (0.5, 0.99))
    return Outcome(len(requests) - load.failed, load.accepted, load.failed, wall_s, p50_ms, p99_ms, load.first_failure)


async def _pace(load: Load, rate: float, count: int, start: float) -> None:
    """Release requests evenly; after a stall the missed ones go at once, as clients that do not wait for each other send."""
    released = 0
    while released < count and not load.done.done():
        due = min(int((time.perf_counter() - start) * rate) + 1, count)
        load.release(due - released)
        released = due
        await asyncio.sleep(min(0.005, 1 / rate))


def main() -> None:
    """Follow orders until standard input ends."""
    requests: list[bytes] = []
    for line in sys.stdin.buffer:
        order = msgspec.json.decode(line, type=Order)
        try:
            if order.do == "prepare":
                requests = prepare(order)
                answer: Any = {"bytes": sum(map(len, requests))}
            else:
                answer = uvloop.run(run(order, requests))
                requests = []
        except OSError as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()
