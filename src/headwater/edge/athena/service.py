"""The Athena door: the operations of `AmazonAthena`, in JSON 1.1."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from headwater.edge.athena import REFUSED, SERVICE
from headwater.edge.athena.call import Entry
from headwater.edge.athena.catalog import CatalogOperations
from headwater.edge.athena.errors import ATHENA, invalid
from headwater.edge.athena.queries import QueryOperations
from headwater.edge.athena.saved import SavedOperations
from headwater.edge.athena.workgroups import WorkgroupOperations
from headwater.edge.http.request import Answer, Request
from headwater.edge.wire.routing import Operation, Route
from headwater.edge.wire.shape import Violations, read_json
from headwater.errors import BadRequest
from headwater.executions import Queries

STARTS_AT_ONCE = 2
RESULTS_AT_ONCE = 4
BODY_LIMIT = 2 * 1024 * 1024  # the longest query, every character of it escaped

_JSON = b"application/x-amz-json-1.1"


class NotOffered(BadRequest):
    """An operation of Athena that does not exist here."""

    code = "UnknownOperationException"


class Athena:
    """The door: reads a request, runs the operation in a thread and answers."""

    def __init__(self, queries: Queries, *, region: str, account_id: str) -> None:
        self._resource = f"arn:aws:athena:{region}:{account_id}:workgroup/*"
        parts = (
            QueryOperations(queries),
            WorkgroupOperations(queries, arn_prefix=f"arn:aws:athena:{region}:{account_id}:"),
            SavedOperations(queries),
            CatalogOperations(queries, account_id=account_id),
        )
        self._entries = {name: entry for part in parts for name, entry in part.entries().items()}
        # Reading a very long statement takes seconds; whoever sends many must not keep the others from looking at theirs.
        self._starting = ThreadPoolExecutor(STARTS_AT_ONCE, "athena-start")
        # A result in a bucket is fetched whole before its first page is read.
        self._reading = ThreadPoolExecutor(RESULTS_AT_ONCE, "athena-results")

    def routes(self) -> list[Route]:
        """Return the table: one route for each operation, told apart by the `X-Amz-Target` header."""
        pools = {"StartQueryExecution": self._starting, "GetQueryResults": self._reading}
        offered = [self._route(name, _operation(entry, pools.get(name))) for name, entry in self._entries.items()]
        return [*offered, *(self._route(name, _refuse(name, instead)) for name, instead in REFUSED.items())]

    def _route(self, name: str, operation: Operation) -> Route:
        return Route("POST", "*", operation, f"athena:{name}", self._resource, BODY_LIMIT, target=f"{SERVICE}.{name}", dialect=ATHENA)


def _operation(entry: Entry, pool: ThreadPoolExecutor | None) -> Operation:
    async def run(request: Request) -> Answer:
        asked, caller = _decode(entry.shape, request.body), request.caller()
        # SQLite and files take their time; the loop has others to serve. Without a pool of its own it is the loop's.
        output = await asyncio.get_running_loop().run_in_executor(pool, entry.run, asked, caller)
        return Answer(200, msgspec.json.encode(output), (), _JSON)

    return run


def _decode(shape: type, body: bytes) -> Any:
    try:
        return read_json(shape, body)
    except Violations as error:
        raise invalid(error) from None


def _refuse(name: str, instead: str) -> Operation:
    async def refuse(request: Request) -> Answer:
        raise NotOffered(f"{name} is not offered: {instead}")

    return refuse
