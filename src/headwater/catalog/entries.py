"""Databases, external tables, views and partitions, beside PyIceberg's tables in the catalog's database: the store behind DDL and Glue."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from headwater.catalog.file import CatalogFile, CatalogPart
from headwater.catalog.names import DEFAULT
from headwater.catalog.shapes import Database, Partition, Table
from headwater.errors import Refused

KEPT_VERSIONS = 100
"""How many versions of a table are kept, the current one among them."""
_KEPT_CHANGES = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS headwater_databases (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS headwater_tables (
  id INTEGER PRIMARY KEY, database TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL,
  UNIQUE (database, name)
);
CREATE TABLE IF NOT EXISTS headwater_table_versions (
  id INTEGER, version INTEGER, body BLOB NOT NULL, PRIMARY KEY (id, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS headwater_partitions (
  id INTEGER, keys TEXT, location TEXT, body BLOB NOT NULL, PRIMARY KEY (id, keys)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS headwater_changes (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, answer BLOB);
"""
_PART = CatalogPart("entries", _SCHEMA, "headwater_entries", 1)

_Shape = TypeVar("_Shape", Database, Table, Partition)


class Entry(NamedTuple):
    """A table or view as it is, or was in an older version; versions count from 0."""

    database: str
    version: int
    table: Table


class PartitionPlace(NamedTuple):
    """A partition's values in the order of the keys, and where its files lie; None = where the values say, beneath the table."""

    values: tuple[str, ...]
    location: str | None


class Entries:
    """The store in the file at *path*; the worker writes it, any process may read. Safe to share between threads.

    *own* is the project's database, which is always there. Names are taken as they are given: lower case is the caller's affair.
    """

    def __init__(self, path: Path, own: str, *, read_only: bool = False, busy_s: float = 10.0) -> None:
        self._own = own
        self._file = CatalogFile(path, _PART, read_only=read_only, busy_s=busy_s)

    def once(self, change_id: str, change: Callable[[], bytes]) -> bytes:
        """Do a change of the entries and return its answer, or the answer of before where the change of that id was done already.

        The change and the note that it was done are one transaction. The newest 10,000 are known.
        """
        with self._write() as sql:
            done = sql.execute("SELECT answer FROM headwater_changes WHERE id = ?", (change_id,)).fetchone()
            if done is not None:
                return bytes(done[0] or b"")
            answer = change()
            self._note(sql, change_id, answer)
            return answer

    def begin(self, change_id: str) -> None:
        """Note that a change is begun that cannot be one transaction."""
        with self._write() as sql:
            if not self.is_begun(change_id):
                self._note(sql, change_id, None)

    def is_begun(self, change_id: str) -> bool:
        """Return whether that was noted before, by this process or another."""
        return bool(self._file.read("SELECT 1 FROM headwater_changes WHERE id = ?", change_id))

    def databases(self) -> list[str]:
        """Return the names of all databases, sorted."""
        return sorted({self._own, DEFAULT, *(row[0] for row in self._file.read("SELECT name FROM headwater_databases"))})

    def database(self, name: str) -> Database | None:
        """Return a database, None for no such one."""
        rows = self._file.read("SELECT body FROM headwater_databases WHERE name = ?", name)
        return _decode(rows[0][0], Database) if rows else Database(name) if name in (self._own, DEFAULT) else None

    def put_database(self, database: Database) -> None:
        """Keep *database* in the place of what has its name."""
        with self._write() as sql:
            sql.execute("REPLACE INTO headwater_databases VALUES (?, ?)", (database.name, msgspec.json.encode(database)))

    def delete_database(self, name: str) -> None:
        """Forget a database and all that is in it."""
        with self._write() as sql:
            for (number,) in sql.execute("SELECT id FROM headwater_tables WHERE database = ?", (name,)).fetchall():
                _forget(sql, number)
            sql.execute("DELETE FROM headwater_databases WHERE name = ?", (name,))

    def tables(self, database: str) -> list[str]:
        """Return the names of the external tables and views of a database, sorted."""
        return [row[0] for row in self._file.read("SELECT name FROM headwater_tables WHERE database = ? ORDER BY name", database)]

    def table(self, database: str, name: str) -> Entry | None:
        """Return a table or view, None for no such one."""
        rows = self._file.read("SELECT version, body FROM headwater_tables WHERE database = ? AND name = ?", database, name)
        return Entry(database, rows[0][0], _decode(rows[0][1], Table)) if rows else None

    def create(self, database: str, table: Table) -> None:
        """Keep a new table or view. Raises `Refused`: SCHEMA_NOT_FOUND, ALREADY_EXISTS."""
        if database not in self.databases():
            raise Refused("SCHEMA_NOT_FOUND", f"Schema '{database}' does not exist")
        with self._write() as sql:
            number = sql.execute(
                "INSERT INTO headwater_tables (database, name, version, body) VALUES (?, ?, 0, ?) ON CONFLICT DO NOTHING RETURNING id",
                (database, table.name, msgspec.json.encode(table)),
            ).fetchone()
            if number is None:
                raise Refused("ALREADY_EXISTS", f"'{database}.{table.name}' already exists")
            _archive(sql, number[0], 0, table)

    def update(self, database: str, table: Table, *, expected: int | None = None, archive: bool = True) -> int:
        """Put a new definition in the place of the one that is there, and return its version. The partitions stay.

        Raises `Refused`: TABLE_NOT_FOUND; CONCURRENT_MODIFICATION where the version that is there is not the *expected* one. Without
        *archive* the version before is not kept.
        """
        with self._write() as sql:
            number, version = _number(sql, database, table.name)
            if expected is not None and version != expected:
                raise Refused("CONCURRENT_MODIFICATION", f"'{database}.{table.name}' was changed in the meantime (version {version})")
            if not archive:
                sql.execute("DELETE FROM headwater_table_versions WHERE id = ? AND version = ?", (number, version))
            body = msgspec.json.encode(table)
            sql.execute("UPDATE headwater_tables SET version = ?, body = ? WHERE id = ?", (version + 1, body, number))
            _archive(sql, number, version + 1, table)
            return version + 1

    def delete(self, database: str, name: str) -> bool:
        """Forget a table or view with its versions and partitions; return whether it was there."""
        with self._write() as sql:
            found = sql.execute("SELECT id FROM headwater_tables WHERE database = ? AND name = ?", (database, name)).fetchone()
            if found is not None:
                _forget(sql, found[0])
            return found is not None

    def versions(self, database: str, name: str) -> list[Entry]:
        """Return the versions of a table that are kept, the newest first."""
        rows = self._file.read(
            "SELECT v.version, v.body FROM headwater_table_versions v JOIN headwater_tables t USING (id)"
            " WHERE database = ? AND name = ? ORDER BY v.version DESC",
            database,
            name,
        )
        return [Entry(database, version, _decode(body, Table)) for version, body in rows]

    def delete_version(self, database: str, name: str, version: int) -> None:
        """Forget an older version of a table. Raises `Refused`: TABLE_NOT_FOUND, VERSION_NOT_FOUND, NOT_SUPPORTED for the current one."""
        with self._write() as sql:
            number, current = _number(sql, database, name)
            if version == current:
                raise Refused("NOT_SUPPORTED", f"version {version} of '{database}.{name}' is the current one: drop the table instead")
            gone = sql.execute("DELETE FROM headwater_table_versions WHERE id = ? AND version = ?", (number, version))
            if not gone.rowcount:
                raise Refused("VERSION_NOT_FOUND", f"'{database}.{name}' has no such version; GetTableVersions lists those there are")

    def places(self, database: str, name: str) -> list[PartitionPlace]:
        """Return where the partitions of a table lie, in the order of their values as text."""
        rows = self._file.read(
            "SELECT keys, location FROM headwater_partitions JOIN headwater_tables USING (id)"
            " WHERE database = ? AND name = ? ORDER BY keys",
            database,
            name,
        )
        return [PartitionPlace(tuple(msgspec.json.decode(keys)), location) for keys, location in rows]

    def partition(self, database: str, name: str, values: Sequence[str]) -> Partition | None:
        """Return one partition, None for no such one."""
        rows = self._file.read(
            "SELECT p.body FROM headwater_partitions p JOIN headwater_tables USING (id) WHERE database = ? AND name = ? AND keys = ?",
            database,
            name,
            _keys(values),
        )
        return _decode(rows[0][0], Partition) if rows else None

    def put_partitions(self, database: str, name: str, partitions: Sequence[Partition], *, new: bool) -> list[list[str]]:
        """Keep partitions; return the values of those that were there already: if *new*, they stay as they were.

        Raises `Refused` TABLE_NOT_FOUND.
        """
        there = []
        with self._write() as sql:
            number, _ = _number(sql, database, name)
            for partition in partitions:
                keys = _keys(partition.values)
                if sql.execute("SELECT 1 FROM headwater_partitions WHERE id = ? AND keys = ?", (number, keys)).fetchone():
                    there.append(partition.values)
                    if new:
                        continue
                location = partition.storage_descriptor.location
                sql.execute(
                    "REPLACE INTO headwater_partitions VALUES (?, ?, ?, ?)", (number, keys, location, msgspec.json.encode(partition))
                )
        return there

    def delete_partitions(self, database: str, name: str, values: Sequence[Sequence[str]]) -> int:
        """Forget partitions by their values; return how many were there. Raises `Refused` TABLE_NOT_FOUND."""
        with self._write() as sql:
            number, _ = _number(sql, database, name)
            return sum(
                sql.execute("DELETE FROM headwater_partitions WHERE id = ? AND keys = ?", (number, _keys(each))).rowcount for each in values
            )

    def rename_partition(self, database: str, name: str, values: Sequence[str], renamed: Partition) -> None:
        """Put *renamed* in the place of the partition of *values*.

        Raises `Refused`: TABLE_NOT_FOUND, PARTITION_NOT_FOUND, ALREADY_EXISTS.
        """
        with self._write() as sql:
            number, _ = _number(sql, database, name)
            if not sql.execute("DELETE FROM headwater_partitions WHERE id = ? AND keys = ?", (number, _keys(values))).rowcount:
                raise Refused("PARTITION_NOT_FOUND", f"there is no partition {list(values)} of '{database}.{name}'")
            row = (number, _keys(renamed.values), renamed.storage_descriptor.location, msgspec.json.encode(renamed))
            if not sql.execute("INSERT INTO headwater_partitions VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row).rowcount:
                raise Refused("ALREADY_EXISTS", f"there is a partition {renamed.values} of '{database}.{name}' already")

    def holds(self, url: str) -> bool:
        """Return whether *url* lies where an external table, or a partition, has its files."""
        lies = "instr(?1, rtrim(location, '/') || '/') = 1"
        query = (
            f"SELECT 1 WHERE EXISTS (SELECT 1 FROM headwater_partitions WHERE {lies}) OR EXISTS (SELECT 1 FROM"
            f" (SELECT json_extract(CAST(body AS TEXT), '$.StorageDescriptor.Location') AS location FROM headwater_tables) WHERE {lies})"
        )
        return bool(self._file.read(query, url))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _note(self, sql: sqlite3.Connection, change_id: str, answer: bytes | None) -> None:
        sql.execute("INSERT INTO headwater_changes (id, answer) VALUES (?, ?)", (change_id, answer))
        sql.execute("DELETE FROM headwater_changes WHERE number <= (SELECT max(number) FROM headwater_changes) - ?", (_KEPT_CHANGES,))

    def _write(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._file.transaction("BEGIN IMMEDIATE")


def open_entries(path: Path, own: str, *, read_only: bool = True) -> Entries:
    """Open the entries in the catalog file at *path*; *own* is the project's database."""
    return Entries(path, own, read_only=read_only)


def _number(sql: sqlite3.Connection, database: str, name: str) -> tuple[int, int]:
    found = sql.execute("SELECT id, version FROM headwater_tables WHERE database = ? AND name = ?", (database, name)).fetchone()
    if found is None:
        raise Refused("TABLE_NOT_FOUND", f"Table 'awsdatacatalog.{database}.{name}' does not exist")
    return int(found[0]), int(found[1])


def _archive(sql: sqlite3.Connection, number: int, version: int, table: Table) -> None:
    sql.execute("INSERT INTO headwater_table_versions VALUES (?, ?, ?)", (number, version, msgspec.json.encode(table)))
    sql.execute(
        "DELETE FROM headwater_table_versions WHERE id = ?1 AND version NOT IN"
        " (SELECT version FROM headwater_table_versions WHERE id = ?1 ORDER BY version DESC LIMIT ?2)",
        (number, KEPT_VERSIONS),
    )


def _forget(sql: sqlite3.Connection, number: int) -> None:
    for table in ("headwater_tables", "headwater_table_versions", "headwater_partitions"):
        sql.execute(f"DELETE FROM {table} WHERE id = ?", (number,))


def _keys(values: Sequence[str]) -> str:
    return msgspec.json.encode(list(values)).decode()


def _decode(body: bytes, shape: type[_Shape]) -> _Shape:
    return msgspec.json.decode(body, type=shape)
