"""The Glue door: what clients of Athena ask of its catalog, in JSON 1.1. The worker changes it; reading needs nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from headwater.edge.athena.call import Entry, Output
from headwater.edge.glue import SERVICE
from headwater.edge.glue.changes import GlueChanges
from headwater.edge.glue.tables import GlueTables
from headwater.edge.http.request import Answer, Request
from headwater.edge.wire.failures import Failure, status_of
from headwater.edge.wire.routing import Operation, Route
from headwater.edge.wire.shape import read_json
from headwater.errors import HeadwaterError, QueryError, Refused, Unauthenticated
from headwater.executions import InvalidRequest, MetadataMissing, Queries

CHANGES_AT_ONCE = 4
BODY_LIMIT = 2 * 1024 * 1024
_JSON = b"application/x-amz-json-1.1"
_CODES = {
    "TABLE_NOT_FOUND": "EntityNotFoundException",
    "SCHEMA_NOT_FOUND": "EntityNotFoundException",
    "PARTITION_NOT_FOUND": "EntityNotFoundException",
    "VERSION_NOT_FOUND": "EntityNotFoundException",
    "ALREADY_EXISTS": "AlreadyExistsException",
    "CONCURRENT_MODIFICATION": "ConcurrentModificationException",
    "BadRequestException": "InvalidInputException",
    "ForbiddenException": "AccessDeniedException",
    "InternalServerErrorException": "InternalServiceException",
}


class GlueDialect:
    """JSON 1.1 with `Message`, and Glue's names for what the catalog refuses."""

    def failure(self, error: HeadwaterError, request_id: str) -> Failure:
        """Return what is answered for *error*."""
        mistake = isinstance(error, Refused | QueryError | InvalidRequest)
        code = _CODES.get(error.code, "InvalidInputException" if mistake else error.code)
        if isinstance(error, MetadataMissing):
            code = "EntityNotFoundException"
        status = 400 if mistake or status_of(error) < 500 else 500
        told = "message" if isinstance(error, Unauthenticated) else "Message"
        return Failure(status, code, msgspec.json.encode({"__type": code, told: str(error)}), _JSON)


GLUE = GlueDialect()


class Glue:
    """The door: reads a request, runs the operation in a thread and answers."""

    def __init__(
        self, queries: Queries, ask: Callable[..., Any], metadata: Callable[[str], str | None], *, own: str, account_id: str
    ) -> None:
        """*ask* lets the worker do a job; *metadata* says where that of an Iceberg table lies; *own* is the project's database."""
        tables = GlueTables(queries, metadata, own=own, account_id=account_id)
        self._looks, self._changes = tables.entries(), GlueChanges(queries, ask).entries()
        # The worker makes one change at a time and may take long for it; who waits must not keep the others from looking.
        self._changing = ThreadPoolExecutor(CHANGES_AT_ONCE, "glue-change")

    def routes(self) -> list[Route]:
        """Return the table: one route for each operation, told apart by the `X-Amz-Target` header."""
        looks = [_route(name, _operation(entry, None)) for name, entry in self._looks.items()]
        return [*looks, *(_route(name, _operation(entry, self._changing)) for name, entry in self._changes.items())]


def _route(name: str, operation: Operation) -> Route:
    return Route("POST", "*", operation, f"glue:{name}", body_limit=BODY_LIMIT, target=f"{SERVICE}.{name}", dialect=GLUE)


def _operation(entry: Entry, pool: ThreadPoolExecutor | None) -> Operation:
    async def run(request: Request) -> Answer:
        asked: Any = read_json(entry.shape, request.body)
        output: Output = await asyncio.get_running_loop().run_in_executor(pool, entry.run, asked, request.caller())
        return Answer(200, msgspec.json.encode(output), (), _JSON)

    return run
