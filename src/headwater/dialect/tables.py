"""What table names mean: tables and views of the catalog, tables about tables, older states, information_schema."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from headwater.dialect.bounds import Bounds
from headwater.dialect.errors import QueryFailed
from headwater.dialect.quoting import literal, quote
from headwater.dialect.statement import CATALOG_NAME, Catalog, ColumnDefinition, TableRead
from headwater.dialect.types import Type, parse_type
from headwater.errors import QueryError

_METADATA: dict[str, tuple[tuple[str, str], ...]] = {
    "history": (
        ("made_current_at", "timestamp(3) with time zone"), ("snapshot_id", "bigint"), ("parent_id", "bigint"),
        ("is_current_ancestor", "boolean"),
    ),
    "snapshots": (
        ("committed_at", "timestamp(3) with time zone"), ("snapshot_id", "bigint"), ("parent_id", "bigint"), ("operation", "varchar"),
        ("manifest_list", "varchar"), ("summary", "map(varchar, varchar)"),
    ),
    "files": (
        ("content", "integer"), ("file_path", "varchar"), ("file_format", "varchar"), ("record_count", "bigint"), ("file_size_in_bytes",
        "bigint"),
    ),
    "partitions": (
        ("partition", "varchar"), ("record_count", "bigint"), ("file_count", "bigint"), ("total_size", "bigint"),
    ),
}  # fmt: skip
_INFORMATION: dict[str, tuple[str, ...]] = {
    "schemata": ("catalog_name", "schema_name"),
    "tables": ("table_catalog", "table_schema", "table_name", "table_type"),
    "views": ("table_catalog", "table_schema", "table_name", "view_definition"),
    "columns": (
        "table_catalog", "table_schema", "table_name", "column_name", "ordinal_position", "column_default", "is_nullable", "data_type",
        "comment",
        "extra_info",
    ),
}  # fmt: skip
_SUFFIX = re.compile(r"(.+)\$(\w+)")


class Meaning(NamedTuple):
    """A table as it is selected from: its SQL, its columns, or the text of the view it is; *apart* are columns that `*` leaves out."""

    sql: str
    columns: tuple[tuple[str, Type], ...]
    view: str | None = None
    apart: tuple[tuple[str, Type], ...] = ()


class Tables:
    """Resolves table names for one statement, and remembers which it read."""

    def __init__(
        self, catalog: Catalog, pinned: Mapping[tuple[str, str], int] | None = None, making: tuple[str, str] | None = None
    ) -> None:
        """*pinned*: (database, table) -> the snapshot that is read wherever the statement does not say another.

        *making*: (database, view) that the statement makes, which it may therefore not read.
        """
        self._catalog, self._pinned, self._making = catalog, pinned or {}, making
        self._aliases: set[str] = set()
        self._numbers: defaultdict[str, int] = defaultdict(lambda: 1)
        self.reads: list[TableRead] = []
        self.bounds = Bounds()

    def alias(self, name: str) -> str:
        """Return a name for a relation that no other relation of the statement has: *name*, if it is free."""
        name = name.lower()
        found = name
        while found in self._aliases:
            self._numbers[name] += 1
            found = f"{name}_{self._numbers[name]}"
        self._aliases.add(found)
        return found

    def find(self, database: str, name: str, where: str, *, version: int | None = None, as_of_us: int | None = None) -> Meaning:
        """Return what a table's name means; raise `QueryFailed` for one there is none of."""
        if database == "information_schema":
            return self._information(name, where)
        if (database, name) == self._making:
            raise QueryFailed("VIEW_IS_RECURSIVE", f"{where}Statement would create a recursive view")
        suffix = _SUFFIX.fullmatch(name)
        if suffix is not None:
            return self._metadata(database, suffix[1], suffix[2], where)
        columns = self._catalog.columns(database, name)
        if columns is None:
            raise self._missing(database, name, where)
        text = self._catalog.view_text(database, name)
        told = _typed(columns)
        if text is not None:
            return Meaning("", told, text)
        if version is None and as_of_us is None:
            version = self._pinned.get((database, name))
        tag = f"@{version}" if version is not None else f"@{as_of_us}us" if as_of_us is not None else ""
        apart = _typed(self._catalog.file_columns(database, name))
        sql = self._read(TableRead(database, name, name + tag, None, version, as_of_us))
        return Meaning(sql, told, apart=tuple(each for each in apart if each[0] not in dict(told)))

    def call(self, name: str, arguments: Mapping[str, str], where: str) -> Meaning:
        """Return what a saved query gives for *arguments*; raise `QueryFailed` for one there is none of, or what it cannot be asked."""
        try:
            found = self._catalog.call(name, arguments)
        except QueryError as error:
            raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"{where}{error}") from None
        if found is None:
            raise QueryFailed(
                "FUNCTION_NOT_FOUND", f"{where}Table function '{name}' not registered; `headwater views` lists those there are"
            )
        sql, columns = found
        return Meaning(f"(\n{sql}\n)", tuple((column.name.lower(), parse_type(column.type)) for column in columns))

    def _read(self, read: TableRead) -> str:
        if read not in self.reads:
            self.reads.append(read)
        return f"{quote(read.database)}.{quote(read.name)}"

    def _metadata(self, database: str, table: str, kind: str, where: str) -> Meaning:
        if self._catalog.columns(database, table) is None:
            raise self._missing(database, f"{table}${kind}", where)
        known = {name: tuple((column, parse_type(text)) for column, text in columns) for name, columns in _METADATA.items()}
        if self._catalog.file_columns(database, table):
            known = self._partitions(database, table)
        if kind not in known:
            there = f"there are: {', '.join(f'${name}' for name in known)}" if known else "a table of files has `$partitions` if it has any"
            raise QueryFailed("TABLE_NOT_FOUND", f"{where}Table '{CATALOG_NAME}.{database}.{table}${kind}' does not exist; {there}")
        return Meaning(self._read(TableRead(database, table, f"{table}${kind}", kind)), known[kind])

    def _partitions(self, database: str, table: str) -> dict[str, tuple[tuple[str, Type], ...]]:
        """Return the one table about a table of files, which has a column for each key, and {} where there are no keys."""
        keys = self._catalog.partition_keys(database, table)
        columns = _typed([column for column in self._catalog.columns(database, table) or () if column.name in keys])
        return {"partitions": columns} if keys else {}

    def _missing(self, database: str, name: str, where: str) -> QueryFailed:
        if database not in self._catalog.databases():
            return QueryFailed("SCHEMA_NOT_FOUND", f"{where}Schema '{database}' does not exist")
        return QueryFailed("TABLE_NOT_FOUND", f"{where}Table '{CATALOG_NAME}.{database}.{name}' does not exist")

    def _information(self, name: str, where: str) -> Meaning:
        if name not in _INFORMATION:
            raise QueryFailed("TABLE_NOT_FOUND", f"{where}Table '{CATALOG_NAME}.information_schema.{name}' does not exist")
        databases = list(self._catalog.databases())
        rows: list[Sequence[str | int | None]] = []
        for database in databases:
            if name == "schemata":
                rows.append((CATALOG_NAME, database))
                continue
            for table in self._catalog.tables(database):
                view = self._catalog.view_text(database, table)
                if name == "tables":
                    rows.append((CATALOG_NAME, database, table, "BASE TABLE" if view is None else "VIEW"))
                elif name == "views":
                    if view is not None:
                        rows.append((CATALOG_NAME, database, table, view))
                else:
                    keys = set(self._catalog.partition_keys(database, table))
                    rows += [
                        (CATALOG_NAME, database, table, column.name, at, None, "YES", _told(column.type), column.comment or None,
                         "partition key" if column.name in keys else None)
                        for at, column in enumerate(self._catalog.columns(database, table) or (), 1)
                    ]  # fmt: skip
        kinds = tuple((column, parse_type("bigint" if column == "ordinal_position" else "varchar")) for column in _INFORMATION[name])
        names = ", ".join(quote(column) for column, _ in kinds)
        # One row that is filtered away gives the columns their types where there is nothing to tell.
        nothing = ", ".join(f"CAST(NULL AS {kind.duckdb})" for _, kind in kinds)
        lines = ", ".join(f"({', '.join(_constant(value) for value in row)})" for row in rows)
        values = f"SELECT {nothing} WHERE false" + (f" UNION ALL VALUES {lines}" if rows else "")
        return Meaning(f"(SELECT * FROM ({values}) AS v ({names}))", kinds)


def _typed(columns: Sequence[ColumnDefinition]) -> tuple[tuple[str, Type], ...]:
    return tuple((column.name.lower(), parse_type(column.type)) for column in columns)


def _told(kind: str) -> str:
    """Return a type as Athena spells it; one that nobody here knows, or can read, as it was declared: it must hide no other column."""
    try:
        return str(parse_type(kind))
    except (QueryFailed, RecursionError):
        return kind


def _constant(value: str | int | None) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int) else literal(value)
