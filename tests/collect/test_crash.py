"""Stop anywhere between the append and the write of the profiles, start again, and find the same endpoints."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from headwater.collect import Caller, Collector, decode_endpoint_update
from headwater.endpoint import Endpoints, open_endpoints
from headwater.errors import NotFound, Unavailable
from headwater.stream import open_stream
from tests.collect.conftest import ACCOUNT, APP, AT, Bench

SEND: dict[str, Any] = {"door": "pinpoint", "trace_id": "trace"}
NEVER_S = 3_600.0


def state(endpoints: Endpoints) -> dict[str, bytes]:
    found = {f"e{i}": endpoints.get(APP, f"e{i}") for i in range(6)}
    return {endpoint_id: profile.body for endpoint_id, profile in found.items() if profile is not None}


async def change_something(bench: Bench, chance: random.Random, step: int) -> None:
    endpoint_id = f"e{chance.randrange(6)}"
    what = chance.randrange(4)
    if what == 0:
        try:
            await bench.collector.delete_endpoint(APP, endpoint_id, Caller("k"), **SEND)
        except NotFound:
            assert endpoint_id not in state(bench.endpoints)
    elif what == 1:
        update = decode_endpoint_update(json.dumps({"Attributes": {f"a{chance.randrange(3)}": [str(step)]}}).encode())
        await bench.collector.update_endpoints(APP, [(endpoint_id, update)], Caller("k"), **SEND)
    else:
        endpoint = {"User": {"UserId": f"u{step}"}} if what == 2 else {}
        event = {"EventType": "a", "Timestamp": AT, "Attributes": {"text": '"_headwater.endpoint"'}}
        await bench.put({"BatchItem": {endpoint_id: {"Endpoint": endpoint, "Events": {f"v{step}": event}}}})
    bench.clock.advance(1)


@pytest.mark.parametrize("seed", range(8))
async def test_a_store_that_was_cut_off_anywhere_catches_up_to_the_same_state(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    stream = open_stream("memory:")
    bench = Bench(stream, open_endpoints(f"sqlite:///{tmp_path}/cut", flush_interval_s=NEVER_S, cache_size=3))
    await bench.collector.start()
    for life in range(4):
        for step in range(25):
            await change_something(bench, chance, 100 * life + step)
            if chance.random() < 0.15:
                bench.endpoints.flush()  # type: ignore[attr-defined]
        before = state(bench.endpoints)

        # What was not flushed is gone: the next store knows only the file.
        bench = Bench(stream, open_endpoints(f"sqlite:///{tmp_path}/cut", flush_interval_s=NEVER_S, cache_size=3))
        await bench.collector.start()

        assert state(bench.endpoints) == before


async def test_catching_up_reads_only_what_is_new(tmp_path: Path) -> None:
    stream = open_stream("memory:")
    first = Bench(stream, open_endpoints(f"sqlite:///{tmp_path}/e", flush_interval_s=NEVER_S))
    await first.collector.start()
    await first.put({"BatchItem": {"e1": {"Endpoint": {}, "Events": {}}, "e2": {"Endpoint": {}, "Events": {}}}})
    first.endpoints.close()
    second = Bench(stream, open_endpoints(f"sqlite:///{tmp_path}/e", flush_interval_s=NEVER_S))
    assert await second.collector.start() == 0
    await second.put({"BatchItem": {"e3": {"Endpoint": {}, "Events": {}}}})

    third = Bench(stream, open_endpoints(f"sqlite:///{tmp_path}/e", flush_interval_s=NEVER_S))
    count = await third.collector.start()

    assert count == 1


async def test_records_of_an_append_that_seemed_to_fail_are_found_at_the_next_start(tmp_path: Path) -> None:
    stream = open_stream("memory:")
    bench = Bench(stream, open_endpoints(f"sqlite:///{tmp_path}/e", flush_interval_s=NEVER_S))
    await bench.collector.start()
    append = stream.append

    async def written_and_then_failed(records: Any) -> Any:
        await append(records)
        raise Unavailable("the sync failed")

    stream.append = written_and_then_failed  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await bench.put({"BatchItem": {"lost": {"Endpoint": {}, "Events": {}}}})
    stream.append = append  # type: ignore[method-assign]
    await bench.put({"BatchItem": {"later": {"Endpoint": {}, "Events": {}}}})
    bench.endpoints.close()

    again = Bench(stream, open_endpoints(f"sqlite:///{tmp_path}/e", flush_interval_s=NEVER_S))
    await again.collector.start()

    assert again.collector.endpoint(APP, "lost").endpoint_id == "lost"
    assert again.collector.endpoint(APP, "later").endpoint_id == "later"


KILLED = """
import asyncio, os, signal, sys
from headwater.collect import Caller, Collector, decode_put_events
from headwater.endpoint import open_endpoints
from headwater.stream import open_stream

async def main(folder, flushes):
    endpoints = open_endpoints(f"sqlite:///{folder}/e", flush_interval_s=3600)
    collector = Collector(open_stream(f"file://{folder}/stream", mode="write"), endpoints, account_id="000000000000")
    await collector.start()
    for i in range(20):
        body = b'{"BatchItem":{"e%d":{"Endpoint":{"Address":"%d"},"Events":{}}}}' % (i % 6, i)
        await collector.put_events(sys.argv[3], decode_put_events(body), Caller("k"), door="pinpoint", trace_id="t")
        if i < flushes:
            endpoints.flush()
        print(collector.endpoint(sys.argv[3], f"e{i % 6}").body.decode(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


@pytest.mark.parametrize("flushes", [0, 9])
async def test_after_kill_9_the_acknowledged_profiles_are_all_there(tmp_path: Path, flushes: int) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(flushes), APP], capture_output=True, text=True, env=os.environ
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    acknowledged = {json.loads(line)["Id"]: line.encode() for line in killed.stdout.splitlines()}

    endpoints = open_endpoints(f"sqlite:///{tmp_path}/e")
    stream = open_stream(f"file://{tmp_path}/stream", mode="write")
    await Collector(stream, endpoints, account_id=ACCOUNT).start()

    assert len(acknowledged) == 6
    assert state(endpoints) == acknowledged
    endpoints.close()
    await stream.close()
