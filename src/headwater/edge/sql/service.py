"""The door of our own query API: SQL in, and the rows out as they come, as Arrow, Parquet, CSV or JSON."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal

import msgspec

from headwater.edge.http.backpressure import Outflow
from headwater.edge.http.request import Answer, Request
from headwater.edge.sql import ASK
from headwater.edge.wire.failures import Failure, status_of
from headwater.edge.wire.routing import Route
from headwater.errors import BadRequest, HeadwaterError, QueryError, Refused, Unauthenticated
from headwater.executions import Direct, InvalidRequest, Question, TooManyQueries
from headwater.executions.direct import Asked

BODY_LIMIT = 4 * 1024 * 1024
STARTS_AT_ONCE = 2

Format = Literal["arrow", "parquet", "csv", "json"]

_TYPES: dict[Format, bytes] = {
    "arrow": b"application/vnd.apache.arrow.stream",
    "parquet": b"application/vnd.apache.parquet",
    "csv": b"text/csv; charset=utf-8",
    "json": b"application/json",
}


class AskInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/sql`."""

    sql: Annotated[str, msgspec.Meta(min_length=1, max_length=1_048_576)]
    parameters: list[Any] | dict[str, Any] | None = None
    dialect: Literal["athena", "duckdb"] = "athena"
    format: Format = "arrow"
    database: Annotated[str, msgspec.Meta(min_length=1, max_length=255)] | None = None


class OwnDialect:
    """`code` and `message`; the code of a query that fails is Athena's name for why, where there is one."""

    def failure(self, error: HeadwaterError, request_id: str) -> Failure:
        """Return what is answered for *error*."""
        code, status = error.code, 400 if isinstance(error, QueryError | Refused) else status_of(error)
        if isinstance(error, TooManyQueries):
            status = 429
        elif isinstance(error, Unauthenticated):
            status = 401
        elif isinstance(error, InvalidRequest) and error.athena_code is not None:
            code = error.athena_code
        body = {"code": code, "message": str(error), "request_id": request_id}
        return Failure(status, code, msgspec.json.encode(body), b"application/json")


OWN = OwnDialect()


class Sql:
    """The door."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        # As at the Athena door: reading a very long statement takes seconds, and must not keep the others from being read.
        self._starting = ThreadPoolExecutor(STARTS_AT_ONCE, "sql-start")

    def routes(self) -> list[Route]:
        """Return the table."""
        return [Route("POST", "/v1/sql", self.ask, ASK, body_limit=BODY_LIMIT, dialect=OWN, attended=True)]

    async def ask(self, request: Request) -> Answer:
        """Answer a question."""
        try:
            given = msgspec.json.decode(request.body, type=AskInput)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(f"the body must be a JSON object with `sql`: {error}") from None
        caller, out = request.caller(), Outflow()
        question = Question(given.sql, given.parameters, given.dialect, given.database, given.format)
        answer = _Answer(self._direct.ask(question, out, caller.name, may_change=caller.actions is None), out)
        try:
            await asyncio.get_running_loop().run_in_executor(self._starting, answer.asked.begin)
            whole = await out.first()
        except BaseException:
            answer.close()
            raise
        if whole is None:
            return Answer(200, b"", (), _TYPES[given.format], answer)
        answer.close()
        return Answer(200, whole, (), _TYPES[given.format])


class _Answer:
    """An answer on its way."""

    def __init__(self, asked: Asked, out: Outflow) -> None:
        self.asked, self._out = asked, out

    def parts(self) -> AsyncIterator[bytes]:
        return self._out.parts()

    def close(self) -> None:
        self._out.leave()
        self.asked.stop()
