"""PyIceberg's SQL catalog on a SQLite file that is synced at every commit and waits its turn."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError

from headwater.errors import ProjectError
from headwater.integrity import check_pages

BUSY_MS = 10_000


class DurableSqlCatalog(SqlCatalog):
    """A `SqlCatalog` in WAL mode with `synchronous=FULL`; *busy_ms* (a property) is how long it waits for another writer."""

    _checked = False

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
