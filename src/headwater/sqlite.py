"""SQLite files as every store here opens them: a log beside the file, each commit on the disk before it returns, whole pages.

A sync that failed is final for a connection that says so: the kernel may call pages clean that it lost, and what is written after them
would be lost with them at the next power cut. It writes nothing more, and its process begins anew, which then knows what is there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from headwater.errors import ProjectError, SettingsError, StoreBroken
from headwater.integrity import check_pages

UNSYNCED = {"SQLITE_IOERR_FSYNC", "SQLITE_IOERR_DIR_FSYNC"}
DAMAGED = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}

_PREFIX = "sqlite:///"


class SyncedConnection(sqlite3.Connection):
    """A connection that remembers the sync that failed."""

    unsynced: str | None = None
    is_final = False


def file_of(url: str, what: str) -> Path:
    """Return the file that `sqlite:///file` names. Raises `SettingsError`, which says *what* it would have been, for any other URL."""
    if not url.startswith(_PREFIX) or len(url) == len(_PREFIX):
        raise SettingsError(f"{what} is named sqlite:///file, given: {url!r}")
    return Path(url.removeprefix(_PREFIX))


def connect(
    path: Path,
    *,
    read_only: bool = False,
    busy_s: float = 10.0,
    synchronous: Literal["FULL", "NORMAL"] = "FULL",
    check: bool = True,
    is_final: bool = False,
    lost: str = "",
) -> SyncedConnection:
    """Open the file, which a writer makes; threads may share the connection if they take turns. *busy_s*: how long another is waited for.

    A writer looks through the pages first, unless another of this process does: *check*. *is_final*: whether a failed sync is.
    Raises `ProjectError` for a damaged file, where *lost* says what to do about it, and SQLite's own errors otherwise.
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
        connection.is_final = is_final
        if check:
            check_pages(connection, path)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise told(error, path, lost) from error
    return connection


def told(error: sqlite3.DatabaseError, path: Path, lost: str) -> Exception:
    """Return what to raise for an error at the opening: that the file is damaged and what to do, where *lost* says it, else the error."""
    if lost and getattr(error, "sqlite_errorname", "") in DAMAGED:
        return ProjectError(f"{path} is damaged: {error}; {lost}")
    return error


def prepare(connection: SyncedConnection, path: Path, schema: str, number: int, lost: str) -> None:
    """Make the tables of a new file, whose format is *number* from then on. Raises `ProjectError` for a newer or a damaged one."""
    try:
        with transaction(connection):
            [found] = connection.execute("PRAGMA user_version").fetchone()
            if not found:
                for statement in filter(str.strip, schema.split(";\n")):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")
    except sqlite3.DatabaseError as error:
        raise told(error, path, lost) from error
    if found > number:
        raise ProjectError(f"{path} has format {found}; this Headwater reads up to {number}: use a newer one")


@contextmanager
def transaction(connection: SyncedConnection, begin: Literal["BEGIN", "BEGIN IMMEDIATE"] = "BEGIN IMMEDIATE") -> Iterator[SyncedConnection]:
    """Do what is done with the connection in one transaction; within one it is part of that. To write, the write lock is taken at once.

    Raises `StoreBroken` on a connection whose sync failed before, where that is final.
    """
    if connection.in_transaction:
        yield connection
        return
    if connection.unsynced is not None and begin != "BEGIN":
        raise StoreBroken(f"nothing is written any more since the disk did not sync ({connection.unsynced}): start this process anew")
    try:
        connection.execute(begin)
        yield connection
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.is_final and getattr(error, "sqlite_errorname", "") in UNSYNCED:
            connection.unsynced = str(error)
        raise
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
