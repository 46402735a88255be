"""Statements that are no SELECT, each as what it asks for; names are lower-case, None = the current database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


class TableName(NamedTuple):
    """A table or view as a statement names it."""

    database: str
    name: str


class NewColumn(NamedTuple):
    """A column to make: its type in Hive's words, and its comment or ''."""

    name: str
    type: str
    comment: str = ""


class PartitionTransform(NamedTuple):
    """By what an Iceberg table is partitioned: `identity`, `year`, `month`, `day`, `hour`, `bucket` or `truncate`, with its number."""

    transform: str
    column: str
    width: int | None = None


class PartitionSpec(NamedTuple):
    """One partition: (key, value) in the order written, and where it lies."""

    values: tuple[tuple[str, str], ...]
    location: str | None = None


class ShowTables(NamedTuple):
    """SHOW TABLES [IN db] ['pattern']."""

    database: str
    pattern: str | None = None


class ShowViews(NamedTuple):
    """SHOW VIEWS [IN db] [LIKE 'pattern']."""

    database: str
    pattern: str | None = None


class ShowDatabases(NamedTuple):
    """SHOW DATABASES | SCHEMAS [LIKE 'pattern']."""

    pattern: str | None = None


class ShowColumns(NamedTuple):
    """SHOW COLUMNS IN table."""

    table: TableName


class ShowPartitions(NamedTuple):
    """SHOW PARTITIONS table."""

    table: TableName


class ShowCreate(NamedTuple):
    """SHOW CREATE TABLE | VIEW name."""

    table: TableName
    kind: Literal["table", "view"]


class ShowProperties(NamedTuple):
    """SHOW TBLPROPERTIES table [('name')]."""

    table: TableName
    property: str | None = None


class Describe(NamedTuple):
    """DESCRIBE [EXTENDED | FORMATTED] table [PARTITION (...)] [column]."""

    table: TableName
    column: str | None = None
    extended: bool = False
    formatted: bool = False


class Explain(NamedTuple):
    """EXPLAIN [ANALYZE] [(FORMAT f, TYPE t)] statement; the statement's own SQL is in `Statement.sql`."""

    analyze: bool
    format: str
    type: str


class CreateView(NamedTuple):
    """CREATE [OR REPLACE] VIEW; `text` is the Athena SQL as written, its columns are `Statement.columns`."""

    view: TableName
    text: str
    replace: bool


class DropView(NamedTuple):
    """DROP VIEW [IF EXISTS]."""

    view: TableName
    if_exists: bool


class CreateDatabase(NamedTuple):
    """CREATE DATABASE | SCHEMA."""

    name: str
    if_not_exists: bool
    comment: str | None
    location: str | None
    properties: Mapping[str, str]


class DropDatabase(NamedTuple):
    """DROP DATABASE | SCHEMA [IF EXISTS] [CASCADE]."""

    name: str
    if_exists: bool
    cascade: bool


class CreateTable(NamedTuple):
    """CREATE [EXTERNAL] TABLE with columns; partitions are columns with types (Hive) or transforms (Iceberg)."""

    table: TableName
    external: bool
    if_not_exists: bool
    columns: tuple[NewColumn, ...]
    partitioned_by: tuple[NewColumn, ...]
    transforms: tuple[PartitionTransform, ...]
    comment: str | None
    row_format: str | None
    serde: str | None
    serde_properties: Mapping[str, str]
    stored_as: str | None
    input_format: str | None
    output_format: str | None
    location: str | None
    properties: Mapping[str, str]
    clustered_by: tuple[str, ...] = ()
    buckets: int | None = None


class CreateTableAs(NamedTuple):
    """CREATE TABLE ... AS; `properties` are those of WITH (...), lists as tuples. The SELECT is in `Statement.sql`."""

    table: TableName
    if_not_exists: bool
    properties: Mapping[str, str | tuple[str, ...]]
    with_data: bool


class DropTable(NamedTuple):
    """DROP TABLE [IF EXISTS]."""

    table: TableName
    if_exists: bool


class InsertInto(NamedTuple):
    """INSERT INTO table [(columns)]; the rows are those of `Statement.sql`, by place."""

    table: TableName
    columns: tuple[str, ...]


class Unload(NamedTuple):
    """UNLOAD (SELECT) TO 'location' WITH (...); the SELECT is in `Statement.sql`."""

    location: str
    properties: Mapping[str, str | tuple[str, ...]]


class AddPartitions(NamedTuple):
    """ALTER TABLE ADD [IF NOT EXISTS] PARTITION ..."""

    table: TableName
    if_not_exists: bool
    partitions: tuple[PartitionSpec, ...]


class DropPartitions(NamedTuple):
    """ALTER TABLE DROP [IF EXISTS] PARTITION ..., PARTITION ..."""

    table: TableName
    if_exists: bool
    partitions: tuple[PartitionSpec, ...]


class RenamePartition(NamedTuple):
    """ALTER TABLE PARTITION (...) RENAME TO PARTITION (...)."""

    table: TableName
    old: PartitionSpec
    new: PartitionSpec


class SetLocation(NamedTuple):
    """ALTER TABLE [PARTITION (...)] SET LOCATION '...'."""

    table: TableName
    location: str
    partition: PartitionSpec | None = None


class SetProperties(NamedTuple):
    """ALTER TABLE SET TBLPROPERTIES (...)."""

    table: TableName
    properties: Mapping[str, str]


class UnsetProperties(NamedTuple):
    """ALTER TABLE UNSET TBLPROPERTIES (...)."""

    table: TableName
    names: tuple[str, ...]


class AddColumns(NamedTuple):
    """ALTER TABLE [PARTITION ...] ADD COLUMNS (...)."""

    table: TableName
    columns: tuple[NewColumn, ...]


class ReplaceColumns(NamedTuple):
    """ALTER TABLE REPLACE COLUMNS (...)."""

    table: TableName
    columns: tuple[NewColumn, ...]


class DropColumn(NamedTuple):
    """ALTER TABLE DROP COLUMN name."""

    table: TableName
    column: str


class ChangeColumn(NamedTuple):
    """ALTER TABLE CHANGE [COLUMN] old new type [COMMENT '...'] [FIRST | AFTER other]."""

    table: TableName
    old: str
    column: NewColumn
    first: bool = False
    after: str | None = None


class RenameTable(NamedTuple):
    """ALTER TABLE table RENAME TO other."""

    table: TableName
    to: TableName


class RepairTable(NamedTuple):
    """MSCK REPAIR TABLE."""

    table: TableName


class Optimize(NamedTuple):
    """OPTIMIZE table REWRITE DATA USING BIN_PACK [WHERE condition]; the condition as DuckDB SQL over the table's columns."""

    table: TableName
    condition: str | None = None


class Vacuum(NamedTuple):
    """VACUUM table."""

    table: TableName


class Delete(NamedTuple):
    """DELETE FROM table; `Statement.sql` selects all rows of the table that stay."""

    table: TableName
    everything: bool


class Update(NamedTuple):
    """UPDATE table; `Statement.sql` selects all rows as they are afterwards, and last a boolean column that says which changed."""

    table: TableName
    columns: tuple[str, ...]


class Merge(NamedTuple):
    """MERGE INTO table.

    `Statement.sql` selects the rows of the table afterwards, and last a column that says what happened: NULL for a row as it was,
    else `update` or `insert`; a row to delete is marked `delete` and is not to be kept.
    """

    table: TableName


class Prepare(NamedTuple):
    """PREPARE name FROM text."""

    name: str
    text: str


class Execute(NamedTuple):
    """EXECUTE name [USING value, ...]: give the values, which are SQL, as parameters of the prepared text."""

    name: str
    parameters: tuple[str, ...]


class Deallocate(NamedTuple):
    """DEALLOCATE PREPARE name."""

    name: str


Command = (
    ShowTables | ShowViews | ShowDatabases | ShowColumns | ShowPartitions | ShowCreate | ShowProperties | Describe | Explain
    | CreateView | DropView | CreateDatabase | DropDatabase | CreateTable | CreateTableAs | DropTable | InsertInto | Unload
    | AddPartitions | DropPartitions | RenamePartition | SetLocation | SetProperties | UnsetProperties | AddColumns | ReplaceColumns
    | DropColumn | ChangeColumn | RenameTable | RepairTable | Optimize | Vacuum | Delete | Update | Merge | Prepare | Execute | Deallocate
)  # fmt: skip
