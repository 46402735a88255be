"""Athena's SQL answered by who has the project's folder: what reads, and what shows something; nothing is queued and nothing kept."""

from __future__ import annotations

from headwater.dialect import QueryFailed, failure, translate
from headwater.dialect.commands import Explain
from headwater.errors import QueryError, QueryLimit
from headwater.executions.catalog import LakeCatalog
from headwater.executions.columns import shown
from headwater.executions.direct import Renamed, lines_table
from headwater.executions.show import Shown, show
from headwater.query import Engine
from headwater.query.reading import Reading, RowsInMemory


def answer(engine: Engine, catalog: LakeCatalog, database: str, sql: str) -> Reading:
    """Return the answer to one statement. Raises `QueryError` as Athena would word it, also for one that changes something."""
    try:
        statement = translate(sql, parameters=(), catalog=catalog, database=database)
        if statement.sql is not None and statement.command is None:
            return Renamed(engine.sql(statement.sql), [column.name for column in statement.columns], _worded)
        if isinstance(statement.command, Explain):
            plans = [str(row[-1]) for row in engine.sql(f"EXPLAIN {statement.sql}").rows()]
            given: Shown | None = Shown((shown("Query Plan"),), [line for plan in plans for line in plan.splitlines()])
        else:
            given = None if statement.command is None else show(statement.command, catalog)
    except QueryError as error:
        raise _worded(error) from None
    if given is None:
        raise QueryError(
            f"{statement.substatement.replace('_', ' ')} changes something, which goes through a server that runs: "
            "the Athena API, or POST /v1/sql (docs/writing.md)"
        )
    return RowsInMemory(lines_table(given.columns, ([line] for line in given.lines)))


def _worded(error: QueryError) -> QueryError:
    return error if isinstance(error, QueryFailed | QueryLimit) else failure(error)
