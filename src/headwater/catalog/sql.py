"""PyIceberg's SQL catalog on a SQLite file that is synced at every commit and waits its turn."""

from __future__ import annotations

import sqlite3
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import CommitTableResponse, StagedTable, Table
from pyiceberg.table.metadata import TableMetadata, TableMetadataV2
from pyiceberg.table.update import TableRequirement, TableUpdate
from pyiceberg.typedef import Identifier
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError

from headwater.errors import ProjectError
from headwater.integrity import check_pages

BUSY_MS = 10_000

# From which state of its table the commit of this thread was made.
_BASE: ContextVar[str | None] = ContextVar("base", default=None)


class DurableSqlCatalog(SqlCatalog):
    """A `SqlCatalog` in WAL mode with `synchronous=FULL`; *busy_ms* (a property) is how long it waits for another writer.

    It keeps the newest metadata of each table that it read or wrote: a metadata file never changes, so its location says whether that is
    still what the table has, and a commit need not read what the one before it wrote.

    A commit holds for the state of the table it was made from and for no other, whatever it changes.
    """

    _checked = False

    def __init__(self, name: str, **properties: str) -> None:
        self._newest: dict[Identifier, tuple[str, TableMetadata]] = {}
        super().__init__(name, **properties)

    def commit_table(
        self, table: Table, requirements: tuple[TableRequirement, ...], updates: tuple[TableUpdate, ...]
    ) -> CommitTableResponse:
        """Commit, and keep what the table has now. Raises `CommitFailedException` where it is not what *table* is any more."""
        base = _BASE.set(table.metadata_location)
        try:
            response = super().commit_table(table, requirements, updates)
        finally:
            _BASE.reset(base)
        self._newest[table.name()] = (response.metadata_location, response.metadata)
        return response

    def _update_and_stage_table(self, current_table: Table | None, *arguments: Any) -> StagedTable:
        base = _BASE.get()
        # PyIceberg then lets the commit take the place of this state, or of none.
        if current_table is not None and base is not None and current_table.metadata_location != base:
            raise CommitFailedException(f"{'.'.join(current_table.name())} was changed since {base}, from which the commit was made")
        return super()._update_and_stage_table(current_table, *arguments)

    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> Table:
        identifier = (*self.identifier_to_tuple(orm_table.table_namespace), orm_table.table_name)
        location, metadata = self._newest.get(identifier, ("", None))
        if metadata is None or location != orm_table.metadata_location:
            table: Table = super()._convert_orm_to_iceberg(orm_table)
            table.metadata = _shared(table.metadata)
            self._newest[identifier] = (table.metadata_location, table.metadata)
            return table
        return Table(identifier, metadata, location, self._load_file_io(metadata.properties, location), self)

    def _init_catalog(self) -> None:
        event.listen(self.engine, "connect", self._prepare)
        try:
            super()._init_catalog()
        except DatabaseError as error:
            if getattr(error.orig, "sqlite_errorname", None) in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
                raise ProjectError(
                    f"the catalog at {self.engine.url.database} is damaged: {error.orig}; restore it from a backup,"
                    " or make it again with `headwater catalog rebuild`"
                ) from error
            raise

    def _prepare(self, connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in (f"busy_timeout = {int(self.properties.get('busy_ms', BUSY_MS))}", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}").close()
        if not self._checked:
            check_pages(connection, Path(str(self.engine.url.database)))
            self._checked = True


class _SharedMetadata(TableMetadataV2):
    """Metadata whose deep copies share its parts.

    PyIceberg copies a table's metadata deeply three times a commit, with all snapshots that are kept, and never changes a part in place.
    """

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> _SharedMetadata:
        return self.__copy__()


def _shared(metadata: TableMetadata) -> TableMetadata:
    """Return the same metadata, cheap to copy; that of another format than ours as it is."""
    if type(metadata) is not TableMetadataV2:
        return metadata
    return _SharedMetadata.model_construct(metadata.model_fields_set, **metadata.__dict__)
