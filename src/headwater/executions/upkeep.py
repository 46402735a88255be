"""Statements about Iceberg tables as such: CREATE TABLE, ALTER TABLE, OPTIMIZE, VACUUM."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from headwater.catalog.names import join_name
from headwater.dialect import QueryFailed
from headwater.dialect.commands import (
    AddColumns,
    ChangeColumn,
    Command,
    CreateTable,
    DropColumn,
    NewColumn,
    Optimize,
    RenameTable,
    SetProperties,
    TableName,
    UnsetProperties,
    Vacuum,
)
from headwater.dialect.types import Type, parse_type
from headwater.executions.catalog import LakeCatalog
from headwater.executions.change import is_iceberg
from headwater.executions.jobs import Jobs
from headwater.executions.live import Live
from headwater.executions.runner import Runner
from headwater.executions.write import check_name, encoded
from headwater.jobs import tables

_DAYS = """SELECT DISTINCT CAST("datetime" AT TIME ZONE 'UTC' AS DATE) - DATE '1970-01-01' FROM {table} WHERE ({condition})"""
_ARROW: dict[str, pa.DataType] = {
    "boolean": pa.bool_(), "tinyint": pa.int8(), "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(), "real": pa.float32(),
    "double": pa.float64(), "varchar": pa.string(), "char": pa.string(), "varbinary": pa.binary(), "date": pa.date32(),
    "time": pa.time64("us"), "timestamp": pa.timestamp("us"), "timestamp with time zone": pa.timestamp("us", "UTC"), "uuid": pa.string(),
}  # fmt: skip


class Upkeep:
    """Carries them out, by jobs of the worker. *own*: the project's database."""

    def __init__(self, runner: Runner, jobs: Jobs, catalog: LakeCatalog, own: str) -> None:
        self._runner, self._jobs, self._catalog, self._own = runner, jobs, catalog, own

    def run(self, live: Live, command: Command) -> bool:
        """Carry out the command; False if it is none of those here. Raises `QueryError`, or `Refused` from the worker."""
        match command:
            case CreateTable() if is_iceberg(command):
                self._create(live, command)
            case AddColumns(table, columns) if self._catalog.is_of_lake(*table):
                self._jobs.ask(live, tables.ExtendTable(table=self._name(table), schema=encoded(_schema(columns))))
            case DropColumn(table, column) if self._catalog.is_of_lake(*table):
                self._jobs.ask(live, tables.RemoveColumn(table=self._name(table), column=column))
            case ChangeColumn(table) if self._catalog.is_of_lake(*table):
                self._change_column(live, command)
            case SetProperties(table, properties) if self._catalog.is_of_lake(*table):
                self._jobs.ask(live, tables.ChangeProperties(table=self._name(table), properties=dict(properties)))
            case UnsetProperties(table, names) if self._catalog.is_of_lake(*table):
                self._jobs.ask(live, tables.ChangeProperties(table=self._name(table), removed=list(names)))
            case RenameTable(table, to):
                self._rename(live, table, to)
            case Optimize(table, condition):
                self._check(table)
                self._jobs.ask(live, tables.OptimizeTable(table=self._name(table), days=self._days(live, table, condition)))
            case Vacuum(table):
                self._check(table)
                self._jobs.ask(live, tables.VacuumTable(table=self._name(table)))
            case _:
                return False
        return True

    def _change_column(self, live: Live, command: ChangeColumn) -> None:
        job = tables.AlterColumn(
            table=self._name(command.table),
            column=command.old,
            schema=encoded(_schema([command.column])),
            comment=command.column.comment,
            first=command.first,
            after=command.after,
        )
        self._jobs.ask(live, job)

    def _rename(self, live: Live, table: TableName, to: TableName) -> None:
        if self._catalog.columns(*table) is None:
            raise QueryFailed("TABLE_NOT_FOUND", f"line 1:1: Table 'awsdatacatalog.{'.'.join(table)}' does not exist")
        if not self._catalog.is_of_lake(*table):
            raise QueryFailed(
                "NOT_SUPPORTED", f"{'.'.join(table)} is no Iceberg table, and RENAME TO is for those: make it anew under the other name"
            )
        self._check_new(to)
        if self._catalog.columns(*to) is not None and not self._catalog.gives_way(self._name(to)):
            raise QueryFailed("ALREADY_EXISTS", f"line 1:1: Table 'awsdatacatalog.{'.'.join(to)}' already exists")
        self._jobs.ask(live, tables.MoveTable(table=self._name(table), to=self._name(to)))

    def _check_new(self, table: TableName) -> None:
        if table.database not in self._catalog.databases():
            raise QueryFailed("SCHEMA_NOT_FOUND", f"line 1:1: Schema {table.database} not found")
        check_name(table)

    def _create(self, live: Live, command: CreateTable) -> None:
        database, name = command.table
        self._check_new(command.table)
        if self._catalog.columns(database, name) is not None and not self._catalog.gives_way(self._name(command.table)):
            if command.if_not_exists:
                return
            raise QueryFailed("ALREADY_EXISTS", f"line 1:1: Table 'awsdatacatalog.{database}.{name}' already exists")
        job = tables.MakeTable(
            table=self._name(command.table),
            schema=encoded(_schema(command.columns)),
            partitioning=[(each.transform, each.column, each.width) for each in command.transforms],
            properties=dict(command.properties),
            if_not_exists=command.if_not_exists,
        )
        self._jobs.ask(live, job)

    def _days(self, live: Live, table: TableName, condition: str | None) -> list[int | None] | None:
        if condition is None:
            return None
        names = {column.name for column in self._catalog.columns(*table) or ()}
        if not names >= {"datetime", "year", "month", "day"}:
            raise QueryFailed("NOT_SUPPORTED", "OPTIMIZE takes WHERE for tables that are kept by day, as those of events are; leave it out")
        source = f'"{table.database}"."{table.name}" AS "{table.name}"'
        running = live.running = self._runner.run(_DAYS.format(table=source, condition=condition), limits=live.limits)
        try:
            return [day for batch in running.batches() for day in batch.column(0).to_pylist()]
        finally:
            running.close()

    def _check(self, table: TableName) -> None:
        if not self._catalog.is_of_lake(*table):
            raise QueryFailed("NOT_SUPPORTED", f"{'.'.join(table)} is no Iceberg table: OPTIMIZE and VACUUM are for those")

    def _name(self, table: TableName) -> str:
        return join_name(table.database, table.name, self._own)


def _schema(columns: Sequence[NewColumn]) -> pa.Schema:
    return pa.schema([pa.field(each.name, _arrow(parse_type(each.type))) for each in columns])


def _arrow(kind: Type) -> pa.DataType:
    match kind.name:
        case "decimal":
            return pa.decimal128(*kind.args)
        case "array":
            return pa.list_(_arrow(kind.items[0]))
        case "map":
            return pa.map_(_arrow(kind.items[0]), _arrow(kind.items[1]))
        case "row":
            names = [name or f"field{at}" for at, name in enumerate(kind.fields)]
            return pa.struct([pa.field(name, _arrow(item)) for name, item in zip(names, kind.items, strict=True)])
        case name if name in _ARROW:
            return _ARROW[name]
    raise QueryFailed("NOT_SUPPORTED", f"a table cannot have a column of type {kind}")
