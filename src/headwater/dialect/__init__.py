"""Athena's SQL: its text to what Headwater does, its types and value texts, and its words for what goes wrong.

A statement is read by sqlglot's Trino grammar, narrowed to what Trino admits; names and types are resolved by the rules of Trino, and
every expression is written in DuckDB's SQL with Trino's meaning. Nothing has to be set up in the engine but its time zone, UTC.
"""

from headwater.dialect.errors import MalformedQuery, NotSupported, QueryFailed
from headwater.dialect.failures import failure
from headwater.dialect.statement import CATALOG_NAME, Catalog, ColumnDefinition, Pin, Statement, TableRead, TypedColumn
from headwater.dialect.texts import athena_text
from headwater.dialect.translate import translate
from headwater.dialect.typenames import ColumnType, athena_type, column_type

__all__ = [
    "CATALOG_NAME",
    "Catalog",
    "ColumnDefinition",
    "ColumnType",
    "MalformedQuery",
    "NotSupported",
    "Pin",
    "QueryFailed",
    "Statement",
    "TableRead",
    "TypedColumn",
    "athena_text",
    "athena_type",
    "column_type",
    "failure",
    "translate",
]

SUBMODULES = ("commands", "errors", "formats", "lexer", "quoting", "types", "unknown_column")
"""What other rooms may import from beside this module, which would load more than they need."""
