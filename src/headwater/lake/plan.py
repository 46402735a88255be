"""What there is to read of a table: columns, files, and how far it has come."""

from __future__ import annotations

from typing import NamedTuple

DAY_MS = 86_400_000


class TableField(NamedTuple):
    """A column: its Iceberg field id, name, Iceberg type (`long`, `list<string>`) and DuckDB type (`BIGINT`, `VARCHAR[]`)."""

    id: int
    name: str
    type: str
    duckdb: str


class DataFile(NamedTuple):
    """A live Parquet file: absolute path, day (days since 1970-01-01 UTC; None = rows without `datetime`), rows, bytes, bounds.

    `lower_ms` and `upper_ms` are whole milliseconds that enclose every `datetime` in it, None where that is not known.
    """

    path: str
    day: int | None
    rows: int
    size: int
    lower_ms: int | None
    upper_ms: int | None


class TablePlan(NamedTuple):
    """What to read of a table: every file by field id; then only the tail batches above `folded`."""

    table: str
    fields: tuple[TableField, ...]
    files: list[DataFile]
    folded: int
    snapshot_id: int | None
    metadata_location: str


class Head(NamedTuple):
    """The table state an index reflects: *sequence* is Iceberg's sequence number of its last snapshot."""

    metadata_location: str
    snapshot_id: int | None
    sequence: int
    folded: int
    fields: tuple[TableField, ...]


class Past(NamedTuple):
    """Which older state of a table is meant: that of a snapshot, or the newest at a moment (epoch microseconds)."""

    snapshot_id: int | None = None
    as_of_us: int | None = None
