"""Kinesis as boto3 speaks it, against a real server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headwater.edge.kinesis import REFUSED
from headwater.edge.kinesis_shapes import RECORDS_LIMIT
from headwater.errors import StreamFull, Unavailable
from headwater.stream import FIRST_SHARD
from headwater.stream.named import SHARD_METRICS
from tests.edge.conftest import ACCOUNT, REGION
from tests.edge.streams import StreamsServed
from tests.edge.streams import served as served

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
    time.sleep(0.05)
    between = datetime.now(UTC)
    time.sleep(0.05)
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
    time.sleep(0.05)
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


def test_a_stream_is_made_described_listed_and_deleted(served: StreamsServed, admin: Any) -> None:
    admin.create_stream(StreamName="life", ShardCount=1, Tags={"a": "b"})

    described = admin.describe_stream(StreamName="life")["StreamDescription"]
    summary = admin.describe_stream_summary(StreamARN=f"{ARN}life")["StreamDescriptionSummary"]
    # botocore sends a StreamId to a host of its own making, whatever the endpoint
    asked = json.dumps({"StreamId": summary["StreamId"]}).encode()
    by_id = served.kinesis_call("DescribeStreamSummary", asked).json["StreamDescriptionSummary"]
    shards = admin.list_shards(StreamName="life")["Shards"]
    listed = admin.list_streams()
    admin.delete_stream(StreamName="life", EnforceConsumerDeletion=True)

    shared = (
        "StreamName",
        "StreamARN",
        "StreamStatus",
        "StreamModeDetails",
        "RetentionPeriodHours",
        "StreamCreationTimestamp",
        "EncryptionType",
    )
    assert {name: described[name] for name in shared} == {name: summary[name] for name in shared}
    assert {name: by_id[name] for name in ("StreamName", "StreamARN", "StreamId")} == {
        "StreamName": "life", "StreamARN": f"{ARN}life", "StreamId": summary["StreamId"],
    }  # fmt: skip
    assert [described[name] for name in shared[:5]] == ["life", f"{ARN}life", "ACTIVE", {"StreamMode": "PROVISIONED"}, 24]
    assert described["Shards"] == shards
    assert [shard["ShardId"] for shard in shards] == [FIRST_SHARD]
    assert shards[0]["HashKeyRange"] == {"StartingHashKey": "0", "EndingHashKey": str(2**128 - 1)}
    assert (summary["OpenShardCount"], described["HasMoreShards"]) == (1, False)
    assert "life" in listed["StreamNames"]
    assert error_of(lambda: admin.describe_stream(StreamName="life")) == "ResourceNotFoundException"
    assert "life" not in admin.list_streams()["StreamNames"]


def test_streams_come_in_pages(admin: Any) -> None:
    for name in ("page-a", "page-b", "page-c"):
        admin.create_stream(StreamName=name, ShardCount=1)

    paged = [
        name for page in admin.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 1}) for name in page["StreamNames"]
    ]
    token = admin.list_streams(Limit=2)["NextToken"]
    after = admin.list_streams(ExclusiveStartStreamName="page-a", Limit=1)

    assert paged == admin.list_streams()["StreamNames"] == sorted(paged)
    assert admin.list_streams(NextToken=token)["StreamNames"] == paged[2:]
    assert after["StreamNames"] == ["page-b"]
    assert [summary["StreamName"] for summary in after["StreamSummaries"]] == ["page-b"]
    assert error_of(lambda: admin.list_streams(NextToken="é$")) == "InvalidArgumentException"


def test_shards_are_listed_from_where_is_asked(admin: Any, stream: str) -> None:
    def ids(**asked: Any) -> list[str]:
        return [shard["ShardId"] for shard in admin.list_shards(StreamName=stream, **asked)["Shards"]]

    assert ids(MaxResults=1) == ids(ShardFilter={"Type": "AT_LATEST"}) == ids(ShardFilter={"Type": "FROM_TRIM_HORIZON"}) == [FIRST_SHARD]
    assert ids(ExclusiveStartShardId=FIRST_SHARD) == ids(ShardFilter={"Type": "AFTER_SHARD_ID", "ShardId": FIRST_SHARD}) == []
    assert admin.describe_stream(StreamName=stream, ExclusiveStartShardId=FIRST_SHARD)["StreamDescription"]["Shards"] == []


def test_what_terraform_calls_for_a_stream_works(admin: Any) -> None:
    name, metrics = "piano-app-event-stream-prd", [metric for metric in SHARD_METRICS if metric != "OutgoingBytes"]
    limits = admin.describe_limits()
    admin.create_stream(StreamName=name, StreamModeDetails={"StreamMode": "ON_DEMAND"}, Tags={"Environment": "prd"})
    admin.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=24)  # it asks for the default, too
    admin.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=48)
    enabled = admin.enable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["ALL"])
    disabled = admin.disable_enhanced_monitoring(StreamName=name, ShardLevelMetrics=["OutgoingBytes"])
    admin.update_stream_mode(StreamARN=f"{ARN}{name}", StreamModeDetails={"StreamMode": "PROVISIONED"})
    scaled = admin.update_shard_count(StreamName=name, TargetShardCount=1, ScalingType="UNIFORM_SCALING")
    admin.decrease_stream_retention_period(StreamName=name, RetentionPeriodHours=36)
    admin.update_max_record_size(StreamARN=f"{ARN}{name}", MaxRecordSizeInKiB=2048)
    summary = admin.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]

    assert limits["OnDemandStreamCount"] < limits["OnDemandStreamCountLimit"]
    assert limits["OpenShardCount"] < limits["ShardLimit"]
    assert (enabled["CurrentShardLevelMetrics"], enabled["DesiredShardLevelMetrics"]) == ([], list(SHARD_METRICS))
    assert disabled["DesiredShardLevelMetrics"] == metrics
    assert scaled["CurrentShardCount"] == 1
    assert (summary["RetentionPeriodHours"], summary["StreamModeDetails"]["StreamMode"]) == (36, "PROVISIONED")
    assert summary["EnhancedMonitoring"] == [{"ShardLevelMetrics": metrics}]
    assert summary["MaxRecordSizeInKiB"] == 2048
    assert admin.list_tags_for_stream(StreamName=name)["Tags"] == [{"Key": "Environment", "Value": "prd"}]


def test_tags_are_put_replaced_taken_and_paged(admin: Any, stream: str) -> None:
    admin.add_tags_to_stream(StreamName=stream, Tags={"a": "1", "b": "2"})
    admin.tag_resource(ResourceARN=f"{ARN}{stream}", Tags={"b": "3", "c": ""})
    admin.remove_tags_from_stream(StreamName=stream, TagKeys=["a", "never there"])
    first = admin.list_tags_for_stream(StreamName=stream, Limit=1)
    second = admin.list_tags_for_stream(StreamName=stream, ExclusiveStartTagKey="b")
    admin.untag_resource(ResourceARN=f"{ARN}{stream}", TagKeys=["b"])

    assert (first["Tags"], first["HasMoreTags"]) == ([{"Key": "b", "Value": "3"}], True)
    assert (second["Tags"], second["HasMoreTags"]) == ([{"Key": "c", "Value": ""}], False)
    assert admin.list_tags_for_resource(ResourceARN=f"{ARN}{stream}")["Tags"] == [{"Key": "c", "Value": ""}]
    assert error_of(lambda: admin.add_tags_to_stream(StreamName=stream, Tags={str(n): "" for n in range(51)})) == "InvalidArgumentException"


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
    "a forged iterator": ("InvalidArgumentException", lambda c, s: c.get_records(ShardIterator="B" + iterator(c, s, "LATEST")[1:])),
    "a number to come": ("InvalidArgumentException", lambda c, s: iterator(c, s, "AT_SEQUENCE_NUMBER", StartingSequenceNumber="9")),
    "no number": ("InvalidArgumentException", lambda c, s: iterator(c, s, "AFTER_SEQUENCE_NUMBER")),
    "no time": ("InvalidArgumentException", lambda c, s: iterator(c, s, "AT_TIMESTAMP")),
    "a time to come": (
        "InvalidArgumentException", lambda c, s: iterator(c, s, "AT_TIMESTAMP", Timestamp=datetime.now(UTC) + timedelta(hours=1))
    ),
    "a limit of 0": ("InvalidArgumentException", lambda c, s: c.get_records(ShardIterator=iterator(c, s, "LATEST"), Limit=10_001)),
    "a hash key that is none": (
        "InvalidArgumentException", lambda c, s: c.put_record(StreamName=s, Data=b"", PartitionKey="k", ExplicitHashKey="-1")
    ),
    "a long partition key": ("InvalidArgumentException", lambda c, s: c.put_record(StreamName=s, Data=b"", PartitionKey="k" * 257)),
    "too many records": ("InvalidArgumentException", lambda c, s: put(c, s, *[b""] * 501)),
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
    "a name with a slash": ("InvalidArgumentException", lambda c, s: c.create_stream(StreamName="a/b", ShardCount=1)),
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
    (b'{"StreamName":' + b"[" * 100_000, "InvalidArgumentException"),
    (b"[]", "InvalidArgumentException"), (b"null", "InvalidArgumentException"), (b'{"StreamName":5}', "InvalidArgumentException"),
    (b'{"StreamName":""}', "InvalidArgumentException"), (b'{"StreamName":"\xc3\xa9"}', "InvalidArgumentException"),
])  # fmt: skip
def test_a_body_that_is_wrong_is_refused(served: StreamsServed, body: bytes, code: str) -> None:
    answer = served.kinesis_call("DescribeStream", body)

    assert (answer.status, answer.json["__type"]) == (400, code)


@pytest.mark.parametrize("operation", ["Nope", *sorted(REFUSED)])
def test_an_operation_that_is_not_offered_says_so(served: StreamsServed, operation: str) -> None:
    answer = served.kinesis_call(operation, b"{}", key="admin")

    assert (answer.status, answer.error_type) == (400, "UnknownOperationException")


def test_a_redirected_app_signs_the_host_it_believes_to_call(served: StreamsServed) -> None:
    body = json.dumps({"StreamName": "app", "Records": [{"Data": "eyJhIjoxfQ==", "PartitionKey": "p"}]}).encode()
    headers = {"X-Amz-Target": "Kinesis_20131202.PutRecords", "Content-Type": "application/x-amz-json-1.1"}

    answer = served.signed("POST", "/", body, service="kinesis", headers=headers, host=f"kinesis.{REGION}.amazonaws.com")

    assert (answer.status, answer.json["FailedRecordCount"], answer.json["EncryptionType"]) == (200, 0, "NONE")


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
    time.sleep(0.02)
    admin.get_records(ShardIterator=iterator(admin, stream, "TRIM_HORIZON"), Limit=1)

    shown = {count.metric: count.value for count in served.streams.counters() if count.stream == stream}

    age = shown.pop("IteratorAgeMilliseconds")
    assert 20 <= age < 10_000
    assert shown == {
        "IncomingBytes": 8, "IncomingRecords": 2, "OutgoingBytes": 5, "OutgoingRecords": 1,
        "ReadProvisionedThroughputExceeded": 0, "WriteProvisionedThroughputExceeded": 0,
    }  # fmt: skip
