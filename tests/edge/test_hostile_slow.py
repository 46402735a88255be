"""A thousand sockets that take their time: they cost the collector next to nothing, others come through, and all are let go of."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.served import Served

pytestmark = pytest.mark.alone

HEADS, BODIES, READERS = 400, 300, 300
HELD_S = 7.0
# What the limits of edge/http/http1.py and edge/http/bodies.py add up to, and the sweep that applies them once a second.
RELEASED_WITHIN_S = 45.0
GROWTH_LIMIT_BYTES = 30_000_000
QUICK_S = 1.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = "limits.exempt = []\nlimits.connections_per_address = 2000\nlimits.address_per_second = 0"
    with Served(tmp_path_factory.mktemp("slow") / "app", settings).start() as served:
        yield served


class Collector:
    """What the collector's process holds."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self.pid = served.roles()["collector"]["pid"]

    def memory(self) -> int:
        """Return the bytes of memory that are its own."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return sum(int(size) * 1024 for size in re.findall(r"^(?:RssAnon|VmSwap):\s+(\d+) kB", status, re.MULTILINE))

    def sockets(self) -> int:
        """Return how many sockets it has open."""
        count = 0
        for descriptor in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                count += str(descriptor.readlink()).startswith("socket:")
        return count


class Slow:
    """Sockets that are opened at once and then say a little now and then, as *say* does."""

    def __init__(self, served: Served, count: int, first: bytes, more: Callable[[int], bytes], receive_buffer: int = 0) -> None:
        self._more, self._turn = more, 0
        self.sockets: list[socket.socket] = []
        for _ in range(count):
            made = socket.socket()
            if receive_buffer:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            made.settimeout(10)
            made.connect(("127.0.0.1", served.ports[0]))
            made.sendall(first)
            made.setblocking(False)
            self.sockets.append(made)

    def say_more(self) -> None:
        self._turn += 1
        for each in self.sockets:
            with contextlib.suppress(OSError):  # the server has let go of it, or its buffers are full
                each.send(self._more(self._turn))

    def close(self) -> None:
        for each in self.sockets:
            each.close()


@pytest.fixture
def opened() -> Iterator[list[Slow]]:
    made: list[Slow] = []
    yield made
    for each in made:
        each.close()


def put(client: Any, app_id: str) -> float:
    """Put an event, and return how long that took."""
    begun = time.perf_counter()
    event = {"EventType": "Beat", "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    batch = {"BatchItem": {"steady": {"Endpoint": {}, "Events": {str(uuid.uuid4()): event}}}}
    answer = client.put_events(ApplicationId=app_id, EventsRequest=batch)
    [verdict] = answer["EventsResponse"]["Results"]["steady"]["EventsItemResponse"].values()
    assert verdict["StatusCode"] == 202
    return time.perf_counter() - begun


def test_a_thousand_slow_sockets_keep_nobody_out_and_cost_nothing(served: Served, opened: list[Slow]) -> None:
    collector, client = Collector(served), served.client()
    events = f"POST /v1/apps/{served.app_id}/events HTTP/1.1\r\nHost: a\r\n"
    for _ in range(50):
        put(client, served.app_id)
    memory, sockets = collector.memory(), collector.sockets()

    begun = time.monotonic()
    opened.append(Slow(served, HEADS, b"POST /v1/apps", lambda turn: b"/x" if turn < 20 else b""))
    # Each announces as much as there may be, and sixteen of them would be as much as may be held of all bodies.
    opened.append(Slow(served, BODIES, f"{events}Content-Length: 4194304\r\n\r\n{{".encode(), lambda turn: b" "))
    script = b"GET /client/headwater-sw.js HTTP/1.1\r\nHost: a\r\n\r\n"
    opened.append(Slow(served, READERS, script * 30, lambda turn: b"", receive_buffer=4_096))
    opening_s = time.monotonic() - begun
    held, took, grown = [], [], []
    while time.monotonic() - begun < opening_s + HELD_S:
        for slow in opened:
            slow.say_more()
        held.append(collector.sockets() - sockets)
        took += [put(client, served.app_id) for _ in range(5)]
        grown.append(collector.memory() - memory)

    print(json.dumps({"opened in s": opening_s, "held": held, "median s": statistics.median(took), "worst s": max(took), "grown": grown}))
    assert held[-1] >= HEADS + BODIES + READERS
    assert statistics.median(took) < QUICK_S / 4
    assert max(took) < QUICK_S
    assert max(grown) < GROWTH_LIMIT_BYTES

    deadline = time.monotonic() + RELEASED_WITHIN_S
    while collector.sockets() > sockets and time.monotonic() < deadline:
        for slow in opened:
            slow.say_more()
        assert put(client, served.app_id) < QUICK_S
        time.sleep(0.5)  # a little now and then is what slow ones say
    print("released after", time.monotonic() - begun, "s; memory", collector.memory() - memory)
    assert collector.sockets() <= sockets
    assert collector.memory() - memory < GROWTH_LIMIT_BYTES
