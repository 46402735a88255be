"""Kinesis as a test calls it: a client that may do all, a stream of its own, records in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headwater.stream import FIRST_SHARD
from tests.edge.conftest import ACCOUNT, REGION
from tests.edge.streams import StreamsServed

ARN = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/"


def error_of(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def admin(served: StreamsServed) -> Any:
    return served.kinesis("admin")


@pytest.fixture
def stream(admin: Any, request: pytest.FixtureRequest) -> str:
    """A stream of the test's own."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)[:128]
    admin.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    return name


def put(client: Any, stream: str, *data: bytes) -> list[dict[str, Any]]:
    answer = client.put_records(StreamName=stream, Records=[{"Data": each, "PartitionKey": "k"} for each in data])
    assert answer["FailedRecordCount"] == 0
    return list(answer["Records"])


def iterator(client: Any, stream: str, kind: str, **more: Any) -> str:
    return str(client.get_shard_iterator(StreamName=stream, ShardId=FIRST_SHARD, ShardIteratorType=kind, **more)["ShardIterator"])


def read(client: Any, stream: str, kind: str, **more: Any) -> list[bytes]:
    return [record["Data"] for record in client.get_records(ShardIterator=iterator(client, stream, kind, **more))["Records"]]
