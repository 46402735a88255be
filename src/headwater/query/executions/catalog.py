"""The catalog as SQL sees it: one database with the lake's tables, what is made of other stores, and people's views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from headwater.errors import QueryError
from headwater.query.columns import literal, quote
from headwater.query.dialect import CATALOG_NAME, ColumnDefinition, athena_type
from headwater.query.dialect.types import Type, parse_type
from headwater.query.engine import Engine
from headwater.query.executions.errors import MetadataMissing
from headwater.query.executions.saved import Shelf, View
from headwater.query.views import RESERVED

_PARTITION_KEYS = ("year", "month", "day")
_HIVE = {
    "varchar": "string", "integer": "int", "real": "float", "varbinary": "binary", "json": "string", "uuid": "string",
    "timestamp with time zone": "timestamp",
}  # fmt: skip


class TableInfo(NamedTuple):
    """A table or view: its columns with Hive's types, partition keys apart."""

    name: str
    kind: str
    columns: list[ColumnDefinition]
    partition_keys: list[ColumnDefinition]


class LakeCatalog:
    """What there is to name in a statement, as it is now."""

    def __init__(self, engine: Engine, database: str, views: Shelf[View]) -> None:
        self._engine, self._database, self._views = engine, database, views
        self._known: dict[str, list[ColumnDefinition]] = {}

    def learn(self) -> None:
        """Find out now what takes a query to find out, so that no statement waits for one while it is read."""
        for table in self._engine.names():
            if self._engine.fields(table) is None:
                self._described(table)

    def databases(self) -> Sequence[str]:
        """Return the names of the databases."""
        return [self._database]

    def tables(self, database: str) -> Sequence[str]:
        """Return the names of tables and views, sorted."""
        if database != self._database:
            return []
        return sorted({*self._engine.names(), *(view.name for view in self._views.all_of(database))})

    def views(self, database: str) -> Sequence[str]:
        """Return the names of the views that people made, sorted."""
        return [view.name for view in self._views.all_of(database)]

    def columns(self, database: str, table: str) -> Sequence[ColumnDefinition] | None:
        """Return all columns with Athena's types, the partition keys at the end; None for no such table."""
        if database != self._database:
            return None
        view = self._views.get(database, table)
        if view is not None:
            return [ColumnDefinition(name, kind) for name, kind in view.columns]
        fields = self._engine.fields(table)
        if fields is not None:
            found = [ColumnDefinition(field.name, athena_type(field.duckdb)) for field in fields]
        elif table in self._engine.names():
            found = self._described(table)
        else:
            return None
        keys = self.partition_keys(database, table)
        return [*(each for each in found if each.name not in keys), *(each for each in found if each.name in keys)]

    def partition_keys(self, database: str, table: str) -> Sequence[str]:
        """Return the names of the columns by which the table's folders are named."""
        fields = self._engine.fields(table) if database == self._database else None
        names = {field.name for field in fields or ()}
        return _PARTITION_KEYS if names.issuperset(_PARTITION_KEYS) else ()

    def view_text(self, database: str, table: str) -> str | None:
        """Return the Athena SQL of a view, None for what is a table."""
        view = self._views.get(database, table) if database == self._database else None
        return None if view is None else view.text

    def info(self, database: str, table: str) -> TableInfo:
        """Return what the catalog's operations tell of a table; `MetadataMissing` if there is none of that name."""
        columns = self.columns(database, table)
        if columns is None:
            raise MetadataMissing("table", table)
        keys = self.partition_keys(database, table)
        hive = [each._replace(type=hive_type(each.type)) for each in columns]
        kind = "EXTERNAL_TABLE" if self.view_text(database, table) is None else "VIRTUAL_VIEW"
        return TableInfo(table, kind, [each for each in hive if each.name not in keys], [each for each in hive if each.name in keys])

    def gives_way(self, name: str) -> bool:
        """Return whether *name* is a view that every project has, and people may have one of their own instead."""
        return name in self._engine.views() and name not in RESERVED

    def is_catalog(self, name: str) -> bool:
        """Return whether that is what our one catalog is called."""
        return name.lower() == CATALOG_NAME

    def _described(self, table: str) -> list[ColumnDefinition]:
        # What is made of other stores, and the views of the code, have the same columns as long as the process lives.
        if table not in self._known:
            with self._engine.sql(f"DESCRIBE {quote(table)}") as result:
                self._known[table] = [ColumnDefinition(name, athena_type(kind)) for name, kind, *_ in result.rows()]
        return self._known[table]

    def partitions(self, table: str) -> list[str]:
        """Return the partitions of a table that have rows, as `year=2026/month=11/day=23`."""
        keys = self.partition_keys(self._database, table)
        if not keys:
            raise QueryError(f"{table} is not partitioned")
        parts = ", ".join(f"{literal(f'{key}=')} || {quote(key)}" for key in keys)
        with self._engine.sql(f"SELECT DISTINCT concat_ws('/', {parts}) AS partition FROM {quote(table)} ORDER BY 1") as result:
            return [row[0] for row in result.rows()]


def hive_type(athena: str) -> str:
    """Return an Athena type in the words of DDL and of the catalog: `array(row(a integer))` is `array<struct<a:int>>`."""
    return _hive(parse_type(athena))


def _hive(kind: Type) -> str:
    match kind.name:
        case "array" | "map":
            return f"{kind.name}<{','.join(map(_hive, kind.items))}>"
        case "row":
            fields = (f"{name or f'field{at}'}:{_hive(item)}" for at, (name, item) in enumerate(zip(kind.fields, kind.items, strict=True)))
            return f"struct<{','.join(fields)}>"
        case "decimal" | "char":
            return f"{kind.name}({','.join(map(str, kind.args))})"
        case "varchar" if kind.args:
            return f"varchar({kind.args[0]})"
    return _HIVE.get(kind.name, kind.name)
