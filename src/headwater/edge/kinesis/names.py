"""How callers of Kinesis name streams: by name, by ARN or by id; and what they are told when that names nothing."""

from __future__ import annotations

import re

from headwater.edge.kinesis.shapes import StreamInput
from headwater.errors import BadRequest, NotFound
from headwater.stream import FIRST_SHARD
from headwater.stream.named import NamedStream
from headwater.stream.streams import Streams

_ARN = re.compile(r"arn:aws[a-z-]*:kinesis:([a-z0-9-]+):([0-9]{12}):stream/([a-zA-Z0-9_.-]{1,128})", re.ASCII)

_LAST_SHARD, _MOST_DIGITS = 2**31 - 1, 128


class Missing(NotFound):
    """There is no such stream or shard."""

    code = "ResourceNotFoundException"

    def __init__(self, kind: str, name: str, message: str) -> None:
        super().__init__(kind, name)
        self.args = (message,)


class StreamNames:
    """The streams as one account in one region has them."""

    def __init__(self, streams: Streams, *, region: str, account_id: str) -> None:
        self.streams, self.account_id = streams, account_id
        self._region = region
        self._prefix = f"arn:aws:kinesis:{region}:{account_id}:stream/"

    def arn(self, name: str) -> str:
        """Return the stream's ARN."""
        return self._prefix + name

    def name_in(self, arn: str) -> str:
        """Return the name that the ARN of a stream holds; `BadRequest` if it is none, `Missing` if it is of elsewhere."""
        match = _ARN.fullmatch(arn)
        if match is None:
            raise BadRequest(f"the ARN of a stream is {self._prefix}NAME")
        if (match[1], match[2]) != (self._region, self.account_id):
            raise Missing("stream", arn, f"{arn} is not a stream of this project, whose streams are {self._prefix}NAME")
        return match[3]

    def name_of(self, request: StreamInput) -> str:
        """Return the name of the stream that is asked about, which need not exist unless it is named by its id."""
        named = {request.stream_name} if request.stream_name is not None else set()
        if request.stream_arn is not None:
            named.add(self.name_in(request.stream_arn))
        if request.stream_id is not None:
            named.add(self.with_id(request.stream_id).name)
        if len(named) != 1:
            raise BadRequest(
                "name the stream by one of StreamName, StreamARN and StreamId" + (", or by several that agree" if named else "")
            )
        return named.pop()

    def get(self, name: str) -> NamedStream:
        """Return the stream; `Missing` if there is none."""
        try:
            return self.streams.get(name)
        except NotFound:
            raise Missing("stream", name, f"Stream {name} under account {self.account_id} not found.") from None

    def with_id(self, stream_id: str) -> NamedStream:
        """Return the stream of that id; `Missing` if it is gone."""
        try:
            return self.streams.with_id(stream_id)
        except NotFound:
            raise Missing("stream", stream_id, f"no stream with that id under account {self.account_id}") from None

    def shard_number(self, stream: NamedStream, shard_id: str) -> int:
        """Return the number that a shard id says, as `shardId-000000000007`, `shardId-7` or `7`; `Missing` if it says none."""
        _, dash, number = shard_id.partition("-")
        digits = number.partition("-")[0] if dash and number else shard_id
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS and int(digits) <= _LAST_SHARD):
            message = f"Could not find shard {shard_id} in stream {stream.name} under account {self.account_id}."
            raise Missing("shard", shard_id, message)
        return int(digits)

    def shard(self, stream: NamedStream, shard_id: str) -> str:
        """Return the full id of the shard, which may be named short; `Missing` for one that the stream does not have."""
        number = self.shard_number(stream, shard_id)
        full = f"shardId-{number:012d}"
        if full != FIRST_SHARD:
            raise Missing("shard", shard_id, f"Shard {full} in stream {stream.name} under account {self.account_id} does not exist")
        return full
