"""The catalog's SQLite file, in which PyIceberg's tables, the lake's file index and the entries lie side by side."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from headwater.errors import ProjectError, Unavailable
from headwater.sqlite import connect, transaction


class CatalogPart(NamedTuple):
    """Tables of one owner in the file: the statements that make them, and their format in the one-row table *format_table*."""

    name: str
    statements: str
    format_table: str
    format: int


class CatalogFile:
    """The file at *path*, open for one part of it; the worker writes, any process may read. Safe to share between threads.

    A writer makes the part's tables where they are missing; a reader of a file without them sees none. Everything here raises
    `Unavailable` where the file cannot be used now, and `ProjectError` where it is missing, damaged or of a newer format.
    """

    def __init__(self, path: Path, part: CatalogPart, *, read_only: bool, busy_s: float) -> None:
        self._path, self._part, self._read_only = path.absolute(), part, read_only
        self._lock = threading.RLock()
        if read_only and not self._path.exists():
            raise ProjectError(f"no catalog at {self._path}; it is written by the worker: start `headwater serve` first")
        with self._failures():
            self._sql = connect(self._path, read_only=read_only, busy_s=busy_s, check=False, is_final=True)
        try:
            if not read_only:
                self._make()
            self._check_format()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self, begin: Literal["BEGIN", "BEGIN IMMEDIATE"]) -> Iterator[sqlite3.Connection]:
        """Do what is done with the connection in one durable transaction; to write, take the write lock at once: `BEGIN IMMEDIATE`.

        Within a transaction of the same thread it is part of that one.
        """
        with self._lock, self._failures(), transaction(self._sql, begin):
            yield self._sql

    def read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of one query; none where a reader's file has no such table yet."""
        with self._lock, self._failures():
            try:
                return self._sql.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                if self._read_only and "no such table" in str(error):
                    return []
                raise

    def close(self) -> None:
        """Let go of the file."""
        self._sql.close()

    def _make(self) -> None:
        with self._failures():
            for statement in self._part.statements.split(";\n"):
                self._sql.execute(statement)
            table = self._part.format_table
            self._sql.execute(f"CREATE TABLE IF NOT EXISTS {table} (format INTEGER NOT NULL)")
            self._sql.execute(f"INSERT INTO {table} SELECT ? WHERE NOT EXISTS (SELECT 1 FROM {table})", (self._part.format,))

    def _check_format(self) -> None:
        rows = self.read(f"SELECT format FROM {self._part.format_table}")
        if rows and (found := int(rows[0][0])) > self._part.format:  # no row: the worker is making these tables right now
            raise ProjectError(
                f"{self._path} has {self._part.name} of format {found}, this Headwater reads {self._part.format};"
                " use the version that wrote it"
            )

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
            if name in ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CANTOPEN", "SQLITE_ERROR"):
                raise ProjectError(f"the catalog at {self._path} cannot be read: {error} ({name})") from error
            raise Unavailable(f"the catalog at {self._path} cannot be used now: {error} ({name})") from error
