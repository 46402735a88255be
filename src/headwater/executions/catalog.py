"""The catalog as SQL sees it: the lake's tables, what is made of other stores, and what people declared: databases, tables, views."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from headwater.catalog.entries import Entries
from headwater.catalog.names import join_name, split_name
from headwater.catalog.shapes import EXTERNAL, Database, Table, view_of
from headwater.dialect import CATALOG_NAME, ColumnDefinition, NotSupported, QueryFailed, athena_type
from headwater.dialect.quoting import literal, quote
from headwater.dialect.types import Type, parse_type
from headwater.executions.errors import MetadataMissing
from headwater.query import Engine
from headwater.query.external import partition_name
from headwater.query.external.hidden import HIDDEN
from headwater.query.external.projection import is_projected
from headwater.query.views import EVENTS, RESERVED, library, over_our_events

_PARTITION_KEYS = ("year", "month", "day")
_LAKE_PARAMETERS = {"EXTERNAL": "TRUE", "classification": "parquet"}
_HIVE = {
    "varchar": "string", "integer": "int", "real": "float", "varbinary": "binary", "json": "string", "uuid": "string",
    "timestamp with time zone": "timestamp",
}  # fmt: skip


class TableInfo(NamedTuple):
    """A table or view: its columns with Hive's types, partition keys apart; *entry* is its definition where it is none of the lake's."""

    name: str
    kind: str
    columns: list[ColumnDefinition]
    partition_keys: list[ColumnDefinition]
    parameters: Mapping[str, str]
    entry: Table | None = None


class LakeCatalog:
    """What there is to name in a statement, as it is now. *database* is the project's own.

    A table of the lake comes before an entry of the catalog with its name, and that before a view that every project has.
    """

    def __init__(self, engine: Engine, database: str, entries: Entries) -> None:
        self._engine, self._database, self._entries = engine, database, entries
        self._known: dict[str, list[ColumnDefinition]] = {}

    def learn(self) -> None:
        """Find out now what takes a query to find out, so that no statement waits for one while it is read."""
        for table in self._engine.names():
            if self._engine.fields(table) is None and self._entry(*split_name(table, self._database)) is None:
                self._described(table)

    def databases(self) -> Sequence[str]:
        """Return the names of the databases, sorted."""
        return self._entries.databases()

    def database(self, name: str) -> Database:
        """Return what is known of a database; `MetadataMissing` if there is none of that name."""
        if (found := self._entries.database(name)) is None:
            raise MetadataMissing("database", name)
        return found

    def tables(self, database: str) -> Sequence[str]:
        """Return the names of tables and views, sorted."""
        named = [split_name(name, self._database) for name in self._engine.names()]
        return sorted({*(table for where, table in named if where == database), *self._entries.tables(database)})

    def views(self, database: str) -> Sequence[str]:
        """Return the names of the views that people made, sorted."""
        return [name for name in self._entries.tables(database) if self.view_text(database, name) is not None]

    def columns(self, database: str, table: str) -> Sequence[ColumnDefinition] | None:
        """Return all columns with Athena's types, the partition keys at the end; None for no such table.

        A type that Athena has not is told as it was declared, so that a table can be listed that cannot be read.
        """
        name = join_name(database, table, self._database)
        fields = self._engine.fields(name)
        if fields is not None:
            found = [ColumnDefinition(field.name, athena_type(field.duckdb)) for field in fields]
        elif (entry := self._entry(database, table)) is not None:
            view = view_of(entry)
            if view is not None:
                return [ColumnDefinition(column, kind) for column, kind in view.columns]
            given = (*entry.storage_descriptor.columns, *entry.partition_keys)
            return [ColumnDefinition(each.name, _in_words(str, each.type), each.comment or "") for each in given]
        elif name in self._engine.names():
            found = self._described(name)
        else:
            return None
        keys = self.partition_keys(database, table)
        return [*(each for each in found if each.name not in keys), *(each for each in found if each.name in keys)]

    def partition_keys(self, database: str, table: str) -> Sequence[str]:
        """Return the names of the columns by which the table's folders are named."""
        fields = self._engine.fields(join_name(database, table, self._database))
        if fields is None:
            entry = self._entry(database, table)
            return () if entry is None else [key.name for key in entry.partition_keys]
        return _PARTITION_KEYS if {field.name for field in fields}.issuperset(_PARTITION_KEYS) else ()

    def file_columns(self, database: str, table: str) -> Sequence[ColumnDefinition]:
        """Return the columns that `*` leaves out, of an external table."""
        entry = self._entry(database, table)
        if entry is None or entry.is_view or self._engine.fields(join_name(database, table, self._database)) is not None:
            return []
        return [ColumnDefinition(name, kind) for name, kind in HIDDEN]

    def view_text(self, database: str, table: str) -> str | None:
        """Return the Athena SQL of a view, None for what is a table."""
        entry = self._entry(database, table)
        if entry is None or not entry.is_view or self._engine.fields(join_name(database, table, self._database)) is not None:
            return None
        view = view_of(entry)
        if view is None:
            raise NotSupported(f"the view {database}.{table} was not made by Athena's SQL, and cannot be read")
        return view.text

    def call(self, name: str, arguments: Mapping[str, str]) -> tuple[str, Sequence[ColumnDefinition]] | None:
        """Return the SQL, and the columns, of a saved query with *arguments*; None for one there is none of."""
        asked = library().get(name)
        if asked is None or not asked.parameters:
            return None
        text = over_our_events(asked.filled(arguments), self.tables(self._database), lambda: self._engine.view(EVENTS))
        # What it is asked for changes the rows and not the columns.
        return text, self._described(f"TABLE({name})", text)

    def info(self, database: str, table: str) -> TableInfo:
        """Return what the catalog's operations tell of a table; `MetadataMissing` if there is none of that name."""
        columns = self.columns(database, table)
        if columns is None:
            raise MetadataMissing("table", table)
        keys = self.partition_keys(database, table)
        hive = [each._replace(type=_in_words(_hive, each.type)) for each in columns]
        apart = [each for each in hive if each.name not in keys], [each for each in hive if each.name in keys]
        if self.is_of_lake(database, table):
            return TableInfo(table, EXTERNAL, *apart, {**_LAKE_PARAMETERS, "table_type": "ICEBERG"})
        entry = self._entry(database, table)
        if entry is None:
            return TableInfo(table, EXTERNAL, *apart, _LAKE_PARAMETERS)
        return TableInfo(table, entry.table_type or EXTERNAL, *apart, entry.parameters, entry)

    def with_properties(self, database: str, table: str) -> TableInfo:
        """Return the same, for an Iceberg table also with the properties it was given, which are in its metadata file."""
        info = self.info(database, table)
        if not self.is_of_lake(database, table):
            return info
        return info._replace(parameters={**info.parameters, **self._engine.properties(join_name(database, table, self._database))})

    def is_fixed(self, database: str, name: str) -> bool:
        """Return whether a name is taken by what no statement may change: a table of the lake, or what every project has."""
        return join_name(database, name, self._database) in self._engine.names() and self._entry(database, name) is None

    def is_of_lake(self, database: str, name: str) -> bool:
        """Return whether that is an Iceberg table of the lake."""
        return self._engine.fields(join_name(database, name, self._database)) is not None

    def gives_way(self, name: str) -> bool:
        """Return whether *name* is a view that every project has, and people may have one of their own instead."""
        return name in self._engine.views() and name not in RESERVED

    def is_catalog(self, name: str) -> bool:
        """Return whether that is what our one catalog is called."""
        return name.lower() == CATALOG_NAME

    def _described(self, name: str, text: str | None = None) -> list[ColumnDefinition]:
        # What is made of other stores, and what is ours in SQL, have the same columns as long as the process lives.
        if name not in self._known:
            if text is None:
                text = ".".join(map(quote, split_name(name, self._database)))
            with self._engine.sql(f"DESCRIBE {text}") as result:
                self._known[name] = [ColumnDefinition(column, athena_type(kind)) for column, kind, *_ in result.rows()]
        return self._known[name]

    def partitions(self, database: str, table: str) -> list[str]:
        """Return the partitions of a table that have rows, or that the catalog has, as `year=2026/month=11/day=23`.

        Raises `QueryFailed` for a table that has no keys; one whose partitions are projected lists none.
        """
        keys = self.partition_keys(database, table)
        if not keys:
            raise QueryFailed("FAILED", f"SemanticException [Error 10241]: Table {table} is not a partitioned table", type=1003)
        info = self.info(database, table)
        if info.entry is not None:
            places = [] if is_projected(info.entry) else self._entries.places(database, table)
            return [partition_name(info.entry, place.values) for place in places]
        parts = ", ".join(f"{literal(f'{key}=')} || {quote(key)}" for key in keys)
        source = f"{quote(database)}.{quote(table)}"
        with self._engine.sql(f"SELECT DISTINCT concat_ws('/', {parts}) AS partition FROM {source} ORDER BY 1") as result:
            return [row[0] for row in result.rows()]

    def _entry(self, database: str, table: str) -> Table | None:
        found = self._entries.table(database, table)
        return None if found is None else found.table


def hive_type(athena: str) -> str:
    """Return an Athena type in the words of DDL and of the catalog: `array(row(a integer))` is `array<struct<a:int>>`."""
    return _hive(parse_type(athena))


def _in_words(of: Callable[[Type], str], declared: str) -> str:
    # Whoever speaks to Glue may declare any text as a type, and of any depth: one such column must not hide the other tables.
    try:
        return of(parse_type(declared))
    except (QueryFailed, RecursionError):
        return declared


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
