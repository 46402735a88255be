"""A table's definition in Hive's words: the CREATE statement that would make it, and the details that DESCRIBE FORMATTED adds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from headwater.catalog.formats import LAZY_SERDE
from headwater.catalog.shapes import Table
from headwater.dialect import ColumnDefinition
from headwater.executions.catalog import TableInfo

_DELIMITED = (
    ("field.delim", "FIELDS TERMINATED BY"),
    ("escape.delim", "ESCAPED BY"),
    ("colelction.delim", "COLLECTION ITEMS TERMINATED BY"),
    ("mapkey.delim", "MAP KEYS TERMINATED BY"),
    ("line.delim", "LINES TERMINATED BY"),
    ("serialization.null.format", "NULL DEFINED AS"),
)
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_WIDTH = 32

_Item = TypeVar("_Item")


def created(info: TableInfo, database: str) -> list[str]:
    """Return the lines of the statement; a reader of Hive's DDL can read them again."""
    lines = [f"CREATE EXTERNAL TABLE `{database}.{info.name}`(", *_columns(info.columns)]
    if info.partition_keys:
        lines += ["PARTITIONED BY ( ", *_columns(info.partition_keys)]
    if info.entry is None:
        shown = {name: value for name, value in info.parameters.items() if name != "EXTERNAL"}
        return [*lines, "STORED AS PARQUET", *_listed("TBLPROPERTIES (", shown)]
    storage = info.entry.storage_descriptor
    serde = storage.serde_info
    given = {name: value for name, value in serde.parameters.items() if name != "serialization.format"}
    if storage.bucket_columns:
        lines += ["CLUSTERED BY ( ", *(f"  {name}{', ' if at else ') '}" for at, name in _down(storage.bucket_columns))]
        lines += [f"INTO {storage.number_of_buckets} BUCKETS"]
    if serde.serialization_library == LAZY_SERDE and given.keys() <= {name for name, _ in _DELIMITED}:
        clauses = [f"  {words} {_text(given[name])} " for name, words in _DELIMITED if name in given]
        lines += ["ROW FORMAT DELIMITED ", *clauses]
    elif serde.serialization_library is not None:
        lines += ["ROW FORMAT SERDE ", f"  {_text(serde.serialization_library)} "]
        if given:
            *some, last = _listed("WITH SERDEPROPERTIES ( ", given)
            lines += [*some, f"{last} "]
    if storage.input_format is not None and storage.output_format is not None:
        lines += ["STORED AS INPUTFORMAT ", f"  {_text(storage.input_format)} ", "OUTPUTFORMAT ", f"  {_text(storage.output_format)}"]
    lines += ["LOCATION", f"  {_text(storage.location or '')}"]
    return [*lines, *_listed("TBLPROPERTIES (", {name: value for name, value in info.parameters.items() if name != "EXTERNAL"})]


def detailed(table: Table, database: str) -> list[str]:
    """Return what DESCRIBE FORMATTED says after the columns."""
    storage = table.storage_descriptor
    made = datetime.fromtimestamp(table.create_time or 0, UTC)
    rows = [
        ("Database:", database),
        ("Owner:", table.owner or ""),
        ("CreateTime:", f"{made:%a %b %d %H:%M:%S UTC %Y}"),
        ("Location:", storage.location or ""),
        ("Table Type:", table.table_type or ""),
        ("SerDe Library:", storage.serde_info.serialization_library or ""),
        ("InputFormat:", storage.input_format or ""),
        ("OutputFormat:", storage.output_format or ""),
    ]
    lines = ["\t \t ", "# Detailed Table Information\t \t "]
    lines += [f"{name.ljust(_WIDTH)}\t{value.ljust(_WIDTH)}\t " for name, value in rows]
    lines.append("Table Parameters:\t \t ")
    return lines + [f"\t{name.ljust(_WIDTH)}\t{value.ljust(_WIDTH)}" for name, value in sorted(table.parameters.items())]


def _columns(columns: Sequence[ColumnDefinition]) -> list[str]:
    return [
        f"  {_name(column.name)} {column.type}{f' COMMENT {_text(column.comment)}' if column.comment else ''}{', ' if left else ')'}"
        for left, column in _down(columns)
    ]


def _listed(opening: str, values: dict[str, str]) -> list[str]:
    pairs = [f"  {_text(name)}={_text(value)}" for name, value in values.items()]
    return [opening, *(f"{pair}{', ' if left else ')'}" for left, pair in _down(pairs))] if pairs else []


def _down(items: Sequence[_Item]) -> list[tuple[int, _Item]]:
    """Return each item with how many come after it."""
    return [(len(items) - 1 - at, item) for at, item in enumerate(items)]


def _name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _text(value: str) -> str:
    """Return a string of Hive's."""
    return "'" + re.sub(r"[\\'\x00-\x1f]", lambda found: _ESCAPES.get(found[0], f"\\u{ord(found[0]):04x}"), value) + "'"
