"""Changes of the catalog: databases, external tables, views and partitions. Whoever asks has made out what they shall be."""

from __future__ import annotations

import msgspec

from headwater.catalog.shapes import Database, Partition, Table
from headwater.jobs import Done, Job


class MakeDatabase(Job[Done], frozen=True, kw_only=True):
    """Make a database. Refused: ALREADY_EXISTS, INVALID_LOCATION, INVALID_PARAMETER_USAGE."""

    database: Database
    if_not_exists: bool = False


class RemoveDatabase(Job[Done], frozen=True, kw_only=True):
    """Remove a database, with *cascade* all that is in it, too: Iceberg tables with their files, others without.

    Refused: SCHEMA_NOT_FOUND, SCHEMA_NOT_EMPTY, NOT_SUPPORTED for the project's own.
    """

    name: str
    if_exists: bool = False
    cascade: bool = False


class Made(msgspec.Struct, frozen=True):
    """Whether something was made, or was there already."""

    made: bool


class CreateEntry(Job[Made], frozen=True, kw_only=True):
    """Make an external table or a view.

    Refused: SCHEMA_NOT_FOUND, ALREADY_EXISTS, INVALID_LOCATION, INVALID_PARAMETER_USAGE, and INVALID_TABLE_PROPERTY for a property that its
    files cannot be read by.
    """

    database: str
    table: Table
    if_not_exists: bool = False


class Version(msgspec.Struct, frozen=True):
    """The version that a definition has now."""

    version: int


class UpdateEntry(Job[Version], frozen=True, kw_only=True):
    """Put another definition in the place of a table's or view's.

    expected: the version that must be there. archive: whether it is kept as an older one.

    Refused: TABLE_NOT_FOUND, CONCURRENT_MODIFICATION, INVALID_LOCATION, INVALID_TABLE_PROPERTY, TYPE_MISMATCH where a view would become a
    table.
    """

    database: str
    table: Table
    expected: int | None = None
    archive: bool = True


class DeleteVersion(Job[Done], frozen=True, kw_only=True):
    """Forget an older version of a definition. Refused: TABLE_NOT_FOUND, VERSION_NOT_FOUND, NOT_SUPPORTED for the current one."""

    database: str
    name: str
    version: int


class RemoveTable(Job[Done], frozen=True, kw_only=True):
    """Remove a table: an Iceberg table with its files, of an external one the definition only.

    Refused: TABLE_NOT_FOUND, NOT_SUPPORTED for a table that events come into, and for a view.
    """

    database: str
    name: str
    if_exists: bool = False


class RemoveView(Job[Done], frozen=True, kw_only=True):
    """Remove a view. Refused: TABLE_NOT_FOUND, NOT_SUPPORTED for a table."""

    database: str
    name: str
    if_exists: bool = False


class There(msgspec.Struct, frozen=True):
    """The values of those partitions that were there before."""

    values: list[list[str]]


class CreatePartitions(Job[There], frozen=True, kw_only=True):
    """Add partitions; those that were there stay as they were. Refused: TABLE_NOT_FOUND, INVALID_LOCATION, INVALID_PARTITION_VALUE."""

    database: str
    name: str
    partitions: list[Partition]


class UpdatePartitions(Job[There], frozen=True, kw_only=True):
    """Put other definitions in the place of partitions'. Refused as `CreatePartitions` is."""

    database: str
    name: str
    partitions: list[Partition]


class ReplacePartition(Job[Done], frozen=True, kw_only=True):
    """Put *partition* in the place of the one of *values*.

    Refused: TABLE_NOT_FOUND, PARTITION_NOT_FOUND, ALREADY_EXISTS, INVALID_LOCATION, INVALID_PARTITION_VALUE.
    """

    database: str
    name: str
    values: list[str]
    partition: Partition


class Deleted(msgspec.Struct, frozen=True):
    """How many were there, and are not any more."""

    count: int


class DeletePartitions(Job[Deleted], frozen=True, kw_only=True):
    """Forget partitions; their files stay. Refused: TABLE_NOT_FOUND."""

    database: str
    name: str
    values: list[list[str]]
