"""CBOR 1.1, which the SDK for Java and the KCL speak, over the same wire."""

from __future__ import annotations

import time
from typing import Any

import pytest

from headwater.edge.wire import cbor
from headwater.edge.wire.cbor import Moment
from headwater.stream import FIRST_SHARD
from tests.edge.streams import StreamsServed
from tests.edge.streams import served as served

CBOR = "application/x-amz-cbor-1.1"


def ask(served: StreamsServed, operation: str, **request: Any) -> Any:
    answer = served.kinesis_call(operation, cbor.encode(request), content_type=CBOR, key="admin")
    assert answer.headers["Content-Type"] == CBOR
    return answer.status, cbor.decode(answer.body)


def test_bytes_and_times_go_both_ways(served: StreamsServed) -> None:
    now = time.time()
    ask(served, "CreateStream", StreamName="cbor", ShardCount=1)
    _, put = ask(served, "PutRecords", StreamName="cbor", Records=[{"Data": b"\xff\x00", "PartitionKey": "é"}])
    before = {"StreamName": "cbor", "ShardId": FIRST_SHARD, "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": Moment(now - 60)}
    _, began = ask(served, "GetShardIterator", **before)
    status, read = ask(served, "GetRecords", ShardIterator=began["ShardIterator"], Limit=10)
    _, latest = ask(served, "GetShardIterator", **{**before, "Timestamp": Moment(time.time())})
    _, nothing = ask(served, "GetRecords", ShardIterator=latest["ShardIterator"])

    [record] = read["Records"]
    arrival = record["ApproximateArrivalTimestamp"]
    assert status == 200
    assert (record["Data"], record["PartitionKey"]) == (b"\xff\x00", "é")
    assert record["SequenceNumber"] == put["Records"][0]["SequenceNumber"]
    assert abs(arrival - now) < 30
    assert read["MillisBehindLatest"] == 0
    assert nothing["Records"] == []


def test_errors_are_cbor_too_and_named_in_the_header(served: StreamsServed) -> None:
    answer = served.kinesis_call("DescribeStream", cbor.encode({"StreamName": "nope"}), content_type=CBOR)

    assert (answer.status, answer.error_type) == (400, "ResourceNotFoundException")
    assert cbor.decode(answer.body)["__type"] == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "SerializationException"),
        (b'{"StreamName":"app"}', "SerializationException"),
        (cbor.encode([]), "SerializationException"),
        (cbor.encode({"StreamName": b"app"}), "SerializationException"),
        (cbor.encode({"StreamName": 5}), "SerializationException"),
        (cbor.encode({"StreamName": ""}), "ValidationException"),
    ],
)
def test_a_body_that_is_wrong_is_refused(served: StreamsServed, body: bytes, code: str) -> None:
    answer = served.kinesis_call("DescribeStream", body, content_type=CBOR)

    assert (answer.status, cbor.decode(answer.body)["__type"]) == (400, code)
