"""What a request asks for once it is read: a statement to run, or the reason why it will fail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from headwater.dialect import Catalog, Pin, QueryFailed, Statement, translate
from headwater.dialect.commands import (
    Deallocate,
    Describe,
    Execute,
    Explain,
    Prepare,
    ShowColumns,
    ShowCreate,
    ShowDatabases,
    ShowPartitions,
    ShowProperties,
    ShowTables,
    ShowViews,
)
from headwater.executions.errors import InvalidRequest
from headwater.executions.execution import QueryRequest
from headwater.executions.saved import PreparedStatement, Shelf

_SKIPPED = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_WORDS = re.compile(r"[a-z_]+")
# Whatever else there is, or will be, needs the permission to change something.
_HARMLESS = (
    ShowTables, ShowViews, ShowDatabases, ShowColumns, ShowPartitions, ShowCreate, ShowProperties, Describe, Explain, Prepare, Execute,
    Deallocate,
)  # fmt: skip


class Text(NamedTuple):
    """What there is to run: the request's own SQL, or that of the prepared statement it names, as it was when it was read.

    *trusted*: whoever saved it may change something; True for what nobody saved.
    """

    sql: str
    parameters: Sequence[str]
    trusted: bool = True


class Read(NamedTuple):
    """One request, read. *statement* is None where *failure* says why it cannot be run."""

    kind: str
    substatement: str
    statement: Statement | None
    failure: QueryFailed | None
    text: Text

    @property
    def is_select(self) -> bool:
        """Whether its result is rows of values."""
        return self.statement is not None and self.statement.sql is not None and self.statement.command is None

    @property
    def changes(self) -> bool:
        """Whether it changes more than what is saved for its own workgroup."""
        command = None if self.statement is None else self.statement.command
        return command is not None and not isinstance(command, _HARMLESS)

    def output_name(self, execution_id: str) -> str:
        """Return the name of its result beneath the output location."""
        if self.substatement in ("SELECT", "UPDATE", "DELETE", "MERGE", "UNLOAD"):
            return f"{execution_id}.csv"
        if self.substatement == "CREATE_TABLE_AS_SELECT":
            return f"tables/{execution_id}"
        return execution_id if self.substatement == "INSERT" else f"{execution_id}.txt"


def context_database(given: str | None, own: str) -> str:
    """Return where a bare table name is looked for: clients write the database of the context as Hive does, in back quotes or not."""
    name = given or own
    return (name[1:-1] if len(name) > 2 and name[0] == name[-1] == "`" else name).lower()


def read(request: QueryRequest, catalog: Catalog, database: str, prepared: Shelf[PreparedStatement]) -> Read:
    """Read a request; raises `MalformedQuery` and `InvalidRequest` for what is refused before it becomes an execution."""
    text = Text(request.query, request.parameters)
    try:
        statement = _translated(text, catalog, database)
        if isinstance(statement.command, Execute):
            kept = prepared.get(request.workgroup, statement.command.name)
            if kept is None:
                raise QueryFailed("NOT_FOUND", f"Prepared statement not found: {statement.command.name}")
            text = Text(kept.query, statement.command.parameters or request.parameters, kept.trusted)
            statement = _translated(text, catalog, database)
            if isinstance(statement.command, Execute | Prepare):
                raise InvalidRequest("A prepared statement cannot be one about prepared statements.", "MALFORMED_QUERY")
    except QueryFailed as failure:
        return Read(*_classified(request.query), None, failure, text)
    return Read(statement.kind, statement.substatement, statement, None, text)


def reread(read: Read, catalog: Catalog, database: str, pin: Pin) -> Statement:
    """Read the same text again, for a state of its table that is said. Raises `QueryFailed` if the table is another by now."""
    return _translated(read.text, catalog, database, pin)


def _translated(text: Text, catalog: Catalog, database: str, pin: Pin | None = None) -> Statement:
    return translate(text.sql, parameters=text.parameters, catalog=catalog, database=database, pin=pin)


def _classified(text: str) -> tuple[str, str]:
    """Return kind and substatement by the first words, for a statement that nothing more is known of."""
    skipped = _SKIPPED.match(text)
    rest = text[skipped.end() :] if skipped else text
    words = _WORDS.findall(rest[:64].lower())[:2]
    first = words[0] if words and rest[:1] != "(" else "select"
    if first in ("select", "with", "values", "table"):
        return "DML", "SELECT"
    if first in ("insert", "update", "delete", "merge", "explain", "unload"):
        return "DML", first.upper()
    kind = "UTILITY" if first in ("show", "describe", "desc") else "DDL"
    return kind, "DESCRIBE_TABLE" if first in ("describe", "desc") else "_".join(words).upper()
