"""What callers of Glue's catalog send; databases, tables and partitions in it have the shapes of our own catalog."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from headwater.catalog.shapes import Database, Partition, Table

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Version = Annotated[str, Meta(min_length=1, max_length=255)]
Values = list[str]
_Page = Annotated[int, Meta(ge=1, le=1000)]


class GivenDatabase(Database, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A database as it is to be."""

    name: Name


class GivenTable(Table, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table as it is to be."""

    name: Name


class GivenPartition(Partition, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A partition as it is to be. Glue's model lets its values be left out; the catalog then says how many there are."""

    values: Values = msgspec.field(default_factory=list)


class PartitionValueList(msgspec.Struct, rename="pascal"):
    """The values that name a partition."""

    values: Values


class GlueInput(msgspec.Struct, rename="pascal", kw_only=True):
    """A request; there is one catalog, so that `CatalogId` does not matter."""


class PageInput(GlueInput, kw_only=True):
    """A request for a list."""

    next_token: str | None = None
    max_results: _Page | None = None


class DatabaseInput(GlueInput, kw_only=True):
    """A request about a database, by its name."""

    name: Name


class MadeDatabaseInput(GlueInput, kw_only=True):
    """A database to make."""

    database_input: GivenDatabase


class TableInput(GlueInput, kw_only=True):
    """A request about a table."""

    database_name: Name
    name: Name


class TablesInput(PageInput, kw_only=True):
    """A request for the tables of a database; *expression* is a pattern of names: a regular expression, in which `*` may be any text."""

    database_name: Name
    expression: str | None = None


class MadeTableInput(GlueInput, kw_only=True):
    """A table to make, or to put in the place of the one of its name."""

    database_name: Name
    table_input: GivenTable
    version_id: Version | None = None
    skip_archive: bool = False


class VersionsInput(PageInput, kw_only=True):
    """A request for versions of a table; *version_id* where one is meant."""

    database_name: Name
    table_name: Name
    version_id: str | None = None


class VersionInput(GlueInput, kw_only=True):
    """A version of a table to remove."""

    database_name: Name
    table_name: Name
    version_id: Version


class VersionsByNumberInput(GlueInput, kw_only=True):
    """Versions of a table to remove."""

    database_name: Name
    table_name: Name
    version_ids: Annotated[list[Version], Meta(max_length=100)]


class TablesByNameInput(GlueInput, kw_only=True):
    """Tables to remove."""

    database_name: Name
    tables_to_delete: list[Name]


class PartitionInput(GlueInput, kw_only=True):
    """A request about a partition."""

    database_name: Name
    table_name: Name
    partition_values: Values


class PartitionsInput(PageInput, kw_only=True):
    """A request for the partitions of a table."""

    database_name: Name
    table_name: Name
    expression: str | None = None


class MadePartitionInput(GlueInput, kw_only=True):
    """A partition to add."""

    database_name: Name
    table_name: Name
    partition_input: GivenPartition


class MadePartitionsInput(GlueInput, kw_only=True):
    """Partitions to add."""

    database_name: Name
    table_name: Name
    partition_input_list: Annotated[list[GivenPartition], Meta(max_length=100)]


class PartitionsByValuesInput(GlueInput, kw_only=True):
    """Partitions to remove."""

    database_name: Name
    table_name: Name
    partitions_to_delete: list[PartitionValueList]
