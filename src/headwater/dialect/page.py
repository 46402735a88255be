"""The page that says which of Athena's SQL works here: every statement and every function."""

from __future__ import annotations

import re

from headwater.dialect.functions import GROUPS
from headwater.dialect.signatures import Pattern, Signature

_STATEMENTS = (
    ("SELECT with WITH [RECURSIVE], joins, subqueries, set operations, windows, GROUPING SETS, CUBE, ROLLUP", "translated", ""),
    ("UNNEST [WITH ORDINALITY], CROSS JOIN LATERAL, VALUES, TABLE, TABLESAMPLE", "translated", ""),
    ("FOR TIMESTAMP AS OF, FOR VERSION AS OF", "translated", "the moment is a literal or current_timestamp, moved by an INTERVAL or not"),
    ('"t$history", "t$snapshots", "t$files", "t$partitions"', "translated", ""),
    ("information_schema.schemata, tables, columns, views", "translated", ""),
    ("AT TIME ZONE, at_timezone, with_timezone", "translated", "the zone is a literal; a zone that comes out of data is told in UTC"),
    ("MATCH_RECOGNIZE", "refused", "lag, lead and other window functions"),
    ("NATURAL JOIN", "refused", "JOIN ... USING"),
    ("FETCH FIRST ... WITH TIES", "refused", "rank() in a query around"),
    ("BETWEEN SYMMETRIC", "refused", "least and greatest"),
    ("JSON_TABLE, JSON_OBJECT, JSON_ARRAY, JSON_EXISTS", "refused", "CAST to and from json, json_extract"),
    ("JSON_VALUE, JSON_QUERY", "translated", "lax paths, without ON ERROR and ON EMPTY"),
    ("EXPLAIN, EXPLAIN ANALYZE", "same", ""),
    ("PREPARE, EXECUTE ... USING, DEALLOCATE PREPARE, `?`", "same", ""),
    ("SHOW DATABASES, TABLES, VIEWS, COLUMNS, PARTITIONS, CREATE TABLE, CREATE VIEW, TBLPROPERTIES; DESCRIBE", "same", ""),
    ("CREATE [OR REPLACE] VIEW, DROP VIEW", "same", ""),
    ("CREATE DATABASE, DROP DATABASE", "same", ""),
    ("CREATE TABLE, CREATE TABLE AS, DROP TABLE", "same", ""),
    ("CREATE EXTERNAL TABLE over Parquet, delimited text, CSV and JSON; partition projection", "same", ""),
    ("CREATE EXTERNAL TABLE over ORC, Avro and files of other SerDes", "refused", "Parquet, delimited text, OpenCSVSerde, a JSON SerDe"),
    ("CREATE TABLE LIKE", "refused", "CREATE TABLE AS ... WITH NO DATA"),
    ("INSERT INTO, UNLOAD", "same", ""),
    ("DELETE, UPDATE, MERGE", "translated", "WHEN NOT MATCHED BY SOURCE is refused"),
    ("ALTER TABLE ADD, DROP, RENAME PARTITION; SET LOCATION, SET and UNSET TBLPROPERTIES; ADD, REPLACE, DROP, CHANGE COLUMN", "same", ""),
    ("ALTER TABLE RENAME TO", "same", "Iceberg tables only; writes the rows anew, older states are gone"),
    ("MSCK REPAIR TABLE", "same", "refuses folders with a key in upper case"),
    ("OPTIMIZE ... REWRITE DATA USING BIN_PACK, VACUUM", "same", ""),
    ("transactions, USE, GRANT, REVOKE, SET, CALL, ANALYZE", "refused", "nothing; Athena refuses them, too"),
)
_FORMS = (
    ("CAST, TRY_CAST", "translated"), ("TRY", "translated"), ("IF, CASE, COALESCE, NULLIF", "translated"), ("EXTRACT", "translated"),
    ("GROUPING", "translated"), ("ROW, ARRAY, MAP", "translated"),
    ("current_date, current_timestamp, localtimestamp, localtime", "translated"),
    ("current_user, current_catalog, current_schema", "translated"), ("POSITION, SUBSTRING, TRIM, LISTAGG", "translated"),
)  # fmt: skip


def dialect_page() -> str:
    """Return the page as Markdown."""
    lines = [
        "# Athena's SQL",
        "",
        "What the Athena door speaks: engine version 3, with Trino's meaning. *Same*: carried out as it is written. *Translated*: written",
        "anew for DuckDB with the meaning it has in Trino. *Refused*: the query fails with NOT_SUPPORTED and names what to use instead.",
        "",
        "## Statements",
        "",
        "| statement | | remark, or what to use instead |",
        "|---|---|---|",
        *(f"| {what} | {how} | {told} |" for what, how, told in _STATEMENTS),
        "",
        "## Functions",
        "",
        "In brackets are types: `T`, `K`, `V`, `U`, `S` any, `N` a number, `I` a whole number, `M` a date or timestamp, `W` a timestamp.",
        "",
        "### Forms of the language",
        "",
        "| form | |",
        "|---|---|",
        *(f"| {what} | {how} |" for what, how in _FORMS),
        "",
    ]
    for title, library in GROUPS.items():
        lines += [f"### {title}", "", "| function | | instead |", "|---|---|---|"]
        rows = {name: _row(name, signatures) for name, signatures in library.signatures.items()}
        rows |= {name: f"| `{name}` | refused | {instead or 'nothing'} |" for name, instead in library.refused.items()}
        lines += [rows[name] for name in sorted(rows)] + [""]
    return "\n".join([*lines, *_DIFFERENCES])


def _row(name: str, signatures: list[Signature]) -> str:
    calls = ", ".join(
        f"`{name}({', '.join(_told(part) for part in signature.parameters)}{', ...' if signature.variadic else ''})`"
        for signature in signatures
    )
    return f"| {calls} | {'same' if all(_is_same(name, signature) for signature in signatures) else 'translated'} | |"


def _is_same(name: str, signature: Signature) -> bool:
    """Return whether the engine has the function by the same name, with the same arguments."""
    if not isinstance(signature.sql, str):
        return False
    plain = re.sub(r"\{[down]\}", "", signature.sql)
    return plain == f"{name}({', '.join(f'{{{at}}}' for at in range(len(signature.parameters)))})"


def _told(part: Pattern) -> str:
    if part.type is not None:
        return str(part.type)
    return f"{part.name}({', '.join(map(_told, part.items))})" if part.items else part.name


_DIFFERENCES = [
    "## What differs from Athena",
    "",
    "- Regular expressions are RE2's: looking ahead or behind and references to groups are refused.",
    "- Patterns of dates (`date_format`, `parse_datetime`), zones, JSON paths and shares of `approx_percentile` are literals.",
    "- A moment read from text with an offset keeps its instant and is told in UTC; a literal or AT TIME ZONE keeps its zone.",
    "- Timestamps keep six digits of a second.",
    "- `approx_distinct` and `approx_percentile` approximate by other algorithms: other errors of the same size.",
    "- `json_parse` keeps the order of members.",
    "- In a JSON path a number in brackets is a place of an array; any other name is a member of an object.",
    "- UNNEST of an array of rows takes one name for the row, too, as AWS's examples write it.",
    "- NaN is equal to itself, and greater than every other number.",
    "- A product of decimals of up to 18 digits each has at most 18 digits: one that needs more fails and says which CAST helps.",
    "- `upper` of `ß` is `ẞ`.",
    "",
]
