"""The SQLite database of the query role: executions, workgroups, and what people saved. The query role alone writes it."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headwater.sqlite import connect, file_of, prepare, transaction

FORMAT = 1

_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE executions (
    id TEXT PRIMARY KEY, workgroup TEXT NOT NULL, submitted_ms INTEGER NOT NULL, state TEXT NOT NULL, token TEXT NOT NULL,
    likeness TEXT NOT NULL, completed_ms INTEGER, size INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX executions_by_token ON executions (token);
CREATE INDEX executions_by_workgroup ON executions (workgroup, submitted_ms, id);
CREATE INDEX executions_by_likeness ON executions (likeness, completed_ms);
CREATE INDEX executions_by_time ON executions (submitted_ms);
CREATE INDEX executions_unfinished ON executions (state) WHERE state IN ('QUEUED', 'RUNNING');
CREATE TABLE workgroups (name TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE saved (
    kind TEXT NOT NULL, workgroup TEXT NOT NULL, name TEXT NOT NULL, changed_ms INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (kind, workgroup, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE tags (arn TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, name)) STRICT, WITHOUT ROWID;
"""


class QueryDatabase:
    """An open database, safe to share among threads; `ProjectError` for one that cannot be used."""

    def __init__(self, url: str) -> None:
        """*url*: `sqlite:///file`, which is made if it is missing."""
        path = file_of(url, "the store of queries")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        lost = "restore it, or move it away and lose the history of queries"
        self._connection = connect(path, lost=lost)
        try:
            prepare(self._connection, path, _SCHEMA, FORMAT, lost)
        except BaseException:
            self._connection.close()
            raise

    def read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Cursor]:
        """Do all that is done with the cursor in one durable transaction."""
        with self._lock, transaction(self._connection):
            yield self._connection.cursor()

    def secret(self) -> bytes:
        """Return 32 random bytes that stay the same as long as the database does."""
        with self.write() as cursor:
            cursor.execute("INSERT OR IGNORE INTO facts VALUES ('secret', ?)", (secrets.token_bytes(32),))
        [(value,)] = self.read("SELECT value FROM facts WHERE name = 'secret'")
        return bytes(value)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()
