"""The Kinesis door: the operations of `Kinesis_20131202`, in JSON 1.1 and CBOR 1.1."""

from __future__ import annotations

from typing import Any

import msgspec

from headwater.clock import Clock
from headwater.collect import Caller
from headwater.collect.kinesis import KinesisRecords
from headwater.edge.http.request import Answer, Request
from headwater.edge.kinesis.call import Call, Entry, Output, Throttled
from headwater.edge.kinesis.iterator import Iterators
from headwater.edge.kinesis.names import StreamNames
from headwater.edge.kinesis.records import RecordOperations
from headwater.edge.kinesis.shapes import CreateStreamInput, ResourceInput, StreamInput
from headwater.edge.kinesis.streams import StreamOperations
from headwater.edge.wire import cbor
from headwater.edge.wire.failures import Json11
from headwater.edge.wire.routing import Operation, Route
from headwater.edge.wire.shape import Unreadable, fit, read_json
from headwater.errors import BadRequest, HeadwaterError, Unavailable

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

_JSON, _CBOR = b"application/x-amz-json-1.1", b"application/x-amz-cbor-1.1"
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_encode_json = msgspec.json.Encoder(enc_hook=float).encode


class NotOffered(BadRequest):
    """An operation of Kinesis that does not exist here."""

    code = "UnknownOperationException"


class Kinesis:
    """The door: reads a request, asks whether its sender may, runs the operation and answers in the sender's own format."""

    def __init__(self, names: StreamNames, records: KinesisRecords, *, iterator_key: bytes, clock: Clock) -> None:
        """*iterator_key*: 32 bytes that shard iterators are sealed with; consumers keep theirs over a restart if it stays the same."""
        self._names = names
        operations = RecordOperations(self._names, records, Iterators(iterator_key, clock), clock), StreamOperations(self._names)
        self._entries = {name: entry for part in operations for name, entry in part.entries().items()}

    def routes(self) -> list[Route]:
        """Return the table: one route for each operation, told apart by the `X-Amz-Target` header."""
        offered = [self._route(name, self._operation(name, entry)) for name, entry in self._entries.items()]
        return [*offered, *(self._route(name, _refuse(name, instead)) for name, instead in REFUSED.items())]

    def _route(self, name: str, operation: Operation) -> Route:
        limit = BODY_LIMIT if name in _SEND else SMALL_BODY_LIMIT
        return Route("POST", "*", operation, f"kinesis:{name}", self._names.arn("*"), limit, target=f"{SERVICE}.{name}", dialect=KINESIS)

    def _operation(self, name: str, entry: Entry) -> Operation:
        async def run(request: Request) -> Answer:
            in_cbor = b"cbor" in request.headers.get(b"content-type", b"")
            try:
                output = await self._run(name, entry, request, in_cbor)
            except HeadwaterError as error:
                if not in_cbor:
                    raise
                return _failure(error, request.request_id)
            return Answer(200, cbor.encode(output), (), _CBOR) if in_cbor else Answer(200, _encode_json(output), (), _JSON)

        return run

    async def _run(self, name: str, entry: Entry, request: Request, in_cbor: bool) -> Output:
        asked = _decode(entry.shape, request.body, in_cbor)
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

    def _name(self, asked: Any) -> str:
        if isinstance(asked, CreateStreamInput):
            return asked.stream_name
        if isinstance(asked, ResourceInput):
            return self._names.name_in(asked.resource_arn)
        assert isinstance(asked, StreamInput)
        return self._names.name_of(asked)


def _decode(shape: type, body: bytes, in_cbor: bool) -> Any:
    if not in_cbor:
        return read_json(shape, body)
    try:
        value = cbor.decode(body)
    except (*_MALFORMED, ValueError):
        raise Unreadable("the body is not CBOR that can be read") from None
    return fit(shape, value)


def _failure(error: HeadwaterError, request_id: str) -> Answer:
    """Return what is answered for *error* to a caller that speaks CBOR."""
    said = KINESIS.failure(error, request_id)
    body = cbor.encode({"__type": said.code, "message": str(error)})
    return Answer(said.status, body, ((b"x-amzn-errortype", said.code.encode()),), _CBOR)


def _refuse(name: str, instead: str) -> Operation:
    async def refuse(request: Request) -> Answer:
        raise NotOffered(f"{name} is not offered: {instead}")

    return refuse
