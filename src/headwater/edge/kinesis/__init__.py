"""The Kinesis door: the operations of `Kinesis_20131202`, in JSON 1.1 and CBOR 1.1."""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.clock import Clock
from headwater.collect import Caller
from headwater.collect.kinesis import KinesisRecords
from headwater.edge.http.request import Answer, Request
from headwater.edge.kinesis.call import Call, KinesisOperation, Output, Throttled
from headwater.edge.kinesis.iterator import Iterators
from headwater.edge.kinesis.names import StreamNames
from headwater.edge.kinesis.records import RecordOperations
from headwater.edge.kinesis.shapes import CreateStreamInput, StreamInput, StreamResourceInput
from headwater.edge.kinesis.streams import StreamOperations
from headwater.edge.wire import cbor
from headwater.edge.wire.failures import Failure, Json11
from headwater.edge.wire.routing import Route
from headwater.edge.wire.service import JSON, Codec, JsonOperation, JsonService
from headwater.edge.wire.shape import Unreadable, fit
from headwater.errors import HeadwaterError, Unavailable

SERVICE = "Kinesis_20131202"
BODY_LIMIT = 14 * 1024 * 1024
SMALL_BODY_LIMIT = 1024 * 1024

_SEND = ("PutRecord", "PutRecords")
_LOOK = (
    "DescribeLimits",
    "DescribeStream",
    "DescribeStreamSummary",
    "ListShards",
    "ListStreams",
    "ListTagsForResource",
    "ListTagsForStream",
)
_READ = ("GetRecords", "GetShardIterator")
SEND_ACTIONS = frozenset(f"kinesis:{operation}" for operation in (*_SEND, *_LOOK))
QUERY_ACTIONS = frozenset(f"kinesis:{operation}" for operation in (*_READ, *_LOOK))

# What AWS has and we do not, each with what to do instead.
REFUSED = {
    **dict.fromkeys(
        (
            "RegisterStreamConsumer",
            "DeregisterStreamConsumer",
            "DescribeStreamConsumer",
            "ListStreamConsumers",
            "SubscribeToShard",
        ),
        "there is no enhanced fan-out here: read with GetShardIterator and GetRecords, as a consumer in polling mode does",
    ),
    **dict.fromkeys(("SplitShard", "MergeShards"), "a stream here has one shard"),
    **dict.fromkeys(
        ("PutResourcePolicy", "GetResourcePolicy", "DeleteResourcePolicy"),
        "streams have no policies here: keys say what their holders may do (`headwater keys create --allow`)",
    ),
}

KINESIS = Json11(
    {
        "BadRequestException": "InvalidArgumentException",
        "ForbiddenException": "AccessDeniedException",
        "NotFoundException": "ResourceNotFoundException",
        "ConflictException": "ResourceInUseException",
        "PayloadTooLargeException": "InvalidArgumentException",
        "InternalServerErrorException": "InternalFailureException",
        "TooManyRequestsException": "ProvisionedThroughputExceededException",
    }
)

_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _read_cbor(shape: type, body: bytes) -> Any:
    try:
        value = cbor.decode(body)
    except (*_MALFORMED, ValueError):
        raise Unreadable("the body is not CBOR that can be read") from None
    return fit(shape, value)


def _cbor_failure(said: Failure, error: HeadwaterError) -> Answer:
    body = cbor.encode({"__type": said.code, "message": str(error)})
    return Answer(said.status, body, ((b"x-amzn-errortype", said.code.encode()),), _CBOR)


_CBOR = b"application/x-amz-cbor-1.1"
_CODECS = (
    (b"json", JSON._replace(write=msgspec.json.Encoder(enc_hook=float).encode)),
    (b"cbor", Codec(_CBOR, _read_cbor, cbor.encode, _cbor_failure)),
)


class Kinesis:
    """The service, on the streams that callers may name; asks whether a sender may before it does anything with a stream."""

    def __init__(self, names: StreamNames, records: KinesisRecords, *, iterator_key: bytes, clock: Clock) -> None:
        """*iterator_key*: 32 bytes that shard iterators are sealed with; consumers keep theirs over a restart if it stays the same."""
        self._names = names
        parts = RecordOperations(self._names, records, Iterators(iterator_key, clock), clock), StreamOperations(self._names)
        self._service = JsonService(
            SERVICE,
            "kinesis",
            KINESIS,
            {name: self._operation(name, entry) for part in parts for name, entry in part.entries().items()},
            resource=names.arn("*"),
            body_limit=SMALL_BODY_LIMIT,
            refused=REFUSED,
            codecs=_CODECS,
        )

    def routes(self) -> list[Route]:
        """Return the table."""
        return self._service.routes()

    def _operation(self, name: str, entry: KinesisOperation) -> JsonOperation:
        async def run(asked: Any, request: Request) -> Output:
            principal = request.caller()
            agent = request.text(b"x-amz-user-agent") or request.text(b"user-agent")
            caller = Caller(principal.name, principal.identity_id, principal.identity_pool_id, agent)
            call = Call(f"kinesis:{name}", principal, caller, request.trace_id)
            if entry.about_stream:
                stream = self._name(asked)
                call.authorize(stream, self._names.arn(stream))
            try:
                return await entry.run(asked, call)
            except Unavailable as error:
                raise Throttled(str(error)) from error

        return JsonOperation(entry.shape, run, body_limit=BODY_LIMIT if name in _SEND else None)

    def _name(self, asked: Any) -> str:
        if isinstance(asked, CreateStreamInput):
            return asked.stream_name
        if isinstance(asked, StreamResourceInput):
            return self._names.name_in(asked.resource_arn)
        assert isinstance(asked, StreamInput)
        return self._names.name_of(asked)
