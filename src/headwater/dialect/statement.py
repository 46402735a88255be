"""What a statement is, once read: its kind as Athena's API tells it, the SQL to run, and the command it stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from headwater.dialect.commands import Command

Kind = Literal["DML", "DDL", "UTILITY"]

CATALOG_NAME = "awsdatacatalog"


class ColumnDefinition(NamedTuple):
    """A column of a table: its type as Athena or Hive writes it (`varchar`, `array<string>`), its comment or ''."""

    name: str
    type: str
    comment: str = ""


class Catalog(Protocol):
    """Databases and tables as a statement may name them; names are lower-case."""

    def databases(self) -> Sequence[str]:
        """Return the names of the databases."""

    def tables(self, database: str) -> Sequence[str]:
        """Return the names of tables and views, [] for no such database."""

    def columns(self, database: str, table: str) -> Sequence[ColumnDefinition] | None:
        """Return all columns, the partition keys at the end; None for no such table."""

    def partition_keys(self, database: str, table: str) -> Sequence[str]:
        """Return the names of the columns by which the table is partitioned."""

    def file_columns(self, database: str, table: str) -> Sequence[ColumnDefinition]:
        """Return the columns that `*` leaves out and that tell of a row's file; [] where the table is none of plain files."""

    def view_text(self, database: str, table: str) -> str | None:
        """Return the Athena SQL of a view, None for what is a table."""

    def call(self, name: str, arguments: Mapping[str, str]) -> tuple[str, Sequence[ColumnDefinition]] | None:
        """Return the engine's SQL, and the columns, of a saved query with *arguments*; None for one there is none of.

        Raises `QueryError` for an argument it does not have, or cannot be given.
        """


class TypedColumn(NamedTuple):
    """A column of a result: the name as Athena gives it (`_col0` for one without), and its full type, like `decimal(10,2)`.

    zone: in which its instants are told, where its type is a timestamp with time zone.
    """

    name: str
    type: str
    zone: str = "UTC"


class TableRead(NamedTuple):
    """A table the SQL reads, and by which name there.

    name: what stands for it in the SQL, after the database: the table's own name, or one with `$files` or `@<version>` behind it.
    metadata: "files", "snapshots", "history" or "partitions" for a table about the table. version: a snapshot id.
    as_of_us: the moment (epoch microseconds) whose state is read.
    """

    database: str
    table: str
    name: str
    metadata: str | None = None
    version: int | None = None
    as_of_us: int | None = None


class Pin(NamedTuple):
    """The state of its table that a DELETE, UPDATE or MERGE is about.

    by_day: whether the table's files are each of one day of its column `datetime`. days: those of which the rows are selected, as days
    since 1970-01-01 UTC, and None for rows without `datetime`; None: of all days.
    """

    snapshot_id: int | None
    by_day: bool = False
    days: tuple[int | None, ...] | None = None


class Statement(NamedTuple):
    """One statement.

    substatement: SubstatementType of Athena's API. sql: the DuckDB SELECT to run, None where nothing is selected; its columns are
    `columns` by place (their names in it differ where Athena has a name twice). command: what to do besides, or instead.
    tables: what the SQL reads. parameters: how many `?` the text has. changing: the SQL that says of a DELETE, UPDATE or MERGE how many
    rows there are of each day (NULL where files are not of one day) that it changes or removes.
    """

    kind: Kind
    substatement: str
    sql: str | None
    columns: tuple[TypedColumn, ...] = ()
    command: Command | None = None
    tables: tuple[TableRead, ...] = ()
    parameters: int = 0
    changing: str | None = None
