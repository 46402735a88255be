"""What is wrong with a request to Kinesis is said in the words of AWS; what AWS takes is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headwater.edge.kinesis.shapes import PutRecordInput, StreamInput
from headwater.edge.wire.shape import Unreadable, read_json
from tests.edge.kinesis import admin as admin
from tests.edge.kinesis import put
from tests.edge.kinesis import stream as stream
from tests.edge.streams import StreamsServed
from tests.edge.streams import served as served

TEXTS: dict[str, tuple[Callable[[Any, str], Any], str]] = {
    "two constraints at once": (
        lambda c, s: c.get_shard_iterator(StreamName="", ShardId="0", ShardIteratorType="X"),
        (
            "3 validation errors detected: Value '' at 'streamName' failed to satisfy constraint: Member must have length greater than or"
            " equal to 1; Value '' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern:"
            " [a-zA-Z0-9_.-]+; Value 'X' at 'shardIteratorType' failed to satisfy constraint: Member must satisfy enum value set:"
            " [AFTER_SEQUENCE_NUMBER, AT_SEQUENCE_NUMBER, AT_TIMESTAMP, LATEST, TRIM_HORIZON]"
        ),
    ),
    "what is missing": (
        lambda c, s: c.put_record(StreamName=s, Data=b""),
        "1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null",
    ),
    "within one of many": (
        lambda c, s: c.put_records(StreamName=s, Records=[{"Data": b"", "PartitionKey": "k"}, {"Data": b"", "PartitionKey": ""}]),
        (
            "1 validation error detected: Value '' at 'records.2.member.partitionKey' failed to satisfy constraint:"
            " Member must have length greater than or equal to 1"
        ),
    ),
    "a number over its bound": (
        lambda c, s: c.get_records(ShardIterator="x", Limit=10_001),
        (
            "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint:"
            " Member must have value less than or equal to 10000"
        ),
    ),
    "the keys of a map": (
        lambda c, s: c.add_tags_to_stream(StreamName=s, Tags={"": "v"}),
        (
            "1 validation error detected: Value '{=v}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint:"
            " [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]"
        ),
    ),
    "the members of a list": (
        lambda c, s: c.remove_tags_from_stream(StreamName=s, TagKeys=["a", ""]),
        (
            "1 validation error detected: Value '[a, ]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint:"
            " [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]"
        ),
    ),
    "too short a retention": (
        lambda c, s: c.decrease_stream_retention_period(StreamName=s, RetentionPeriodHours=23),
        "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.",
    ),
    "too long a retention": (
        lambda c, s: c.increase_stream_retention_period(StreamName=s, RetentionPeriodHours=8761),
        "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long.",
    ),
    "a hash key beyond the last": (
        lambda c, s: c.put_record(StreamName=s, Data=b"", PartitionKey="k", ExplicitHashKey=str(2**128)),
        (
            "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was"
            " 340282366920938463463374607431768211456"
        ),
    ),
    "a type": (
        lambda c, s: c.list_streams(Limit="7"),
        "STRING_VALUE can not be converted to an Integer (at 'limit')",
    ),
    "a structure in the place of a text": (
        lambda c, s: c.describe_stream(StreamName={"a": 1}),
        "Start of structure or map found where not expected (at 'streamName'); expected a String",
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_wrong_is_said_in_the_words_of_aws(served: StreamsServed, admin: Any, stream: str, name: str) -> None:
    call, text = TEXTS[name]

    with pytest.raises(ClientError) as caught:
        call(admin, stream)

    assert caught.value.response["Error"]["Message"] == text


@pytest.mark.parametrize("shard_id", ["0", "shardId-0", "shardId-000000000000", "000", "anything-00"])
def test_a_shard_may_be_named_by_its_number(admin: Any, stream: str, shard_id: str) -> None:
    put(admin, stream, b"one")

    position = admin.get_shard_iterator(StreamName=stream, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]

    assert [record["Data"] for record in admin.get_records(ShardIterator=position)["Records"]] == [b"one"]
    assert admin.list_shards(StreamName=stream, ExclusiveStartShardId=shard_id)["Shards"] == []


def test_the_last_hash_key_and_a_member_that_is_null_are_taken(served: StreamsServed, admin: Any, stream: str) -> None:
    admin.put_record(StreamName=stream, Data=b"", PartitionKey="k", ExplicitHashKey=str(2**128 - 1))

    assert served.kinesis_call("ListStreams", b'{"Limit":null,"NextToken":null}', key="admin").status == 200


@pytest.mark.parametrize("depth", [500, 900, 100_000])
def test_what_is_nested_too_deeply_is_unreadable(depth: int) -> None:
    with pytest.raises(Unreadable, match=r"nested too deeply|not JSON that can be read"):
        read_json(StreamInput, b'{"StreamName":' + b"[" * depth + b"]" * depth + b"}")


def test_bytes_are_read_beside_a_member_that_is_null_and_has_a_default() -> None:
    asked = read_json(PutRecordInput, b'{"StreamName":"s","Data":"aGk=","PartitionKey":"k","DryRun":null}')

    assert asked.data == b"hi"
    assert not asked.dry_run
