"""What SHOW and DESCRIBE give: lines of text, as Hive lays them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from headwater.dialect import QueryFailed
from headwater.dialect.commands import (
    Command,
    Describe,
    ShowColumns,
    ShowCreate,
    ShowDatabases,
    ShowPartitions,
    ShowProperties,
    ShowTables,
    ShowViews,
    TableName,
)
from headwater.executions.catalog import LakeCatalog, TableInfo
from headwater.executions.columns import shown
from headwater.executions.definition import created, detailed
from headwater.executions.errors import MetadataMissing
from headwater.executions.execution import ResultColumn

_WIDTH = 20
_BLANK = "\t \t "


class Shown(NamedTuple):
    """Lines under the names of the columns they are made of."""

    columns: tuple[ResultColumn, ...]
    lines: list[str]


def show(command: Command, catalog: LakeCatalog) -> Shown | None:
    """Return what the command shows, None if it is none of those that show something."""
    match command:
        case ShowTables(database, pattern):
            return _list("tab_name", matching(catalog.tables(database), _hive_pattern(pattern)))
        case ShowViews(database, pattern):
            return _list("views", matching(catalog.views(database), _hive_pattern(pattern)))
        case ShowDatabases(pattern):
            return _list("database_name", matching(catalog.databases(), _hive_pattern(pattern)))
        case ShowColumns(table):
            info = _known(table, catalog.info)
            return _list("field", [column.name for column in (*info.columns, *info.partition_keys)])
        case ShowPartitions(table):
            _known(table, catalog.info)
            return _list("partition", catalog.partitions(*table))
        case ShowCreate(table, kind):
            return _list("createtab_stmt", _created(_known(table, catalog.with_properties), table, kind, catalog.view_text(*table)))
        case ShowProperties(table, name):
            found = _known(table, catalog.with_properties).parameters
            lines = [f"{key}\t{value}" for key, value in sorted(found.items()) if name in (None, key)]
            return Shown((shown("prpt_name"), shown("prpt_value")), lines)
        case Describe():
            return Shown(
                (shown("col_name"), shown("data_type"), shown("comment")), _described(command, _known(command.table, catalog.info))
            )
        case _:
            return None


def matching(names: Sequence[str], pattern: str | None) -> list[str]:
    """Return the names that a regular expression is all of; raises `QueryFailed` for what is none. It takes linear time."""
    if pattern is None:
        return list(names)
    try:
        hits = pc.match_substring_regex(pa.array(names, pa.string()), f"^(?:{pattern})$", ignore_case=True)
    except pa.ArrowInvalid:
        raise QueryFailed("INVALID_FUNCTION_ARGUMENT", f"not a regular expression: {pattern}") from None
    return [name for name, hit in zip(names, hits.to_pylist(), strict=True) if hit]


def _hive_pattern(pattern: str | None) -> str | None:
    """Hive writes `*` for any text where a regular expression has `.*`; both are taken."""
    return None if pattern is None else pattern.replace(".*", "*").replace("*", ".*")


def _list(name: str, lines: Sequence[str]) -> Shown:
    return Shown((shown(name),), list(lines))


def _known(table: TableName, info: Callable[[str, str], TableInfo]) -> TableInfo:
    try:
        return info(table.database, table.name)
    except MetadataMissing:
        raise QueryFailed("TABLE_NOT_FOUND", f"line 1:1: Table 'awsdatacatalog.{table.database}.{table.name}' does not exist") from None


def _described(command: Describe, info: TableInfo) -> list[str]:
    every = [*info.columns, *info.partition_keys]
    if command.column is not None:
        every = [column for column in every if column.name == command.column]
        if not every:
            raise QueryFailed("COLUMN_NOT_FOUND", f"line 1:1: Column '{command.column}' does not exist")
        return [_line(*column) for column in every]
    lines = [_line(*column) for column in every]
    if info.partition_keys:
        lines += [_BLANK, f"# Partition Information{_BLANK}", _line("# col_name", "data_type", "comment"), _BLANK]
        lines += [_line(*column) for column in info.partition_keys]
    if (command.extended or command.formatted) and info.entry is not None:
        lines += detailed(info.entry, command.table.database)
    return lines


def _line(*parts: str) -> str:
    return "\t".join(part.ljust(_WIDTH) for part in parts)


def _created(info: TableInfo, table: TableName, kind: str, view: str | None) -> list[str]:
    if view is not None:
        return [f"CREATE VIEW {table.database}.{table.name} AS", *view.splitlines()]
    if kind == "view":
        raise QueryFailed("INVALID_PARAMETER_USAGE", f"{table.database}.{table.name} is a table: SHOW CREATE TABLE shows it")
    return created(info, table.database)
