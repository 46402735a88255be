"""What Kinesis refuses, and by which name: wrong requests, operations that are not offered, keys that may not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headwater.edge.kinesis import REFUSED
from headwater.errors import StreamFull, Unavailable
from tests.edge.conftest import ACCOUNT, REGION
from tests.edge.kinesis import ARN, error_of, iterator, put, read
from tests.edge.kinesis import admin as admin
from tests.edge.kinesis import stream as stream
from tests.edge.streams import StreamsServed
from tests.edge.streams import served as served


def forged(token: str) -> str:
    """Return another token, whatever the first letter of this one is."""
    return ("C" if token.startswith("B") else "B") + token[1:]


WRONG: dict[str, tuple[str, Callable[[Any, str], Any]]] = {
    "an unknown stream": ("ResourceNotFoundException", lambda c, s: put(c, "nope", b"")),
    "a stream of another account": (
        "ResourceNotFoundException", lambda c, s: c.describe_stream(StreamARN=f"arn:aws:kinesis:{REGION}:111111111111:stream/{s}")
    ),
    "no stream": ("InvalidArgumentException", lambda c, s: c.describe_stream()),
    "two streams": ("InvalidArgumentException", lambda c, s: c.describe_stream(StreamName=s, StreamARN=f"{ARN}other")),
    "an unknown shard": (
        "ResourceNotFoundException",
        lambda c, s: c.get_shard_iterator(StreamName=s, ShardId="shardId-000000000001", ShardIteratorType="LATEST"),
    ),
    "an iterator that is none": ("InvalidArgumentException", lambda c, s: c.get_records(ShardIterator="AAAA")),
    "a forged iterator": ("InvalidArgumentException", lambda c, s: c.get_records(ShardIterator=forged(iterator(c, s, "LATEST")))),
    "a number to come": ("InvalidArgumentException", lambda c, s: iterator(c, s, "AT_SEQUENCE_NUMBER", StartingSequenceNumber="9")),
    "no number": ("InvalidArgumentException", lambda c, s: iterator(c, s, "AFTER_SEQUENCE_NUMBER")),
    "no time": ("InvalidArgumentException", lambda c, s: iterator(c, s, "AT_TIMESTAMP")),
    "a time to come": (
        "InvalidArgumentException", lambda c, s: iterator(c, s, "AT_TIMESTAMP", Timestamp=datetime.now(UTC) + timedelta(hours=1))
    ),
    "a limit of 0": ("ValidationException", lambda c, s: c.get_records(ShardIterator=iterator(c, s, "LATEST"), Limit=10_001)),
    "a hash key that is none": (
        "ValidationException", lambda c, s: c.put_record(StreamName=s, Data=b"", PartitionKey="k", ExplicitHashKey="-1")
    ),
    "a hash key beyond the last": (
        "InvalidArgumentException", lambda c, s: c.put_record(StreamName=s, Data=b"", PartitionKey="k", ExplicitHashKey=str(2**128))
    ),
    "the newest record and a number": ("InvalidArgumentException", lambda c, s: iterator(c, s, "LATEST", StartingSequenceNumber="1")),
    "the oldest record and a number": ("InvalidArgumentException", lambda c, s: iterator(c, s, "TRIM_HORIZON", StartingSequenceNumber="1")),
    "a shard id without a number": (
        "ResourceNotFoundException", lambda c, s: c.get_shard_iterator(StreamName=s, ShardId="shard", ShardIteratorType="LATEST")
    ),
    "shards after one without a number": (
        "ResourceNotFoundException", lambda c, s: c.list_shards(StreamName=s, ExclusiveStartShardId="a-b")
    ),
    "a tag with a mark": ("InvalidArgumentException", lambda c, s: c.add_tags_to_stream(StreamName=s, Tags={"a": "b!"})),
    "a tag key with a mark": ("InvalidArgumentException", lambda c, s: c.create_stream(StreamName="x", ShardCount=1, Tags={"a|": "b"})),
    "a tag of AWS": ("InvalidArgumentException", lambda c, s: c.add_tags_to_stream(StreamName=s, Tags={"aws:mine": "b"})),
    "a tag of AWS, removed": ("InvalidArgumentException", lambda c, s: c.remove_tags_from_stream(StreamName=s, TagKeys=["AWS:x"])),
    "an unknown kind of iterator": ("ValidationException", lambda c, s: iterator(c, s, "NEWEST")),
    "retention that is no number": (
        "SerializationException", lambda c, s: c.increase_stream_retention_period(StreamName=s, RetentionPeriodHours="48")
    ),
    "a long partition key": ("ValidationException", lambda c, s: c.put_record(StreamName=s, Data=b"", PartitionKey="k" * 257)),
    "too many records": ("ValidationException", lambda c, s: put(c, s, *[b""] * 501)),
    "too big a record": ("InvalidArgumentException", lambda c, s: put(c, s, b"x" * 1_048_577)),
    "too much at once": ("InvalidArgumentException", lambda c, s: put(c, s, *[b"x" * 965_000] * 11)),
    "a stream that is there": ("ResourceInUseException", lambda c, s: c.create_stream(StreamName=s, ShardCount=1)),
    "the app stream": ("ResourceInUseException", lambda c, s: c.delete_stream(StreamName="app")),
    "more shards": ("LimitExceededException", lambda c, s: c.create_stream(StreamName="x", ShardCount=2)),
    "more shards later": (
        "LimitExceededException", lambda c, s: c.update_shard_count(StreamName=s, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    ),
    "no shard count": ("InvalidArgumentException", lambda c, s: c.create_stream(StreamName="x")),
    "a shard count on demand": (
        "InvalidArgumentException",
        lambda c, s: c.create_stream(StreamName="x", ShardCount=1, StreamModeDetails={"StreamMode": "ON_DEMAND"}),
    ),
    "a name with a slash": ("ValidationException", lambda c, s: c.create_stream(StreamName="a/b", ShardCount=1)),
    "encryption": (
        "InvalidArgumentException", lambda c, s: c.start_stream_encryption(StreamName=s, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    ),
    "less retention by more": (
        "InvalidArgumentException", lambda c, s: c.increase_stream_retention_period(StreamName=s, RetentionPeriodHours=23)
    ),
    "more retention by less": (
        "InvalidArgumentException", lambda c, s: c.decrease_stream_retention_period(StreamName=s, RetentionPeriodHours=25)
    ),
    "too much retention": (
        "InvalidArgumentException", lambda c, s: c.increase_stream_retention_period(StreamName=s, RetentionPeriodHours=8761)
    ),
    "retention of the app stream": (
        "InvalidArgumentException", lambda c, s: c.increase_stream_retention_period(StreamName="app", RetentionPeriodHours=72)
    ),
    "a trial": (
        "DryRunOperationException", lambda c, s: c.put_record(StreamName=s, Data=b"", PartitionKey="k", DryRun=True)
    ),
    "no consumers": (
        "UnknownOperationException", lambda c, s: c.register_stream_consumer(StreamARN=f"{ARN}{s}", ConsumerName="me")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_called_by_its_name(admin: Any, stream: str, name: str) -> None:
    code, call = WRONG[name]

    assert error_of(lambda: call(admin, stream)) == code
    assert read(admin, stream, "TRIM_HORIZON") == []


def test_an_error_has_the_shape_of_the_service_and_is_open_to_browsers(served: StreamsServed) -> None:
    answer = served.kinesis_call("DescribeStream", b'{"StreamName":"nope"}')

    assert (answer.status, answer.headers["Content-Type"]) == (400, "application/x-amz-json-1.1")
    assert answer.json == {"__type": "ResourceNotFoundException", "message": f"Stream nope under account {ACCOUNT} not found."}
    assert answer.error_type == "ResourceNotFoundException"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(("body", "code"), [
    (b"", "SerializationException"), (b"{", "SerializationException"), (b"\xff", "SerializationException"),
    (b'{"StreamName":' + b"[" * 100_000, "SerializationException"),
    (b"[]", "SerializationException"), (b"null", "SerializationException"), (b'{"StreamName":5}', "SerializationException"),
    (b'{"StreamName":""}', "ValidationException"), (b'{"StreamName":"\xc3\xa9"}', "ValidationException"),
])  # fmt: skip
def test_a_body_that_is_wrong_is_refused(served: StreamsServed, body: bytes, code: str) -> None:
    answer = served.kinesis_call("DescribeStream", body)

    assert (answer.status, answer.json["__type"]) == (400, code)


@pytest.mark.parametrize("operation", ["Nope", *sorted(REFUSED)])
def test_an_operation_that_is_not_offered_says_so(served: StreamsServed, operation: str) -> None:
    answer = served.kinesis_call(operation, b"{}", key="admin")

    assert (answer.status, answer.error_type) == (400, "UnknownOperationException")


@pytest.mark.parametrize("operation", ["DescribeStream", "PutRecords"])
def test_nobody_gets_in_without_a_signature(served: StreamsServed, operation: str) -> None:
    headers = {"X-Amz-Target": f"Kinesis_20131202.{operation}", "Content-Type": "application/x-amz-json-1.1"}

    answer = served.ask("POST", "/", b"{}", headers)

    assert (answer.status, answer.json["__type"]) == (400, "MissingAuthenticationTokenException")


LOOKING: dict[str, Callable[[Any], Any]] = {
    "DescribeStream": lambda c: c.describe_stream(StreamName="app"),
    "DescribeStreamSummary": lambda c: c.describe_stream_summary(StreamName="app"),
    "DescribeLimits": lambda c: c.describe_limits(),
    "ListStreams": lambda c: c.list_streams(),
    "ListShards": lambda c: c.list_shards(StreamName="app"),
    "ListTagsForStream": lambda c: c.list_tags_for_stream(StreamName="app"),
    "ListTagsForResource": lambda c: c.list_tags_for_resource(ResourceARN=f"{ARN}app"),
}

SENDING: dict[str, Callable[[Any], Any]] = {
    "PutRecord": lambda c: c.put_record(StreamName="app", Data=b"x", PartitionKey="k"),
    "PutRecords": lambda c: put(c, "app", b"x"),
}

READING: dict[str, Callable[[Any], Any]] = {
    "GetShardIterator": lambda c: iterator(c, "app", "LATEST"),
    "GetRecords": lambda c: c.get_records(ShardIterator="AAAA"),
}

MANAGING: dict[str, Callable[[Any], Any]] = {
    "CreateStream": lambda c: c.create_stream(StreamName="other", ShardCount=1),
    "DeleteStream": lambda c: c.delete_stream(StreamName="other"),
    "IncreaseStreamRetentionPeriod": lambda c: c.increase_stream_retention_period(StreamName="app", RetentionPeriodHours=48),
    "DecreaseStreamRetentionPeriod": lambda c: c.decrease_stream_retention_period(StreamName="app", RetentionPeriodHours=48),
    "AddTagsToStream": lambda c: c.add_tags_to_stream(StreamName="app", Tags={"a": "b"}),
    "RemoveTagsFromStream": lambda c: c.remove_tags_from_stream(StreamName="app", TagKeys=["a"]),
    "TagResource": lambda c: c.tag_resource(ResourceARN=f"{ARN}app", Tags={"a": "b"}),
    "UntagResource": lambda c: c.untag_resource(ResourceARN=f"{ARN}app", TagKeys=["a"]),
    "UpdateStreamMode": lambda c: c.update_stream_mode(StreamARN=f"{ARN}app", StreamModeDetails={"StreamMode": "ON_DEMAND"}),
    "UpdateMaxRecordSize": lambda c: c.update_max_record_size(StreamARN=f"{ARN}app", MaxRecordSizeInKiB=10_240),
    "UpdateShardCount": lambda c: c.update_shard_count(StreamName="app", TargetShardCount=1, ScalingType="UNIFORM_SCALING"),
    "EnableEnhancedMonitoring": lambda c: c.enable_enhanced_monitoring(StreamName="app", ShardLevelMetrics=["ALL"]),
    "DisableEnhancedMonitoring": lambda c: c.disable_enhanced_monitoring(StreamName="app", ShardLevelMetrics=["ALL"]),
    "StartStreamEncryption": lambda c: c.start_stream_encryption(StreamName="app", EncryptionType="KMS", KeyId="k"),
    "StopStreamEncryption": lambda c: c.stop_stream_encryption(StreamName="app", EncryptionType="KMS", KeyId="k"),
}

ALLOWED = {
    "send": {**LOOKING, **SENDING},
    "query": {**LOOKING, **READING},
    "admin": {**LOOKING, **SENDING, **READING, **MANAGING},
}


@pytest.mark.parametrize("key", ALLOWED)
def test_a_key_does_what_it_is_allowed_and_no_more(served: StreamsServed, key: str) -> None:
    client = served.kinesis(key)

    for name, call in {**ALLOWED["admin"]}.items():
        try:
            call(client)
            code = ""
        except ClientError as error:
            code = error.response["Error"]["Code"]
        assert (code == "AccessDeniedException") == (name not in ALLOWED[key]), (name, code)


def test_every_operation_is_in_the_table_above(served: StreamsServed) -> None:
    routes = [route for route in served.routes() if route.action and route.action.startswith("kinesis:")]

    assert {route.action.partition(":")[2] for route in routes} == {*ALLOWED["admin"], *REFUSED}


def test_a_refusal_names_principal_action_and_stream_and_comes_before_not_found(served: StreamsServed) -> None:
    answer = served.kinesis_call("DeleteStream", b'{"StreamName":"nope"}', key="send")

    assert answer.json["__type"] == "AccessDeniedException"
    assert answer.json["message"].startswith("User: send is not authorized to perform: kinesis:DeleteStream on resource: arn:aws:kinesis:")


@pytest.mark.parametrize("error", [Unavailable("disk"), StreamFull("full")])
def test_overload_is_throttling_which_sdks_send_again(served: StreamsServed, admin: Any, error: Exception) -> None:
    async def refuse(records: Any) -> Any:
        raise error

    before = served.streams.app.counts()["WriteProvisionedThroughputExceeded"]
    served.stream.append = refuse  # type: ignore[method-assign]
    try:
        code = error_of(lambda: put(admin, "app", b"1", b"2"))
    finally:
        del served.stream.append

    assert code == "ProvisionedThroughputExceededException"
    assert served.streams.app.counts()["WriteProvisionedThroughputExceeded"] == before + 2
