"""PyIceberg's SQL catalog on a SQLite file that is synced at every commit and waits its turn."""

from __future__ import annotations

import sqlite3
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog
from sqlalchemy import event

BUSY_MS = 10_000


class DurableSqlCatalog(SqlCatalog):
    """A `SqlCatalog` in WAL mode with `synchronous=FULL`; *busy_ms* (a property) is how long it waits for another writer."""

    def _init_catalog(self) -> None:
        event.listen(self.engine, "connect", self._prepare)
        super()._init_catalog()

    def _prepare(self, connection: sqlite3.Connection, _record: Any) -> None:
        for pragma in (f"busy_timeout = {int(self.properties.get('busy_ms', BUSY_MS))}", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}").close()
