"""Tables that people make by SQL: staged first, so that a table and its first rows appear in one step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.table import CreateTableTransaction, Table

from headwater.catalog.partition import partition_spec
from headwater.catalog.schema import canonical, iceberg_schema, place
from headwater.errors import ModelError, Refused

Partitioning = Sequence[tuple[str, str, int | None]]
"""(transform, column, number) of each."""


class MadeFile(Protocol):
    """A data file that is written."""

    @property
    def iceberg(self) -> IcebergFile:
        """The file as manifests describe it."""


class NewTable:
    """A table that is not in the catalog yet."""

    def __init__(self, transaction: CreateTableTransaction) -> None:
        self._transaction = transaction

    @property
    def table(self) -> Table:
        """The table as it will be: its schema and its partition spec are what files have to fit."""
        return self._transaction._table  # there is no other way to ask for it

    def commit(self, properties: Mapping[str, str], files: Sequence[MadeFile]) -> None:
        """Put it into the catalog, with its first files; raises if there is one of that name by now."""
        self._transaction.set_properties(dict(properties))
        if files:
            with self._transaction.update_snapshot().fast_append() as append:
                for file in files:
                    append.append_data_file(file.iceberg)
        self._transaction.commit_transaction()


def stage_table(
    catalog: Catalog, database: str, name: str, schema: pa.Schema, partitioning: Partitioning, properties: Mapping[str, str]
) -> NewTable:
    """Begin a table with the columns of *schema*. Raises `Refused` for a column or a partitioning that no table can have."""
    try:
        columns = iceberg_schema(canonical(schema, exact=True))
    except ModelError as error:
        raise Refused("NOT_SUPPORTED", str(error)) from error
    location, where = place(catalog, database, name)
    catalog.create_namespace_if_not_exists(database)
    spec = partition_spec(columns, partitioning)
    return NewTable(catalog.create_table_transaction((database, name), columns, location, spec, properties={**where, **properties}))
