"""Kinesis operations on records: putting them on a stream, and reading them from it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from headwater.clock import Clock
from headwater.collect.frames import as_put
from headwater.collect.kinesis import KinesisRecords
from headwater.edge.kinesis.call import Call, DryRun, KinesisOperation, Output, Throttled
from headwater.edge.kinesis.iterator import Iterators
from headwater.edge.kinesis.names import StreamNames
from headwater.edge.kinesis.shapes import (
    READ_BYTES,
    REQUEST_BYTES,
    GetRecordsInput,
    GetShardIteratorInput,
    PutRecordInput,
    PutRecordsEntry,
    PutRecordsInput,
)
from headwater.edge.wire.cbor import Moment
from headwater.errors import BadRequest
from headwater.record import Position, Record
from headwater.stream.named import NamedStream

# Each may hold 32 MiB of records as they were read, and 10 MiB of those in base64 and on their way out.
_READS_AT_ONCE = 4
_READS_WAITING = 32
_LAST_HASH_KEY = 2**128 - 1
_EITHER = (
    "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or"
    " (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber."
)


class RecordOperations:
    """Records go to the app stream as events, to every other stream as the bytes they are."""

    def __init__(self, names: StreamNames, records: KinesisRecords, iterators: Iterators, clock: Clock) -> None:
        self._names, self._records, self._iterators, self._clock = names, records, iterators, clock
        self._reads = asyncio.Semaphore(_READS_AT_ONCE)
        self._waiting = 0

    def entries(self) -> dict[str, KinesisOperation]:
        """Return the operations by name."""
        return {
            "PutRecord": KinesisOperation(PutRecordInput, self.put_record),
            "PutRecords": KinesisOperation(PutRecordsInput, self.put_records),
            "GetShardIterator": KinesisOperation(GetShardIteratorInput, self.get_shard_iterator),
            "GetRecords": KinesisOperation(GetRecordsInput, self.get_records, about_stream=False),
        }

    async def put_record(self, request: PutRecordInput, call: Call) -> Output:
        """Append one record and say where it landed, once it is durable."""
        entry = PutRecordsEntry(data=request.data, partition_key=request.partition_key, explicit_hash_key=request.explicit_hash_key)
        [position] = await self._put(self._names.get(self._names.name_of(request)), [entry], call, request.dry_run)
        return {**_where(position), "EncryptionType": "NONE"}

    async def put_records(self, request: PutRecordsInput, call: Call) -> Output:
        """Append all records at once, or none: a call that fails may be sent again as it is."""
        positions = await self._put(self._names.get(self._names.name_of(request)), request.records, call, request.dry_run)
        return {"FailedRecordCount": 0, "Records": [_where(position) for position in positions], "EncryptionType": "NONE"}

    async def get_shard_iterator(self, request: GetShardIteratorInput, call: Call) -> Output:
        """Return an iterator that stands where reading is to begin."""
        stream = self._names.get(self._names.name_of(request))
        request.shard_id = self._names.shard(stream, request.shard_id)
        after = await self._begin(stream, request)
        if request.dry_run:
            raise DryRun
        return {"ShardIterator": self._iterators.seal(stream.state.stream_id, request.shard_id, after)}

    async def get_records(self, request: GetRecordsInput, call: Call) -> Output:
        """Return records from where the iterator stands, at most 10 MiB of them, and the iterator to go on with."""
        place = self._iterators.open(request.shard_iterator)
        stream = self._names.with_id(place.stream_id)
        call.authorize(stream.name, self._names.arn(stream.name))
        if (request.stream_arn or request.stream_id) and self._names.name_of(request) != stream.name:
            raise BadRequest("the iterator belongs to another stream than the one that is named")
        if request.dry_run:
            raise DryRun
        if self._waiting >= _READS_WAITING:
            stream.count_refused_read()
            raise Throttled("too many consumers read at the same time; try again in a moment")
        self._waiting += 1
        try:
            async with self._reads:
                return await self._read(stream, place.shard_id, int(place.after), request.limit)
        finally:
            self._waiting -= 1

    async def _put(self, stream: NamedStream, entries: Sequence[PutRecordsEntry], call: Call, dry_run: bool) -> list[Position]:
        for key in {entry.explicit_hash_key for entry in entries if entry.explicit_hash_key is not None}:
            if int(key) > _LAST_HASH_KEY:
                raise BadRequest("Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was " + key)
        most = stream.state.max_record_kib * 1024
        sizes = [len(entry.data) + len(entry.partition_key.encode()) for entry in entries]
        if max(sizes) > most:
            raise BadRequest(f"a record of stream {stream.name} may have {most:,} bytes with its partition key, given {max(sizes):,}")
        if sum(sizes) > REQUEST_BYTES:
            raise BadRequest(f"the records of one request may have {REQUEST_BYTES:,} bytes together, given {sum(sizes):,}")
        if dry_run:
            raise DryRun
        now_ms = self._clock.now_ms()
        if stream is not self._names.streams.app:
            return await stream.append([Record(entry.data, entry.partition_key, now_ms) for entry in entries])
        app_id, make = call.principal.app_id, self._records.record
        return await stream.append([make(entry.data, entry.partition_key, call.caller, app_id, now_ms, call.trace_id) for entry in entries])

    async def _begin(self, stream: NamedStream, request: GetShardIteratorInput) -> int:
        """Return the number after which reading begins, 0 for the oldest record kept."""
        kind = request.shard_iterator_type
        if kind in ("TRIM_HORIZON", "LATEST") and request.starting_sequence_number is not None:
            raise BadRequest(f"{_EITHER} Request specified {kind} and also a StartingSequenceNumber.")
        if kind == "TRIM_HORIZON":
            return 0
        newest = max((await stream.stat(request.shard_id)).next - 1, 0)
        if kind == "LATEST":
            return newest
        if kind == "AT_TIMESTAMP":
            if request.timestamp is None:
                raise BadRequest("Must either specify timestamp for shard iterator type AT_TIMESTAMP.")
            time_ms, now_ms = math.ceil(request.timestamp * 1000), self._clock.now_ms()
            if time_ms > now_ms:
                raise BadRequest(
                    "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis."
                    f" timestampInMillis: {time_ms}, currentTimestampInMillis: {now_ms}"
                )
            return await stream.position_at(request.shard_id, time_ms)
        if request.starting_sequence_number is None:
            raise BadRequest(f"{_EITHER} Request specified {kind} and no StartingSequenceNumber.")
        number = int(request.starting_sequence_number)
        if number > newest:
            raise BadRequest(
                f"StartingSequenceNumber {number} used in GetShardIterator on shard {request.shard_id} in stream {stream.name}"
                f" under account {self._names.account_id} is invalid: the newest record has {newest}"
            )
        return number if kind == "AFTER_SEQUENCE_NUMBER" else max(number - 1, 0)

    async def _read(self, stream: NamedStream, shard_id: str, after: int, limit: int) -> Output:
        newest = (await stream.stat(shard_id)).next - 1
        batch = await stream.read(shard_id, after, limit, 0)
        records = _first(batch.records, READ_BYTES)
        upto = batch.upto if len(records) == len(batch.records) else batch.sequence_numbers[len(records) - 1]
        now_ms, ours = self._clock.now_ms(), stream is self._names.streams.app
        behind_ms = 0 if upto >= newest or not records else max(now_ms - records[-1].arrival_ms, 1)
        stream.count_read(records, max(now_ms - records[-1].arrival_ms, 0) if records else 0)
        return {
            "Records": [
                {
                    "SequenceNumber": str(number),
                    "ApproximateArrivalTimestamp": Moment.of_ms(record.arrival_ms),
                    "Data": as_put(record.body) if ours else record.body,
                    "PartitionKey": record.partition_key,
                    "EncryptionType": "NONE",
                }
                for number, record in zip(batch.sequence_numbers, records, strict=False)
            ],
            "NextShardIterator": self._iterators.seal(stream.state.stream_id, shard_id, upto),
            "MillisBehindLatest": behind_ms,
        }


def _where(position: Position) -> Output:
    return {"ShardId": position.shard_id, "SequenceNumber": str(position.sequence_number)}


def _first(records: Sequence[Record], most_bytes: int) -> Sequence[Record]:
    """Return the first records that have *most_bytes* together, and at least one if there is one."""
    size = 0
    for count, record in enumerate(records):
        size += len(record.body)
        if size > most_bytes and count:
            return records[:count]
    return records
