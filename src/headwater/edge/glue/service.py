"""The Glue door: what clients of Athena ask of its catalog, in JSON 1.1. The worker changes it; reading needs nobody."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from headwater.edge.glue import SERVICE
from headwater.edge.glue.changes import GlueChanges
from headwater.edge.glue.tables import GlueTables
from headwater.edge.wire.failures import Failure, status_of
from headwater.edge.wire.routing import Route
from headwater.edge.wire.service import JsonOperation, JsonService, in_thread
from headwater.errors import HeadwaterError, QueryError, Refused, Unauthenticated
from headwater.executions import InvalidRequest, MetadataMissing, QueryRooms
from headwater.jobs import Ask

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
    """The service, on the catalog of a room of query executions."""

    def __init__(self, queries: QueryRooms, ask: Ask, metadata: Callable[[str], str | None], *, own: str, account_id: str) -> None:
        """*ask* lets the worker do a job; *metadata* says where that of an Iceberg table lies; *own* is the project's database."""
        looks = GlueTables(queries, metadata, own=own, account_id=account_id).entries()
        changes = GlueChanges(queries, ask).entries()
        # The worker makes one change at a time and may take long for it; who waits must not keep the others from looking.
        changing = ThreadPoolExecutor(CHANGES_AT_ONCE, "glue-change")
        operations = {name: JsonOperation(entry.shape, in_thread(entry.run)) for name, entry in looks.items()}
        operations |= {name: JsonOperation(entry.shape, in_thread(entry.run, changing)) for name, entry in changes.items()}
        self._service = JsonService(SERVICE, "glue", GLUE, operations, body_limit=BODY_LIMIT)

    def routes(self) -> list[Route]:
        """Return the table."""
        return self._service.routes()
