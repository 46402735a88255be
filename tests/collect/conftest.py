"""A collector on a stream in memory, with a clock that stands still."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headwater.clock import ManualClock
from headwater.collect import BatchVerdict, Caller, Collector, decode_put_events
from headwater.endpoint import Endpoints, open_endpoints
from headwater.stream import Stream, open_stream

APP = "9f2c4b7a1e6d4c0f8a53b1d2e7c6f504"
POOL = "us-west-2:6a1f0c52-8d3e-4b7a-9c41-2f5e8b7d9a10"
ACCOUNT = "000000000000"
AT = "2026-11-23T03:06:22.544Z"


class Bench:
    """A collector and what lies around it."""

    def __init__(self, stream: Stream, endpoints: Endpoints) -> None:
        self.stream, self.endpoints, self.clock = stream, endpoints, ManualClock()
        self.collector = Collector(stream, endpoints, account_id=ACCOUNT, identity_pool_id=POOL, clock=self.clock)

    async def put(self, request: Any, caller: Caller | None = None) -> list[BatchVerdict]:
        """Send a PutEvents given as Python, bytes, or text."""
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        return await self.collector.put_events(APP, decode_put_events(body), caller or Caller("k"), door="pinpoint", trace_id="trace")

    async def one(self, event: dict[str, Any], caller: Caller | None = None) -> dict[str, Any]:
        """Send one event of endpoint e1 and return its record."""
        [verdict] = await self.put({"BatchItem": {"e1": {"Endpoint": {}, "Events": {"v1": event}}}}, caller)
        assert verdict.refused == {}
        return (await self.records())[-1]

    async def records(self) -> list[dict[str, Any]]:
        """All records of the stream."""
        [shard] = await self.stream.shards()
        return [json.loads(record.body) for record in (await self.stream.read(shard, 0, 10_000, 0)).records]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    endpoints = open_endpoints(f"sqlite:///{tmp_path}/endpoints.sqlite", flush_interval_s=0.01)
    made = Bench(open_stream("memory:"), endpoints)
    await made.collector.start()
    yield made
    endpoints.close()
    await made.stream.close()
