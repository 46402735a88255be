"""Columns that `*` leaves out: what is known of the file that a row of an external table is from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from headwater.catalog.shapes import Table
from headwater.dialect.types import Type, parse_type
from headwater.query.predicate import Node
from headwater.store import StoredObject

HIDDEN: tuple[tuple[str, str], ...] = (
    ("$path", "varchar"),
    ("$file_size", "bigint"),
    ("$file_modified_time", "timestamp(3) with time zone"),
)
"""Their names and Athena types."""


class HiddenColumn(NamedTuple):
    """One of them, as a statement may ask for it."""

    name: str
    type: Type

    def of(self, file: StoredObject) -> str:
        """Return what it has in the rows of *file*, as text."""
        match self.name:
            case "$path":
                return file.url
            case "$file_size":
                return str(file.size)
        return datetime.fromtimestamp(file.modified_ms / 1000, UTC).isoformat(timespec="milliseconds")


def hidden_columns(table: Table, statement: Node) -> list[HiddenColumn]:
    """Return those that *statement* names anywhere; a column of the table's own takes the place of one."""
    own = {column.name.lower() for column in (*table.storage_descriptor.columns, *table.partition_keys)}
    there = [HiddenColumn(name, parse_type(kind)) for name, kind in HIDDEN if name not in own]
    named = _names(statement)
    return [column for column in there if column.name in named]


def _names(statement: Node) -> set[str]:
    found, parts = set(), [statement]
    while parts:
        part = parts.pop()
        if isinstance(part, list):
            parts += part
        elif isinstance(part, dict):
            if part.get("class") == "COLUMN_REF":
                found.add(part["column_names"][-1].lower())
            parts += part.values()
    return found
