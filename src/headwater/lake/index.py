"""Our own list of live data files beside Iceberg's, in the catalog's database: a plan is one indexed SQLite read."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from headwater.catalog import CATALOG_NAME
from headwater.catalog.file import CatalogFile, CatalogPart
from headwater.catalog.names import join_name, split_name
from headwater.errors import NotFound
from headwater.lake.plan import DataFile, Head, Past, TableField, TablePlan

if TYPE_CHECKING:
    import pyarrow as pa  # not needed to plan

__all__ = ["DataFile", "Head", "LakeIndex", "Past", "Superseded", "TableField", "TablePlan", "open_index"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS headwater_heads (
  id INTEGER PRIMARY KEY, database TEXT NOT NULL, name TEXT NOT NULL, metadata_location TEXT NOT NULL, snapshot_id INTEGER,
  sequence INTEGER NOT NULL, folded INTEGER NOT NULL, fields TEXT NOT NULL, UNIQUE (database, name)
);
CREATE TABLE IF NOT EXISTS headwater_files (
  head INTEGER, path TEXT, day INTEGER, rows INTEGER NOT NULL, size INTEGER NOT NULL, lower_ms INTEGER, upper_ms INTEGER,
  added INTEGER NOT NULL, PRIMARY KEY (head, path)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS headwater_files_by_day ON headwater_files (head, day);
CREATE TABLE IF NOT EXISTS headwater_superseded (
  head INTEGER, path TEXT, added INTEGER NOT NULL, removed INTEGER NOT NULL, PRIMARY KEY (head, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS headwater_garbage (path TEXT PRIMARY KEY, head INTEGER, since_ms INTEGER NOT NULL) WITHOUT ROWID;
"""
_PART = CatalogPart("a lake index", _SCHEMA, "headwater_format", 1)


class Superseded(NamedTuple):
    """A file no longer live: snapshots whose sequence number is in [added, removed) may still name it."""

    path: str
    added: int
    removed: int


class LakeIndex:
    """The index in the file at *path*; the worker writes it, any process may read. Safe to share between threads.

    *database* is the project's own; a table of another is named `database.table`. Raises `Unavailable` when another process holds the file.
    """

    def __init__(
        self, path: Path, database: str, access: Mapping[str, str] | None = None, *, read_only: bool = False, busy_s: float = 10.0
    ) -> None:
        self._database, self._access = database, access or {}
        self._file = CatalogFile(path, _PART, read_only=read_only, busy_s=busy_s)

    def tables(self) -> list[str]:
        """Return the names of the tables, sorted, those of the project's own database first."""
        with self._file.transaction("BEGIN") as sql:
            query = "SELECT table_namespace, table_name FROM iceberg_tables WHERE catalog_name = ?"
            found = sql.execute(query, (CATALOG_NAME,)).fetchall()
        return sorted((join_name(database, name, self._database) for database, name in found), key=lambda name: ("." in name, name))

    def plan(self, table: str, first_day: int | None = None, last_day: int | None = None) -> TablePlan:
        """Return the live files of *table* with rows of *first_day*..*last_day* (days since 1970-01-01 UTC, both included).

        Files come in day order. With a bound, files of rows without `datetime` are left out. Raises `NotFound`.
        Where the index lags behind the catalog, because the worker died in between or another engine committed, the
        plan comes from Iceberg's own metadata: slower, never older.
        """
        with self._file.transaction("BEGIN") as sql:
            location = self._location(sql, table)
            head = self._head(sql, table)
            if head is not None and head[1].metadata_location == location:
                number, state = head
                files = _files(sql, number, first_day, last_day)
                return TablePlan(table, state.fields, files, state.folded, state.snapshot_id, location)
        from headwater.lake.iceberg import read_plan  # PyIceberg is slow to import and not needed otherwise

        return read_plan(table, location, self._access, first_day, last_day)

    def plan_past(self, table: str, state: Past, first_day: int | None = None, last_day: int | None = None) -> TablePlan:
        """Return what `plan` would have said when the table was in that *state*. Raises `NotFound` also where no snapshot of it is kept."""
        from headwater.lake.past import read_past

        return read_past(table, self.location(table), self._access, state, first_day, last_day)

    def about(self, table: str, kind: str) -> pa.Table:
        """Return a table about the table: its "history", "snapshots", "files", "partitions" or "properties" by Iceberg's metadata."""
        from headwater.lake.past import read_about

        return read_about(self.location(table), self._access, kind)

    def location(self, table: str) -> str:
        """Return where the catalog says the metadata of *table* lies. Raises `NotFound`."""
        with self._file.transaction("BEGIN") as sql:
            return self._location(sql, table)

    def head(self, table: str) -> Head | None:
        """Return the state the index reflects, None if it knows nothing of *table*."""
        with self._file.transaction("BEGIN") as sql:
            found = self._head(sql, table)
            return found[1] if found else None

    def apply(self, table: str, head: Head, added: Sequence[DataFile] = (), removed: Iterable[str] = ()) -> None:
        """Follow one commit: *added* and *removed* are all that changed since the state the index reflected."""
        with self._file.transaction("BEGIN IMMEDIATE") as sql:
            number = self._set_head(sql, table, head)
            _add(sql, number, added, head.sequence)
            _remove(sql, number, removed, head.sequence)

    def replace(self, table: str, head: Head, files: Mapping[DataFile, int]) -> None:
        """Make the index reflect *head* whatever it said before; *files*: live file -> sequence number that added it."""
        with self._file.transaction("BEGIN IMMEDIATE") as sql:
            number = self._set_head(sql, table, head)
            live = {file.path for file in files}
            _remove(sql, number, [f.path for f in _files(sql, number) if f.path not in live], head.sequence)
            for file, sequence in files.items():
                _add(sql, number, [file], sequence)

    def superseded(self, table: str) -> list[Superseded]:
        """Return the files that were live once and are not any more, and are not deleted yet."""
        with self._file.transaction("BEGIN") as sql:
            found = self._head(sql, table)
            query = "SELECT path, added, removed FROM headwater_superseded WHERE head = ?"
            return [Superseded(*row) for row in sql.execute(query, (found[0],))] if found else []

    def mark(self, table: str, paths: Iterable[str], now_ms: int) -> dict[str, int]:
        """Remember that exactly *paths* are not needed any more; return since when (epoch ms) each has been marked without a break."""
        with self._file.transaction("BEGIN IMMEDIATE") as sql:
            found = self._head(sql, table)
            number = found[0] if found else 0
            wanted = set(paths)
            marked = _marked(sql, number)
            gone, new = marked.keys() - wanted, wanted - marked.keys()
            if gone:
                sql.executemany("DELETE FROM headwater_garbage WHERE path = ?", [(path,) for path in gone])
            if new:
                sql.executemany("REPLACE INTO headwater_garbage VALUES (?, ?, ?)", [(path, number, now_ms) for path in new])
        return {path: marked.get(path, now_ms) for path in wanted}

    def marked(self, table: str) -> dict[str, int]:
        """Return path -> since when it is marked, as `mark` left it."""
        with self._file.transaction("BEGIN") as sql:
            found = self._head(sql, table)
            return _marked(sql, found[0]) if found else {}

    def garbage(self, until_ms: int) -> list[str]:
        """Return the tables that have files marked at or before *until_ms*."""
        with self._file.transaction("BEGIN") as sql:
            query = "SELECT DISTINCT database, name FROM headwater_garbage g JOIN headwater_heads h ON h.id = g.head WHERE since_ms <= ?"
            return [join_name(database, name, self._database) for database, name in sql.execute(query, (until_ms,))]

    def drop(self, table: str) -> None:
        """Forget all there is of a table that is no more."""
        with self._file.transaction("BEGIN IMMEDIATE") as sql:
            if (found := self._head(sql, table)) is not None:
                for name in ("files", "superseded", "garbage"):
                    sql.execute(f"DELETE FROM headwater_{name} WHERE head = ?", (found[0],))
                sql.execute("DELETE FROM headwater_heads WHERE id = ?", (found[0],))

    def forget(self, paths: Iterable[str]) -> None:
        """Drop every trace of files that have been deleted."""
        gone = [(path,) for path in paths]
        with self._file.transaction("BEGIN IMMEDIATE") as sql:
            sql.executemany("DELETE FROM headwater_garbage WHERE path = ?", gone)
            sql.executemany("DELETE FROM headwater_superseded WHERE path = ?", gone)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _location(self, sql: sqlite3.Connection, table: str) -> str:
        query = "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?"
        if (found := sql.execute(query, (CATALOG_NAME, *split_name(table, self._database))).fetchone()) is None:
            raise NotFound("table", table)
        return str(found[0])

    def _head(self, sql: sqlite3.Connection, table: str) -> tuple[int, Head] | None:
        query = "SELECT id, metadata_location, snapshot_id, sequence, folded, fields FROM headwater_heads WHERE database = ? AND name = ?"
        if (found := sql.execute(query, split_name(table, self._database)).fetchone()) is None:
            return None
        number, location, snapshot_id, sequence, folded, fields = found
        return number, Head(location, snapshot_id, sequence, folded, tuple(TableField(*field) for field in json.loads(fields)))

    def _set_head(self, sql: sqlite3.Connection, table: str, head: Head) -> int:
        number = sql.execute(
            "INSERT INTO headwater_heads (database, name, metadata_location, snapshot_id, sequence, folded, fields)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (database, name) DO UPDATE SET metadata_location = excluded.metadata_location,"
            " snapshot_id = excluded.snapshot_id, sequence = excluded.sequence, folded = excluded.folded, fields = excluded.fields"
            " RETURNING id",
            (*split_name(table, self._database), *head[:4], json.dumps(head.fields)),
        ).fetchone()[0]
        return int(number)


def open_index(path: Path, database: str, access: Mapping[str, str] | None = None, *, read_only: bool = True) -> LakeIndex:
    """Open the file index of *database* in the catalog file at *path*; *access*: how buckets are reached, as PyIceberg's properties."""
    return LakeIndex(path, database, access, read_only=read_only)


def _files(sql: sqlite3.Connection, number: int, first_day: int | None = None, last_day: int | None = None) -> list[DataFile]:
    where, values = "head = ?", [number]
    for bound, comparison in ((first_day, ">="), (last_day, "<=")):
        if bound is not None:
            where += f" AND day {comparison} ?"
            values.append(bound)
    query = f"SELECT path, day, rows, size, lower_ms, upper_ms FROM headwater_files WHERE {where} ORDER BY day, lower_ms, path"
    return [DataFile(*row) for row in sql.execute(query, values)]


def _marked(sql: sqlite3.Connection, number: int) -> dict[str, int]:
    return dict(sql.execute("SELECT path, since_ms FROM headwater_garbage WHERE head = ?", (number,)).fetchall())


def _add(sql: sqlite3.Connection, number: int, files: Sequence[DataFile], sequence: int) -> None:
    sql.executemany(
        "INSERT INTO headwater_files VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", [(number, *file, sequence) for file in files]
    )
    sql.executemany("DELETE FROM headwater_superseded WHERE head = ? AND path = ?", [(number, file.path) for file in files])


def _remove(sql: sqlite3.Connection, number: int, paths: Iterable[str], sequence: int) -> None:
    gone = [(number, path) for path in paths]
    sql.executemany(
        f"REPLACE INTO headwater_superseded SELECT head, path, added, {int(sequence)} FROM headwater_files WHERE head = ? AND path = ?",
        gone,
    )
    sql.executemany("DELETE FROM headwater_files WHERE head = ? AND path = ?", gone)
