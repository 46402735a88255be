"""Changes of tables and their rows. What a statement selected comes as an Arrow file that whoever asks has spilled: `rows` is its name.

A schema is the bytes of Arrow's schema message. A change is done once: its job's id is noted in the table's own properties.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headwater.jobs import Done, Job


class RowCount(msgspec.Struct, frozen=True):
    """How many rows a change was about."""

    rows: int


class MakeTable(Job[RowCount], frozen=True, kw_only=True):
    """Make an Iceberg table with the columns of *schema*, and the rows in it, if any.

    partitioning: transform, column and the transform's number, if it has one. Refused: ALREADY_EXISTS, NOT_SUPPORTED for what no table
    can hold, INVALID_TABLE_PROPERTY.
    """

    table: str
    schema: bytes
    partitioning: list[tuple[str, str, int | None]] = msgspec.field(default_factory=list)
    properties: dict[str, str] = msgspec.field(default_factory=dict)
    rows: str | None = None
    if_not_exists: bool = False


class InsertRows(Job[RowCount], frozen=True, kw_only=True):
    """Add rows to an Iceberg table that people made. Refused: NOT_SUPPORTED for one that events come into."""

    table: str
    rows: str


class Pinned(msgspec.Struct, frozen=True):
    """The snapshot that has all rows of a table (None: there are none), and whether its files are of one day each."""

    snapshot_id: int | None
    by_day: bool


class PinTable(Job[Pinned], frozen=True, kw_only=True):
    """Put what waits of a table into files, and keep the state that has it all for an hour. Refused: TABLE_NOT_FOUND."""

    table: str


class ReplaceRows(Job[RowCount], frozen=True, kw_only=True):
    """Put rows in the place of those that a snapshot has of *days* (None: of all days).

    kind: DELETE, UPDATE or MERGE. changed, inserted, deleted: how many rows the statement says it is about; deleted None: what is missing
    in the end. Refused: ICEBERG_COMMIT_ERROR where others changed the same rows meanwhile.
    """

    kind: str
    table: str
    rows: str
    snapshot_id: int | None
    days: list[int | None] | None
    changed: int = 0
    inserted: int = 0
    deleted: int | None = None


class OptimizeTable(Job[RowCount], frozen=True, kw_only=True):
    """Put small files of *days* (None: of all days) together; the answer: rows that were written anew."""

    table: str
    days: list[int | None] | None = None


class Vacuumed(msgspec.Struct, frozen=True):
    """How many snapshots expired, and how many files were removed."""

    snapshots: int
    files: int


class VacuumTable(Job[Vacuumed], frozen=True, kw_only=True):
    """Expire snapshots, and remove files that no snapshot names."""

    table: str


class ExtendTable(Job[Done], frozen=True, kw_only=True):
    """Add columns to an Iceberg table that people made. Refused: COLUMN_ALREADY_EXISTS, NOT_SUPPORTED."""

    table: str
    schema: bytes


class RemoveColumn(Job[Done], frozen=True, kw_only=True):
    """Take a column of an Iceberg table away. Refused: COLUMN_NOT_FOUND, NOT_SUPPORTED."""

    table: str
    column: str


class AlterColumn(Job[Done], frozen=True, kw_only=True):
    """Give a column another name, type, comment or place.

    Refused: COLUMN_NOT_FOUND, COLUMN_ALREADY_EXISTS, TYPE_MISMATCH, NOT_SUPPORTED.
    """

    table: str
    column: str
    schema: bytes
    comment: str = ""
    first: bool = False
    after: str | None = None


class ChangeProperties(Job[Done], frozen=True, kw_only=True):
    """Set and remove properties of an Iceberg table. Refused: INVALID_TABLE_PROPERTY, NOT_SUPPORTED."""

    table: str
    properties: dict[str, str] = msgspec.field(default_factory=dict)
    removed: list[str] = msgspec.field(default_factory=list)


class MoveTable(Job[Done], frozen=True, kw_only=True):
    """Give an Iceberg table another name. Refused: ALREADY_EXISTS, ICEBERG_COMMIT_ERROR where rows were changed meanwhile."""

    table: str
    to: str


class FileForm(msgspec.Struct, frozen=True, kw_only=True):
    """Where plain files lie, and how values are written in them.

    format: `parquet`, `orc`, `json` or `text`. compression: `gzip`, `snappy`, `zstd`, `none`, None = the format's own. partitioned_by: the
    last columns, which go into the folders' names. delimiter: between the values of a line of text. escape: before a delimiter, or itself,
    that is part of a value; '' for none. null: what stands for NULL. header: whether the first line names the columns. members: the names
    of columns in a line of JSON, where they are others. places: partitions, by their values, that lie elsewhere than beneath *location*.
    template: where all of them lie, with `${key}` for a value as it is.
    """

    location: str
    format: str
    compression: str | None = None
    partitioned_by: list[str] = msgspec.field(default_factory=list)
    delimiter: str = "\x01"
    escape: str = ""
    null: str = "\\N"
    header: bool = False
    members: Mapping[str, str] = msgspec.field(default_factory=dict)
    places: list[tuple[list[str], str]] = msgspec.field(default_factory=list)
    template: str | None = None


class FilesWritten(msgspec.Struct, frozen=True):
    """What was written: URLs of the files, rows in them, and the values of each partition that has any."""

    files: list[str]
    rows: int
    partitions: list[list[str]]


class WriteFiles(Job[FilesWritten], frozen=True, kw_only=True):
    """Write rows as files beneath a location, named by the job's id; *empty*: nothing may be there yet.

    Refused: NOT_SUPPORTED for a value that the format has no words for, HIVE_PATH_ALREADY_EXISTS, HIVE_TOO_MANY_OPEN_PARTITIONS.
    """

    form: FileForm
    rows: str
    empty: bool = False
