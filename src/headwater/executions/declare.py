"""CREATE EXTERNAL TABLE, CREATE VIEW and ALTER TABLE: the words of a statement -> the definition that the catalog is to have."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from headwater.catalog.formats import storage_of
from headwater.catalog.shapes import EXTERNAL, Column, Table, View, view_table
from headwater.dialect import NotSupported, QueryFailed, Statement
from headwater.dialect.commands import (
    AddColumns,
    ChangeColumn,
    Command,
    CreateTable,
    CreateView,
    DropColumn,
    NewColumn,
    ReplaceColumns,
    SetLocation,
    SetProperties,
    UnsetProperties,
)
from headwater.dialect.types import parse_type
from headwater.executions.catalog import hive_type

_NESTED = ("array", "map", "row")


def external_table(command: CreateTable) -> Table:
    """Return the table that a CREATE EXTERNAL TABLE asks for. Raises `QueryFailed`, or `Refused` for a format there is none of."""
    if command.transforms:
        raise QueryFailed("INVALID_PARAMETER_USAGE", f"the partition key {command.transforms[0].column} has no type: write `name type`")
    if command.location is None:
        raise QueryFailed("INVALID_PARAMETER_USAGE", "an external table needs a LOCATION, like 's3://bucket/folder/'")
    if not command.columns:
        raise QueryFailed("INVALID_PARAMETER_USAGE", "an external table needs columns: (name type, ...)")
    form, storage = storage_of(
        command.stored_as, command.serde, command.input_format, command.output_format, dict(command.serde_properties)
    )
    columns, keys = [_column(each) for each in command.columns], [_column(each) for each in command.partitioned_by]
    _check_names([*columns, *keys])
    nested = [each.name for each in (*keys, *(columns if form in ("text", "csv") else ())) if parse_type(each.type).name in _NESTED]
    if nested:
        raise NotSupported(f"{nested[0]} cannot be an array, a map or a struct there: those can be in JSON and Parquet files")
    storage = replace(
        storage,
        columns=columns,
        location=command.location,
        bucket_columns=list(command.clustered_by),
        number_of_buckets=-1 if command.buckets is None else command.buckets,
    )
    parameters = {"EXTERNAL": "TRUE", **({} if command.comment is None else {"comment": command.comment}), **command.properties}
    return Table(
        command.table.name,
        command.comment,
        storage_descriptor=storage,
        partition_keys=keys,
        table_type=EXTERNAL,
        parameters=parameters,
    )


def view(command: CreateView, statement: Statement) -> Table:
    """Return the view that a CREATE VIEW asks for; *statement* has its columns."""
    columns = tuple((each.name, each.type) for each in statement.columns)
    _check_names([Column(name) for name, _ in columns])
    return view_table(command.view.name, command.view.database, View(command.text, columns), [hive_type(kind) for _, kind in columns])


def altered(table: Table, command: Command) -> Table | None:
    """Return the table after an ALTER TABLE, None for a command that is none of those that change a definition. Raises `QueryFailed`."""
    match command:
        case SetProperties(properties=properties):
            return replace(table, parameters={**table.parameters, **properties})
        case UnsetProperties(names=names):
            return replace(table, parameters={key: value for key, value in table.parameters.items() if key not in names})
        case SetLocation(location=location, partition=None):
            return replace(table, storage_descriptor=replace(table.storage_descriptor, location=location))
        case AddColumns(columns=columns):
            return _with_columns(table, [*table.storage_descriptor.columns, *map(_column, columns)])
        case ReplaceColumns(columns=columns):
            return _with_columns(table, [_column(each) for each in columns])
        case DropColumn(column=name):
            left = [each for each in table.storage_descriptor.columns if each.name != name]
            _find(table, name)
            if not left:
                raise QueryFailed("NOT_SUPPORTED", f"{name} is the only column of {table.name}")
            return _with_columns(table, left)
        case ChangeColumn():
            return _changed(table, command)
    return None


def _changed(table: Table, command: ChangeColumn) -> Table:
    at = _find(table, command.old)
    columns = list(table.storage_descriptor.columns)
    comment = command.column.comment or columns[at].comment or ""
    made = _column(command.column._replace(comment=comment))
    if not command.first and command.after is None:
        columns[at] = made
        return _with_columns(table, columns)
    del columns[at]
    names = [each.name for each in columns]
    if command.after is not None and command.after not in names:
        raise _no_column(table, command.after)
    columns.insert(0 if command.after is None else names.index(command.after) + 1, made)
    return _with_columns(table, columns)


def _with_columns(table: Table, columns: list[Column]) -> Table:
    _check_names([*columns, *table.partition_keys])
    return replace(table, storage_descriptor=replace(table.storage_descriptor, columns=columns))


def _column(given: NewColumn) -> Column:
    return Column(given.name, hive_type(given.type), given.comment or None)


def _check_names(columns: Sequence[Column]) -> None:
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise QueryFailed("DUPLICATE_COLUMN_NAME", f"there is more than one column {column.name}")
        seen.add(column.name)


def _find(table: Table, name: str) -> int:
    for at, column in enumerate(table.storage_descriptor.columns):
        if column.name == name:
            return at
    raise _no_column(table, name)


def _no_column(table: Table, name: str) -> QueryFailed:
    return QueryFailed("COLUMN_NOT_FOUND", f"line 1:1: Column '{name}' of {table.name} does not exist, or is a partition key")
