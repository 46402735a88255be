"""Records in and out of Kinesis as boto3 speaks it, against a real server."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from headwater.edge.kinesis.shapes import RECORDS_LIMIT
from headwater.stream import FIRST_SHARD
from tests.edge.conftest import REGION
from tests.edge.kinesis import admin as admin
from tests.edge.kinesis import error_of, iterator, put, read
from tests.edge.kinesis import stream as stream
from tests.edge.streams import StreamsServed
from tests.edge.streams import served as served


def test_a_record_is_durable_and_comes_back_as_it_was(admin: Any, stream: str) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)

    answer = admin.put_record(StreamName=stream, Data=b"\x00\xff\n", PartitionKey="é" * 100, ExplicitHashKey="5")
    [record] = admin.get_records(ShardIterator=iterator(admin, stream, "TRIM_HORIZON"))["Records"]

    assert answer["ShardId"] == FIRST_SHARD
    assert answer["EncryptionType"] == record["EncryptionType"] == "NONE"
    assert (record["Data"], record["PartitionKey"], record["SequenceNumber"]) == (b"\x00\xff\n", "é" * 100, answer["SequenceNumber"])
    assert before <= record["ApproximateArrivalTimestamp"] <= datetime.now(UTC) + timedelta(seconds=2)


def test_many_records_land_in_their_order(admin: Any, stream: str) -> None:
    data = [str(number).encode() for number in range(RECORDS_LIMIT)]

    records = put(admin, stream, *data)

    numbers = [int(record["SequenceNumber"]) for record in records]
    assert numbers == sorted(set(numbers))
    assert read(admin, stream, "TRIM_HORIZON") == data


def test_the_five_iterators_begin_where_they_say(admin: Any, stream: str) -> None:
    first = put(admin, stream, b"1", b"2")
    time.sleep(0.05)  # arrivals are in milliseconds: well before
    between = datetime.now(UTC)
    time.sleep(0.05)  # and well after
    latest = iterator(admin, stream, "LATEST")
    put(admin, stream, b"3")
    second = first[1]["SequenceNumber"]

    assert read(admin, stream, "TRIM_HORIZON") == [b"1", b"2", b"3"]
    assert read(admin, stream, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=second) == [b"2", b"3"]
    assert read(admin, stream, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=second) == [b"3"]
    assert read(admin, stream, "AT_TIMESTAMP", Timestamp=between) == [b"3"]
    assert read(admin, stream, "AT_TIMESTAMP", Timestamp=between - timedelta(days=30)) == [b"1", b"2", b"3"]
    assert [record["Data"] for record in admin.get_records(ShardIterator=latest)["Records"]] == [b"3"]
    assert read(admin, stream, "LATEST") == []


def test_a_consumer_reads_on_and_sees_how_far_it_is_behind(admin: Any, stream: str) -> None:
    put(admin, stream, *(str(number).encode() for number in range(25)))
    time.sleep(0.05)  # so old the records are at least when they are read
    position, seen, behind = iterator(admin, stream, "TRIM_HORIZON"), [], []

    for _ in range(4):  # as the KCL does: read, handle, go on with the next iterator
        answer = admin.get_records(ShardIterator=position, Limit=10)
        position = answer["NextShardIterator"]
        seen += [record["Data"] for record in answer["Records"]]
        behind.append(answer["MillisBehindLatest"])
    put(admin, stream, b"new")
    later = admin.get_records(ShardIterator=position)

    assert seen == [str(number).encode() for number in range(25)]
    assert behind[0] >= 50
    assert behind[1] >= 50
    assert behind[2:] == [0, 0]
    assert [record["Data"] for record in later["Records"]] == [b"new"]


def test_one_answer_holds_ten_mebibytes_at_most(admin: Any, stream: str) -> None:
    for _ in range(3):
        put(admin, stream, *[b"x" * 1_000_000] * 4)

    first = admin.get_records(ShardIterator=iterator(admin, stream, "TRIM_HORIZON"))
    second = admin.get_records(ShardIterator=first["NextShardIterator"])

    assert [len(first["Records"]), len(second["Records"])] == [10, 2]
    assert first["MillisBehindLatest"] > 0


def test_a_redirected_app_signs_the_host_it_believes_to_call(served: StreamsServed) -> None:
    body = json.dumps({"StreamName": "app", "Records": [{"Data": "eyJhIjoxfQ==", "PartitionKey": "p"}]}).encode()
    headers = {"X-Amz-Target": "Kinesis_20131202.PutRecords", "Content-Type": "application/x-amz-json-1.1"}

    answer = served.signed("POST", "/", body, service="kinesis", headers=headers, host=f"kinesis.{REGION}.amazonaws.com")

    assert (answer.status, answer.json["FailedRecordCount"], answer.json["EncryptionType"]) == (200, 0, "NONE")


def test_an_iterator_is_good_for_five_minutes(served: StreamsServed, admin: Any, stream: str) -> None:
    position = iterator(admin, stream, "TRIM_HORIZON")
    served.clock.ahead_ms = 299_000
    try:
        in_time = admin.get_records(ShardIterator=position)
        served.clock.ahead_ms = 301_000
        late = error_of(lambda: admin.get_records(ShardIterator=position))
    finally:
        served.clock.ahead_ms = 0

    assert in_time["Records"] == []
    assert late == "ExpiredIteratorException"


def test_an_iterator_dies_with_its_stream(admin: Any) -> None:
    admin.create_stream(StreamName="short", ShardCount=1)
    position = iterator(admin, "short", "TRIM_HORIZON")
    admin.delete_stream(StreamName="short")
    admin.create_stream(StreamName="short", ShardCount=1)

    assert error_of(lambda: admin.get_records(ShardIterator=position)) == "ResourceNotFoundException"


def test_an_event_that_is_put_is_in_the_app_stream_and_raw_bytes_are_as_they_are(served: StreamsServed, admin: Any) -> None:
    position = iterator(admin, "app", "LATEST")
    event = {"event_type": "SignUpEvent", "email": "é@example.org", "event_id": "e1"}

    put(served.kinesis("send"), "app", json.dumps(event).encode(), b"\xff\x00")

    [first, second] = admin.get_records(ShardIterator=position)["Records"]
    made = json.loads(first["Data"])
    assert (made["event_type"], made["attributes"], made["headwater"]["event_id"]) == ("SignUpEvent", {"email": "é@example.org"}, "e1")
    assert made["headwater"]["door"] == "kinesis"
    assert (first["PartitionKey"], second["Data"]) == ("k", b"\xff\x00")


def test_what_goes_in_and_out_is_counted(served: StreamsServed, admin: Any, stream: str) -> None:
    admin.enable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["ALL"])
    put(admin, stream, b"12345", b"678")
    time.sleep(0.02)  # so old the record is at least when it is read
    admin.get_records(ShardIterator=iterator(admin, stream, "TRIM_HORIZON"), Limit=1)

    shown = {count.metric: count.value for count in served.streams.counters() if count.stream == stream}

    age = shown.pop("IteratorAgeMilliseconds")
    assert 20 <= age < 10_000
    assert shown == {
        "IncomingBytes": 8, "IncomingRecords": 2, "OutgoingBytes": 5, "OutgoingRecords": 1,
        "ReadProvisionedThroughputExceeded": 0, "WriteProvisionedThroughputExceeded": 0,
    }  # fmt: skip
