"""SQLite files as every store here opens them: a log beside the file, each commit on the disk before it returns, whole pages.

A sync that failed is final for a connection: the kernel may call pages clean that it lost, and what is written after them would be lost
with them at the next power cut. So a connection that met one writes nothing more; who opens the file anew knows what is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from headwater.errors import ProjectError, SettingsError, Unavailable
from headwater.integrity import check_pages

UNSYNCED = {"SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC"}
DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}

_PREFIX = "sqlite:///"


class SyncedConnection(sqlite3.Connection):
    """A connection that remembers the sync that failed."""

    unsynced: str | None = None


def file_of(url: str, what: str) -> Path:
    """Return the file that `sqlite:///file` names. Raises `SettingsError`, which says *what* it would have been, for any other URL."""
    if not url.startswith(_PREFIX) or len(url) == len(_PREFIX):
        raise SettingsError(f"{what} is named sqlite:///file, given: {url!r}")
    return Path(url.removeprefix(_PREFIX))


def connect(
    path: Path, *, read_only: bool = False, busy_s: float = 10.0, synchronous: Literal["FULL", "NORMAL"] = "FULL", lost: str = ""
) -> SyncedConnection:
    """Open the file, which a writer makes; threads may share the connection if they take turns. *busy_s*: how long another is waited for.

    A writer looks through the pages first. Raises `ProjectError` for a damaged file, where *lost* says what to do about it, and SQLite's
    own errors otherwise.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
        uri=True,
        timeout=busy_s,
        isolation_level=None,
        check_same_thread=False,
        factory=SyncedConnection,
    )
    if read_only:
        return connection
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        check_pages(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        if lost and error.sqlite_errorname in DAMAGED:
            raise ProjectError(f"{path} is damaged: {error}; {lost}") from error
        raise
    return connection


def prepare(connection: SyncedConnection, path: Path, schema: str, number: int) -> None:
    """Make the tables of a new file, whose format is *number* from then on. Raises `ProjectError` for a newer one."""
    with transaction(connection):
        [found] = connection.execute("PRAGMA user_version").fetchone()
        if not found:
            for statement in filter(str.strip, schema.split(";\n")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
    if found > number:
        raise ProjectError(f"{path} has format {found}; this Headwater reads up to {number}: use a newer one")


@contextmanager
def transaction(connection: SyncedConnection, begin: Literal["BEGIN", "BEGIN IMMEDIATE"] = "BEGIN IMMEDIATE") -> Iterator[SyncedConnection]:
    """Do what is done with the connection in one transaction; within one it is part of that. To write, the write lock is taken at once.

    Raises `Unavailable` on a connection whose sync failed before.
    """
    if connection.in_transaction:
        yield connection
        return
    if connection.unsynced is not None and begin != "BEGIN":
        raise Unavailable(f"nothing is written any more since the disk did not sync ({connection.unsynced}): start this process anew")
    try:
        connection.execute(begin)
        yield connection
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") in UNSYNCED:
            connection.unsynced = str(error)
        raise
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
