"""Statements with a query in them that writes: CREATE TABLE AS, CREATE VIEW, INSERT, UNLOAD, DELETE, UPDATE, MERGE, OPTIMIZE."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from sqlglot import exp

from headwater.dialect import commands
from headwater.dialect.casts import assigned
from headwater.dialect.commands import TableName
from headwater.dialect.errors import NotSupported, QueryFailed
from headwater.dialect.grammar import parse, tokens
from headwater.dialect.lexer import Reader
from headwater.dialect.parameters import bind_parameters
from headwater.dialect.queries import QueryWriter
from headwater.dialect.quoting import quote
from headwater.dialect.scope import Field, Scope
from headwater.dialect.statement import CATALOG_NAME, Catalog, Pin, Statement, TypedColumn
from headwater.dialect.subquery import QUERY_WORDS, Selected, column_of, select
from headwater.dialect.tables import Tables
from headwater.dialect.types import Type, assignable, parse_type
from headwater.dialect.utility import table_name
from headwater.dialect.value import Value

Properties = dict[str, str | tuple[str, ...]]

_CHANGED = TypedColumn("$changed", "boolean")
_TIME = quote("datetime")


def create_table_as(reader: Reader, parameters: Sequence[str], catalog: Catalog, database: str) -> Statement:
    """Read what follows CREATE TABLE of a CREATE TABLE ... AS."""
    exists = reader.take("IF")
    if exists:
        reader.expect("NOT", "EXISTS")
    table = table_name(reader, database)
    properties = with_properties(reader)
    reader.expect("AS")
    text, with_data = reader.rest(), True
    # WITH [NO] DATA stands behind the query.
    marks = [word.upper for word in reader.remaining()]
    for tail, keeps in ((["WITH", "NO", "DATA"], False), (["WITH", "DATA"], True)):
        if marks[-len(tail) :] == tail:
            text, with_data = text[: reader.remaining()[-len(tail)].start], keeps
            break
    found = select(text, parameters, catalog, database)
    _named(found, "CREATE TABLE AS")
    command = commands.CreateTableAs(table, exists, properties, with_data)
    return found.statement("DDL", "CREATE_TABLE_AS_SELECT", command)


def create_view(reader: Reader, catalog: Catalog, database: str, *, replace: bool) -> Statement:
    """Read what follows CREATE [OR REPLACE] VIEW; the query has to be right now."""
    view = table_name(reader, database)
    if reader.take("COMMENT"):
        reader.string()
    reader.expect("AS")
    found = select(reader.rest(), (), catalog, database, making=(view.database, view.name))
    _named(found, "CREATE VIEW")
    text = reader.text[reader.next.start :].rstrip().rstrip(";").rstrip()
    return found.statement("DDL", "CREATE_VIEW", commands.CreateView(view, text, replace))._replace(sql=None)


def insert(reader: Reader, parameters: Sequence[str], catalog: Catalog, database: str) -> Statement:
    """Read INSERT INTO; the query's columns get the names and types of the table's."""
    reader.expect("INSERT", "INTO")
    table = table_name(reader, database)
    names: tuple[str, ...] = ()
    if reader.peek("(") and not any(reader.peek("(", word) for word in QUERY_WORDS):
        reader.expect("(")
        listed = [reader.name()]
        while reader.take(","):
            listed.append(reader.name())
        reader.expect(")")
        names = tuple(listed)
    columns = _columns(catalog, table)
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise QueryFailed("COLUMN_NOT_FOUND", f"Insert column name does not exist in target table: {unknown[0]}")
    wanted = [columns[name] for name in names] if names else list(columns.values())
    found = select(reader.rest(), parameters, catalog, database)
    given = [parse_type(column.type) for column in found.columns]
    if len(given) != len(wanted) or not all(assignable(a, b) for a, b in zip(given, wanted, strict=True)):
        told = ", ".join(map(str, wanted)), ", ".join(map(str, given))
        raise QueryFailed("TYPE_MISMATCH", f"Insert query has mismatched column types: Table: [{told[0]}], Query: [{told[1]}]")
    into = names or tuple(columns)
    casts = ", ".join(
        f"{assigned(Value(quote(column.sql_name), column.type), kind).sql} AS {quote(name)}"
        for column, kind, name in zip(found.query.columns, wanted, into, strict=True)
    )
    made = found.statement("DML", "INSERT", commands.InsertInto(table, into))
    columns_of_table = tuple(column_of(name, kind) for name, kind in zip(into, wanted, strict=True))
    return made._replace(sql=f"SELECT {casts} FROM ({found.query.sql})", columns=columns_of_table)


def unload(reader: Reader, parameters: Sequence[str], catalog: Catalog, database: str) -> Statement:
    """Read UNLOAD (query) TO 'location' WITH (...)."""
    reader.expect("UNLOAD")
    start = reader.next.start
    reader.expect("(")
    depth = 1
    while depth:
        word = reader.any()
        if word.kind == "end":
            raise reader.mismatch(")")
        depth += (word.upper == "(") - (word.upper == ")")
    text = reader.rest(start)[: reader.next.start]
    reader.expect("TO")
    location = reader.string()
    properties = with_properties(reader)
    reader.end()
    found = select(text, parameters, catalog, database)
    return found.statement("DML", "UNLOAD", commands.Unload(location, properties))


def with_properties(reader: Reader) -> Properties:
    """Read WITH (name = value, ...), {} for none; lists become tuples, all else text."""
    found: Properties = {}
    if not reader.take("WITH"):
        return found
    reader.expect("(")
    while not reader.take(")"):
        name = reader.name()
        reader.expect("=")
        if reader.take("ARRAY"):
            reader.expect("[")
            values = []
            while not reader.take("]"):
                values.append(reader.string())
                reader.take(",")
            found[name] = tuple(values)
        else:
            found[name] = reader.any().text
        if not reader.take(",") and not reader.peek(")"):
            raise reader.mismatch(")")
    return found


class ChangedTable:
    """The table that a DELETE, UPDATE, MERGE or OPTIMIZE is about, as something to select from."""

    def __init__(self, reader: Reader, table: TableName, catalog: Catalog, database: str, pin: Pin | None = None) -> None:
        self.columns = _columns(catalog, table)
        if catalog.view_text(table.database, table.name) is not None:
            raise NotSupported(f"Modifying the view {table.database}.{table.name} is not supported; change its table")
        state = {} if pin is None or pin.snapshot_id is None else {(table.database, table.name): pin.snapshot_id}
        self.tables = Tables(catalog, state)
        found = self.tables.find(table.database, table.name, "")
        self.alias = self.tables.alias(table.name)
        self.everything = f"{found.sql} AS {quote(self.alias)}"
        self.source, self.day = self.everything, "CAST(NULL AS BIGINT)"
        if pin is not None and pin.by_day:
            self.day = f"CAST({quote(self.alias)}.{_TIME} AT TIME ZONE 'UTC' AS DATE) - DATE '1970-01-01'"
            if pin.days is not None:
                self.source = f"(SELECT * FROM {found.sql} WHERE {_of_days(pin.days)}) AS {quote(self.alias)}"
        self.queries = QueryWriter(reader.text, self.tables, database)
        path = (CATALOG_NAME, table.database, table.name)
        self.scope = Scope([Field(name, kind, f"{quote(self.alias)}.{quote(name)}", path) for name, kind in self.columns.items()])

    def statement(
        self, substatement: str, sql: str, command: commands.Command, parameters: int, *more: TypedColumn, changing: str
    ) -> Statement:
        """Return the statement that selects the table's columns and *more*; *changing* selects the rows that will not be as they were."""
        columns = (*(column_of(name, kind) for name, kind in self.columns.items()), *more)
        counted = f'SELECT {self.day} AS "day", count(*) AS "rows" {changing} GROUP BY 1'
        return Statement("DML", substatement, sql, columns, command, tuple(self.tables.reads), parameters, counted)


def _of_days(days: Sequence[int | None]) -> str:
    """Return the condition for rows of these days, as ranges of time, by which files can be left out."""
    ranges = [f"{_TIME} >= {_midnight(day)} AND {_TIME} < {_midnight(day + 1)}" for day in days if day is not None]
    return " OR ".join([*(f"({each})" for each in ranges), *([f"{_TIME} IS NULL"] if None in days else [])]) or "false"


def _midnight(day: int) -> str:
    return f"TIMESTAMPTZ '{date(1970, 1, 1) + timedelta(days=day)} 00:00:00+00'"


def delete(reader: Reader, parameters: Sequence[str], catalog: Catalog, database: str, pin: Pin | None = None) -> Statement:
    """Read DELETE FROM table [WHERE condition]: the rows that stay are selected."""
    reader.expect("DELETE", "FROM")
    table = table_name(reader, database)
    target = ChangedTable(reader, table, catalog, database, pin)
    condition, count = _where(reader, target, parameters)
    stays, goes = ("false", "true") if condition is None else (f"({condition}) IS NOT TRUE", f"({condition}) IS TRUE")
    sql = f"SELECT {_all(target)} FROM {target.source} WHERE {stays}"
    command = commands.Delete(table, everything=condition is None)
    return target.statement("DELETE", sql, command, count, changing=f"FROM {target.source} WHERE {goes}")


def update(reader: Reader, parameters: Sequence[str], catalog: Catalog, database: str, pin: Pin | None = None) -> Statement:
    """Read UPDATE table SET column = value, ... [WHERE condition]: all rows as they are afterwards are selected."""
    reader.expect("UPDATE")
    table = table_name(reader, database)
    target = ChangedTable(reader, table, catalog, database, pin)
    reader.expect("SET")
    # `a = 1, b = 2 WHERE ...` reads as the list and the condition of a SELECT.
    tree, count = _clauses(reader, "SELECT", reader.next.start, parameters)
    expressions = target.queries.expressions
    where = tree.args.get("where")
    changes = "true" if where is None else f"({expressions.condition(where.this, target.scope, of='WHERE clause')}) IS TRUE"
    new: dict[str, str] = {}
    for node in tree.expressions:
        if not isinstance(node, exp.EQ) or not isinstance(node.this, exp.Column):
            raise reader.mismatch()
        name = node.this.name.lower()
        if name not in target.columns:
            raise QueryFailed("COLUMN_NOT_FOUND", f"The UPDATE SET target column {name} doesn't exist")
        new[name] = stored(expressions.value(node.expression, target.scope), target.columns[name], name)
    parts = []
    for name in target.columns:
        old = f"{quote(target.alias)}.{quote(name)}"
        parts.append(f"{f'CASE WHEN {changes} THEN {new[name]} ELSE {old} END' if name in new else old} AS {quote(name)}")
    sql = f"SELECT {', '.join(parts)}, {changes} AS {quote(_CHANGED.name)} FROM {target.source}"
    changing = f"FROM {target.source} WHERE {changes}"
    return target.statement("UPDATE", sql, commands.Update(table, tuple(new)), count, _CHANGED, changing=changing)


def optimize(reader: Reader, catalog: Catalog, database: str) -> Statement:
    """Read OPTIMIZE table REWRITE DATA USING BIN_PACK [WHERE condition]."""
    reader.expect("OPTIMIZE")
    table = table_name(reader, database)
    reader.expect("REWRITE", "DATA", "USING", "BIN_PACK")
    condition, _ = _where(reader, ChangedTable(reader, table, catalog, database), ())
    return Statement("DDL", "OPTIMIZE", None, command=commands.Optimize(table, condition))


def _columns(catalog: Catalog, table: TableName) -> dict[str, Type]:
    found = catalog.columns(table.database, table.name)
    if found is None:
        raise QueryFailed("TABLE_NOT_FOUND", f"Table '{CATALOG_NAME}.{table.database}.{table.name}' does not exist")
    return {column.name.lower(): parse_type(column.type) for column in found}


def _named(found: Selected, what: str) -> None:
    names = [column.name.lower() for column in found.columns]
    for at, column in enumerate(found.query.columns, 1):
        if column.name is None:
            raise QueryFailed("MISSING_COLUMN_NAME", f"Column name not specified at position {at} of {what}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise QueryFailed("DUPLICATE_COLUMN_NAME", f"Column name '{twice}' specified more than once")


def _all(target: ChangedTable) -> str:
    return ", ".join(f"{quote(target.alias)}.{quote(name)} AS {quote(name)}" for name in target.columns)


def stored(value: Value, kind: Type, name: str) -> str:
    """Return the SQL of a value for a column of the table."""
    if not assignable(value.type, kind):
        raise QueryFailed(
            "TYPE_MISMATCH", f"UPDATE table column types don't match SET expressions: column '{name}' is {kind}, the value {value.type}"
        )
    return assigned(value, kind).sql


def _where(reader: Reader, target: ChangedTable, parameters: Sequence[str]) -> tuple[str | None, int]:
    if not reader.peek("WHERE"):
        reader.end()
        bind_parameters(exp.Select(), parameters)
        return None, 0
    tree, count = _clauses(reader, "SELECT 1", reader.next.start, parameters)
    return target.queries.condition(tree.args["where"].this, target.scope, of="WHERE clause"), count


def _clauses(reader: Reader, head: str, start: int, parameters: Sequence[str]) -> tuple[exp.Expr, int]:
    """Read the text from *start* on as the end of a query that begins with *head*, keeping each word's place where there is room."""
    blank = reader.rest(start)[:start]
    text = (head + blank[len(head) :] if len(blank) > len(head) else head + " ") + reader.text[start:]
    tree = parse(text, [token for token in tokens(text) if token.text != ";"])
    if not isinstance(tree, exp.Select):
        raise reader.mismatch()
    return tree, bind_parameters(tree, parameters)
