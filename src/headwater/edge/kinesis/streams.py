"""Kinesis operations on streams: making, describing, tagging and deleting them."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any, NoReturn

from headwater.control.tags import check_tag_keys, check_tags
from headwater.edge.kinesis.call import Call, KinesisOperation, LimitExceeded, Output
from headwater.edge.kinesis.names import StreamNames
from headwater.edge.kinesis.shapes import (
    AddTagsInput,
    CreateStreamInput,
    DescribeStreamInput,
    EncryptionInput,
    KinesisInput,
    ListShardsInput,
    ListStreamsInput,
    ListTagsInput,
    MonitoringInput,
    RecordSizeInput,
    RemoveTagsInput,
    RetentionInput,
    ShardCountInput,
    StreamInput,
    StreamResourceInput,
    TagByArnInput,
    UntagByArnInput,
    UpdateModeInput,
)
from headwater.edge.wire.cbor import Moment
from headwater.errors import BadRequest
from headwater.stream import FIRST_SHARD
from headwater.stream.named import SHARD_METRICS, NamedStream, ShardMetric
from headwater.stream.streams import STREAMS_LIMIT

_LAST_HASH_KEY = str((1 << 128) - 1)
_SHORTEST_HOURS, _LONGEST_HOURS = 24, 8760
_TAGS_LIMIT = 50
_ONE_SHARD = "a stream here has one shard, which takes as much as the disk does: ask for ShardCount 1, or for StreamMode ON_DEMAND"


class StreamOperations:
    """What people and Terraform do with streams."""

    def __init__(self, names: StreamNames) -> None:
        self._names, self._streams = names, names.streams

    def entries(self) -> dict[str, KinesisOperation]:
        """Return the operations by name."""
        return {
            "CreateStream": KinesisOperation(CreateStreamInput, self.create_stream),
            "DeleteStream": KinesisOperation(StreamInput, self.delete_stream),
            "DescribeStream": KinesisOperation(DescribeStreamInput, self.describe_stream),
            "DescribeStreamSummary": KinesisOperation(StreamInput, self.describe_stream_summary),
            "DescribeLimits": KinesisOperation(KinesisInput, self.describe_limits, about_stream=False),
            "ListStreams": KinesisOperation(ListStreamsInput, self.list_streams, about_stream=False),
            "ListShards": KinesisOperation(ListShardsInput, self.list_shards),
            "IncreaseStreamRetentionPeriod": KinesisOperation(RetentionInput, self.increase_stream_retention_period),
            "DecreaseStreamRetentionPeriod": KinesisOperation(RetentionInput, self.decrease_stream_retention_period),
            "AddTagsToStream": KinesisOperation(AddTagsInput, self.add_tags_to_stream),
            "RemoveTagsFromStream": KinesisOperation(RemoveTagsInput, self.remove_tags_from_stream),
            "ListTagsForStream": KinesisOperation(ListTagsInput, self.list_tags_for_stream),
            "TagResource": KinesisOperation(TagByArnInput, self.tag_resource),
            "UntagResource": KinesisOperation(UntagByArnInput, self.untag_resource),
            "ListTagsForResource": KinesisOperation(StreamResourceInput, self.list_tags_for_resource),
            "UpdateStreamMode": KinesisOperation(UpdateModeInput, self.update_stream_mode),
            "UpdateMaxRecordSize": KinesisOperation(RecordSizeInput, self.update_max_record_size),
            "UpdateShardCount": KinesisOperation(ShardCountInput, self.update_shard_count),
            "EnableEnhancedMonitoring": KinesisOperation(MonitoringInput, self.enable_enhanced_monitoring),
            "DisableEnhancedMonitoring": KinesisOperation(MonitoringInput, self.disable_enhanced_monitoring),
            "StartStreamEncryption": KinesisOperation(EncryptionInput, self.start_stream_encryption),
            "StopStreamEncryption": KinesisOperation(EncryptionInput, self.stop_stream_encryption),
        }

    async def create_stream(self, request: CreateStreamInput, call: Call) -> Output:
        """Make a stream, which is ACTIVE at once."""
        mode = request.stream_mode_details.stream_mode if request.stream_mode_details else "PROVISIONED"
        if mode == "ON_DEMAND" and request.shard_count is not None:
            raise BadRequest("ShardCount is not for a stream in mode ON_DEMAND")
        if mode == "PROVISIONED" and request.shard_count is None:
            raise BadRequest("a stream in mode PROVISIONED needs a ShardCount")
        if request.shard_count is not None and request.shard_count > 1:
            raise LimitExceeded(_ONE_SHARD)
        tags = request.tags or {}
        check_tags(tags)
        _check_count(tags)
        await self._streams.create(request.stream_name, mode=mode, max_record_kib=request.max_record_size_in_kib, tags=tags)
        return {}

    async def delete_stream(self, request: StreamInput, call: Call) -> Output:
        """Delete the stream and its records, at once."""
        await self._streams.delete(self._stream(request).name)
        return {}

    async def describe_stream(self, request: DescribeStreamInput, call: Call) -> Output:
        """Return what is known of the stream, with its shard."""
        stream = self._stream(request)
        shards = self._shards_after(stream, request.exclusive_start_shard_id)
        return {"StreamDescription": {**self._description(stream), "Shards": shards, "HasMoreShards": False}}

    async def describe_stream_summary(self, request: StreamInput, call: Call) -> Output:
        """Return what is known of the stream, without its shard."""
        stream = self._stream(request)
        more = {
            "StreamId": stream.state.stream_id,
            "OpenShardCount": 1,
            "ConsumerCount": 0,
            "MaxRecordSizeInKiB": stream.state.max_record_kib,
        }
        return {"StreamDescriptionSummary": {**self._description(stream), **more}}

    async def describe_limits(self, request: KinesisInput, call: Call) -> Output:
        """Return how many streams there are and may be; each has one shard."""
        streams = [self._streams.get(name) for name in self._streams.names()]
        return {
            "ShardLimit": STREAMS_LIMIT + 1,
            "OpenShardCount": len(streams),
            "OnDemandStreamCount": sum(stream.state.mode == "ON_DEMAND" for stream in streams),
            "OnDemandStreamCountLimit": STREAMS_LIMIT + 1,
        }

    async def list_streams(self, request: ListStreamsInput, call: Call) -> Output:
        """Return a page of the streams, by name."""
        after = request.exclusive_start_stream_name or (_opened(request.next_token) if request.next_token else "")
        names = [name for name in self._streams.names() if name > after]
        page = names[: request.limit]
        more = {"NextToken": base64.urlsafe_b64encode(page[-1].encode()).decode()} if len(names) > len(page) else {}
        return {
            "StreamNames": page,
            "HasMoreStreams": len(names) > len(page),
            "StreamSummaries": [self._summary(self._streams.get(name)) for name in page],
            **more,
        }

    async def list_shards(self, request: ListShardsInput, call: Call) -> Output:
        """Return the shard, unless what is asked for begins after it."""
        stream = self._stream(request)
        if request.next_token is not None:
            raise BadRequest("NextToken is not valid: a stream has one shard, and all of it was listed")
        chosen = request.shard_filter
        if chosen is not None and chosen.type == "AFTER_SHARD_ID" and chosen.shard_id is None:
            raise BadRequest("the filter AFTER_SHARD_ID needs a ShardId")
        after = request.exclusive_start_shard_id or (chosen.shard_id if chosen and chosen.type == "AFTER_SHARD_ID" else None)
        return {"Shards": self._shards_after(stream, after)}

    async def increase_stream_retention_period(self, request: RetentionInput, call: Call) -> Output:
        """Keep records longer; asking for what is set already changes nothing, as Terraform does."""
        stream, hours = self._stream(request), request.retention_period_hours
        _check_retention(hours)
        if hours < stream.state.retention_hours:
            self._refuse_retention(stream, hours, "shorter", "Decrease")
        return await self._keep(stream, hours)

    async def decrease_stream_retention_period(self, request: RetentionInput, call: Call) -> Output:
        """Keep records for a shorter time."""
        stream, hours = self._stream(request), request.retention_period_hours
        _check_retention(hours)
        if hours > stream.state.retention_hours:
            self._refuse_retention(stream, hours, "longer", "Increase")
        return await self._keep(stream, hours)

    async def add_tags_to_stream(self, request: AddTagsInput, call: Call) -> Output:
        """Put tags on the stream; those of the same keys are replaced."""
        return await self._tag(self._stream(request), request.tags)

    async def remove_tags_from_stream(self, request: RemoveTagsInput, call: Call) -> Output:
        """Take tags from the stream; those it does not have do not matter."""
        return await self._untag(self._stream(request), request.tag_keys)

    async def list_tags_for_stream(self, request: ListTagsInput, call: Call) -> Output:
        """Return a page of the tags, by key."""
        tags = _tag_list(self._stream(request))
        tags = [tag for tag in tags if tag["Key"] > (request.exclusive_start_tag_key or "")]
        return {"Tags": tags[: request.limit], "HasMoreTags": len(tags) > request.limit}

    async def tag_resource(self, request: TagByArnInput, call: Call) -> Output:
        """Put tags on a stream."""
        return await self._tag(self._resource(request), request.tags)

    async def untag_resource(self, request: UntagByArnInput, call: Call) -> Output:
        """Take tags from a stream."""
        return await self._untag(self._resource(request), request.tag_keys)

    async def list_tags_for_resource(self, request: StreamResourceInput, call: Call) -> Output:
        """Return the tags of a stream."""
        return {"Tags": _tag_list(self._resource(request))}

    async def update_stream_mode(self, request: UpdateModeInput, call: Call) -> Output:
        """Call the stream on demand or provisioned; it makes no difference here."""
        await self._streams.change(self._stream(request).name, mode=request.stream_mode_details.stream_mode)
        return {}

    async def update_max_record_size(self, request: RecordSizeInput, call: Call) -> Output:
        """Set how big a record may be."""
        await self._streams.change(self._stream(request).name, max_record_kib=request.max_record_size_in_kib)
        return {}

    async def update_shard_count(self, request: ShardCountInput, call: Call) -> Output:
        """Accept one shard, which every stream has."""
        stream = self._stream(request)
        if request.target_shard_count != 1:
            raise LimitExceeded(_ONE_SHARD)
        arn = self._names.arn(stream.name)
        return {"StreamName": stream.name, "CurrentShardCount": 1, "TargetShardCount": 1, "StreamARN": arn}

    async def enable_enhanced_monitoring(self, request: MonitoringInput, call: Call) -> Output:
        """Show these shard-level metrics, too."""
        stream = self._stream(request)
        return await self._monitor(stream, {*stream.state.metrics, *_metrics(request)})

    async def disable_enhanced_monitoring(self, request: MonitoringInput, call: Call) -> Output:
        """Show these shard-level metrics no more."""
        stream = self._stream(request)
        return await self._monitor(stream, set(stream.state.metrics) - _metrics(request))

    async def start_stream_encryption(self, request: EncryptionInput, call: Call) -> Output:
        """Refuse: nothing here would encrypt."""
        self._stream(request)
        raise BadRequest(
            "streams are not encrypted by Headwater, so EncryptionType stays NONE: leave encryption_type out,"
            " and encrypt the disk that the project's data folder lies on"
        )

    async def stop_stream_encryption(self, request: EncryptionInput, call: Call) -> Output:
        """Accept what is so already."""
        self._stream(request)
        return {}

    def _stream(self, request: StreamInput) -> NamedStream:
        return self._names.get(self._names.name_of(request))

    def _resource(self, request: StreamResourceInput) -> NamedStream:
        return self._names.get(self._names.name_in(request.resource_arn))

    def _shards_after(self, stream: NamedStream, shard_id: str | None) -> list[dict[str, Any]]:
        if shard_id is not None and self._names.shard_number(stream, shard_id) >= 0:
            return []
        return [
            {
                "ShardId": FIRST_SHARD,
                "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": _LAST_HASH_KEY},
                "SequenceNumberRange": {"StartingSequenceNumber": "1"},
            }
        ]

    def _summary(self, stream: NamedStream) -> Output:
        return {
            "StreamName": stream.name,
            "StreamARN": self._names.arn(stream.name),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": stream.state.mode},
            "StreamCreationTimestamp": Moment.of_ms(stream.state.created_ms),
        }

    def _description(self, stream: NamedStream) -> Output:
        return {
            **self._summary(stream),
            "RetentionPeriodHours": math.ceil(stream.state.retention_hours),
            "EnhancedMonitoring": [{"ShardLevelMetrics": list(stream.state.metrics)}],
            "EncryptionType": "NONE",
        }

    async def _keep(self, stream: NamedStream, hours: int) -> Output:
        if hours == math.ceil(stream.state.retention_hours):
            return {}
        if stream is self._streams.app:
            raise BadRequest("how long the app stream is kept is said in headwater.toml: stream.retention_hours")
        await self._streams.change(stream.name, retention_hours=hours)
        return {}

    def _refuse_retention(self, stream: NamedStream, hours: int, than: str, instead: str) -> NoReturn:
        kept = math.ceil(stream.state.retention_hours)
        raise BadRequest(
            f"Requested retention period ({hours} hours) for stream {stream.name} can not be {than} than existing retention period"
            f" ({kept} hours). Use {instead}RetentionPeriod API."
        )

    async def _tag(self, stream: NamedStream, tags: dict[str, str]) -> Output:
        check_tags(tags)
        tags = {**stream.state.tags, **tags}
        _check_count(tags)
        await self._streams.change(stream.name, tags=tags)
        return {}

    async def _untag(self, stream: NamedStream, keys: list[str]) -> Output:
        check_tag_keys(keys)
        await self._streams.change(stream.name, tags={key: value for key, value in stream.state.tags.items() if key not in keys})
        return {}

    async def _monitor(self, stream: NamedStream, shown: set[ShardMetric]) -> Output:
        before = list(stream.state.metrics)
        state = await self._streams.change(stream.name, metrics=tuple(metric for metric in SHARD_METRICS if metric in shown))
        return {
            "StreamName": stream.name,
            "CurrentShardLevelMetrics": before,
            "DesiredShardLevelMetrics": list(state.metrics),
            "StreamARN": self._names.arn(stream.name),
        }


def _metrics(request: MonitoringInput) -> set[ShardMetric]:
    if "ALL" in request.shard_level_metrics:
        return set(SHARD_METRICS)
    return {metric for metric in request.shard_level_metrics if metric != "ALL"}


def _tag_list(stream: NamedStream) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(stream.state.tags.items())]


def _check_retention(hours: int) -> None:
    if hours < _SHORTEST_HOURS:
        raise BadRequest(
            f"Minimum allowed retention period is {_SHORTEST_HOURS} hours. Requested retention period ({hours} hours) is too short."
        )
    if hours > _LONGEST_HOURS:
        raise BadRequest(
            f"Maximum allowed retention period is {_LONGEST_HOURS} hours. Requested retention period ({hours} hours) is too long."
        )


def _check_count(tags: dict[str, str]) -> None:
    if len(tags) > _TAGS_LIMIT:
        raise BadRequest(f"a stream may have {_TAGS_LIMIT} tags, given {len(tags)}")


def _opened(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode("ascii")
    except (binascii.Error, ValueError):
        raise BadRequest("NextToken is not one that ListStreams returned") from None
