"""Streams and their tags: made, described, listed, changed, deleted."""

from __future__ import annotations

import json
from typing import Any

from headwater.stream import FIRST_SHARD
from headwater.stream.named import SHARD_METRICS
from tests.edge.kinesis import ARN, error_of
from tests.edge.kinesis import admin as admin
from tests.edge.kinesis import stream as stream
from tests.edge.streams import StreamsServed
from tests.edge.streams import served as served


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
