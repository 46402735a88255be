"""SHOW, DESCRIBE, PREPARE, EXECUTE, DEALLOCATE: words -> what is asked for."""

from __future__ import annotations

from headwater.dialect import commands
from headwater.dialect.commands import TableName
from headwater.dialect.errors import MalformedQuery
from headwater.dialect.lexer import Reader
from headwater.dialect.statement import CATALOG_NAME, Catalog, Statement


def table_name(reader: Reader, database: str) -> TableName:
    """Read the name of a table, with or without its database and the catalog before it."""
    # SHOW CREATE TABLE writes `database.table`, as Hive does, and a name has no dot in it.
    parts = reader.name().split(".")
    while reader.take("."):
        parts.append(reader.name())
    if len(parts) > 3 or (len(parts) == 3 and parts[0] != CATALOG_NAME):
        raise MalformedQuery(f"Catalog '{parts[0]}' does not exist; there is {CATALOG_NAME}")
    return TableName(parts[-2] if len(parts) > 1 else database, parts[-1])


def show(reader: Reader, catalog: Catalog, database: str) -> Statement:
    """Read SHOW."""
    reader.expect("SHOW")
    if reader.take("DATABASES") or reader.take("SCHEMAS"):
        reader.take("LIKE")
        pattern = reader.string() if reader.next.kind == "string" else None
        return _utility(reader, "SHOW_DATABASES", commands.ShowDatabases(pattern))
    for word, substatement, made in (("TABLES", "SHOW_TABLES", commands.ShowTables), ("VIEWS", "SHOW_VIEWS", commands.ShowViews)):
        if reader.take(word):
            where = _of_database(reader, database)
            reader.take("LIKE")
            return _utility(reader, substatement, made(where, reader.string() if reader.next.kind == "string" else None))
    if reader.take("COLUMNS"):
        if not (reader.take("IN") or reader.take("FROM")):
            raise reader.mismatch("IN")
        name = table_name(reader, database)
        if reader.take("IN") or reader.take("FROM"):
            name = TableName(reader.name(), name.name)
        _must_exist(catalog, name)
        return _utility(reader, "SHOW_COLUMNS", commands.ShowColumns(name))
    if reader.take("PARTITIONS"):
        return _utility(reader, "SHOW_PARTITIONS", commands.ShowPartitions(table_name(reader, database)))
    if reader.take("CREATE", "TABLE"):
        return _utility(reader, "SHOW_CREATE_TABLE", commands.ShowCreate(table_name(reader, database), "table"))
    if reader.take("CREATE", "VIEW"):
        return _utility(reader, "SHOW_CREATE_VIEW", commands.ShowCreate(table_name(reader, database), "view"))
    if reader.take("TBLPROPERTIES"):
        name, wanted = table_name(reader, database), None
        if reader.take("("):
            wanted = reader.string()
            reader.expect(")")
        return _utility(reader, "SHOW_TABLE_PROPERTIES", commands.ShowProperties(name, wanted))
    raise MalformedQuery("Queries of this type are not supported")


def describe(reader: Reader, catalog: Catalog, database: str) -> Statement:
    """Read DESCRIBE."""
    reader.any()
    if reader.take("INPUT") or reader.take("OUTPUT"):
        raise MalformedQuery("Queries of this type are not supported")
    extended, formatted = reader.take("EXTENDED"), reader.take("FORMATTED")
    reader.take("TABLE")
    name = table_name(reader, database)
    _must_exist(catalog, name)
    if reader.take("PARTITION"):
        while not reader.take(")"):
            if reader.any().kind == "end":
                raise reader.mismatch(")")
    column = reader.name() if reader.next.kind in ("word", "name") else None
    return _utility(reader, "DESCRIBE_TABLE", commands.Describe(name, column, extended, formatted))


def prepare(reader: Reader) -> Statement:
    """Read PREPARE name FROM text."""
    reader.expect("PREPARE")
    name = reader.name()
    reader.expect("FROM")
    text = reader.text[reader.next.start :].rstrip().rstrip(";").rstrip()
    if not text:
        raise reader.mismatch()
    return Statement("DML", "PREPARE", None, command=commands.Prepare(name, text))


def execute(reader: Reader) -> Statement:
    """Read EXECUTE name [USING value, ...]; each value stays SQL."""
    reader.expect("EXECUTE")
    name, values = reader.name(), []
    if reader.take("USING"):
        start, depth = reader.next.start, 0
        while reader.next.kind != "end":
            word = reader.any()
            depth += (word.upper in ("(", "[")) - (word.upper in (")", "]"))
            if depth == 0 and word.upper == ",":
                values.append(reader.text[start : word.start].strip())
                start = reader.next.start
        values.append(reader.text[start:].strip().rstrip(";").strip())
        if not all(values):
            raise reader.mismatch()
    reader.end()
    return Statement("DML", "EXECUTE", None, command=commands.Execute(name, tuple(values)))


def deallocate(reader: Reader) -> Statement:
    """Read DEALLOCATE PREPARE name."""
    reader.expect("DEALLOCATE", "PREPARE")
    command = commands.Deallocate(reader.name())
    reader.end()
    return Statement("DML", "DEALLOCATE", None, command=command)


def _utility(reader: Reader, substatement: str, command: commands.Command) -> Statement:
    reader.end()
    return Statement("UTILITY", substatement, None, command=command)


def _of_database(reader: Reader, database: str) -> str:
    return reader.name() if reader.take("IN") or reader.take("FROM") else database


def _must_exist(catalog: Catalog, name: TableName) -> None:
    if catalog.columns(name.database, name.name) is None:
        raise MalformedQuery("Entity Not Found", "INVALID_INPUT")
