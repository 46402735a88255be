"""The same server with the doors to streams, on a folder of named streams."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any

import boto3
import pytest
from botocore.config import Config

from headwater.clock import SystemClock
from headwater.collect.eventstreams import EventStreams
from headwater.collect.kinesis import KinesisRecords
from headwater.control.documents import open_documents
from headwater.edge import StreamRooms
from headwater.edge.stream_routes import stream_routes
from headwater.edge.wire.routing import Route
from headwater.stream.streams import Streams
from tests.edge.conftest import ACCOUNT, DECLARED, REGION, Answer, Served


class AheadClock(SystemClock):
    """The machine's clock, put forward."""

    ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms


class StreamsServed(Served):
    """A public listener with the Kinesis door."""

    clock: AheadClock
    streams: Streams
    event_streams: EventStreams

    def _rooms(self) -> dict[str, Any]:
        self.clock = AheadClock()
        self.streams = Streams(self._folder / "streams", self.stream, "app", clock=self.clock)  # type: ignore[arg-type]
        documents = open_documents(f"sqlite:///{self._folder}/control.sqlite")
        self.event_streams = EventStreams(self.streams, documents, self.clock)
        records = KinesisRecords(app_id=DECLARED.app_id, account_id=ACCOUNT, identity_pool_id="us-east-1:pool")
        self.rooms = StreamRooms(self.streams, records, self.event_streams, documents, secrets.token_bytes(32))
        return {"streams": self.rooms, "clock": self.clock, "max_skew_s": 900}

    def routes(self) -> list[Route]:
        return stream_routes(self.rooms, self.control, region=REGION, account_id=ACCOUNT, clock=self.clock)

    def run_forever(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Future[Any]:
        """Start a coroutine in the server's loop; who gets the future cancels it."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop)

    def kinesis(self, key: str = "send") -> Any:
        made = boto3.client(
            "kinesis",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=REGION,
            aws_access_key_id=self.keys[key].access_key_id,
            aws_secret_access_key=self.keys[key].secret_access_key,
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
        )
        self._clients.append(made)
        return made

    def kinesis_call(self, operation: str, body: bytes, *, key: str = "send", content_type: str = "application/x-amz-json-1.1") -> Answer:
        """Sign and send exactly this body."""
        headers = {"X-Amz-Target": f"Kinesis_20131202.{operation}", "Content-Type": content_type}
        return self.signed("POST", "/", body, key=key, service="kinesis", headers=headers)

    def stop(self) -> None:
        self.run(self.streams.close)
        self.rooms.documents.close()
        super().stop()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StreamsServed]:
    made = StreamsServed(tmp_path_factory.mktemp("edge"))
    yield made
    made.stop()
