"""Athena SQL text -> `Statement`: the way in."""

from __future__ import annotations

from collections.abc import Sequence

from headwater.dialect import commands, ddl, utility, writes
from headwater.dialect.errors import MalformedQuery, QueryFailed
from headwater.dialect.lexer import Reader
from headwater.dialect.merge import merge
from headwater.dialect.statement import Catalog, Pin, Statement
from headwater.dialect.subquery import QUERY_WORDS, select

_UNSUPPORTED = {
    "START", "BEGIN", "COMMIT", "ROLLBACK", "USE", "GRANT", "REVOKE", "SET", "RESET", "CALL", "ANALYZE", "TRUNCATE", "COMMENT", "REFRESH",
    "DENY",
    "LOCK", "UNLOCK", "EXPORT", "IMPORT", "LOAD", "RELOAD", "DESCRIBE INPUT",
}  # fmt: skip
_OF_HIVE = ("ALTER", "CREATE", "DESC", "DESCRIBE", "DROP", "MSCK", "SHOW")
_EXPLAIN_FORMATS, _EXPLAIN_TYPES = ("TEXT", "GRAPHVIZ", "JSON"), ("LOGICAL", "DISTRIBUTED", "VALIDATE", "IO")


def translate(
    text: str, *, parameters: Sequence[str] = (), catalog: Catalog, database: str = "default", pin: Pin | None = None
) -> Statement:
    """Return what *text* asks for; *parameters* are SQL texts for its `?`, *database* is where a bare table name is looked for.

    *pin*: which state of its table a DELETE, UPDATE or MERGE reads, the newest where that is not said.

    Raises `MalformedQuery` for what StartQueryExecution refuses, `QueryFailed` for what ends FAILED.
    """
    reader = _reader(text)
    if reader.has_several():
        raise MalformedQuery(f"Only one sql statement is allowed. Got: {text}")
    try:
        return _read(reader, parameters, catalog, database, pin)
    except RecursionError:
        raise QueryFailed("QUERY_TOO_LARGE", "line 1:1: the statement is nested too deeply") from None


def _reader(text: str) -> Reader:
    """Return what reads *text* by the grammar that is its: Athena gives DDL to Hive's, and what has a query in it to Trino's."""
    reader = Reader(text)
    if reader.next.upper not in _OF_HIVE:
        return reader
    if reader.take("CREATE"):
        reader.take("OR", "REPLACE")
        if reader.take("VIEW") or (reader.take("TABLE") and _is_table_as(reader)):
            return Reader(text)
    return Reader(text, hive=True)


def _read(reader: Reader, parameters: Sequence[str], catalog: Catalog, database: str, pin: Pin | None = None) -> Statement:
    word = reader.next.upper
    if word in QUERY_WORDS:
        return select(reader.text, parameters, catalog, database).statement("DML", "SELECT")
    match word:
        case "EXPLAIN":
            return _explain(reader, parameters, catalog, database)
        case "SHOW":
            return utility.show(reader, catalog, database)
        case "DESCRIBE" | "DESC":
            return utility.describe(reader, catalog, database)
        case "CREATE":
            return _create(reader, parameters, catalog, database)
        case "DROP":
            return ddl.drop(reader, database)
        case "ALTER":
            return ddl.alter(reader, database)
        case "MSCK":
            return ddl.repair(reader, database)
        case "VACUUM":
            return ddl.vacuum(reader, database)
        case "OPTIMIZE":
            return writes.optimize(reader, catalog, database)
        case "INSERT":
            return writes.insert(reader, parameters, catalog, database)
        case "DELETE":
            return writes.delete(reader, parameters, catalog, database, pin)
        case "UPDATE":
            return writes.update(reader, parameters, catalog, database, pin)
        case "MERGE":
            return merge(reader, parameters, catalog, database, pin)
        case "UNLOAD":
            return writes.unload(reader, parameters, catalog, database)
        case "PREPARE":
            return utility.prepare(reader)
        case "EXECUTE":
            return utility.execute(reader)
        case "DEALLOCATE":
            return utility.deallocate(reader)
    if word in _UNSUPPORTED:
        raise MalformedQuery("Queries of this type are not supported")
    raise reader.mismatch()


def _create(reader: Reader, parameters: Sequence[str], catalog: Catalog, database: str) -> Statement:
    reader.expect("CREATE")
    if reader.take("DATABASE") or reader.take("SCHEMA"):
        return ddl.create_database(reader)
    replace = reader.take("OR", "REPLACE")
    if reader.take("VIEW"):
        return writes.create_view(reader, catalog, database, replace=replace)
    external = not replace and reader.take("EXTERNAL")
    if replace or not reader.take("TABLE"):
        raise MalformedQuery("Queries of this type are not supported")
    if not external and _is_table_as(reader):
        return writes.create_table_as(reader, parameters, catalog, database)
    return ddl.create_table(reader, database, external=external)


def _is_table_as(reader: Reader) -> bool:
    """Return whether AS comes before any column: `STORED AS` has a word before it that is no name of a table."""
    ahead = reader.remaining()
    if ahead[:1] and ahead[0].upper == "IF":
        ahead = ahead[3:]
    at = 1
    while at + 1 < len(ahead) and ahead[at].text == ".":
        at += 2
    return at < len(ahead) and ahead[at].upper in ("AS", "WITH")


def _explain(reader: Reader, parameters: Sequence[str], catalog: Catalog, database: str) -> Statement:
    reader.expect("EXPLAIN")
    analyze = reader.take("ANALYZE")
    form, kind = "TEXT", "LOGICAL"
    if reader.peek("(", "FORMAT") or reader.peek("(", "TYPE"):
        reader.expect("(")
        while not reader.take(")"):
            word = reader.any()
            value = reader.name().upper()
            if word.upper == "FORMAT" and value in _EXPLAIN_FORMATS:
                form = value
            elif word.upper == "TYPE" and value in _EXPLAIN_TYPES:
                kind = value
            else:
                raise reader.mismatch()
            reader.take(",")
    if reader.peek("EXPLAIN"):
        raise reader.mismatch()
    inner = _read(Reader(reader.rest()), parameters, catalog, database)
    if inner.sql is None:
        raise MalformedQuery("EXPLAIN takes a query, or a statement with one in it")
    return inner._replace(substatement="EXPLAIN", kind="DML", command=commands.Explain(analyze, form, kind))
