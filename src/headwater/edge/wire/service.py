"""A service of AWS in JSON 1.1: operations told apart by the `X-Amz-Target` header. Each is a shape and a function; all else is here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any, NamedTuple

import msgspec

from headwater.edge.http.request import Answer, Request
from headwater.edge.principal import Principal
from headwater.edge.wire.failures import Dialect, Failure
from headwater.edge.wire.routing import Operation, Route
from headwater.edge.wire.shape import Violations, read_json
from headwater.errors import BadRequest, HeadwaterError

Output = dict[str, Any]


class NotOffered(BadRequest):
    """An operation that the service has at AWS, and not here."""

    code = "UnknownOperationException"


class JsonOperation(NamedTuple):
    """What an operation takes, and what it does; it answers with an object, or with nothing.

    unsigned: nobody needs to sign it. body_limit: bytes, where it is not the service's.
    """

    shape: type
    run: Callable[[Any, Request], Awaitable[Output | None]]
    unsigned: bool = False
    body_limit: int | None = None


class Codec(NamedTuple):
    """How bodies are read and written. *failure*: how a failure is, where the dialect's is of another codec."""

    content_type: bytes
    read: Callable[[type, bytes], Any]
    write: Callable[[Output], bytes]
    failure: Callable[[Failure, HeadwaterError], Answer] | None = None


JSON = Codec(b"application/x-amz-json-1.1", read_json, msgspec.json.encode)


class JsonService:
    """Makes the routes of a service.

    target: what stands before the operation in the header. signing: by which name it is signed, and its rights begin. resource: the ARN
    that rights are about. refused: operations that are not offered -> what to do instead. codecs: by a word of the content type; the first
    is the usual one. violations: what is said of values that a shape does not take.
    """

    def __init__(
        self,
        target: str,
        signing: str,
        dialect: Dialect,
        operations: Mapping[str, JsonOperation],
        *,
        resource: str = "*",
        body_limit: int,
        refused: Mapping[str, str] | None = None,
        codecs: Sequence[tuple[bytes, Codec]] = ((b"json", JSON),),
        violations: Callable[[Violations], HeadwaterError] | None = None,
    ) -> None:
        self._target, self._signing, self._dialect, self._operations = target, signing, dialect, operations
        self._resource, self._body_limit, self._refused, self._codecs = resource, body_limit, refused or {}, codecs
        self._violations = violations

    def routes(self) -> list[Route]:
        """Return one route for each operation, those that are not offered included."""
        offered = [self._route(name, self._run(each), each) for name, each in self._operations.items()]
        return [*offered, *(self._route(name, _refuse(name, instead)) for name, instead in self._refused.items())]

    def _route(self, name: str, run: Operation, operation: JsonOperation | None = None) -> Route:
        unsigned = operation is not None and operation.unsigned
        return Route(
            "POST",
            "*",
            run,
            None if unsigned else f"{self._signing}:{name}",
            self._resource,
            (operation and operation.body_limit) or self._body_limit,
            target=f"{self._target}.{name}",
            dialect=self._dialect,
            unsigned=unsigned,
        )

    def _run(self, operation: JsonOperation) -> Operation:
        async def run(request: Request) -> Answer:
            codec = self._codec(request)
            try:
                output = await operation.run(self._read(codec, operation.shape, request.body), request)
            except HeadwaterError as error:
                if codec.failure is None:
                    raise
                return codec.failure(self._dialect.failure(error, request.request_id), error)
            return Answer(200, codec.write(output or {}), (), codec.content_type)

        return run

    def _codec(self, request: Request) -> Codec:
        if len(self._codecs) > 1:
            said = request.headers.get(b"content-type", b"")
            for word, codec in self._codecs[1:]:
                if word in said:
                    return codec
        return self._codecs[0][1]

    def _read(self, codec: Codec, shape: type, body: bytes) -> Any:
        try:
            return codec.read(shape, body)
        except Violations as error:
            if self._violations is None:
                raise
            raise self._violations(error) from None


def in_thread(run: Callable[[Any, Principal], Output], pool: Executor | None = None) -> Callable[[Any, Request], Awaitable[Output]]:
    """Return *run* in a thread, of *pool* if it has one of its own: SQLite and files take their time, and the loop has others to serve."""

    async def threaded(asked: Any, request: Request) -> Output:
        return await asyncio.get_running_loop().run_in_executor(pool, run, asked, request.caller())

    return threaded


def _refuse(name: str, instead: str) -> Operation:
    async def refuse(request: Request) -> Answer:
        raise NotOffered(f"{name} is not offered: {instead}")

    return refuse
