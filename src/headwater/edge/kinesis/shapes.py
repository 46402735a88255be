"""What callers of Kinesis send, operation by operation; the shapes hold what can be checked without looking anywhere."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from headwater.stream.named import Mode, ShardMetric

RECORD_BYTES = 10 * 1024 * 1024
REQUEST_BYTES = 10 * 1024 * 1024
RECORDS_LIMIT = 500
READ_LIMIT = 10_000
READ_BYTES = 10 * 1024 * 1024

StreamName = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_.-]+$")]
Arn = Annotated[str, Meta(min_length=1, max_length=2048)]
StreamId = Annotated[str, Meta(min_length=1, max_length=24)]
ShardId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_.-]+$")]
PartitionKey = Annotated[str, Meta(min_length=1, max_length=256)]
HashKey = Annotated[str, Meta(pattern=r"^(0|([1-9][0-9]{0,38}))$")]
SequenceNumber = Annotated[str, Meta(pattern=r"^(0|([1-9][0-9]{0,128}))$")]
Data = Annotated[bytes, Meta(max_length=RECORD_BYTES)]
Tags = Annotated[
    dict[Annotated[str, Meta(min_length=1, max_length=128)], Annotated[str, Meta(max_length=256)]], Meta(min_length=1, max_length=200)
]
TagKeys = Annotated[list[Annotated[str, Meta(min_length=1, max_length=128)]], Meta(min_length=1, max_length=50)]
Token = Annotated[str, Meta(min_length=1, max_length=4096)]
Page = Annotated[int, Meta(ge=1, le=10_000)]


def wire_name(field: str) -> str:
    """Return a field's name as the wire spells it: `stream_arn` is `StreamARN`."""
    name = "".join(part.capitalize() for part in field.split("_"))
    return name.removesuffix("Arn") + "ARN" if name.endswith("Arn") else name.replace("InKib", "InKiB").replace("Mibps", "MiBps")


class KinesisInput(msgspec.Struct, rename=wire_name, kw_only=True):
    """A request; members that a newer SDK adds are ignored, as everywhere at AWS."""


class StreamInput(KinesisInput, kw_only=True):
    """A request about one stream, named in one of three ways."""

    stream_name: StreamName | None = None
    stream_arn: Arn | None = None
    stream_id: StreamId | None = None


class PutRecordInput(StreamInput, kw_only=True):
    """One record. *sequence_number_for_ordering* changes nothing: records of one key stay in order as it is."""

    data: Data
    partition_key: PartitionKey
    explicit_hash_key: HashKey | None = None
    sequence_number_for_ordering: SequenceNumber | None = None
    dry_run: bool = False


class PutRecordsEntry(KinesisInput, kw_only=True):
    """One of many records."""

    data: Data
    partition_key: PartitionKey
    explicit_hash_key: HashKey | None = None


class PutRecordsInput(StreamInput, kw_only=True):
    """Many records."""

    records: Annotated[list[PutRecordsEntry], Meta(min_length=1, max_length=RECORDS_LIMIT)]
    dry_run: bool = False


class ModeDetails(KinesisInput, kw_only=True):
    """On demand or provisioned."""

    stream_mode: Mode


class CreateStreamInput(KinesisInput, kw_only=True):
    """A stream that is to be."""

    stream_name: StreamName
    shard_count: Annotated[int, Meta(ge=1)] | None = None
    stream_mode_details: ModeDetails | None = None
    tags: Tags | None = None
    max_record_size_in_kib: Annotated[int, Meta(ge=1024, le=10_240)] = 1024


class DescribeStreamInput(StreamInput, kw_only=True):
    """A stream, and which of its shards to tell of."""

    limit: Page = 100
    exclusive_start_shard_id: ShardId | None = None


class ListStreamsInput(KinesisInput, kw_only=True):
    """A page of the streams."""

    limit: Page = 100
    exclusive_start_stream_name: StreamName | None = None
    next_token: Token | None = None


class ShardFilter(KinesisInput, kw_only=True):
    """Which shards are asked for."""

    type: Literal["AFTER_SHARD_ID", "AT_TRIM_HORIZON", "FROM_TRIM_HORIZON", "AT_LATEST", "AT_TIMESTAMP", "FROM_TIMESTAMP"]
    shard_id: ShardId | None = None
    timestamp: float | None = None


class ListShardsInput(StreamInput, kw_only=True):
    """The shards of a stream."""

    next_token: Token | None = None
    exclusive_start_shard_id: ShardId | None = None
    max_results: Page = 1000
    stream_creation_timestamp: float | None = None
    shard_filter: ShardFilter | None = None


IteratorType = Literal["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"]


class GetShardIteratorInput(StreamInput, kw_only=True):
    """Where in a shard to begin to read."""

    shard_id: ShardId
    shard_iterator_type: IteratorType
    starting_sequence_number: SequenceNumber | None = None
    timestamp: float | None = None
    dry_run: bool = False


class GetRecordsInput(StreamInput, kw_only=True):
    """Records from where an iterator stands."""

    shard_iterator: Annotated[str, Meta(min_length=1, max_length=512)]
    limit: Annotated[int, Meta(ge=1, le=READ_LIMIT)] = READ_LIMIT
    dry_run: bool = False


class RetentionInput(StreamInput, kw_only=True):
    """How long records are to be kept."""

    retention_period_hours: int


class AddTagsInput(StreamInput, kw_only=True):
    """Tags to put on a stream."""

    tags: Tags


class RemoveTagsInput(StreamInput, kw_only=True):
    """Tags to take from a stream."""

    tag_keys: TagKeys


class ListTagsInput(StreamInput, kw_only=True):
    """A page of a stream's tags."""

    exclusive_start_tag_key: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 50


class StreamResourceInput(KinesisInput, kw_only=True):
    """A request about a resource, of which only streams exist here."""

    resource_arn: Arn
    stream_id: StreamId | None = None


class TagByArnInput(StreamResourceInput, kw_only=True):
    """Tags to put on a resource."""

    tags: Tags


class UntagByArnInput(StreamResourceInput, kw_only=True):
    """Tags to take from a resource."""

    tag_keys: TagKeys


class UpdateModeInput(StreamInput, kw_only=True):
    """A stream's other mode."""

    stream_mode_details: ModeDetails


class RecordSizeInput(StreamInput, kw_only=True):
    """How big a record may be."""

    max_record_size_in_kib: Annotated[int, Meta(ge=1024, le=10_240)]


class MonitoringInput(StreamInput, kw_only=True):
    """Shard-level metrics to show, or to show no more."""

    shard_level_metrics: Annotated[list[ShardMetric | Literal["ALL"]], Meta(min_length=1, max_length=7)]


class ShardCountInput(StreamInput, kw_only=True):
    """How many shards a stream is to have."""

    target_shard_count: Annotated[int, Meta(ge=1)]
    scaling_type: Literal["UNIFORM_SCALING"] = "UNIFORM_SCALING"


class EncryptionInput(StreamInput, kw_only=True):
    """A key to encrypt with, or no longer."""

    encryption_type: Literal["NONE", "KMS"]
    key_id: str = ""
